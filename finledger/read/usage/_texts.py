"""The texts that an export's rows are made of, each worked out once a row.

Several of our columns may come from one of the export's, and one column may look at a text ten times. What is looked at is bound
to a name in a query below (`Layout.bound`), because DuckDB works out the branches of a CASE anew each time they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from finledger.read.columns import NO_RECORD, literal
from finledger.read.header import Header, json_path

if TYPE_CHECKING:
    from finledger.read.usage._declared import Column

NOTHING = "CAST(NULL AS VARCHAR)"


class Texts:
    """By a column's name: `a|b` is the first that the row fills, `a.b` the field b inside a, `a->b.c` b.c in JSON that is a's text,
    also in a CSV; a name of `steps` is what that works out."""

    def __init__(self, header: Header, nulls: tuple[str, ...], steps: Mapping[str, Column]) -> None:
        self.header, self._nulls, self._steps = header, nulls, steps
        self._start = "text"
        while any(name.lower().startswith(self._start) for name in header.names):
            self._start += "_"
        self._sql: list[str] = []
        self._levels: list[int] = []
        self._known: dict[str, str] = {}
        self._fields: dict[str, tuple[str, list[str]]] = {}
        self.clean: dict[str, str] = {}
        self.suspect: set[str] = set()

    def has(self, names: str) -> bool:
        return any(self._has(name) for name in names.split("|"))

    def shown(self, names: Iterable[str]) -> str:
        """How the export writes the first of the columns that it has; "" when it has none."""
        for name in (each for several in names for each in several.split("|")):
            if name in self._steps:
                found = self.shown(self._steps[name].names)
            else:
                found = self.header.shown(name.partition("->")[0]) if self._has(name) else ""
            if found:
                return found
        return ""

    def of(self, names: str) -> str:
        """SQL of the first of `a|b` that the row fills: a name, or NULL."""
        texts = [self._one(name) for name in names.split("|") if self._has(name)]
        if not texts:
            return NOTHING
        found = texts[0] if len(texts) == 1 else self.bind(f"coalesce({', '.join(texts)})")
        if all(text in self.clean for text in texts):
            self.clean.setdefault(found, "")
        return found

    def column(self, name: str) -> str:
        """A column by its very name, whatever marks are in it."""
        return self._emptied(self.header.refs[name])

    def bind(self, sql: str) -> str:
        """The name of what the SQL, over columns of the export and names bound before, works out."""
        if sql in self._known:
            return self._known[sql]
        name = f"{self._start}{len(self._sql)}"
        used = [int(word[len(self._start) :]) for word in self._names_in(sql)]
        self._sql.append(sql)
        self._levels.append(1 + max((self._levels[each] for each in used), default=-1))
        if literal(NO_RECORD) in sql or any(f"{self._start}{each}" in self.suspect for each in used):
            self.suspect.add(name)
        self._known[sql] = name
        return name

    def never_empty(self, name: str) -> str:
        """The same name, of what is made here and so is no word that means empty."""
        self.clean[name] = ""
        return name

    def bound(self) -> tuple[tuple[tuple[str, str], ...], ...]:
        """Name and SQL, by levels: what is bound on one may use the levels before it."""
        for name, (outer, fields) in self._fields.items():
            self._sql[int(name[len(self._start) :])] = _fields_of(outer, fields)
        deepest = max(self._levels, default=-1)
        return tuple(
            tuple((f"{self._start}{n}", self._sql[n]) for n, level in enumerate(self._levels) if level == each)
            for each in range(deepest + 1)
        )

    def _has(self, name: str) -> bool:
        if name in self._steps:
            return not self._steps[name].names or any(self.has(each) for each in self._steps[name].names)
        return self.header.has(name.partition("->")[0])

    def _one(self, name: str) -> str:
        if name in self._steps:
            step = self._steps[name]
            return self.bind(step.template.format(*(self.of(each) for each in step.names)))
        column, _, path = name.partition("->")
        place = self.header.place(column)
        if not path and place in self.header.inner:
            return self._emptied(self.header.inner[place])
        text = self.header.refs[place[0]]
        for each in (*place[1:], *filter(None, path.split("."))):
            text = self._inside(text, each)
        return self._emptied(text)

    def _emptied(self, text: str) -> str:
        empty = ", ".join(map(literal, ("", *self._nulls)))
        raw = self._plain(text)
        found = self.bind(f"CASE WHEN {raw} IN ({empty}) THEN NULL ELSE {raw} END")
        self.clean[found] = text
        return found

    def _inside(self, text: str, name: str) -> str:
        """A field inside the JSON that is the text: all of a text's fields are taken out of it at once."""
        text = self._plain(text)
        outer = self._known.get(f"fields of {text}") or self.bind(f"fields of {text}")
        self.suspect.add(outer)
        _, fields = self._fields.setdefault(outer, (text, []))
        if name not in fields:
            fields.append(name)
        return f"{outer}[{fields.index(name) + 1}]"

    def _plain(self, text: str) -> str:
        """A name, or an element of a list by its name; anything else is bound to one."""
        return text if re.fullmatch(r"\w+(\[[0-9]+\])?", text) else self.bind(text)

    def _names_in(self, sql: str) -> list[str]:
        return re.findall(rf"\b{self._start}[0-9]+\b", sql)


def _fields_of(text: str, names: list[str]) -> str:
    """SQL of a list of the fields' texts. Where a record should be and is none, texts that are refused."""
    mark = literal(NO_RECORD)
    paths = ", ".join(literal(json_path(name)) for name in names)
    none = ", ".join([f"CASE WHEN starts_with(t, {mark}) THEN t ELSE {mark} || t END"] * len(names))
    found = (
        "CASE WHEN lower(t) IN ('', 'null') THEN NULL WHEN json_type(CASE WHEN json_valid(t) THEN t END) = 'OBJECT' "
        f"THEN json_extract_string(t, [{paths}]) ELSE [{none}] END"
    )
    # nearly all are plain objects: one look, where the careful way has three
    quick = f"WHEN starts_with({text}, '{{') AND json_valid({text}) THEN json_extract_string({text}, [{paths}])"
    return f"CASE WHEN {text} IS NULL THEN NULL {quick} ELSE list_transform([{text}], lambda t: {found})[1] END"
