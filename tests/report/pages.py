"""A report's page as a test reads it: the tables by their names, a row as {heading: text}."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from html.parser import HTMLParser
from typing import Any

from tests.support import finledger

Row = dict[str, str]
_VOID = frozenset({"meta", "br", "input", "link", "hr", "img"})


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, list[list[str]]] = {}
        self.feet: dict[str, list[str]] = {}
        self.open: list[str] = []
        self._name = ""
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "table":
            self._name = str(dict(attrs).get("id") or f"lines-{len(self.tables)}").removeprefix("table-")
            self.tables[self._name] = []
        elif tag == "tr":
            if "tfoot" in self.open:
                self.feet[self._name] = []
            else:
                self.tables[self._name].append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass
        if tag in ("td", "th") and self._cell is not None:
            text = " ".join("".join(self._cell).split())
            (self.feet[self._name] if "tfoot" in self.open else self.tables[self._name][-1]).append(text)
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)


def tables_of(page: str) -> dict[str, list[Row]]:
    reader = _Reader()
    reader.feed(page)
    return {name: [dict(zip(rows[0], row, strict=True)) for row in rows[1:]] for name, rows in reader.tables.items() if rows}


def feet_of(page: str) -> dict[str, list[str]]:
    """The rows of totals, by the tables' names."""
    reader = _Reader()
    reader.feed(page)
    return reader.feet


def plain(shown: str) -> str:
    """12,345.67 as programs write it."""
    return shown.replace(",", "")


def printed(*words: object) -> Any:
    """The JSON that a command prints."""
    out = io.StringIO()
    with redirect_stdout(out):
        finledger(*words, "--format", "json", "--quiet")
    return json.loads(out.getvalue())
