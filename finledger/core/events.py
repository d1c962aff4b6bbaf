"""An event of the books' log as rules see it; books/events.py keeps the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Event(Protocol):
    """An event of the books' log, as far as rules look at it. `content` is plain JSON."""

    @property
    def number(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def period(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def content(self) -> Mapping[str, Any]: ...
    @property
    def hash(self) -> str: ...
