"""Strict YAML that knows its lines: the text files in which people write down their decisions.

YAML as commonly read guesses: `0.30` becomes a float, `no` becomes false, the last of two equal keys wins without a word,
and one anchor can stand for a million values. Here every scalar stays the text that was written, and a document holds
only mappings, sequences and scalars; duplicate keys, anchors, aliases, tags, empty values and second documents are
problems, all of them reported, each with its line. What a text means (a number, a date) is the field's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from yaml import events

from finledger.core.problem import Outcome, Problem, SourceRef

MAX_DEPTH = 20
_BREAKS = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # what YAML takes for the end of a line
_NO_VALUE = frozenset({"", "~", "null", "Null", "NULL"})
Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the document. `text` is a scalar's; `items` a sequence's; `entries` a mapping's, by key in file order."""

    kind: Literal["mapping", "sequence", "scalar"]
    line: int
    text: str = ""
    items: tuple[Node, ...] = ()
    entries: Mapping[str, Node] | None = None
    key_lines: Mapping[str, int] | None = None

    def plain(self) -> Any:
        """The value as dict, list and str: what pydantic checks."""
        if self.entries is not None:
            return {key: node.plain() for key, node in self.entries.items()}
        return [node.plain() for node in self.items] if self.kind == "sequence" else self.text


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file that was read: its root, and its lines for excerpts. `shown_as` is how problems name the file."""

    shown_as: str
    root: Node
    text_lines: tuple[str, ...]

    def line_of(self, path: Steps) -> int:
        """The line of the key or item at `path`, or of its nearest parent that is there."""
        node, line = self.root, self.root.line
        for step in path:
            if node.entries is not None and str(step) in node.entries:
                line = (node.key_lines or {})[str(step)]
                node = node.entries[str(step)]
            elif node.kind == "sequence" and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                line = node.line
            else:
                break
        return line

    def where(self, *path: str | int) -> SourceRef:
        return SourceRef(self.shown_as, self.line_of(path))

    def problem(self, code: str, message: str, remedy: str, *path: str | int) -> Problem:
        """A problem at `path`, with the line it stands on."""
        line = self.line_of(path)
        where = SourceRef(self.shown_as, line, path_of(self._written(path)))
        return Problem(code, message, where, excerpt_of(self.text_lines, line), remedy)

    def _written(self, path: Steps) -> Steps:
        """The path as far as a person wrote it: a value that stands for a list or mapping has nothing below it."""
        node = self.root
        for depth, step in enumerate(path):
            if node.kind == "scalar":
                return path[:depth]
            if node.entries is not None and str(step) in node.entries:
                node = node.entries[str(step)]
            elif node.kind == "sequence" and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
            else:
                break
        return path

    def lines(self) -> dict[str, int]:
        """Every key's line by its path: `teams/search/budget/2026-07` → 14."""
        return dict(_lines(self.root, ""))


def path_of(path: Steps) -> str:
    """The path as a person reads it: teams/search/budget, rules/#3 (items are counted from 1)."""
    return "/".join(f"#{step + 1}" if isinstance(step, int) else str(step) for step in path)


def _lines(node: Node, prefix: str) -> Iterator[tuple[str, int]]:
    for key, child in (node.entries or {}).items():
        yield prefix + key, (node.key_lines or {})[key]
        yield from _lines(child, f"{prefix}{key}/")
    for number, child in enumerate(node.items):
        yield f"{prefix}{number}", child.line
        yield from _lines(child, f"{prefix}{number}/")


def excerpt_of(text_lines: tuple[str, ...], line: int) -> str:
    """The line as it stands in the file, cut where it is very long; control characters are shown as spaces."""
    found = text_lines[line - 1] if 0 < line <= len(text_lines) else ""
    if not found.isprintable():
        found = "".join(character if character.isprintable() else " " for character in found)
    shown = found.rstrip()
    return shown if len(shown) <= 160 else shown[:159] + "…"


def load(source: Path | bytes | str, shown_as: str) -> Outcome[Document | None]:
    """Read a YAML file, or its content. Rows are None where any problem was found; an unreadable file raises OSError."""
    text, problem = _decoded(source, shown_as)
    if problem is not None:
        return Outcome(None, (problem,))
    text_lines = tuple(_BREAKS.split(text))
    builder = _Builder(shown_as, text_lines)
    try:
        root = builder.document(iter(_events(text)))
    except yaml.YAMLError as error:
        return Outcome(None, (*builder.problems, _syntax_problem(error, text, shown_as, text_lines)))
    if builder.problems or root is None:
        return Outcome(None, tuple(builder.problems))
    return Outcome(Document(shown_as, root, text_lines))


def _decoded(source: Path | bytes | str, shown_as: str) -> tuple[str, Problem | None]:
    if isinstance(source, str):
        return source, None
    content = source if isinstance(source, bytes) else source.read_bytes()
    try:
        return content.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return "", Problem(
            "yaml-encoding",
            f"the file is not UTF-8: byte {error.start + 1} is 0x{content[error.start]:02x}",
            SourceRef(shown_as, line),
            remedy="save the file as UTF-8",
        )


def _events(text: str) -> list[Any]:
    """The parser's events. The C parser is quick; the Python one explains what is wrong, always in the same words."""
    fast = getattr(yaml, "CSafeLoader", None)
    if fast is not None:
        try:
            return _shallow(yaml.parse(text, Loader=fast))
        except _TooDeep:
            raise
        except yaml.YAMLError:
            pass
    return _shallow(yaml.parse(text, Loader=yaml.SafeLoader))


class _TooDeep(yaml.MarkedYAMLError):
    pass


def _shallow(stream: Iterable[Any]) -> list[Any]:
    """The events, or _TooDeep before a deep nesting costs time or the stack."""
    found: list[Any] = []
    depth = 0
    for event in stream:
        depth += isinstance(event, events.CollectionStartEvent) - isinstance(event, events.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _TooDeep(problem=f"values are nested deeper than {MAX_DEPTH}", problem_mark=event.start_mark)
        found.append(event)
    return found


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


class _Builder:
    """Makes the tree of nodes from the parser's events, and collects what strict YAML does not allow."""

    def __init__(self, shown_as: str, text_lines: tuple[str, ...]) -> None:
        self.shown_as = shown_as
        self.text_lines = text_lines
        self.problems: list[Problem] = []

    def refuse(self, code: str, message: str, remedy: str, line: int) -> None:
        where = SourceRef(self.shown_as, line)
        self.problems.append(Problem(code, message, where, excerpt_of(self.text_lines, line), remedy))

    def document(self, stream: Iterator[Any]) -> Node | None:
        root: Node | None = None
        for event in stream:
            if isinstance(event, events.DocumentStartEvent):
                if root is not None:
                    line = _line(event)
                    self.refuse("yaml-documents", "a second document begins here", "keep one document in a file", line)
                    return root
                root = self.node(next(stream), stream)
        if root is None or (root.kind == "scalar" and root.text == ""):
            self.refuse("yaml-empty", "the file holds nothing", "write its keys, or delete the file", 1)
            return None
        return root

    def node(self, event: Any, stream: Iterator[Any]) -> Node:
        line = _line(event)
        self.check_plain(event, line)
        if isinstance(event, events.AliasEvent):
            return Node("scalar", line, "")
        if isinstance(event, events.ScalarEvent):
            return Node("scalar", line, event.value)
        if isinstance(event, events.SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(inner := next(stream), events.SequenceEndEvent):
                item = self.node(inner, stream)
                self.check_value(inner, "this item of the list has no value", item.line)
                items.append(item)
            return Node("sequence", line, items=tuple(items))
        return self.mapping(line, stream)

    def mapping(self, line: int, stream: Iterator[Any]) -> Node:
        entries: dict[str, Node] = {}
        key_lines: dict[str, int] = {}
        while not isinstance(event := next(stream), events.MappingEndEvent):
            key_line = _line(event)
            key = self.node(event, stream)
            inner = next(stream)
            value = self.node(inner, stream)
            if not isinstance(event, events.ScalarEvent):
                self.refuse("yaml-key", "a key is not a text", "use a plain text as the key", key_line)
            elif key.text in entries:
                message = f"the key {key.text!r} stands here again; it stands first on line {key_lines[key.text]}"
                self.refuse("yaml-duplicate-key", message, "keep one of the two", key_line)
            else:
                self.check_value(inner, f"{key.text!r} has no value", key_line, key.text)
                entries[key.text] = value
                key_lines[key.text] = key_line
        return Node("mapping", line, entries=entries, key_lines=key_lines)

    def check_plain(self, event: Any, line: int) -> None:
        if isinstance(event, events.AliasEvent):
            message = f"*{event.anchor} is an alias"
            self.refuse("yaml-alias", message, "write the value out (in quotes when it begins with *)", line)
        elif getattr(event, "anchor", None) is not None:
            message = f"&{event.anchor} is an anchor"
            self.refuse("yaml-alias", message, "remove it, and write the value out where it is used", line)
        elif getattr(event, "tag", None) is not None:
            message = f"{event.tag.replace('tag:yaml.org,2002:', '!!')} is a tag"
            self.refuse("yaml-tag", message, "remove it (or put the value in quotes when it begins with !)", line)
        elif isinstance(event, events.ScalarEvent) and event.implicit[0] and event.value == "<<":
            self.refuse("yaml-alias", "<< merges another mapping", "write the keys out", line)

    def check_value(self, event: Any, message: str, line: int, key: str = "") -> None:
        if isinstance(event, events.ScalarEvent) and event.implicit[0] and event.value in _NO_VALUE and event.tag is None:
            comma = key.isdigit() and "{" in excerpt_of(self.text_lines, line)
            remedy = "write decimals behind a point: 1.5" if comma else "write a value, or remove the line"
            self.refuse("yaml-no-value", message, remedy, line)


# What PyYAML says, what it means for somebody who writes settings, and what to do.
_EXPLAINED: tuple[tuple[str, str, str], ...] = (
    ("'\\t'", "a tab stands where only spaces may", "indent with spaces"),
    ("while scanning a quoted scalar", "a quote is opened here and never closed", "close the quote"),
    ("expected the node content", "a value is missing here, or stands in the wrong place", "correct the line"),
    (
        "while parsing a flow mapping",
        "a { is opened here that is not closed, or a comma is missing",
        "add the } or the comma",
    ),
    (
        "while parsing a flow sequence",
        "a [ is opened here that is not closed, or a comma is missing",
        "add the ] or the comma",
    ),
    (
        "mapping values are not allowed",
        "a colon stands where no key can begin",
        "put a text that holds ': ' in quotes; check the indentation, and that the line above is whole",
    ),
    ("could not find expected ':'", "a key has no colon after it", "write `key: value`"),
    ("while parsing a block mapping", "this line does not fit the lines above it", "check the indentation"),
    ("while parsing a block collection", "this line does not fit the list above it", "check the indentation"),
    ("nested deeper", "lists and mappings are nested too deeply here", "check the brackets"),
    ("cannot start any token", "a value begins with a character that YAML keeps for itself", "put the value in quotes"),
    ("special characters are not allowed", "a control character stands in the file", "delete the character"),
)


_SHOWN_WHERE_OPENED = ("quoted scalar", "flow mapping", "flow sequence", "expected ':'")


def _syntax_problem(error: yaml.YAMLError, text: str, shown_as: str, text_lines: tuple[str, ...]) -> Problem:
    """The parser's first complaint, at the line a person should look at, in words that say what to do."""
    said = " ".join(str(part) for part in (getattr(error, name, "") for name in ("context", "problem", "reason")) if part)
    line = 1
    position = getattr(error, "position", None)
    mark = getattr(error, "problem_mark", None)
    opened = getattr(error, "context_mark", None)
    if position is not None:
        line = len(_BREAKS.split(text[:position]))
    elif opened is not None and any(
        words in said for words in ("quoted scalar", "flow mapping", "flow sequence", "expected ':'")
    ):
        line = opened.line + 1
    elif mark is not None:
        line = mark.line + 1
    line = min(line, len(text_lines))
    where = SourceRef(shown_as, line)
    for needle, message, remedy in _EXPLAINED:
        if needle in said:
            return Problem("yaml-syntax", message, where, excerpt_of(text_lines, line), remedy)
    message = f"the line is not valid YAML: {said}"
    return Problem("yaml-syntax", message, where, excerpt_of(text_lines, line), "correct the line")
