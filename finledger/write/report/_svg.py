"""Pictures as SVG that a page can hold: the same bytes for the same figures, colours as the page's own, names as plain text.

A picture is drawn in placeholder colours, one for each role, which become CSS variables: so it follows light and dark. Only the
position of a mark is a binary float; every figure that is read stands in the table beside the picture.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

# A role's placeholder: a grey that nothing else is drawn in.
INK, QUIET, RULE, FIRST, SECOND, THIRD, FLAG, SOFT = (f"#{digit}1{digit}1{digit}1" for digit in "12345678")
_VARIABLES = {
    INK: "--ink", QUIET: "--quiet", RULE: "--rule", FIRST: "--first", SECOND: "--second", THIRD: "--third", FLAG: "--flag",
    SOFT: "--soft",
}  # fmt: skip
_SIZE = 10
_STYLE: Any = {
    "svg.hashsalt": "finledger", "svg.fonttype": "none", "text.parse_math": False, "font.family": "DejaVu Sans",
    "font.size": _SIZE, "axes.edgecolor": RULE, "axes.labelcolor": QUIET, "axes.titlecolor": INK, "axes.titlesize": _SIZE,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.titlepad": 8, "axes.linewidth": 1,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": False, "axes.grid.axis": "y", "axes.axisbelow": True,
    "grid.color": RULE, "grid.linewidth": 0.8, "text.color": INK, "xtick.color": RULE, "ytick.color": RULE,
    "xtick.labelcolor": QUIET, "ytick.labelcolor": QUIET, "xtick.major.size": 0, "ytick.major.size": 0,
    "xtick.labelsize": _SIZE - 1, "ytick.labelsize": _SIZE - 1, "lines.linewidth": 2, "lines.markersize": 5,
    "legend.frameon": False, "legend.fontsize": _SIZE - 1, "figure.constrained_layout.use": True, "figure.dpi": 72,
    "axes.unicode_minus": False,
}  # fmt: skip
_HEAD = re.compile(r"^.*?(?=<svg )", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_OPENING = re.compile(r"<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>", re.DOTALL)
_ID = re.compile(r'(\bid="|url\(#|xlink:href="#|\bhref="#)')
_CLOSED = re.compile(r"\s*\n\s*")


def picture(name: str, width: float, height: float, draw: Callable[[Any], None]) -> str:
    """What `draw` draws on a figure of that size in inches, as an SVG element for a page. `name`: no other picture's.

    The picture is hidden from screen readers: what surrounds it says what it shows, and its figures stand in a table.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that its own font lacks: the page's font has it, or shows what it can
        figure = Figure(figsize=(width, height))
        FigureCanvasSVG(figure)
        draw(figure)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_page(stream.getvalue(), name)


def _for_page(svg: str, name: str) -> str:
    """The element alone, its ids its own, its colours the page's."""
    body = _METADATA.sub("", _HEAD.sub("", svg), count=1)
    body = _OPENING.sub(r'<svg viewBox="\1" aria-hidden="true" focusable="false">', body, count=1)
    body = _ID.sub(lambda found: found[1] + name + "-", body)
    for placeholder, variable in _VARIABLES.items():
        body = body.replace(placeholder, f"var({variable})")
    return _CLOSED.sub("\n", body.replace("xlink:href", "href")).strip()
