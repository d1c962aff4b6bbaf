"""A rule of classification as finledger.yaml writes it, on one line that can be pasted there (A9)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from finledger.core.model import Rule

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_NOT_PLAIN = frozenset({"null", "Null", "NULL"})
_ESCAPED = {'"': '\\"', "\\": "\\\\"}


def yaml_text(text: str) -> str:
    """A text as YAML: bare where it is a plain word, else in double quotes with what cannot be seen escaped.

    >>> yaml_text("search"), yaml_text("eval:*"), yaml_text("a\\u202eb"), yaml_text("")
    ('search', '"eval:*"', '"a\\\\u202eb"', '""')
    """
    if _PLAIN.fullmatch(text) and text not in _NOT_PLAIN:
        return text
    return f'"{"".join(_escaped(character) for character in text)}"'


def rule_yaml(when: Mapping[str, Sequence[str]], set: Mapping[str, str], start: object = None, until: object = None) -> str:
    """The line of a rule, without its dash.

    >>> rule_yaml({"source": ["litellm"], "tag": ["a:*", "b"]}, {"team": "search"}, until="2026-07-16")
    '{when: {source: litellm, tag: ["a:*", b]}, set: {team: search}, until: 2026-07-16}'
    """
    conditions = ", ".join(f"{name}: {_globs(globs)}" for name, globs in when.items())
    values = ", ".join(f"{name}: {yaml_text(value)}" for name, value in set.items())
    dates = "".join(f", {name}: {day}" for name, day in (("from", start), ("until", until)) if day is not None)
    return f"{{when: {{{conditions}}}, set: {{{values}}}{dates}}}"


def rule_text(rule: Rule) -> str:
    return rule_yaml(rule.when, rule.set, rule.start, rule.until)


def _globs(globs: Sequence[str]) -> str:
    if len(globs) == 1:
        return yaml_text(globs[0])
    return f"[{', '.join(yaml_text(glob) for glob in globs)}]"


def _escaped(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    if character.isprintable():
        return character
    point = ord(character)
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
