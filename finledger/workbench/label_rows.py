"""Why one row has the owner it has: found by its id or its place, and held against the rules (A9, A1). Nothing is written."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from finledger.books import row_lookup
from finledger.books.export_places import record_places, still_has
from finledger.books.row_lookup import FoundRow
from finledger.core.classify import Rules
from finledger.core.label import SETTABLE, own, settle_operator
from finledger.core.label_explain import ExplainedRow, Fate, SettledOwner, explain_labels
from finledger.core.model import LoadedFile, Organisation, OwnedGroup, UsageGroup
from finledger.core.money import EXACT
from finledger.core.period import Month
from finledger.core.problem import Problem, Refused, SourceRef
from finledger.core.records import open_quote
from finledger.engines import LOCAL, engine
from finledger.objects import located
from finledger.pipeline import MonthInputs, query
from finledger.workbench import Workbench, sealed

_PLACE = re.compile(r"(.+?)(?::| record )([0-9][0-9,_]*)")
_HASHED = re.compile(r"[0-9a-f]{32}-1")
_LOOKED_BACK = 1000  # records before a line's number that it is likely to be one of: blank lines and quotes are few


@dataclass(frozen=True, slots=True)
class _At:
    """A record of a loaded export, and its line where it has one."""

    file: LoadedFile
    record: int
    line: int | None = None
    excerpt: str = ""

    @property
    def place(self) -> str:
        return f"{self.file.name}:{self.line}" if self.line else f"{self.file.name} record {self.record}"


def explain_row(bench: Workbench, row: str, month: Month | None = None) -> ExplainedRow:
    """The row that is called `row`: a usage id, or FILE:LINE of a loaded export (FILE:RECORD where it has no lines).

    `month`: only rows of that month are looked for. A row of a closed month is explained by what was sealed with it (A7).
    Raises Refused with ids that read alike where there is no such row.
    """
    paths = bench.store.paths(bench.ledger.parts(month))
    found = row_lookup.by_id(paths, row)
    if found is not None:
        return _stored(bench, found, _placed(bench, found))
    at = _at(bench, row)
    if at is None:
        raise Refused([_unknown(bench, row, paths)])
    stored = row_lookup.by_record(paths, at.file.sha256, at.record)
    if stored is not None:
        return _stored(bench, stored, at)
    gone = bench.ledger.replaced().files.get(at.file.sha256)
    if gone is not None:
        newer = ", ".join(name for _, name in gone.newer)
        return _uncounted(bench, at, "replaced", same_as=newer)
    refused = _refused(bench, at)
    if refused is not None:
        return refused
    if month is not None:
        raise Refused([_other_month(row, month)])
    return _duplicate(bench, at, paths)


# ── which row ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _at(bench: Workbench, row: str) -> _At | None:
    """The record that FILE:LINE names; None where that is no place in a loaded export."""
    match = _PLACE.fullmatch(row)
    file = _file(bench, match[1]) if match is not None else None
    if match is None or file is None:
        return None
    number = int(re.sub("[,_]", "", match[2]))
    counted = row[match.end(1) :].startswith(" record ")
    at = _by_record(bench, file, number) if counted else _by_line(bench, file, number)
    if at is None or not 1 <= at.record <= file.read:
        raise Refused([_no_record(file, row, number)])
    return at


def _file(bench: Workbench, name: str) -> LoadedFile | None:
    """The loaded export of that name: as it was loaded, as a path, or by its last part where only one has it."""
    files = bench.ledger.files()
    for wanted in (name, bench.shown(Path(name)), bench.shown(bench.root / name)):
        for file in files:
            if file.name == wanted:
                return file
    alike = [file for file in files if Path(file.name).name == name]
    return alike[0] if len(alike) == 1 else None


def _by_record(bench: Workbench, file: LoadedFile, record: int) -> _At:
    line, excerpt = _places(bench, file, [record]).get(record, (None, ""))
    return _At(file, record, line, excerpt)


def _by_line(bench: Workbench, file: LoadedFile, line: int) -> _At | None:
    """The record that holds a line. Lines of an export that is not there any more are known for refused records only."""
    if not _places(bench, file, [1]):
        refused = (row_lookup.refused_on_line(path, line) for path in _quarantines(bench, file))
        record = next((found for found in refused if found is not None), None)
        return _At(file, line) if record is None else _At(file, record, line)
    near = _places(bench, file, range(max(1, line - _LOOKED_BACK), line + 1))
    held = [(record, place) for record, place in near.items() if place[0] <= line]
    sure = held and (len(held) < len(near) or max(held)[0] == file.read)
    found = _At(file, max(held)[0], *max(held)[1]) if sure else _bisected(bench, file, line)
    inside = found is not None and (found.line == line or open_quote([found.excerpt]) is not None)
    return found if inside else None


def _bisected(bench: Workbench, file: LoadedFile, line: int) -> _At | None:
    """The last record that begins on a line or before it: every record begins after the one before."""
    low, high, best = 1, min(line, file.read), None
    while low <= high:
        middle = low + (high - low) // 2
        place = _places(bench, file, [middle]).get(middle)
        if place is not None and place[0] <= line:
            best, low = _At(file, middle, *place), middle + 1
        else:
            high = middle - 1
    return best


def _places(bench: Workbench, file: LoadedFile, records: Sequence[int] | range) -> dict[int, tuple[int, str]]:
    """Record → its line and text, while the export lies where it was loaded from, as long as it was."""
    path = located(bench.root, file.name)
    return record_places(path, records) if still_has(path, file.size) else {}


def _placed(bench: Workbench, row: FoundRow) -> _At:
    file = next(file for file in bench.ledger.files() if file.sha256 == row.file_sha256)
    return _by_record(bench, file, row.record)


def _quarantines(bench: Workbench, file: LoadedFile) -> list[Path]:
    return bench.store.paths(part for part in bench.ledger.parts(rejected=True) if part.file_sha256 == file.sha256)


# ── what became of it ───────────────────────────────────────────────────────────────────────────────────────────────────


def _stored(bench: Workbench, row: FoundRow, at: _At) -> ExplainedRow:
    zone = bench.ledger.meta("timezone") or bench.organisation.timezone
    local = row.ts.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    month = Month(local.year, local.month)
    closed = bench.closed(month)
    organisation = bench.organisation if closed is None else sealed.as_of(bench, closed).organisation
    texts = {name: _text(value) for name, value in row.columns.items()}
    source = texts.get("source", "")
    role = organisation.role(source)
    uncharged = row.is_aggregate or role == "reconcile"
    owned = None if uncharged else _owned(bench, organisation, month, texts["usage_id"])
    repeats = owned is None and not uncharged
    group = owned.group if owned is not None else None

    def value(name: str) -> str:
        """As the corridor has it: what it puts in place of an exported field counts (A5)."""
        if group is not None and name in (*group.keys, *group.labels):
            return group.keys[name] if name in group.keys else group.labels[name]
        return texts.get(name, "")

    day = local.date()
    return ExplainedRow(
        place=at.place,
        record=row.record,
        fate="aggregate" if row.is_aggregate or repeats else "accepted",
        usage_id=texts["usage_id"],
        source=source,
        role=role,
        month=month,
        at=local,
        day=day,
        excerpt=at.excerpt,
        fields={name: text for name, text in texts.items() if name not in ("usage_id", "source")},
        labels=explain_labels({name: value(name) for name in SETTABLE}, value, Rules(organisation.rules), day),
        owner=None if owned is None else _settled(owned, organisation),
        closed=closed is not None,
    )


def _owned(bench: Workbench, organisation: Organisation, month: Month, usage_id: str) -> OwnedGroup | None:
    """The row as a group of its own, brought to its owner by the very steps that a month is charged by."""
    paths = bench.store.paths(bench.ledger.parts(month))
    before = bench.store.paths(bench.ledger.parts(month.before))
    inputs = MonthInputs(month, organisation, (), lambda asked: engine(LOCAL).group(paths, asked, before))
    asked = query(inputs)
    only = replace(asked, only=(("usage_id", (usage_id,)),))
    groups: tuple[UsageGroup, ...] = inputs.group(only).rows
    with localcontext(EXACT):
        owned = own(groups, organisation, only.intervals).rows
    return owned[0] if owned else None


def _settled(owned: OwnedGroup, organisation: Organisation) -> SettledOwner:
    operator = settle_operator(organisation, owned.team, owned.operator, owned.day) if owned.operator else None
    return SettledOwner(
        owned.team, owned.cost_center, owned.reason, owned.operator, operator.cost_center if operator is not None else ""
    )


def _refused(bench: Workbench, at: _At) -> ExplainedRow | None:
    for path in _quarantines(bench, at.file):
        faults = row_lookup.faults_of(path, at.record)
        if faults:
            line = next((line for *_, line in faults if line), at.line)
            place = _At(at.file, at.record, line).place
            found = tuple((column, value, reason) for column, value, reason, _ in faults)
            return replace(_uncounted(bench, at, "rejected"), place=place, faults=found)
    return None


def _uncounted(bench: Workbench, at: _At, fate: Fate, usage_id: str = "", same_as: str = "") -> ExplainedRow:
    """A record of which nothing is stored."""
    source = at.file.source
    role = bench.organisation.role(source)
    return ExplainedRow(
        at.place, at.record, fate, usage_id=usage_id, source=source, role=role, excerpt=at.excerpt, same_as=same_as
    )


def _duplicate(bench: Workbench, at: _At, paths: Sequence[Path]) -> ExplainedRow:
    """A record that was read and is neither stored nor refused: its like is, and counts in its place (C1)."""
    usage_id = _id_of(bench, at)
    first = row_lookup.by_id(paths, usage_id) if usage_id else None
    if first is None and _HASHED.fullmatch(usage_id):  # a hash and the ordinal among identical rows: here it stands alone
        first = row_lookup.by_id(paths, usage_id[:-1], beginning=True)
    return _uncounted(bench, at, "duplicate", usage_id, "" if first is None else _placed(bench, first).place)


def _id_of(bench: Workbench, at: _At) -> str:
    """The id that a record of a text export was given: it is read once more, alone. "" where nobody can say."""
    import duckdb

    from finledger.read.stage import stage

    suffixes = [suffix for suffix in Path(at.file.name).suffixes if suffix not in (".gz", ".zst")]
    if not at.excerpt or not suffixes or at.file.format == "column_map":
        return ""
    path = bench.root / at.file.name
    header = [text for _, text in record_places(path, [0]).values()]
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / f"record{suffixes[-1]}"
        alone.write_text("\n".join((*header, at.excerpt, "")), encoding="utf-8")
        zone = bench.organisation.timezone
        staged = stage(alone, shown_as=at.file.name, format=at.file.format, timezone=zone, workspace=Path(folder) / "work")
        if not staged.rows or staged.read != 1 or staged.rejected:
            return ""
        with duckdb.connect() as connection:
            found = connection.execute(f"SELECT usage_id FROM read_parquet({staged.rows!r})").fetchone()
    return str(found[0]) if found else ""


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").removesuffix(".") if "." in text else text
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    return str(value)


# ── where there is none ─────────────────────────────────────────────────────────────────────────────────────────────────


def _unknown(bench: Workbench, row: str, paths: Sequence[Path]) -> Problem:
    files = bench.ledger.files()
    where = SourceRef("usage")
    if not files:
        return Problem("row-unknown", "nothing is loaded", where, remedy="run `finledger load` with the exports first")
    match = _PLACE.fullmatch(row)
    names = [file.name for file in files]
    if match is not None:
        near = get_close_matches(match[1], [*names, *(Path(name).name for name in names)], n=3, cutoff=0.6)
        loaded = list(dict.fromkeys(name for name in names if name in near or Path(name).name in near))
        if loaded:
            remedy = f"write {' or '.join(f'{name}:{match[2]}' for name in loaded)}"
            return Problem(
                "row-unknown", f"no loaded export is called {match[1]!r}, and no row has the id", where, row, remedy
            )
    alike = row_lookup.near_ids(paths, row)
    remedy = (
        f"did you mean {' or '.join(alike)}?" if alike else f"write a usage id, or a place such as {names[0]}:2"
    ) + "; refused rows have no id here: name them by their place (`finledger usage quarantine`)"
    return Problem("row-unknown", f"no loaded row has the id {row!r}", where, remedy=remedy)


def _no_record(file: LoadedFile, row: str, number: int) -> Problem:
    message = f"{file.name} has no row there: {file.read:,} records were read of it"
    remedy = "line 1 of a CSV is its header; the first row is on the line below" if number < 2 else "write a line of a row"
    return Problem("row-unknown", message, SourceRef(file.name, number), row, remedy)


def _other_month(row: str, month: Month) -> Problem:
    remedy = "leave out --month to look in all months"
    return Problem("row-unknown", f"{row} is no row of {month}", SourceRef("usage"), remedy=remedy)
