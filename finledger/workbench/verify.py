"""Everything that was closed, held against what is there and worked out again (rule L2).

Nothing is believed: the log's chain, the ledger's rows, the stored usage, the sealed texts and the documents are held against
their hashes; then each closed period is run again from what was sealed, and must come to the same rows, to the last cent.
The first difference is named. Only read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finledger.books.events import Event, broken_links, in_force
from finledger.books.export_places import is_there
from finledger.books.ledger_rows import run_content
from finledger.books.remote_store import RemoteStore
from finledger.core.model import ChargeLine, JournalEntry, Part
from finledger.core.period import Month, Quarter
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.engines import DEFAULT
from finledger.workbench.closing import rederived_month, rederived_quarter
from finledger.workbench.hashed_files import COLUMNS, changed_files, digest
from finledger.workbench.issuing import Workbench
from finledger.workbench.sealed import COPIES, marks_of, texts

LEDGER = SourceRef("store/ledger.sqlite")
ISSUED = ("invoices", "statements", "notes")


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, as (what, how many), and what is not as it was. `changed`: texts that people edited since."""

    looked_at: tuple[tuple[str, int], ...]
    problems: tuple[Problem, ...]
    closes: tuple[Event, ...]
    changed: tuple[str, ...] = ()


def verify(
    bench: Workbench, *, engine_name: str = DEFAULT, quick: bool = False, advance: Callable[[int], None] | None = None
) -> Verified:
    """Hold the books against their seals, and, unless `quick`, work every closed period out again. Nothing is written.

    Each step is made however the ones before it ended, so that one flipped byte is told by all it touches; the problem that
    lies deepest comes first. A ledger whose bytes were changed may say anything: then what it says need not make sense.
    """
    fingerprint = bench.ledger.fingerprint()
    try:
        return _verified(bench, fingerprint, engine_name, quick, advance)
    except Exception as failed:
        if fingerprint is None:
            raise
        told = failed.problems if isinstance(failed, Refused) else ()
        return Verified((("ledger file", 1),), (fingerprint, *told), ())


def _verified(
    bench: Workbench, fingerprint: Problem | None, engine_name: str, quick: bool, advance: Callable[[int], None] | None
) -> Verified:
    ledger = bench.ledger
    events = ledger.events()
    standing = tuple(sorted(in_force(events).values(), key=lambda event: event.number))
    parts = (*changed_files(_stored(bench, events), "part"), *_changed_at_url(bench))
    steps: list[tuple[str, int, Iterable[Problem]]] = [
        ("ledger file", 1, () if fingerprint is None else (fingerprint,)),
        ("events", len(events), (_unchained(event) for event in broken_links(events))),
        ("stored parts", len(_stored(bench, events)), parts),
        ("exports", len(_exports(bench)), changed_files(_exports(bench), "export")),
        ("sealed texts", len(_copies(bench, events)), changed_files(_copies(bench, events), "sealed-text")),
        ("price books", len(ledger.frozen_books()), _edited_books(bench)),
        ("runs", len(standing), (*_changed_runs(bench, standing), *_changed_lists(bench, events))),
        ("documents", len(_documents(bench, events)), changed_files(_documents(bench, events), "document")),
        ("roots on documents", len(_roots(bench)), _unknown_roots(bench, events)),
    ]
    steps += _orphans(bench)
    away = len(ledger.files()) - len(_exports(bench))
    if away:
        steps.append(("exports that lie elsewhere now", away, ()))
    problems = [problem for _, _, found in steps for problem in found]
    looked_at = [(what, count) for what, count, _ in steps]
    if not quick and not parts:  # whoever reads a damaged part may do anything with it
        looked_at.append(("periods run again", len(standing)))
        for event in standing:
            said = {each.code for each in problems} - {"period-differs"}
            problems += [each for each in _again(bench, event, engine_name, damaged=bool(problems)) if each.code not in said]
            if advance is not None:
                advance(1)
    return Verified(tuple(looked_at), tuple(problems), standing, _edited_since(bench, standing))


# ── files against their hashes ──────────────────────────────────────────────────────────────────────────────────────────


def _stored(bench: Workbench, events: Iterable[Event]) -> dict[Path, tuple[str, str]]:
    parts = _parts(bench)
    columns = [event.content["columns"] for event in events if event.kind == "close" and event.content.get("columns")]
    if isinstance(bench.store, RemoteStore):
        parts = ()  # those here are copies
    found = {bench.root / "store" / part.path: (part.sha256, f"store/{part.path}") for part in parts}
    return {**found, bench.root / COLUMNS: (columns[-1], COLUMNS)} if columns else found


def _changed_at_url(bench: Workbench) -> Iterator[Problem]:
    if isinstance(bench.store, RemoteStore):
        yield from bench.store.changed(_parts(bench))


def _orphans(bench: Workbench) -> Iterator[tuple[str, int, Iterable[Problem]]]:
    if isinstance(bench.store, RemoteStore):
        yield f"parts at {bench.store.url}", len(_parts(bench)), ()
        left = bench.store.orphans((*_parts(bench), *bench.ledger.parts_of_closes()))
        if left:
            yield "objects there that are in no list", left, ()


def _parts(bench: Workbench) -> tuple[Part, ...]:
    return (*bench.ledger.parts(), *bench.ledger.parts(rejected=True))


def _exports(bench: Workbench) -> dict[Path, tuple[str, str]]:
    """The exports that still lie where they were loaded from; moving them away is nobody's fault."""
    files = {bench.root / file.name: (file.sha256, file.name) for file in bench.ledger.files()}
    return {path: expected for path, expected in files.items() if is_there(path)}


def _copies(bench: Workbench, events: Iterable[Event]) -> dict[Path, tuple[str, str]]:
    return {
        bench.root / COPIES / sha256: (sha256, f"{COPIES}/{sha256} ({name})")
        for event in events
        if event.kind == "close"
        for name, sha256 in event.content["inputs"]
    }


def _documents(bench: Workbench, events: Iterable[Event]) -> dict[Path, tuple[str, str]]:
    """Every file that a close sealed, where it lies now: those of a reopened period were moved aside."""
    found: dict[str, str] = {}
    for event in events:
        if event.kind == "documents":
            found.update({name: sha256 for name, sha256 in event.content["files"]})
        elif event.kind == "reopen":
            for old, new in event.content["moved"]:
                found[new] = found.pop(old)
    return {bench.root / name: (sha256, name) for name, sha256 in found.items()}


def _edited_books(bench: Workbench) -> Iterator[Problem]:
    try:
        bench.frozen_pricebooks()
    except Refused as refused:
        yield from refused.problems


def _edited_since(bench: Workbench, standing: Iterable[Event]) -> tuple[str, ...]:
    """Texts that are not what the last close sealed: people may change them, for periods that are open."""
    last = max(standing, key=lambda event: event.number, default=None)
    if last is None:
        return ()
    now = {name: digest(path) for name, path in texts(bench.root).items()}
    return tuple(name for name, sha256 in last.content["inputs"] if now.get(name) != sha256)


# ── the ledger against its seals ────────────────────────────────────────────────────────────────────────────────────────


def _unchained(event: Event) -> Problem:
    return Problem(
        "event-changed",
        f"event {event.number} of the log ({event.kind} {event.period}) is not the one that was written: its hash, or the one "
        "before it, differs",
        LEDGER,
        remedy="put back the last copy of store/ as a whole: closed periods cannot be trusted as they stand",
    )


def _changed_runs(bench: Workbench, standing: Iterable[Event]) -> Iterator[Problem]:
    for event in standing:
        run, sealed = event.content["run"], event.content["digest"]
        current = bench.ledger.current_run(_period(event))
        if current != run or bench.ledger.stored_digest(run) != sealed:
            yield Problem(
                "run-changed",
                f"the rows of {event.period} (run {run}) are not those that close {event.number} sealed",
                LEDGER,
                remedy="put back the last copy of store/ as a whole: the rows were changed by something that is not finledger",
            )


def _changed_lists(bench: Workbench, events: Iterable[Event]) -> Iterator[Problem]:
    """What the ledger lists, held against the last close: rows stay for ever, so that it tells of those before it, too."""
    for event in [event for event in events if event.kind == "close"][-1:]:
        if bench.ledger.listed(marks_of(event)) != event.content["listed"]:
            yield Problem(
                "lists-changed",
                f"the exports, parts, runs, frozen texts or numbers that the ledger lists are not those of close {event.number}",
                LEDGER,
                remedy="put back the last copy of store/ as a whole: the rows were changed by something that is not finledger",
            )


def _period(event: Event) -> Month | Quarter:
    return Quarter.parse(event.period) if "Q" in event.period else Month.parse(event.period)


def _roots(bench: Workbench) -> dict[Path, tuple[int, str]]:
    """The close and root that each issued JSON document names, and each seal: of closed periods, and of reopened ones."""
    found = {}
    for folder in ("*", "*/closed-*"):
        for name in (*(f"{kind}/*.json" for kind in ISSUED), "seal.json"):
            for path in sorted((bench.root / "out").glob(f"{folder}/{name}")):
                named = _root_on(path)
                if named is not None:
                    found[path] = named
    return found


def _root_on(path: Path) -> tuple[int, str] | None:
    """None where it names none, or cannot be read: then its hash tells."""
    try:
        content = json.loads(path.read_bytes())
        if path.name == "seal.json":
            return int(content["number"]), str(content["hash"])
        seal = content.get("seal")
        return (int(seal["close"]), str(seal["root"])) if seal else None
    except (ValueError, AttributeError, KeyError, TypeError):
        return None


def _unknown_roots(bench: Workbench, events: Iterable[Event]) -> Iterator[Problem]:
    known = {(event.number, event.hash) for event in events if event.kind == "close"}
    for path, (number, root) in _roots(bench).items():
        if (number, root) not in known:
            yield Problem(
                "root-unknown",
                f"{bench.shown(path)} names close {number} with root {root[:12]}…, which the log does not have",
                SourceRef(bench.shown(path)),
                remedy="an older copy of the ledger was put back, or the document is not of these books: find the ledger that "
                "has this close",
            )


# ── worked out again ────────────────────────────────────────────────────────────────────────────────────────────────────


def _again(bench: Workbench, event: Event, engine_name: str, damaged: bool) -> tuple[Problem, ...]:
    """What differs when the period is worked out again. `damaged`: the books are known not to be as they were, so that whatever
    stops this is no fault of the program.
    """
    try:
        return tuple(_differences(bench, event, engine_name))
    except Refused as refused:
        return tuple(replace(problem, severity="error") for problem in refused.problems if problem.is_error)
    except Exception:
        if not damaged:
            raise
        return ()


def _differences(bench: Workbench, event: Event, engine_name: str) -> Iterator[Problem]:
    """The first difference between a closed period and the same worked out again; none when every row is the same."""
    if "Q" in event.period:
        entries, digest = rederived_quarter(bench, event, engine_name)
        lines: Iterable[ChargeLine] = ()
    else:
        charges = rederived_month(bench, event, engine_name)
        entries, digest, lines = charges.entries, run_content(charges).digest(), charges.lines
    run, sealed = event.content["run"], event.content["digest"]
    if digest != sealed or bench.ledger.stored_digest(run) != sealed:
        differences = (
            *_line_differences(bench.ledger.lines_of(run), lines),
            *_entry_differences(bench.ledger.entries_of(run), entries),
        )
        first = next(iter(differences), "though in no line and no entry")
        program = event.content["program"]
        yield Problem(
            "period-differs",
            f"{event.period}, worked out again from what close {event.number} sealed, differs: {first}",
            LEDGER,
            remedy=f"it was closed by finledger {program}: with another version, see *Amounts* in CHANGELOG.md; with the same, "
            "its inputs or rows were changed",
        )


def _line_differences(sealed: Iterable[ChargeLine], again: Iterable[ChargeLine]) -> Iterator[str]:
    old, new = ({line.key: line for line in lines} for lines in (sealed, again))
    for key in sorted({*old, *new}):
        was, now = old.get(key), new.get(key)
        if was != now:
            name = " ".join(filter(None, (key.team, key.feature, key.item or key.kind, key.model)))
            parts = _amounts(dict(was.components) if was else {}, dict(now.components) if now else {})
            yield f"{key.line_id} ({name}) {parts or 'has other quantities'}"


def _entry_differences(sealed: Iterable[JournalEntry], again: Iterable[JournalEntry]) -> Iterator[str]:
    old, new = ({entry.entry_id: entry for entry in entries} for entries in (sealed, again))
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if was != now:
            yield f"entry {name} {_amounts(_postings(was), _postings(now)) or 'is worded otherwise'}"


def _postings(entry: JournalEntry | None) -> dict[str, Any]:
    return {} if entry is None else {f"{each.account.name} @{each.cost_center}": each.amount for each in entry.postings}


def _amounts(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """`base was 9.30, is 9.31`: of the first that differs."""
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            return f"{name} was {old.get(name, 'absent')}, is {new.get(name, 'absent')}"
    return ""
