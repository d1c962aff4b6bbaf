"""Which format an export is of, by its content, and how its columns become ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import duckdb

from finledger.core.problem import Problem, SourceRef
from finledger.read import usage as registry
from finledger.read.columns import Layout
from finledger.read.cut_off import cut_off
from finledger.read.documents import bad_json, cut_lines, is_document, more_follows, unfold, wrong_with
from finledger.read.flat_lines import flat_header, in_sql, long_line
from finledger.read.header import Header, container_of, focus_table, read_header
from finledger.read.opened import Opened, text_lines
from finledger.read.unfold_ahead import LEAST, UnfoldAhead, begin
from finledger.read.unread import unread_counts
from finledger.read.usage import ExportFormat
from finledger.read.usage._samples import is_answer

_HEAD = 1 << 18
Chosen = tuple[str, Header, Layout, Opened]


class Blank(NamedTuple):
    """An export of a format, of a time in which nothing was used: pages whose buckets are all empty."""

    format: str
    notice: Problem


def choose(
    path: Path, shown_as: str, opened: Opened, connection: duckdb.DuckDBPyConnection, workspace: Path,
    format: str | None, map_file: Path | None, ahead: UnfoldAhead | None = None,
) -> Chosen | Blank | tuple[Problem, ...]:  # fmt: skip
    """The format and how the export's columns become ours, or what is wrong. JSON that is not lines is made lines first.

    `ahead`: the records of the text, as they are being cut out already.
    """
    known = registry.formats()
    if format is not None and not (format in known and known[format].needs):
        listed = ", ".join(name for name, each in known.items() if each.needs)
        return (
            Problem("unknown-format", f"there is no format {format!r}", SourceRef(shown_as), remedy=f"use one of: {listed}"),
        )
    container = container_of(path.name)
    if opened.text and container in ("csv", "") and _looks_like_json(opened.path):
        container = "jsonl"
    if map_file is not None:
        prepared = registry.map_module().prepare(opened, shown_as, map_file, workspace, container)
        if prepared.rows is None:
            return tuple(prepared.problems)
        opened, container = prepared.rows
    name = format or ""
    tabled = _as_table(opened, shown_as, connection, workspace, format) if opened.text and map_file is None else None
    if isinstance(tabled, Problem):
        return (tabled,)
    if tabled is not None:
        opened, name, container = *tabled, "parquet"
    elif container == "jsonl":
        lines = _as_lines(opened, shown_as, workspace, format, map_file, ahead)
        if isinstance(lines, Blank | Problem):
            return lines if isinstance(lines, Blank) else (lines,)
        opened, found = lines
        name = found or name
    header = _header(opened, shown_as, container, connection, name)
    if opened.unproven and not (isinstance(header, Header) and header.whole):
        lines = _as_lines(
            replace(opened, path=opened.source, raw=False), shown_as, workspace, format, map_file, careful=True
        )
        if isinstance(lines, Blank | Problem):
            return lines if isinstance(lines, Blank) else (lines,)
        opened = lines[0]
        header = _header(opened, shown_as, container, connection, name)
    if not isinstance(header, Header):
        return header
    name = "column_map" if map_file is not None else name or registry.detected(header.has)
    if not name:
        return (_unknown(shown_as, header),)
    outcome = known[name].layout(header, shown_as, map_file)
    if outcome.rows is None:
        return tuple(outcome.problems)
    lacking = format is not None and known[name].missing(header.has)  # named, not found: what it needs may be absent
    if lacking or outcome.rows.named("ts") is None or (outcome.rows.named("usage_id") is None and not outcome.rows.row_hash):
        return (_lacking(shown_as, known[name], header),)
    told = known[name].told
    unread = () if told is None else unread_counts(header, outcome.rows, told)
    return name, header, replace(outcome.rows, unread=unread) if unread else outcome.rows, opened


def _header(
    opened: Opened, shown_as: str, container: str, connection: duckdb.DuckDBPyConnection, name: str
) -> Header | tuple[Problem, ...]:
    if opened.raw:
        return flat_header(opened, registry.formats()[name].places, connection)
    return read_header(opened, shown_as, container, connection)


def _as_table(
    opened: Opened, shown_as: str, connection: duckdb.DuckDBPyConnection, workspace: Path, format: str | None
) -> tuple[Opened, str] | Problem | None:
    """What a format makes of a text that is neither a table nor records, and the format; None where the text is none of these."""
    for name, each in registry.formats().items():
        if each.table is not None and format in (None, name):
            found = each.table(opened, shown_as, connection, workspace)
            if found is not None:
                return found if isinstance(found, Problem) else (found, name)
    return None


def _looks_like_json(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def _as_lines(
    opened: Opened, shown_as: str, workspace: Path, format: str | None, map_file: Path | None, ahead: UnfoldAhead | None = None,
    *, careful: bool = False,
) -> tuple[Opened, str] | Blank | Problem:  # fmt: skip
    """A JSON text with one record a line: as it is, or unfolded into the workspace; and the format, where that was needed.

    `careful`: no cutting by the look of it, which was wrong.
    """
    ahead = ahead if ahead is not None and ahead.path == opened.path else None
    known = registry.formats()
    if map_file is not None:
        name, path, document = "column_map", "", is_document(opened.path)
        if not document:
            return _tidied(opened, workspace), ""
    else:
        found = ahead.found if ahead is not None else registry.found_in_json(opened.path, format)
        blank = registry.of_empty_pages(opened.path, format) if found is None or not found[0] else ()
        if blank:
            return _no_usage(blank, shown_as)
        if found is None:
            return _tidied(opened, workspace), ""
        name, path, document = found
    target = workspace / f"{opened.sha256[:16]}.records.jsonl"
    if not name:
        return _unknown_document(opened, shown_as)
    ends = () if document else cut_off(opened, shown_as, container="jsonl", width=0, walked=None)
    if ends:  # once unfolded, nobody can say whether the last line was whole
        return ends[0]
    places = known[name].places
    if places.in_sql and not document and not path and in_sql(opened):
        return replace(opened, unfolded=True, raw=True), name
    written = replace(places, shape=None) if places.in_sql and document else places  # flat while they are read
    done = None if ahead is None else ahead.moved(target)
    flat = ahead is not None and ahead.flat and done is True
    unproven = (
        not careful and not flat and (cut_lines(opened.path, document, path, written, target) if done is None else done)
    )
    wrong = None if unproven or flat else unfold(opened.path, document, path, written, target, shown_as)
    raw = written is not places and wrong is None and not long_line(target)
    if written is not places and not raw:
        unproven, wrong = False, unfold(opened.path, document, path, places, target, shown_as)
    if wrong is not None:
        return wrong
    if target.stat().st_size == 0:
        return Problem(
            "no-rows", f"the document holds no record ({known[name].title})", SourceRef(shown_as),
            remedy="export it again for days that have usage, or leave it out",
        )  # fmt: skip
    long = opened.long or (places.shape is not None and not raw)
    more = more_follows(opened.path)
    lines = replace(opened, path=target, unfolded=True, more=more, long=long, unproven=unproven, source=opened.path, raw=raw)
    return lines, "" if name == "column_map" else name


def are_records(path: Path, format: str | None) -> bool:
    """Whether the lines of a JSON text are records as they stand; not where the first is longer than one would be."""
    return b"\n" in _head(path) and not is_document(path) and registry.found_in_json(path, format) is None


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_HEAD)


def unfolding(path: Path, format: str | None, workspace: Path) -> UnfoldAhead | None:
    """Begin to make lines of a JSON text that nobody has looked through; None where that cannot be or would not help."""
    if container_of(path.name) != "jsonl" or path.suffix.lower() in (".gz", ".zst") or path.stat().st_size < LEAST:
        return None
    if is_answer(_head(path)):  # of samples, whose text is no list of records
        return None
    found = registry.found_in_json(path, format)
    if found is None or not found[0]:
        return None
    places = registry.formats()[found[0]].places
    if places.shape is not None and bool(places.in_sql) != found[2]:
        return None  # in one piece, or by DuckDB
    return begin(path, found, places, workspace)


def _no_usage(fitting: tuple[str, ...], shown_as: str) -> Blank | Problem:
    where = SourceRef(shown_as)
    if len(fitting) > 1:
        return Problem(
            "unknown-format", f"the page is empty, and may be of any format that has pages ({', '.join(fitting)})", where,
            remedy="leave it out, or name the format with --as: the file is then kept as read, with 0 records",
        )  # fmt: skip
    title = registry.formats()[fitting[0]].title
    remedy = "nothing to do, if nothing was used in that time: the file is kept as read, with 0 records"
    message = f"the pages hold no usage ({title}): every bucket is empty"
    return Blank(fitting[0], Problem("pages-empty", message, where, remedy=remedy, severity="notice"))


def _tidied(opened: Opened, workspace: Path) -> Opened:
    """Lines that end in anything but \\n or \\r\\n are written anew."""
    if opened.tidy:
        return opened
    copy = workspace / f"{opened.sha256[:16]}.lines.jsonl"
    with copy.open("w", encoding="utf-8", newline="\n") as stream:
        for line in text_lines(opened.path):
            stream.write(line.strip("\r\n") + "\n")
    return replace(opened, path=copy)


def _unknown_document(opened: Opened, shown_as: str) -> Problem:
    first = next((line.strip() for line in text_lines(opened.path) if line.strip()), "")
    why = wrong_with(opened.path)
    if why:
        return bad_json(why, shown_as)
    listed = ", ".join(name for name, each in registry.formats().items() if each.needs)
    return Problem(
        "unknown-format", f"the JSON document is of no known export format (known: {listed})", SourceRef(shown_as, 1),
        first[:160], "name the format with --as, or write one record a line (jq -c '.[]' FILE) and describe it in a map (--map)",
    )  # fmt: skip


def _lacking(shown_as: str, chosen: ExportFormat, header: Header) -> Problem:
    """A format that was named, for an export that cannot be it."""
    missing = chosen.missing(header.has) or ("a time",)
    line = 1 if header.container == "csv" else None
    return Problem(
        "missing-column", f"as {chosen.name}, the export lacks {', '.join(missing)}", SourceRef(shown_as, line),
        ", ".join(header.names)[:160], "leave out --as to have the format found, or describe the columns in a map (--map MAP.yaml)",
    )  # fmt: skip


_NEAREST = 3


def _unknown(shown_as: str, header: Header) -> Problem:
    """The formats that lack least, each with what it lacks; where none has any of the columns, finledger's own."""
    table = focus_table(header.names)
    if table:
        where = "; invoices are read from provider-invoices/" if table == "invoices" else ""
        return Problem(
            "unknown-format", f"no export format has these columns: they are FOCUS's table of {table}, which holds no usage",
            SourceRef(shown_as), ", ".join(header.names)[:160], f"leave it out: usage is in the table of cost and usage{where}",
        )  # fmt: skip
    lacking = sorted(
        (len(each.missing(header.has)) / len(each.needs), name, each.missing(header.has))
        for name, each in registry.formats().items() if each.needs and "" in each.places.paths
    )  # fmt: skip
    nearest = [each for each in lacking if each[0] < 1][:_NEAREST] or [each for each in lacking if each[1] == "native"]
    tried = [f"{name} needs {', '.join(missing) or 'other columns'}" for _, name, missing in nearest]
    line = 1 if header.container != "parquet" else None
    return Problem(
        "unknown-format", f"no export format has these columns: {'; '.join(tried)}", SourceRef(shown_as, line),
        ", ".join(header.names)[:160], "`finledger formats` lists what is read: name the format with --as, or describe the columns "
        "in a map (load FILE --map MAP.yaml)",
    )  # fmt: skip
