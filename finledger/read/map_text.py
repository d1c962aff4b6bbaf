"""The text of a column map, whatever it maps: which words it may hold, and where a column may come from."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finledger.core.problem import Problem
from finledger.read.yaml_lines import Document


@dataclass(slots=True)
class MapText:
    """A map as it was read: its words, the folder that lookups lie in, and what is wrong with it so far."""

    document: Document
    folder: Path
    words: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, message: str, remedy: str, *path: str) -> None:
        self.problems.append(self.document.problem("bad-map", message, remedy, *path))

    def check_columns(
        self, known: Sequence[str], noun: str, otherwise: str, check: Callable[[str, Mapping[str, Any]], None]
    ) -> None:
        """Every column is a known one of `noun`, and comes from a column's name or a mapping, which `check` looks at."""
        for name, spec in self.words["columns"].items():
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                self.refuse(
                    f"{name!r} is not a column of {noun}", f"write {near[0]!r}" if near else otherwise, "columns", name
                )
            elif isinstance(spec, list):
                self.refuse(f"{name} is a column's name or a mapping", "write `{column: NAME}`", "columns", name)
            elif isinstance(spec, Mapping):
                check(name, spec)

    def words_fit(self, name: str, words: Mapping[str, Any], allowed: Sequence[str]) -> bool:
        """Whether each word of a column's mapping says something, and says one thing; False ends the look at it."""
        for word, said in words.items():
            if word not in allowed:
                self.refuse(f"{word!r} says nothing about a column", f"use {', '.join(allowed)}", "columns", name, word)
            elif isinstance(said, list | Mapping):
                self.refuse(f"{word} is a single word or number", f"write `{word}: …` with one", "columns", name, word)
                return False
        return True
