"""finledger's own usage rows: CSV, JSON lines or Parquet with the native columns, and any labels, by their names."""

from __future__ import annotations

from pathlib import Path

from finledger.core import usage
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read.columns import Field, Layout, quoted
from finledger.read.header import Header
from finledger.read.tags import tag_list

TITLE = "finledger's own usage rows (CSV, JSON lines, Parquet)"
NEEDS = ("usage_id", "ts")
GRAIN = "request"
M5 = "the buckets are ours: input is uncached, output includes reasoning."
TOLD = None  # an unknown column is refused
_KINDS = {column.name: column.kind for column in usage.NATIVE} | dict.fromkeys(usage.LABELS, "text")
# what Parquet keeps as a whole number needs no look at its text
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_IGNORED = ("source_ref",)


def layout(header: Header, shown_as: str, map_file: Path | None = None) -> Outcome[Layout | None]:
    """Every column must be a native column, a label, or start with `x_`: a misspelt name would lose usage without a word."""
    where = SourceRef(shown_as, 1 if header.container == "csv" else None)
    problems = [
        Problem(
            "missing-column", f"the export has no column {name!r}", where, ", ".join(header.names)[:160],
            "every usage row needs an id that is unique for ever and a time; see the native columns in docs/formats.md",
        )
        for name in NEEDS if not header.has(name)
    ]  # fmt: skip
    fields, whole = [], {}
    for name in header.names:
        if name in _KINDS:
            problems.extend(unfit(header, name, _KINDS[name], shown_as))
            if _KINDS[name] == "count" and header.types.get(name) in _WHOLE:
                fields.append(Field(name, f"CAST({quoted(name)} AS BIGINT)", name, value="{text}"))
                whole[fields[-1].text] = ""
            else:
                fields.append(Field(name, tag_list(header.ref(name)) if name == "tag" else header.ref(name), name))
        elif not name.startswith("x_") and name not in _IGNORED:
            problems.append(
                Problem(
                    "unknown-column", f"{name!r} is not a column of usage rows", where, ", ".join(header.names)[:160],
                    f"rename it{_nearest(name)}, or let it start with x_ to have it ignored",
                )
            )  # fmt: skip
    return Outcome(None if problems else Layout(tuple(fields), clean=whole), tuple(problems))


def unfit(header: Header, name: str, kind: str, shown_as: str) -> list[Problem]:
    """A Parquet column whose type cannot hold the native column. DOUBLE is read by its shortest text."""
    found = header.types.get(name, "VARCHAR")
    nested = found.startswith(("STRUCT", "MAP")) or found.endswith("]")
    numeric = found.startswith(("DECIMAL", "DOUBLE", "FLOAT")) or found.endswith("INT") or found in ("INTEGER", "HUGEINT")
    fits = {
        "text": not found.startswith(("BLOB", "BOOLEAN")) and (not nested or name == "tag"),
        "time": found.startswith(("VARCHAR", "TIMESTAMP")),
    }.get(kind, numeric or found in ("VARCHAR", "UINTEGER", '"NULL"'))
    if fits or found == '"NULL"':
        return []
    message = f"column {name!r} is {found}, which cannot be read as a {kind}"
    remedy = "write it as text, or as a whole number, decimal or timestamp as its kind needs"
    return [Problem("unfit-type", message, SourceRef(shown_as, None, name), remedy=remedy)]


def _nearest(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name.lower(), list(_KINDS), 1, cutoff=0.75)
    return f" (to {close[0]}?)" if close else ""
