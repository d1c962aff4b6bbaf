"""YAML as Kubernetes reads it, with its lines: streams of documents, anchors and merges, and every scalar as it was written.

Unlike settings (`yaml_lines`), manifests may use all of YAML. What could cost more than reading does not: an alias is the node it
names, not a copy, so that a few lines that stand for a billion values stay a few nodes; an anchor that holds itself is refused,
and so is what is nested deeper than 100. Every document of a stream is read by itself: a broken one hides no other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import yaml
from yaml import events

from finledger.core.label_policy import Written
from finledger.core.problem import Problem, SourceRef

MAX_DEPTH = 100
_LONGEST = 160
_DOCUMENT = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_NO_CONTENT = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z)|%[^\n]*(?:\n|\Z)|\.\.\.[ \t\r]*(?:\n|\Z))*")
_SURROGATES = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_BOOLEANS = frozenset(
    each
    for word in ("y", "yes", "true", "on", "n", "no", "false", "off")
    for each in (word, word.capitalize(), word.upper())
)
_EMPTY = frozenset({"", "~", "null", "Null", "NULL"})
_NUMBER = re.compile(
    r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*|(?:[0-9][0-9_]*)?\.?[0-9_]*(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF))"
    r"|\.(?:nan|NaN|NAN)"
)


class Node:
    """A value. `text` is a scalar's, `plain` whether it stands without quotes or tag; `entries` a mapping's by key, the last of
    two equal ones; `twice`: (key, line) of those. `merges`: what `<<` brings in. `keys`: the line of each key."""

    __slots__ = ("entries", "items", "keys", "kind", "line", "merges", "plain", "text", "twice")

    def __init__(
        self, kind: Literal["mapping", "sequence", "scalar"], line: int, text: str = "", *, plain: bool = False
    ) -> None:
        self.kind, self.line, self.text, self.plain = kind, line, text, plain
        self.items: list[Node] = [] if kind == "sequence" else _NOTHING
        self.entries: dict[str, Node] = {} if kind == "mapping" else _NO_ENTRIES
        self.keys: dict[str, int] = {} if kind == "mapping" else _NO_KEYS
        self.merges: tuple[Node, ...] = ()
        self.twice: tuple[tuple[str, int], ...] = ()

    def get(self, *path: str) -> Node | None:
        """The value below by its path; what is merged in counts where the mapping itself does not say."""
        node: Node | None = self
        for key in path:
            node = None if node is None else node.entry(key)
        return node

    def entry(self, key: str) -> Node | None:
        """The value of a key, its own or one that is merged in."""
        waiting, seen = [self], {id(self)}
        while waiting:
            node = waiting.pop()
            if key in node.entries:
                return node.entries[key]
            fresh = [each for each in reversed(node.merges) if id(each) not in seen]
            seen.update(map(id, fresh))
            waiting += fresh
        return None

    def line_of(self, key: str) -> int:
        """The line of a key of its own, else of the value."""
        found = self.entry(key)
        return self.keys.get(key, self.line if found is None else found.line)

    def children(self) -> Iterator[tuple[str, Node]]:
        """What lies below, each with its step of a path; merged mappings too."""
        for number, item in enumerate(self.items):
            yield f"[{number}]", item
        yield from self.entries.items()
        for merged in self.merges:
            yield from merged.entries.items()

    def written(self) -> Written:
        """What Kubernetes takes a scalar for.

        >>> [Node("scalar", 1, text, plain=True).written() for text in ("4815", "cc-4815", "1e3", "on", "0x1F", "1.2.3", "", ".5")]
        ['number', 'text', 'number', 'true or false', 'number', 'text', 'empty', 'number']
        >>> Node("scalar", 1, "4815").written()
        'text'
        """
        if self.kind != "scalar":
            return "list or mapping"
        if not self.plain:
            return "text" if self.text else "empty"
        if self.text in _EMPTY:
            return "empty"
        if self.text in _BOOLEANS:
            return "true or false"
        digits = any(character.isdigit() for character in self.text) or self.text.lstrip("+-").startswith(".")
        return "number" if digits and len(self.text) <= _LONGEST and _NUMBER.fullmatch(self.text) else "text"


# what a scalar has none of, and nothing is ever put into
_NOTHING: list[Node] = []
_NO_ENTRIES: dict[str, Node] = {}
_NO_KEYS: dict[str, int] = {}


class Stream:
    """The documents of one text. `shown_as` is how problems name it."""

    def __init__(self, text: str, shown_as: str) -> None:
        self.shown_as = shown_as
        self.text = text.removeprefix("\ufeff")
        self.lines = re.split("\r\n|[\r\n]", self.text)
        self.problems: list[Problem] = []

    def excerpt(self, line: int) -> str:
        """A line as it stands there, cut where it is long; what cannot be printed is a space."""
        found = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        shown = "".join(each if each.isprintable() else " " for each in found[: 4 * _LONGEST]).rstrip()
        return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"

    def documents(self) -> Iterator[Node]:
        """The roots of all documents that hold anything; what is wrong with the others is in `problems` afterwards."""
        starts = [0, *(found.start() for found in _DOCUMENT.finditer(self.text))]
        first = 0
        for start, end in zip(starts, [*starts[1:], len(self.text)], strict=True):
            part = self.text[start:end]
            bare = part[3:] if part.startswith("---") else part
            if not _NO_CONTENT.fullmatch(bare):
                yield from self._read(part, first)
            first += part.count("\n")

    def _read(self, part: str, first: int) -> list[Node]:
        if part.lstrip("- \t\r\n")[:1] == "{":  # JSON writes some characters as two halves, which YAML does not know
            part = _SURROGATES.sub(lambda found: str(json.loads(f'"{found[0]}"')), part)
        try:
            return _Builder(part, first).roots()
        except _Refused as refused:
            self._refuse(refused.code, refused.message, refused.remedy, refused.line, part, first)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = first + 1 + (mark.line if mark is not None else part.count("\n", 0, getattr(error, "position", 0) or 0))
            said = " ".join(str(each) for each in (getattr(error, "context", ""), getattr(error, "problem", "")) if each)
            message = f"this is not YAML: {said or 'a character that YAML does not allow'}"
            self._refuse("yaml-syntax", message, "correct the line", line, part, first)
        return []

    def _refuse(self, code: str, message: str, remedy: str, line: int, part: str, first: int) -> None:
        """What is wrong with a document; where it is a template that was not filled in, that."""
        if "{{" in part and code in ("yaml-syntax", "yaml-key"):
            line = first + 1 + part.count("\n", 0, part.index("{{"))
            code = "manifest-template"
            message = "this is a template that nobody has filled in: {{ … }} is no YAML"
            remedy = "render it first, and check what comes out: helm template CHART | finledger label check -"
        line = min(line, first + len(part.removesuffix("\n").split("\n")))
        while line > first + 1 and not self.excerpt(line):  # the parser complains of the end
            line -= 1
        self.problems.append(Problem(code, message, SourceRef(self.shown_as, line), self.excerpt(line), remedy))


class _Refused(Exception):
    def __init__(self, message: str, remedy: str, line: int, *, code: str) -> None:
        super().__init__(message)
        self.code, self.message, self.remedy, self.line = code, message, remedy, line


class _Builder:
    """Makes nodes of the parser's events; `first` is how many lines lie above the text."""

    def __init__(self, text: str, first: int) -> None:
        self.first = first + 1
        self.stream = _events(text)
        self.anchors: dict[str, Node] = {}
        self.open: set[int] = set()
        self.depth = 0

    def roots(self) -> list[Node]:
        found = []
        for event in self.stream:
            if isinstance(event, events.DocumentStartEvent):
                self.anchors = {}
                found.append(self.node(next(self.stream)))
        return found

    def node(self, event: Any) -> Node:
        line = event.start_mark.line + self.first
        if isinstance(event, events.AliasEvent):
            return self.alias(event.anchor, line)
        if isinstance(event, events.ScalarEvent):
            node = Node("scalar", line, event.value, plain=bool(event.implicit[0]))
            if event.anchor is not None:
                self.anchors[event.anchor] = node
            return node
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Refused(f"values are nested deeper than {MAX_DEPTH}", "check the brackets", line, code="manifest-nested")
        node = Node("sequence" if isinstance(event, events.SequenceStartEvent) else "mapping", line)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        self.open.add(id(node))
        if node.kind == "sequence":
            while not isinstance(inner := next(self.stream), events.SequenceEndEvent):
                node.items.append(self.node(inner))
        else:
            self.fill(node)
        self.open.discard(id(node))
        self.depth -= 1
        return node

    def alias(self, name: str | None, line: int) -> Node:
        found = self.anchors.get(name or "")
        if found is None:
            raise _Refused(f"*{name} is used, and nothing above it is &{name}", "correct the name", line, code="yaml-syntax")
        if id(found) in self.open:
            message = f"&{name} holds itself: *{name} stands inside of it"
            raise _Refused(message, "write the value out", line, code="manifest-loop")
        return found

    def fill(self, node: Node) -> None:
        stream, entries, keys = self.stream, node.entries, node.keys
        while not isinstance(event := next(stream), events.MappingEndEvent):
            line = event.start_mark.line + self.first
            key = event if isinstance(event, events.ScalarEvent) and event.anchor is None else self.key(event, line)
            value = self.node(next(stream))
            if key.value == "<<" and key.implicit[0]:
                node.merges += tuple(value.items) if value.kind == "sequence" else (value,)
                continue
            if key.value in entries:
                node.twice += ((key.value, line),)
            entries[key.value] = value
            keys[key.value] = line

    def key(self, event: Any, line: int) -> Any:
        """A key that is not simply written: an alias of a text, or one that is anchored."""
        found = self.node(event)
        if found.kind != "scalar":
            raise _Refused("a key is not a text", "use a plain text as the key", line, code="yaml-key")
        return events.ScalarEvent(None, None, (found.plain, False), found.text)


def _events(text: str) -> Iterator[Any]:
    """The parser's events, one by one, by the C parser where there is one."""
    stream: Iterable[Any] = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return iter(stream)
