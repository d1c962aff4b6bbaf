"""Drivers of shared pools (rule A8): one a file. The folder is the registry.

A driver has `weights(pool, targets, use) -> {target: weight >= 0}` and `PLATFORM_WEIGHS`: whether the platform's own use
weighs beside the targets', so that its part of the pool stays with the platform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, cast

from finledger.core.model import Pool


class Driver(Protocol):
    PLATFORM_WEIGHS: bool

    def weights(self, pool: Pool, targets: Sequence[str], use: Mapping[str, Any]) -> Mapping[str, Decimal]: ...


def names() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def driver(name: str) -> Driver:
    return cast(Driver, import_module(f"{__name__}.{name}"))
