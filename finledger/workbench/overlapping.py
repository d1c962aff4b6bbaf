"""The same usage from two sources of a set of books: how its sources are declared, and what a month holds twice (C1, A9).

A load compares what is new with every charged source. What was compared is remembered in the ledger, so that a month is looked
at again only when finledger.yaml was changed since: a source that is charged now and was not when it was loaded, or sources
that are no longer declared to lie beside one another.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from finledger.books.events import in_force
from finledger.books.overlap import Terms
from finledger.books.store import Against, Published
from finledger.core.model import Organisation
from finledger.core.period import Month
from finledger.core.problem import Problem
from finledger.core.provider import provider_named

if TYPE_CHECKING:
    from finledger.books.transaction import Transaction
    from finledger.workbench.loading import Loading

COMPARED = "compared"  # in the ledger's meta table: the sources of which each two were compared, and what was left out


@dataclass(frozen=True, slots=True)
class _Kept:
    """`sources` of which each two were compared, but for those that were declared to lie beside one another; `pairs`: every
    source and format of which rows were ever stored, None for a ledger of which nobody knows."""

    sources: frozenset[str] = frozenset()
    beside: frozenset[frozenset[str]] = frozenset()
    pairs: frozenset[tuple[str, str]] | None = None


def terms_of(organisation: Organisation) -> Terms:
    """How the organisation's sources are declared, with what a row of each format is."""
    from finledger.read import usage as registry

    return Terms(
        charged=lambda source: organisation.role(source) == "charge",
        declared=organisation.sources.keys(),
        grains=dict(registry.grains()),
        beside=_beside(organisation),
        provider=partial(_provider, organisation),
    )


def _provider(organisation: Organisation, name: str) -> str:
    found = provider_named(organisation.providers.values(), name)
    return name.casefold() if found is None else found.name.casefold()


def _beside(organisation: Organisation) -> frozenset[frozenset[str]]:
    return frozenset(frozenset((source.name, other)) for source in organisation.sources.values() for other in source.beside)


def against(bench: Loading) -> Against:
    """What new files are held against."""
    kept = _remembered(bench.ledger.meta(COMPARED))
    return Against(terms_of(bench.organisation), {file.sha256: file for file in bench.ledger.files()}, kept.pairs)


def remember(ledger: Transaction, published: Published, organisation: Organisation) -> None:
    """Keep which sources were compared with one another by now.

    A source is one of them while it was charged in every load since its first rows; one that had rows before it was, is not.
    """
    kept = _remembered(ledger.meta(COMPARED))
    before, fresh = (frozenset(source for source, _ in pairs) for pairs in (published.before, published.fresh))
    sources = sorted(name for name in kept.sources | (fresh - before) if organisation.role(name) == "charge")
    beside = sorted(sorted(pair) for pair in kept.beside | _beside(organisation))
    pairs = sorted(list(pair) for pair in published.before | published.fresh)
    text = json.dumps({"sources": sources, "beside": beside, "pairs": pairs}, sort_keys=True)
    if text != ledger.meta(COMPARED):
        ledger.set_meta(COMPARED, text)


def _remembered(text: str | None) -> _Kept:
    if text is None:
        return _Kept()
    stored = json.loads(text)
    return _Kept(
        frozenset(stored["sources"]),
        frozenset(frozenset(pair) for pair in stored["beside"]),
        frozenset((source, format) for source, format in stored["pairs"]),
    )


def month_overlaps(bench: Loading, month: Month) -> tuple[Problem, ...]:
    """A warning for each two charged sources that are certain to have the same usage in the month; nothing is read where a load
    has compared them."""
    parts = bench.ledger.parts(month)
    if not parts:
        return ()
    organisation, kept = bench.organisation, _remembered(bench.ledger.meta(COMPARED))
    if kept.pairs is not None and _are_compared(kept.pairs, kept, organisation):
        return ()  # whatever lies in the parts is some of these
    held = against(bench)
    if _are_compared(bench.store.sources(parts, held), kept, organisation):
        return ()
    with TemporaryDirectory(prefix="finledger-overlap-") as workspace:
        found = bench.store.stored_overlaps(parts, held, Path(workspace))
    names = {sha256: file.name for sha256, file in held.files.items()}
    return tuple(bench.store.overlap_problems(found, held.terms, names))


def _are_compared(pairs: Collection[tuple[str, str]], kept: _Kept, organisation: Organisation) -> bool:
    """Whether nothing is left to look at in rows of these sources and formats."""
    charged = [source for source, _ in pairs if organisation.role(source) == "charge"]
    return len(charged) < 2 or (set(charged) <= kept.sources and kept.beside <= _beside(organisation))


def open_overlaps(bench: Loading) -> tuple[Problem, ...]:
    """The warnings of every month that is open."""
    closed = in_force(bench.ledger.events())
    months = [month for month in bench.months() if str(month) not in closed]
    return tuple(problem for month in months for problem in month_overlaps(bench, month))
