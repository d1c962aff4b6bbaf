"""placeholder"""

NEEDS = ()
TITLE = ""
