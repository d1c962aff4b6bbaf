"""Large exports with the shape and the mix of real ones: a query a format in bench/exports, from the row's number alone.

The first line of a query says what it is written as: csv, jsonl, parquet, txt, or json, a document, with what stands around its
elements.
$rows is how many records there are to be. `pick(i, salt, n)` is a number below n, `one_of` a member of a list, `moment` a time in July
to September 2026; nothing is random.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

EXPORTS = Path(__file__).resolve().parent / "exports"
_MACROS = """
CREATE MACRO pick(i, salt, n) AS (hash(i * 64 + salt) % n)::INTEGER;
CREATE MACRO one_of(i, salt, words) AS words[1 + pick(i, salt, len(words))];
CREATE MACRO moment(i) AS TIMESTAMP '2026-07-01' + to_seconds(pick(i, 63, 7948800));
CREATE MACRO uuid_of(i) AS regexp_replace(md5('' || i), '(.{8})(.{4})(.{4})(.{4})(.{12})', '\\1-\\2-\\3-\\4-\\5');
"""
_BATCH = 10_000
_WRITTEN = {
    "csv": "FORMAT csv, HEADER",
    "parquet": "FORMAT parquet",
    "txt": "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\\x1e'",  # its one column, as it is
}


@dataclass(frozen=True, slots=True)
class Ordinary:
    """An export of a format. `container`: csv, jsonl, json (a document), parquet or txt; `around` a document's elements."""

    format: str
    name: str
    container: str
    query: str
    around: tuple[str, str] = ("[", "]")

    def made(self, rows: int, folder: Path) -> Path:
        """The export, with about as many records."""
        path = folder / f"{self.format}-{self.name}.{self.container}"
        query = self.query.replace("$rows", str(rows))
        with duckdb.connect() as connection:
            connection.execute("SET enable_progress_bar = false; SET preserve_insertion_order = true")
            connection.execute(_MACROS)
            if self.container in _WRITTEN:
                connection.execute(f"COPY ({query}) TO '{path}' ({_WRITTEN[self.container]})")
                return path
            names = [str(row[0]) for row in connection.execute(f"DESCRIBE {query}").fetchall()]
            record = "element" if names == ["element"] else "r"
            found = connection.execute(f"SELECT CAST(to_json({record}) AS VARCHAR) FROM ({query}) r")
            self._write(found, path)
        return path

    def _write(self, found: duckdb.DuckDBPyConnection, path: Path) -> None:
        between = ",\n" if self.container == "json" else "\n"
        with path.open("w", encoding="utf-8", newline="") as out:
            out.write(self.around[0] if self.container == "json" else "")
            first = True
            while batch := found.fetchmany(_BATCH):
                out.write(("" if first else between) + between.join(text for (text,) in batch))
                first = False
            out.write(f"{self.around[1]}\n" if self.container == "json" else "\n")


def ordinary() -> Iterator[Ordinary]:
    """Every export that there is a query for."""
    for source in sorted(EXPORTS.glob("*.sql")):
        query = source.read_text(encoding="utf-8")
        name, _, variant = source.stem.partition("-")
        first = query.splitlines()[0].removeprefix("-- ")
        around = first.partition("json ")[2] if " ... " in first else "[ ... ]"
        before, _, after = around.partition(" ... ")
        for container in ["json"] if " ... " in first else first.split():
            yield Ordinary(name, variant or "ordinary", container, query, (before, after))
