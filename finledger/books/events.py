"""The log of a set of books: what was closed, reopened, issued, disputed, credited, replaced, each event chained to the last (L2).

    hash of an event = SHA-256 of its other columns as canonical JSON, among them the hash of the event before it

So nobody can change, remove or insert an event without changing the hash of every later one. The hash of a close is its
*root*: it stands on the documents of the period, outside of this file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

EventKind = Literal[
    "close", "reopen", "documents", "dispute-open", "dispute-resolve", "credit", "replace", "review-open", "review-decide",
    "stage-promote", "stage-demote", "stage-signoff", "stage-ack",
]  # fmt: skip
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to the books. `period` is a month, a quarter or "" ; `subject` what it is about in it."""

    number: int
    kind: EventKind
    period: str
    subject: str
    content: Mapping[str, Any]
    previous: str
    hash: str

    @property
    def expected_hash(self) -> str:
        return event_hash(self.number, self.kind, self.period, self.subject, canonical(self.content), self.previous)


@dataclass(frozen=True, slots=True)
class Marks:
    """How far each part of the ledger had come at a moment: what is written later lies behind these numbers.

    `forecasts`: the months whose forecasts were frozen; `books`: the price books that were.
    """

    files: int
    parts: int
    runs: int
    invoices: int
    notes: int
    events: int
    forecasts: tuple[str, ...] = ()
    books: tuple[str, ...] = ()


def canonical(content: Any) -> str:
    """JSON with sorted keys and no spaces: the same content is the same text."""
    return _ENCODER.encode(content)


def event_hash(number: int, kind: str, period: str, subject: str, content: str, previous: str) -> str:
    """`content` as canonical JSON text."""
    text = canonical([number, kind, period, subject, content, previous])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def broken_links(events: Iterable[Event]) -> Iterator[Event]:
    """The events whose hash is not theirs, or that do not name the one before them."""
    previous = ""
    for number, event in enumerate(events, start=1):
        if event.number != number or event.previous != previous or event.hash != event.expected_hash:
            yield event
        previous = event.hash


def in_force(events: Iterable[Event]) -> dict[str, Event]:
    """The close of each period that is closed: the last one, unless it was reopened since."""
    found: dict[str, Event] = {}
    for event in events:
        if event.kind == "close":
            found[event.period] = event
        elif event.kind == "reopen":
            found.pop(event.period, None)
    return found
