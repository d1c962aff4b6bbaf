"""Documents read back by tools that are not ours: what each format says its lines and its quality table are.

A line is (line id, quantity, unit price, amount) as text without commas, so that every format can be compared with JSON.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from openpyxl import load_workbook

Line = tuple[str, str, str, str]
LINE_ID = re.compile(r"L[0-9a-f]{15}")
NUMBER = r"-?[\d,]+(?:\.\d+)?"


class _Cells(HTMLParser):
    """Every table of a page as rows of cells' texts."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.open = True

    def handle_endtag(self, tag: str) -> None:
        self.open = self.open and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.open:
            self.rows[-1][-1] += data


def html_rows(content: bytes) -> list[list[str]]:
    parser = _Cells()
    parser.feed(content.decode("utf-8"))
    return parser.rows


def md_rows(content: bytes) -> list[list[str]]:
    """The tables of a Markdown document as a Markdown reader renders them."""
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(content.decode("utf-8"))
    return html_rows(page.encode("utf-8"))


def xlsx_cells(content: bytes, sheet: str) -> list[list[object]]:
    return [list(row) for row in load_workbook(BytesIO(content))[sheet].iter_rows(values_only=True)]


def pdf_text(content: bytes, folder: Path) -> str:
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext: apt-get install poppler-utils")
    (folder / "document.pdf").write_bytes(content)
    words = ["pdftotext", "-layout", str(folder / "document.pdf"), "-"]
    return subprocess.run(words, check=True, capture_output=True).stdout.decode("utf-8")


def pdf_pixels(content: bytes, folder: Path) -> list[bytes]:
    """Each page as red, green and blue bytes, small."""
    if shutil.which("pdftoppm") is None:
        pytest.skip("needs pdftoppm: apt-get install poppler-utils")
    pages = folder / "pages"
    pages.mkdir(exist_ok=True)
    for old in pages.iterdir():
        old.unlink()
    (folder / "document.pdf").write_bytes(content)
    subprocess.run(["pdftoppm", "-r", "30", str(folder / "document.pdf"), str(pages / "page")], check=True)
    return [path.read_bytes().split(b"\n255\n", 1)[1] for path in sorted(pages.iterdir())]


def lines_of(name: str, content: bytes, folder: Path) -> list[Line]:
    return {"html": _html_lines, "md": _md_lines, "json": _json_lines, "xlsx": _xlsx_lines, "pdf": _pdf_lines}[name](
        content, folder
    )


def _html_lines(content: bytes, folder: Path) -> list[Line]:
    section = content.partition(b'<h2 id="lines">')[2].partition(b"</section>")[0]
    rows = [row for row in html_rows(section) if len(row) == 7 and LINE_ID.search(row[0])]
    counted = [row for row in rows if row[3]]  # a premium or a draw is an amount, and has no quantity
    return [(LINE_ID.search(row[0])[0], *(_bare(row[column]) for column in (3, 5, 6))) for row in counted]  # type: ignore[index,misc]


def _md_lines(content: bytes, folder: Path) -> list[Line]:
    rows = [row for row in md_rows(content) if len(row) == 9 and LINE_ID.fullmatch(row[7]) and row[3]]
    return [(row[7], _bare(row[3]), _bare(row[5]), _bare(row[6])) for row in rows]


def _json_lines(content: bytes, folder: Path) -> list[Line]:
    return [
        (line["line_id"], line["quantity"], line["unit_price"], line["amount"]) for line in json.loads(content)["lines"]
    ]  # fmt: skip


def _xlsx_lines(content: bytes, folder: Path) -> list[Line]:
    header, *rows = xlsx_cells(content, "Lines")
    wanted = [header.index(name) for name in ("Line", "Quantity", "Unit price", "Amount")]
    return [tuple(_bare(str(row[column])) for column in wanted) for row in rows if row[wanted[0]]]  # type: ignore[misc]


def _pdf_lines(content: bytes, folder: Path) -> list[Line]:
    """A line's figures stand above its id, in the last row of text that has a quantity, a unit, a price and an amount."""
    figures = re.compile(rf"({NUMBER}) +(?:action|GPU-hour|GB|seat|month|USD) +({NUMBER}) +({NUMBER})$")
    found: list[Line] = []
    last: tuple[str, str, str] | None = None
    for row in pdf_text(content, folder).splitlines():
        match = figures.search(row.rstrip())
        last = (_bare(match[1]), _bare(match[2]), _bare(match[3])) if match else last
        line_id = LINE_ID.search(row)
        if line_id and last:
            found.append((line_id[0], *last))
            last = None
    return found


def _bare(figure: str) -> str:
    return figure.replace(",", "")
