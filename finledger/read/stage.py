"""From an export to a staged file: typed rows beside the reasons why some are refused, in DuckDB, in two passes.

    bytes ──open_export──▶ hash, lines ──read_header, layout──▶ COPY (text, validated, cast) ──▶ rows.parquet
                                                                duplicates, conflicts, aggregates ──▶ marks.parquet
                                                                faults ──▶ rejects.parquet

Records keep the file's order in rows.parquet, one row each, so a record's ordinal costs nothing. Nothing outside the
workspace is written. docs/decisions/0003-loading.md has the measurements.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from finledger.core.model import StagedFile
from finledger.core.period import Month
from finledger.core.problem import Problem, SourceRef
from finledger.core.records import csv_record_lines, jsonl_record_lines
from finledger.read.choose import Blank, Chosen, are_records, choose, unfolding
from finledger.read.columns import Context, Layout, literal, select_sql
from finledger.read.copies import Copies, find_copies, insert_rows, number_identical_rows, scan
from finledger.read.csv_repair import Walked, repair, walk
from finledger.read.cut_off import cut_off
from finledger.read.header import Header, container_of, holds_long, json_line_relation, with_csv
from finledger.read.need_feature import FeatureNeed, refuse_featureless
from finledger.read.opened import Opened, Progress, content_hash, open_export, text_lines
from finledger.read.spans import find_aggregates
from finledger.read.unread import unread_problem

__all__ = ["content_hash", "stage"]
_SHOWN_CONFLICTS = 1000
_SHOWN_REASONS = 5
_DAMAGED = (duckdb.InvalidInputException, duckdb.SerializationException, duckdb.Error)  # the last: a page that ends early
MEMORY_LIMIT = "700MB"
# Read once more and thrown away. PRESERVE_ORDER: without it, rows of costly queries lie in any order, and `record` is a lie.
_STAGED = (
    "FORMAT parquet, PARQUET_VERSION V2, COMPRESSION uncompressed, ROW_GROUP_SIZE 61440, DICTIONARY_SIZE_LIMIT 4096, "
    "WRITE_BLOOM_FILTER false, PRESERVE_ORDER true"
)


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A query that ran before it was known to be the right one, and what came of it."""

    chosen: Chosen
    select: str
    rows: str
    read: int
    error: duckdb.Error | None

    def chosen_for(self, opened: Opened, connection: duckdb.DuckDBPyConnection) -> Chosen | None:
        """What was chosen, where looking shows nothing that would change it: to see which names JSON lines have costs a pass."""
        header = self.chosen[1]
        if opened.path != self.chosen[3].path or not opened.tidy or header.container != "jsonl":
            return None
        if header.short and opened.long and holds_long(json_line_relation(opened.path), connection):
            return None
        return (*self.chosen[:3], opened)


@dataclass(slots=True)
class _Job:
    """What the steps of one file hand on."""

    shown_as: str
    opened: Opened
    connection: duckdb.DuckDBPyConnection
    workspace: Path
    header: Header
    delimiter: str
    layout: Layout
    context: Context
    inclusive: Collection[str]
    progress: Progress | None
    ahead: _Ahead | None = None
    walked: Walked | None = None
    rows: str = ""
    read: int = 0
    problems: list[Problem] = field(default_factory=list)
    late: dict[int, str] = field(default_factory=dict)
    need: FeatureNeed | None = None
    source: str = ""

    @property
    def columns(self) -> list[str]:
        names = [found.name for found in self.layout.fields]
        return ["usage_id", *names] if self.layout.row_hash else names


def stage(
    path: Path,
    *,
    shown_as: str,
    format: str | None = None,
    source: str | None = None,
    map_file: Path | None = None,
    timezone: str = "UTC",
    inclusive: Collection[str] = (),
    workspace: Path,
    month: Month | None = None,
    sha256: str | None = None,
    progress: Progress | None = None,
    encoding: str | None = None,
    need: FeatureNeed | None = None,
) -> StagedFile:
    """Read one export into the workspace. What is wrong with the file as a whole is in `problems`; bad rows are in `rejects`.

    `format` None = detected by the header; `map_file` reads the export by a column map. `source` None = the format's name.
    `inclusive`: sources whose parent spans hold their children's tokens (C2). `month`: rows of other months are refused.
    `sha256`: the content hash, if it is known already. `encoding`: of text that has no BOM, when it is not UTF-8.
    `need`: what `require_feature` asks of every row (A6).
    """
    workspace.mkdir(parents=True, exist_ok=True)
    connection, unfolded = connect(workspace, timezone), None
    try:
        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(open_export, path, shown_as, workspace, progress, sha256, encoding)
            context = Context(timezone, False, month, written=True)
            ahead = None
            if encoding is None:
                unfolded = unfolding(path, format, workspace) if map_file is None else None
                ahead = _read_ahead(path, shown_as, connection, workspace, format, map_file, context, progress)
            opened = looking.result()
        if isinstance(opened, Problem):
            return _failed(path, shown_as, (opened,))
        chosen = (ahead and ahead.chosen_for(opened, connection)) or choose(
            path, shown_as, opened, connection, workspace, format, map_file, unfolded
        )
        if isinstance(chosen, Blank):
            nothing = _failed(path, shown_as, (chosen.notice,), opened)
            return replace(nothing, format=chosen.format, source=source or chosen.format, timezone=timezone)
        if not isinstance(chosen[0], str):
            return _failed(path, shown_as, chosen, opened)
        name, header, layout, opened = chosen
        control = opened.control or header.container == "jsonl" or (opened.tabs and header.delimiter != "\t")
        context = Context(timezone, control, month, written=header.container == "csv")
        job = _Job(
            shown_as, opened, connection, workspace, header, header.delimiter, layout, context, inclusive, progress, ahead
        )
        job.need, job.source = need, source or ("usage" if name == "column_map" else name)
        return replace(_staged(job), format=name, source=job.source, path=str(path), timezone=timezone)
    finally:
        if unfolded is not None:
            unfolded.stop()
        connection.close()


def connect(workspace: Path, timezone: str = "UTC") -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own within the memory that loading may take; what does not fit spills into the workspace."""
    connection = duckdb.connect()
    for setting in (
        f"memory_limit = '{MEMORY_LIMIT}'",
        f"temp_directory = {literal(str(workspace / 'spill'))}",
        f"TimeZone = {literal(timezone)}",
        "preserve_insertion_order = true",
        "enable_progress_bar = false",
    ):
        connection.execute(f"SET {setting}")
    return connection


def _read_ahead(
    path: Path, shown_as: str, connection: duckdb.DuckDBPyConnection, workspace: Path,
    format: str | None, map_file: Path | None, context: Context, progress: Progress | None,
) -> _Ahead | None:  # fmt: skip
    """Read a plain CSV, or JSON lines that are records as they stand, while another thread hashes the file and looks through it.

    The usual file is UTF-8 without control characters. If looking finds otherwise, the right query is another one, and runs.
    """
    container = container_of(path.name)
    if path.suffix.lower() in (".gz", ".zst") or map_file is not None or not path.stat().st_size:
        return None
    if container != "csv" and not (container == "jsonl" and are_records(path, format)):
        return None
    context = replace(context, control=container == "jsonl", written=container == "csv")
    opened = Opened(path, "", 0, True, control=context.control, long=None)
    try:
        chosen = choose(path, shown_as, opened, connection, workspace, format, None)
    except (UnicodeDecodeError, duckdb.Error):
        return None
    if isinstance(chosen, Blank) or not isinstance(chosen[0], str):
        return None
    select = select_sql(chosen[2], chosen[1].relation, context, broken=container == "jsonl")
    rows = str(workspace / "ahead.rows.parquet")
    try:
        with _Progress(connection, path.stat().st_size, progress):
            return _Ahead(chosen, select, rows, _copied(connection, select, rows), None)
    except duckdb.Error as error:
        return _Ahead(chosen, select, rows, 0, error)


def _copied(connection: duckdb.DuckDBPyConnection, select: str, rows: str) -> int:
    counted = connection.execute(f"COPY ({select}) TO {literal(rows)} ({_STAGED})").fetchone()
    return int(counted[0]) if counted else 0


def _staged(job: _Job) -> StagedFile:
    _copy(job)
    if not job.problems:
        _check_shape(job)
    if not job.problems:
        width = len(job.header.names)
        job.problems += cut_off(job.opened, job.shown_as, job.header.container, width, job.walked)
    if job.problems:
        return _failed(Path(job.opened.path), job.shown_as, tuple(job.problems), job.opened)
    if job.read == 0:
        remedy = "export it again, or leave it out"
        problem = Problem("no-rows", "the export has a header and no rows", SourceRef(job.shown_as), remedy=remedy)
        return _failed(Path(job.opened.path), job.shown_as, (problem,), job.opened)
    if job.layout.row_hash:
        job.rows = number_identical_rows(job.connection, job.rows, str(job.workspace / f"{_short(job)}.ids.parquet"))
    job.connection.execute(
        "CREATE OR REPLACE TEMP TABLE marks (record BIGINT, fate VARCHAR, input_tokens BIGINT, cached_input_tokens BIGINT, "
        "cache_write_tokens BIGINT, output_tokens BIGINT)"
    )
    found = Copies(0, []) if job.layout.row_hash else find_copies(job.connection, job.rows, job.columns)
    job.problems.extend(_conflicts(job, found.conflicts))
    aggregates, job.late = find_aggregates(job.connection, job.rows, job.columns, inclusive=job.source in job.inclusive)
    insert_rows(job.connection, "marks (record, fate)", [(record, "unclear") for record in job.late])
    rejected, rejects = _write_rejects(job)
    if rejected == job.read:
        job.problems.append(_all_rejected(job, rejects))
    if job.opened.more:
        job.problems.append(_page_missing(job.shown_as))
    job.problems += unread_problem(job.connection, job.rows, job.layout.unread, job.shown_as)
    marks = _write_marks(job)
    return StagedFile(
        job.opened.sha256, job.shown_as, "", "", job.opened.size, job.read, rejected, found.duplicates, aggregates,
        job.rows, rejects, marks, problems=tuple(job.problems),
    )  # fmt: skip


def _copy(job: _Job) -> None:
    """The one pass that reads, validates and casts. A CSV that the strict reader refuses is walked, tidied and read again."""
    job.rows = str(job.workspace / f"{_short(job)}.rows.parquet")
    untidy = job.header.container == "csv" and not (job.opened.tidy and job.header.plain)
    if not untidy:
        try:
            job.read = _run_copy(job)
            return
        except duckdb.Error as error:
            if type(error) not in _DAMAGED:
                raise  # the machine's fault, or ours
            if job.header.careful:
                job.header = replace(job.header, relation=job.header.careful, careful="")
                return _copy(job)
            if job.header.container != "csv":
                job.problems.append(_unreadable(job, error))
                return
    _repair(job)
    if not job.problems:
        try:
            job.read = _run_copy(job)
        except duckdb.InvalidInputException as error:
            job.problems.append(_unreadable(job, error))


def _unreadable(job: _Job, error: duckdb.Error) -> Problem:
    message = f"the file cannot be read: {str(error).splitlines()[0][:160]}"
    remedy = "export it again: it is damaged, or a record of it is longer than any usage row is"
    return Problem("unreadable-file", message, SourceRef(job.shown_as), remedy=remedy)


def _repair(job: _Job) -> None:
    header = job.header
    copy = job.workspace / f"{_short(job)}.tidy.csv"
    job.walked = repair(header.path, job.shown_as, len(header.names), header.delimiter, _watched(job), copy)
    job.problems.extend(job.walked.problems)
    job.header = with_csv(header, copy, parallel=False)
    job.context = replace(job.context, control=True)


def _watched(job: _Job) -> list[int]:
    """The columns whose whole value is one of ours: none of those holds lines, so a record swallowed by one shows."""
    texts = {job.layout.clean.get(found.text, found.text) for found in job.layout.fields}
    return [index for index in range(len(job.header.names)) if f"c{index}" in texts]


def _is_read(layout: Layout, columns: Collection[int]) -> bool:
    """Whether any value of ours is made of one of these columns of a CSV."""
    read = re.findall(r"\bc[0-9]+\b", layout.looked_at())
    return not {f"c{index}" for index in columns}.isdisjoint(read)


def _run_copy(job: _Job) -> int:
    select = select_sql(job.layout, job.header.relation, job.context, broken=job.header.container == "jsonl")
    if job.ahead is not None and job.ahead.select == select:
        if job.ahead.error is not None:
            raise job.ahead.error
        job.rows = job.ahead.rows
        return job.ahead.read
    with _Progress(job.connection, job.opened.size, job.progress):
        return _copied(job.connection, select, job.rows)


def _check_shape(job: _Job) -> None:
    """More lines than records: quotes hold line ends, or lines are blank. Walk the file to see that nothing is swallowed."""
    if job.header.container != "csv" or job.walked is not None or job.opened.lines == job.read + 1:
        return
    header, copy = job.header, job.workspace / "walked.csv"
    said = (header.path, job.shown_as, len(header.names), header.delimiter, _watched(job))
    walked = walk(*said)
    job.problems.extend(walked.problems)
    if job.problems:
        return
    if walked.records != job.read:
        job.walked = repair(*said, copy)
        job.header = with_csv(header, copy, parallel=False)
    elif job.context.control or not _is_read(job.layout, walked.lined):
        return
    if not job.context.control:
        job.context = replace(job.context, control=True)  # a line end in a value is a control character too
    job.read = _run_copy(job)


def _write_rejects(job: _Job) -> tuple[int, str]:
    rejects = str(job.workspace / f"{_short(job)}.rejects.parquet")
    late = [(record, "span_id", "", reason) for record, reason in job.late.items()]
    job.connection.execute("CREATE OR REPLACE TEMP TABLE late (record BIGINT, col VARCHAR, val VARCHAR, reason VARCHAR)")
    insert_rows(job.connection, "late", late)
    refuse_featureless(job.connection, job.rows, job.columns, job.need, job.source)
    source = scan(job.rows)
    job.connection.execute(
        f'CREATE OR REPLACE TEMP TABLE rejects AS SELECT record, CAST(NULL AS BIGINT) AS line, col AS "column", val AS value, '
        f"reason, ts FROM (SELECT record, ts, fault->>'column' AS col, fault->>'value' AS val, fault->>'reason' AS reason FROM "
        f"(SELECT record, ts, unnest(CAST(CAST(faults AS JSON) AS JSON[])) AS fault FROM {source} WHERE faults IS NOT NULL) "
        f"UNION ALL SELECT l.record, s.ts, col, val, reason FROM late l JOIN {source} s USING (record))"
    )
    if job.walked is not None and job.walked.broken:
        job.connection.execute("CREATE OR REPLACE TEMP TABLE broken (record BIGINT, excerpt VARCHAR, reason VARCHAR)")
        rows = [(record, excerpt, reason) for record, (_, reason, excerpt) in job.walked.broken.items()]
        insert_rows(job.connection, "broken", rows)
        job.connection.execute("DELETE FROM rejects WHERE record IN (SELECT record FROM broken)")
        job.connection.execute("INSERT INTO rejects SELECT record, NULL, '(record)', excerpt, reason, NULL FROM broken")
    whole = "SELECT record FROM rejects WHERE \"column\" = '(record)'"  # what is not a record has no columns to miss
    job.connection.execute(f"DELETE FROM rejects WHERE \"column\" <> '(record)' AND record IN ({whole})")
    (rejected,) = job.connection.execute("SELECT count(DISTINCT record) FROM rejects").fetchone() or (0,)
    if not rejected:
        return 0, ""
    _fill_lines(job)
    zone = literal(job.context.timezone)
    job.connection.execute(
        f"COPY (SELECT DISTINCT record, line, \"column\", value, reason, strftime(ts AT TIME ZONE 'UTC' AT TIME ZONE {zone}, '%Y-%m') "
        f'AS month FROM rejects ORDER BY record, "column", reason) TO {literal(rejects)} (FORMAT parquet, COMPRESSION zstd)'
    )
    return int(rejected), rejects


def _fill_lines(job: _Job) -> None:
    if job.header.container == "parquet" or job.opened.unfolded:
        return
    if job.opened.lines == job.read + (job.header.container == "csv"):
        job.connection.execute(f"UPDATE rejects SET line = record + {int(job.header.container == 'csv')}")
        return
    wanted = {int(r) for (r,) in job.connection.execute("SELECT DISTINCT record FROM rejects").fetchall()}
    found = _lines(job, wanted)
    job.connection.execute("CREATE OR REPLACE TEMP TABLE found_lines (record BIGINT, line BIGINT)")
    insert_rows(job.connection, "found_lines", [(record, line) for record, (line, _) in found.items()])
    job.connection.execute("UPDATE rejects SET line = f.line FROM found_lines f WHERE f.record = rejects.record")


def _lines(job: _Job, records: Iterable[int]) -> dict[int, tuple[int, str]]:
    """Record → its line and the line's text."""
    wanted = set(records)
    if job.header.container == "parquet" or job.opened.unfolded or not wanted:
        return {}
    lines = text_lines(job.opened.path)
    walk = csv_record_lines(lines, job.delimiter) if job.header.container == "csv" else jsonl_record_lines(lines)
    last = max(wanted)
    found = {}
    for record, place in enumerate(walk, 0 if job.header.container == "csv" else 1):
        if record in wanted:
            found[record] = place
        if record >= last:
            break
    return found


def _conflicts(job: _Job, conflicts: list[tuple[int, int, str]]) -> list[Problem]:
    shown = conflicts[:_SHOWN_CONFLICTS]
    lines = _lines(job, {record for pair in shown for record in pair[:2]})
    problems = []
    for first, other, usage_id in shown:
        line, excerpt = lines.get(other, (None, ""))
        before = SourceRef(job.shown_as, lines[first][0] if first in lines else None)
        place = "" if first in lines else f" (records {first} and {other})"
        message = f"usage_id {usage_id!r} is used twice with different content: also at {before}{place}"
        remedy = "an id names one use for ever: correct one of the two, or give it an id of its own"
        problems.append(
            Problem("conflicting-usage", message, SourceRef(job.shown_as, line, "usage_id"), excerpt[:160], remedy)
        )
    if len(conflicts) > len(shown):
        message = f"and {len(conflicts) - len(shown):,} more ids are used twice with different content"
        problems.append(Problem("conflicting-usage", message, SourceRef(job.shown_as), remedy="see the first ones"))
    return problems


def _all_rejected(job: _Job, rejects: str) -> Problem:
    """The commonest reasons, each with the first value that it is about."""
    query = (
        f'SELECT "column", reason, count(DISTINCT record), min(record), arg_min(value, record) FROM read_parquet({literal(rejects)}) '
        f"GROUP BY 1, 2 ORDER BY 3 DESC, 4, 1, 2"
    )
    reasons = job.connection.execute(query).fetchmany(_SHOWN_REASONS)
    listed = [
        ("the record" if column == "(record)" else f"{column} {value[:60]!r}" if value else column)
        + f" {reason}" + (f" ({count:,} rows)" if count > 1 else "")
        for column, reason, count, _, value in reasons
    ]  # fmt: skip
    record = reasons[0][3]
    line, excerpt = _lines(job, {record}).get(record, (None, ""))
    remedy = "correct the export; if it is another format or another month, see --as, --map and --month"
    when = job.layout.named("ts")
    if (
        when is not None
        and len(reasons) == 1
        and reasons[0][:2] == (when.shown, "is missing")
        and job.header.container == "jsonl"
    ):
        dated = f'jq -c \'. + {{"{when.shown}": "2026-07-31T12:00:00Z"}}\' FILE'
        remedy = f"say when it was, which the file does not: one time for all rows ({dated}), or each row's own"
    message = "\n".join((f"not one row can be accepted (rows read: {job.read:,})", *listed))
    return Problem("all-rows-rejected", message, SourceRef(job.shown_as, line), excerpt[:160], remedy)


def _page_missing(shown_as: str) -> Problem:
    return Problem(
        "page-missing", "the last page of the file says that another one follows", SourceRef(shown_as),
        remedy="fetch the pages that follow; nothing is to be done if they lie in files beside this one", severity="warning",
    )  # fmt: skip


def _write_marks(job: _Job) -> str:
    (count,) = job.connection.execute("SELECT count(*) FROM marks").fetchone() or (0,)
    if not count:
        return ""
    marks = str(job.workspace / f"{_short(job)}.marks.parquet")
    job.connection.execute(f"COPY (SELECT * FROM marks ORDER BY record) TO {literal(marks)} (FORMAT parquet)")
    return marks


def _failed(path: Path, shown_as: str, problems: tuple[Problem, ...], opened: Opened | None = None) -> StagedFile:
    sha256 = opened.sha256 if opened else content_hash(path)
    size = opened.size if opened else path.stat().st_size
    return StagedFile(sha256, shown_as, "", "", size, path=str(path), problems=problems)


def _short(job: _Job) -> str:
    return job.opened.sha256[:16]


class _Progress:
    """Tells how far a COPY is, from another thread: half of the work was hashing, in bytes; this is the other half."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, size: int, progress: Progress | None) -> None:
        self._connection, self._size, self._progress = connection, size, progress
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        if self._progress is not None:
            self._connection.execute("SET enable_progress_bar = true")
            self._connection.execute("SET enable_progress_bar_print = false")
            self._thread = threading.Thread(target=self._tell, daemon=True)
            self._thread.start()

    def __exit__(self, *_: Any) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _tell(self) -> None:
        while not self._done.wait(0.2):
            percent = max(self._connection.query_progress(), 0)
            if self._progress is not None:
                self._progress(self._size + int(percent * self._size / 100), 2 * self._size)
