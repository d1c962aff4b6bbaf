"""A document as PDF, by typst: PDF/A-3a and PDF/UA-1 are declared, and the issue date is the file's only date.

The fonts inside typst are used as long as they have every character of the document, so that the bytes are the same on
every machine. Where they have not, the system's fonts help out (the same bytes on the same machine), and a character that
no font has is written as its code point, U+65E5. A font in `templates/fonts/` counts as one inside typst.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typst

from finledger.core.model import Invoice
from finledger.core.problem import Refused
from finledger.write import text
from finledger.write.invoice._evidence import Table, require_pro_forma, require_quality
from finledger.write.invoice._view import View, view
from finledger.write.templates import Templates

SUFFIX = ".pdf"
BESIDE = True
TEMPLATE = "invoice.typ"
_STANDARDS: list[Any] = ["a-3a", "ua-1"]
_PLACE = re.compile(r"┌─ (?P<file>.+?):(?P<line>\d+):\d+")
_UNSHOWABLE = re.compile(r"could not be displayed|contains the codepoint")
_PACKAGE = re.compile(r'["\']@preview/')
_PROBE = b'#set document(title: "probe")\n#text(font: "Libertinus Serif", sys.inputs.document)'


def render(invoice: Invoice, templates: Templates) -> bytes:
    document = view(invoice)
    path = templates.keep("pdf template", lambda: _checked(templates))
    contents, with_system = _showable(json.dumps(asdict(document), ensure_ascii=False), templates)
    midnight = datetime(invoice.issue_date.year, invoice.issue_date.month, invoice.issue_date.day, tzinfo=UTC)
    page, compiler = _compiled(path, contents, with_system, midnight, templates)
    _require(compiler, _as_shown(document, templates), templates)
    return page


def _checked(templates: Templates) -> Path:
    """The template's path, when nothing beside it would have to be downloaded."""
    path = templates.path(TEMPLATE)
    for source in sorted(path.parent.rglob("*.typ")):
        for number, line in enumerate(source.read_text("utf-8", "replace").splitlines(), 1):
            if _PACKAGE.search(line):
                remedy = "copy the package's files into templates/ and import them from there"
                raise templates.broken(str(source), number, "the template would download a package", remedy=remedy)
    return path


def _compiled(
    path: Path, contents: str, with_system: bool, stamp: datetime, templates: Templates
) -> tuple[bytes, typst.Compiler]:
    """The PDF. A template that itself has characters beyond typst's fonts gets the system's fonts, too."""
    for system in (False, True) if not with_system else (True,):
        compiler = _compiler(path, system, templates)
        try:
            page = compiler.compile(
                format="pdf", sys_inputs={"document": contents}, pdf_standards=_STANDARDS, timestamp=stamp
            )
        except typst.TypstError as error:
            if system:
                raise _broken(error, path, templates) from error
        else:
            assert isinstance(page, bytes), "one PDF is one piece of bytes"
            return page, compiler
    raise AssertionError("the last attempt returns or raises")


def _compiler(path: Path, system: bool, templates: Templates) -> typst.Compiler:
    """One compiler a run for each choice of fonts: it keeps what documents have in common."""

    def make() -> typst.Compiler:
        return typst.Compiler(str(path), root=str(path.parent), font_paths=_fonts(system, templates))

    return templates.keep(("pdf compiler", path, system), make)


def _fonts(system: bool, templates: Templates) -> typst.Fonts:
    folders: list[Any] = [str(folder / "fonts") for folder in templates.folders if (folder / "fonts").is_dir()]
    return templates.keep(("pdf fonts", system), lambda: typst.Fonts(include_system_fonts=system, font_paths=folders))


def _showable(contents: str, templates: Templates) -> tuple[str, bool]:
    """(the text with what no font has written as code points, whether the system's fonts are needed)."""
    unusual = sorted(character for character in set(contents) if not character.isascii())
    missing = [character for character in unusual if not _has_glyph(character, False, templates)]
    nowhere = {character for character in missing if not _has_glyph(character, True, templates)}
    return _by_code_point(contents, nowhere), len(nowhere) < len(missing)


def _by_code_point(contents: str, characters: set[str]) -> str:
    return contents.translate({ord(each): text.code_point(each) for each in characters})


def _has_glyph(character: str, system: bool, templates: Templates) -> bool:
    """Whether some font has the character: PDF/A forbids a page on which one is missing, so typst says."""

    def probe() -> bool:
        compiler = templates.keep(("pdf probe", system), lambda: typst.Compiler(font_paths=_fonts(system, templates)))
        try:
            compiler.compile(_PROBE, format="pdf", sys_inputs={"document": character}, pdf_standards=_STANDARDS, timestamp=0)
        except typst.TypstError as error:
            if not _UNSHOWABLE.search(error.message):
                raise
            return False
        return True

    return templates.keep(("pdf glyph", character, system), probe)


def _broken(error: typst.TypstError, path: Path, templates: Templates) -> Refused:
    place = _PLACE.search(error.diagnostic)
    hints = "".join(f"; {hint}" for hint in error.hints)
    file = str(Path(place["file"]).resolve()) if place else str(path)  # typst names files from the working folder
    return templates.broken(file, int(place["line"]) if place else None, f"the template fails: {error.message}{hints}")


def _as_shown(document: View, templates: Templates) -> View:
    """The view with the same replacements as on the page, for the check of the page."""
    contents, _ = _showable(json.dumps([row.cells for row in document.quality], ensure_ascii=False), templates)
    rows = tuple(type(row)(*cells) for row, cells in zip(document.quality, json.loads(contents), strict=True))
    return replace(document, quality=rows)


def _require(compiler: typst.Compiler, document: View, templates: Templates) -> None:
    """Ask typst what stands on the pages it has just laid out (rules Q4, A3)."""
    tables = [_table(element) for element in json.loads(compiler.query("table"))]
    require_quality(tables, document, templates, TEMPLATE)
    if document.pro_forma:
        shown = "".join(_texts(json.loads(compiler.query("<pro-forma>"))))
        require_pro_forma(shown, document, templates, TEMPLATE)


def _table(element: dict[str, Any]) -> Table:
    """A table's rows as far as they can be told from its cells: the header, then as many cells a row as it has columns."""
    header: list[str] = []
    cells: list[str] = []
    for child in element["children"]:
        if child["func"] == "header":
            header = [_plain(cell) for cell in child["children"]]
        elif child["func"] == "cell":
            cells.append(_plain(child))
    width = len(element["columns"]) if isinstance(element["columns"], list) else 1
    return [header, *(cells[start : start + width] for start in range(0, len(cells), width))]


def _plain(content: object) -> str:
    return "".join(_texts(content)).replace("\u200b", "")


def _texts(content: object) -> Iterator[str]:
    """Every text in a piece of typst's content, in order; a line break is a space."""
    if isinstance(content, list):
        for part in content:
            yield from _texts(part)
    elif isinstance(content, dict):
        if content.get("func") == "linebreak":
            yield " "
        for key in ("text", "body", "child", "children"):
            part = content.get(key)
            if isinstance(part, str):
                yield part
            elif part is not None:
                yield from _texts(part)
