"""The query that reads an export is one stream from the file to the rows: DuckDB gives it every core, and keeps the file's order.

A join in it, which a list of more than a few words after IN becomes as well, makes it wait for one core.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench._exports import Case, cases, made
from finledger.read.choose import choose
from finledger.read.columns import Context, select_sql
from finledger.read.opened import open_export
from finledger.read.stage import _STAGED, connect


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: f"{case.format}-{case.container}")
def test_every_reader_streams_in_order(case: Case, tmp_path: Path) -> None:
    export = made(case, 100, tmp_path)
    with connect(tmp_path) as connection:
        opened = open_export(export, export.name, tmp_path, None)
        name, header, layout, opened = choose(export, export.name, opened, connection, tmp_path, None, None)
        query = select_sql(layout, header.relation, Context("UTC", opened.control, None, written=True))
        copy = f"COPY ({query}) TO '{tmp_path / 'rows.parquet'}' ({_STAGED})"
        ((_, plan),) = connection.execute(f"EXPLAIN (FORMAT json) {copy}").fetchall()
    operators = set(_names(json.loads(plan)))
    assert name == case.format
    assert "BATCH_COPY_TO_FILE" in operators
    assert not {each for each in operators if "JOIN" in each or "WINDOW" in each}


def _names(nodes: list[dict]) -> list[str]:
    return [name for node in nodes for name in (node["name"].strip(), *_names(node["children"]))]
