"""Times that an export means in UTC without saying so."""

from __future__ import annotations

from finledger.read.usage._declared import Column

SUCCESS = "CASE WHEN regexp_full_match({0}, '2[0-9][0-9]') THEN '200' ELSE {0} END"


def in_utc(name: str) -> Column:
    """A day, as its first instant, or a time, also without seconds; where it has no offset it is UTC, not the books' zone."""
    moment = "[0-9-]{{10}}[T ][0-9]{{2}}:[0-9]{{2}}"
    return Column(
        (name,),
        "CASE WHEN regexp_full_match({0}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') THEN {0} || 'T00:00:00Z' "
        f"WHEN regexp_full_match({{0}}, '{moment}:[0-9]{{{{2}}}}(\\.[0-9]+)?') THEN {{0}} || 'Z' "
        f"WHEN regexp_full_match({{0}}, '{moment}') THEN {{0}} || ':00Z' ELSE {{0}} END",
    )
