"""JSON lines whose records a format makes flat: the ordinary ones in the query that reads the file, the others by Python in it.

A format's `shape` makes any record flat, at 30 µs each; what most records are like it says in SQL as well (`Places.in_sql`), at a
few µs. What that takes to be something else goes through the shape, one by one, as a function of the query.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import duckdb

from finledger.read.columns import literal, quoted
from finledger.read.documents import Places, flat_line, records
from finledger.read.exact_json import exact_line
from finledger.read.header import Header, folded, json_line_relation, texts_in
from finledger.read.json_cuts import odd_line
from finledger.read.opened import Opened

_BLOCK, _LOOK = 4 << 20, 1 << 16
_BLANK = "\ufeff \t\r\n"
_SHAPE = "flat_by_shape"


def in_sql(opened: Opened) -> bool:
    """Whether DuckDB cuts the text into the lines that Python does: one kind of line end, no control character, none very long."""
    return opened.tidy and not opened.control and not long_line(opened.path)


def flat_header(opened: Opened, places: Places, connection: duckdb.DuckDBPyConnection) -> Header:
    """The flat records of a file's lines, as their columns."""
    sql = places.in_sql
    assert sql is not None
    filled = f"CASE WHEN line BETWEEN '!' AND '~' THEN true ELSE trim(line, {literal(_BLANK)}) <> '' END"
    lines = f"(SELECT line FROM {json_line_relation(opened.path)} WHERE {filled})"
    whole = True
    if opened.unproven:
        proof = f"SELECT coalesce(bool_and(json_valid(line) AND NOT ({odd_line('line')})), true) FROM {lines}"
        ((whole,),) = connection.execute(proof).fetchall()
    shaped = _shaped(places, told=opened.source != Path())
    known = connection.execute("SELECT count(*) FROM duckdb_functions() WHERE function_name = ?", [_SHAPE]).fetchall()
    if known == [(0,)]:  # not of a reading before, which was not careful
        for name, function in {**sql.functions, _SHAPE: shaped}.items():
            connection.create_function(name, function, ["VARCHAR"], "VARCHAR")
    columns = {name: f"c{number}" for number, name in enumerate(sql.names)}
    quick, careful = (_relation(sql.query(lines, valid), sql.names) for valid in ("true", "json_valid(line)"))
    return Header(
        "jsonl", sql.names, quick, columns, {}, opened.path, folded=folded(sql.names), careful=careful, whole=bool(whole)
    )


def _relation(ordinary: str, names: tuple[str, ...]) -> str:
    """The flat records as columns; `line` is what Python made of one that is not ordinary."""
    others = f"(SELECT flat, CASE WHEN flat IS NULL THEN {_SHAPE}(line) END AS line FROM {ordinary})"
    read = f"CASE WHEN starts_with(exact, '{{') AND json_valid(exact) THEN {texts_in('exact', names)} END"
    either = (
        f"(SELECT line, CASE WHEN flat IS NULL THEN list_transform([{exact_line('line')}], lambda exact: {read})[1] ELSE flat END "
        f"AS flat FROM {others})"
    )
    listed = ", ".join(f"flat.{quoted(name)} AS c{number}" for number, name in enumerate(names))
    return f"(SELECT {listed}, flat IS NULL AS broken, line FROM {either})"


def _shaped(places: Places, *, told: bool) -> Callable[[str], str]:
    """The flat record of a line, as JSON. `told`: of a document, whose lines that are no record say so already."""

    def flat(line: str) -> str:
        if told and not line.startswith("{"):
            return line
        try:
            (found,) = records(io.BytesIO(line.encode("utf-8")), False, "", places)
        except (ValueError, RecursionError):
            found = line[:1000]
        return flat_line(found)

    return flat


def long_line(path: Path) -> bool:
    """Whether a line may be longer than DuckDB reads one: a piece of the file has no line end."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        for start in range(0, size, _BLOCK):
            stream.seek(start)
            if b"\n" not in stream.read(_LOOK) and start + _BLOCK < size and b"\n" not in stream.read(_BLOCK - _LOOK):
                return True
    return False
