"""The evidence of a disputed line: gathered from the books as they were when its month was closed, or as they are (rule L4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finledger.books.events import Event
from finledger.core.disputes import Dispute
from finledger.core.explain import Explanation, Fact
from finledger.core.money import minor_digits
from finledger.core.problem import Misused, Problem, SourceRef
from finledger.core.usage import SUCCESSFUL
from finledger.workbench import Workbench
from finledger.workbench.disputes import find_dispute
from finledger.workbench.explain import explain
from finledger.workbench.open_books import SETTINGS
from finledger.workbench.sealed import as_of

ROWS_LIMIT = 1_000_000
RATES = "rates.csv"
_TEXTS = (".yaml", ".yml", ".csv", ".jsonl")


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle that was made: where, its files, how many of the line's rows it holds, and the SHA-256 of it all."""

    path: Path
    members: tuple[str, ...]
    rows: int
    all_rows: int
    sha256: str
    problems: tuple[Problem, ...] = ()


def write_bundle(
    bench: Workbench, dispute_id: str, to: Path | None = None, *, dry_run: bool = False, rows_limit: int = ROWS_LIMIT
) -> Bundled:
    """The zip archive of a dispute's evidence, at `to` or in out/disputes/. Raises Misused as `find_dispute`, and for a folder.

    The same books give the same bytes. At most `rows_limit` source rows are in it, and it says of how many.
    """
    dispute = find_dispute(bench, dispute_id)
    path = to if to is not None else bench.root / "out" / "disputes" / f"{dispute_id}.zip"
    if path.is_dir():
        raise Misused(f"{path} is a folder: name the file, as {path / dispute_id}.zip")
    close = bench.closed(dispute.posting_month)
    then = as_of(bench, close) if close is not None else bench  # as `explain` does: what was sealed is what was charged
    found = explain(bench, f"{dispute.posting_month}/{dispute.team}", dispute.line_id, limit=0)
    content, members, rows = _content(bench, then, dispute, found, close, rows_limit)
    with bench.change(dry_run=dry_run) as change:
        change.put({path: content})
    count = found.rows.count if found.rows is not None else 0
    return Bundled(path, members, rows, count, hashlib.sha256(content).hexdigest(), found.problems)


def check_bundle(path: Path) -> tuple[Problem, ...]:
    """What is wrong with a bundle, by this program's own copy of its check.py; nothing where all of it holds."""
    from finledger.write.bundle_check import check

    return tuple(
        Problem(
            "bundle-wrong",
            said,
            SourceRef(path.name),
            remedy="ask for the bundle again, from whoever keeps the books: `finledger dispute bundle ID` makes the same bytes",
        )
        for said in check(path).wrong
    )


def _content(
    bench: Workbench, then: Workbench, dispute: Dispute, found: Explanation, close: Event | None, rows_limit: int
) -> tuple[bytes, tuple[str, ...], int]:
    """The archive's bytes, the names of its files, and how many rows it holds."""
    from finledger.write.bundle import CHECK, README, BundleWriter, program, readme, used_columns
    from finledger.write.bundle_check import DISPUTE, EXPLANATION
    from finledger.write.disputes import dispute_json
    from finledger.write.explain import explanation_json
    from finledger.write.figures import json_bytes, plain

    bundle, written = BundleWriter(), 0
    if found.rows is not None and found.rows.every is not None:
        columns = used_columns(found.rows.every(rows_limit))
        written = bundle.add_rows(columns, found.rows.every(rows_limit))
    included = {} if found.rows is None else found.rows.included
    explanation = {
        **explanation_json(found),
        "document": {"name": dispute.document, "kind": found.kind},
        "minor_digits": minor_digits(found.line.amount.currency),
        "included": {name: plain(taken) for name, taken in included.items()},
        "rows_written": written,
        "successful": list(SUCCESSFUL),
    }
    said = dispute_json(dispute, dispute.opened)
    evidence = {
        "schema": 1,
        "dispute": {name: text for name, text in said.items() if name != "overdue"},
        "events": [_event_json(event) for event in _events_of(bench, dispute)],
        "close": None if close is None else {"number": close.number, "root": close.hash},
        "exports": [
            {"file": file.name, "sha256": file.sha256, "records": file.read} for file in _exports(then, dispute, found)
        ],
    }
    for name in sorted(_texts(then, found)):
        bundle.add(name, (then.root / name).read_bytes())
    bundle.add(EXPLANATION, json_bytes(explanation))
    bundle.add(DISPUTE, json_bytes(evidence))
    bundle.add(CHECK, program())
    about = {name: said[name] for name in ("dispute", "line_id", "document", "amount", "currency", "team")}
    bundle.add(README, readme(bundle.names, about, "" if close is None else close.hash))
    names = bundle.names
    return bundle.finish(), names, written


def _texts(then: Workbench, found: Explanation) -> set[str]:
    """The text files that the line was made from: settings, currency rates, and every file that a fact stands in."""
    named = {SETTINGS, RATES, *(place.file for place in _places(found.facts))}
    return {
        name for name in named if name.endswith(_TEXTS) and not name.startswith("usage/") and (then.root / name).is_file()
    }


def _places(facts: Iterable[Fact]) -> Iterator[SourceRef]:
    for fact in facts:
        if fact.where is not None:
            yield fact.where
        yield from _places(fact.parts)


def _exports(then: Workbench, dispute: Dispute, found: Explanation) -> Iterator[Any]:
    """The exports with usage of the month, where the line has rows at all."""
    if found.rows is None or not found.rows.count:
        return
    of_month = {part.file_sha256 for part in then.ledger.parts(dispute.service_month)}
    yield from (file for file in then.ledger.files() if file.sha256 in of_month)


def _events_of(bench: Workbench, dispute: Dispute) -> Iterator[Event]:
    """What the log says of the dispute, and of the credit that it led to."""
    wanted = {dispute.dispute_id, dispute.credit_id} - {""}
    yield from (event for event in bench.ledger.events() if event.subject in wanted)


def _event_json(event: Event) -> Mapping[str, Any]:
    return {
        "number": event.number,
        "kind": event.kind,
        "period": event.period,
        "subject": event.subject,
        "content": event.content,
        "previous": event.previous,
        "hash": event.hash,
    }
