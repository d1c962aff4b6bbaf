"""Which rules of classification match a row (A9), worked out by value: thousands of rules over many groups of usage.

Every glob is compiled once. Of each value of a field it is found out once which rules it lets through, as the bits of one
whole number: rule N of the list is bit N. A row's rules are then what its fields have in common. What matches is what
`label.py` says: a glob matches a field that has a value, the empty glob an empty field, `tag` one of the row's tags.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache

from finledger.core.model import Rule

Value = Callable[[str], str]  # of a row: its field by name, "" where it is empty
_KNOWN_VALUES = 65_536  # of a field, before what was found out about them is forgotten


class Rules:
    """The rules of an organisation, compiled. A set of rules is a whole number: bit N stands for the N-th of `rules`."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._every = (1 << len(self.rules)) - 1
        self._fields = {name: _Field(name, self.rules) for name in sorted({name for rule in rules for name in rule.when})}
        self._setting: dict[str, int] = {}
        for number, rule in enumerate(self.rules):
            for name in rule.set:
                self._setting[name] = self._setting.get(name, 0) | 1 << number
        self._of_day: dict[date, int] = {}

    @property
    def looks_at(self) -> tuple[str, ...]:
        """The fields that any rule looks at, sorted."""
        return tuple(self._fields)

    def matching(self, value: Value) -> int:
        """The rules whose every condition the row meets, whatever their dates."""
        found = self._every
        for name, field in self._fields.items():
            if not found:
                break
            found &= field.matching(value(name))
        return found

    def in_force(self, day: date) -> int:
        """The rules that hold on a day."""
        known = self._of_day.get(day)
        if known is None:
            known = sum(1 << number for number, rule in enumerate(self.rules) if holds(rule, day))
            self._of_day[day] = known
        return known

    def setting(self, name: str) -> int:
        """The rules that set a field."""
        return self._setting.get(name, 0)

    def listed(self, found: int) -> tuple[Rule, ...]:
        """The rules of a set, in their order.

        >>> every = Rules([Rule(1, {"user": ("a",)}, {}), Rule(2, {"user": ("b", "a*")}, {}), Rule(3, {"user": ("c",)}, {})])
        >>> [rule.number for rule in every.listed(every.matching({"user": "a"}.__getitem__))]
        [1, 2]
        """
        return tuple(self.rules[number] for number in _bits(found))

    def completed(self, given: Mapping[str, str], value: Value, day: date) -> tuple[dict[str, str], list[tuple[str, int]]]:
        """The fields of `given` with what the first rule in force sets where they are empty, and (field, rule number) of each,
        in the order of the rules."""
        fields = dict(given)
        found = self.matching(value) & self.in_force(day)
        used: list[tuple[int, int, str]] = []
        for name, text in given.items():
            able = found & self.setting(name) if not text else 0
            if able:
                first = _first(able)
                fields[name] = self.rules[first].set[name]
                used.append((first, list(self.rules[first].set).index(name), name))
        return fields, [(name, self.rules[first].number) for first, _, name in sorted(used)]


def holds(rule: Rule, day: date) -> bool:
    """Whether a rule is in force on a day: from its `from`, before its `until`."""
    return (rule.start is None or rule.start <= day) and (rule.until is None or day < rule.until)


def met(rule: Rule, value: Value) -> tuple[tuple[str, str, str], ...]:
    """Of a rule that matches a row: each field that it looks at, the first glob that matched, and what it matched."""
    found = []
    for name, globs in rule.when.items():
        texts = values_of(name, value(name))
        first = next(((glob, text) for glob in globs for text in texts if glob_matches(glob, text)), None)
        if first is not None:
            found.append((name, *first))
    return tuple(found)


def glob_matches(glob: str, text: str) -> bool:
    """`*` stands for any text and `?` for one character; the empty glob, and it alone, matches the empty text.

    >>> glob_matches("eval-*", "eval-7"), glob_matches("*", ""), glob_matches("", ""), glob_matches("a?c", "abc")
    (True, False, True, True)
    """
    return _compiled(glob).fullmatch(text) is not None if text else not glob


def values_of(name: str, text: str) -> tuple[str, ...]:
    """What a field holds: its text, or of `tag`, which is a JSON list, each of the tags."""
    if name == "tag" and text:
        return tuple(json.loads(text))
    return (text,)


class _Field:
    """The conditions of all rules on one field: which of them a value meets."""

    def __init__(self, name: str, rules: Sequence[Rule]) -> None:
        self.name = name
        self._free = 0  # the rules that do not look at the field
        self._empty = 0
        self._exact: dict[str, int] = {}
        self._begins: dict[str, int] = {}  # "text*"
        self._ends: dict[str, int] = {}  # "*text"
        self._others: dict[str, int] = {}
        for number, rule in enumerate(rules):
            bit = 1 << number
            if name not in rule.when:
                self._free |= bit
            for glob in rule.when.get(name, ()):
                self._place(glob, bit)
        self._lengths = (sorted({len(text) for text in self._begins}), sorted({len(text) for text in self._ends}))
        self._globs = tuple((_longest_text(glob), _compiled(glob), bits) for glob, bits in self._others.items())
        self._known: dict[str, int] = {}

    def _place(self, glob: str, bit: int) -> None:
        wild = [place for place, character in enumerate(glob) if character in "*?"]
        if not glob:
            self._empty |= bit
        elif not wild:
            self._exact[glob] = self._exact.get(glob, 0) | bit
        elif wild == [len(glob) - 1] and glob[-1] == "*":
            self._begins[glob[:-1]] = self._begins.get(glob[:-1], 0) | bit
        elif wild == [0] and glob[0] == "*":
            self._ends[glob[1:]] = self._ends.get(glob[1:], 0) | bit
        else:
            self._others[glob] = self._others.get(glob, 0) | bit

    def matching(self, text: str) -> int:
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _KNOWN_VALUES:
                self._known.clear()
            known = self._free
            for each in values_of(self.name, text):
                known |= self._one(each) if each else self._empty
            self._known[text] = known
        return known

    def _one(self, text: str) -> int:
        found = self._exact.get(text, 0)
        begins, ends = self._lengths
        for length in begins:
            if length > len(text):
                break
            found |= self._begins.get(text[:length], 0)
        for length in ends:
            if length > len(text):
                break
            found |= self._ends.get(text[len(text) - length :], 0)
        for part, glob, bits in self._globs:
            if part in text and glob.fullmatch(text) is not None:
                found |= bits
        return found


def _longest_text(glob: str) -> str:
    """The longest stretch of a glob that stands for itself: a value without it need not be held against the rest."""
    return max(re.split(r"[*?]", glob), key=len)


@lru_cache(maxsize=65536)
def _compiled(glob: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(character, re.escape(character)) for character in glob), re.DOTALL)


def _first(found: int) -> int:
    return (found & -found).bit_length() - 1


def _bits(found: int) -> Iterator[int]:
    while found:
        yield _first(found)
        found &= found - 1
