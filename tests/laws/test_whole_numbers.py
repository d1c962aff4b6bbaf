"""Whole numbers of a Parquet file, which are taken as they are, are read and refused as their texts are."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.model import StagedFile
from finledger.read.stage import stage

COUNTS = ("requests", "input_tokens", "output_tokens", "reasoning_tokens")
NUMBER = st.one_of(
    st.none(), st.sampled_from([0, 1, 1000, -1, -(2**63), 2**63 - 1, 4 * 10**18, 4 * 10**18 - 1]), st.integers(0, 9)
)
GOOD = (1, 1, 1, 1)


def staged(folder: Path, name: str, rows: list[tuple[int | None, ...]], cast: str) -> tuple[StagedFile, list[tuple]]:
    path = folder / f"{name}.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE made (number INTEGER, {', '.join(f'{count} BIGINT' for count in COUNTS)})")
        connection.executemany(
            f"INSERT INTO made VALUES (?{', ?' * len(COUNTS)})", [(n, *row) for n, row in enumerate(rows)]
        )
        counts = ", ".join(f"{count}{cast} AS {count}" for count in COUNTS)
        source = f"SELECT 'u' || number AS usage_id, '2026-07-01T00:00:00Z' AS ts, {counts} FROM made ORDER BY number"
        connection.execute(f"COPY ({source}) TO '{path}' (FORMAT parquet)")
        found = stage(path, shown_as="usage.parquet", workspace=folder / name)
        return found, connection.execute(f"SELECT * FROM '{found.rows}'").fetchall()


@settings(max_examples=10)
@given(rows=st.lists(st.tuples(*[NUMBER] * len(COUNTS)), min_size=1, max_size=40))
def test_whole_numbers__as_they_are_and_as_texts(rows: list[tuple[int | None, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole, read = staged(Path(folder), "whole", [GOOD, *rows], "")
        texts, as_texts = staged(Path(folder), "texts", [GOOD, *rows], "::VARCHAR")
    assert (whole.read, whole.rejected, whole.problems) == (texts.read, texts.rejected, texts.problems)
    assert len(read) == len(rows) + 1
    assert read == as_texts
