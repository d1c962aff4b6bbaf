"""Every export format found in finledger.read.usage has its folder of cases here, and reads each to the rows written beside it.

A case is a folder with `input.csv`, `.tsv`, `.jsonl`, a query `input.sql` whose result is the Parquet export, or
`input.sheets.json` (sheet → rows of cells) for a workbook; with `map.yaml` where there is a map; and with `expected.json`:
the rows as they must lie in the store (columns that are empty left out, times in UTC, decimals as text), and what is refused.
Text inputs are read packed as well: the same rows, whatever they came in. `finledger.yaml` in a case replaces the plain one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard
from openpyxl import Workbook

from finledger.books.loads import Loaded
from finledger.core.usage import LABELS, NATIVE
from finledger.read.stage import stage
from finledger.read.usage import formats
from finledger.workbench import Workbench

HERE = Path(__file__).parent
SETTINGS = """books: Readers
currency: USD
timezone: UTC
operating_model: platform_led
platform: {team: ai-platform, cost_center: cc-1}
unallocated: hold
teams: {search: {cost_center: cc-2, stage: showback, owner: o@example.com}}
"""
CASES = sorted(path.parent.relative_to(HERE).as_posix() for path in HERE.rglob("expected.json"))
PACKED = [case for case in CASES if not case.startswith("column_map/") and not list((HERE / case).glob("input.s*"))]


@pytest.mark.parametrize("name", formats())
def test_contract__every_format_has_cases(name: str) -> None:
    assert [case for case in CASES if case.startswith(f"{name}/")], f"write tests/formats/usage/{name}/CASE/expected.json"
    assert formats()[name].title


@pytest.mark.parametrize("case", CASES)
def test_contract__reads_as_written_down(case: str, tmp_path: Path) -> None:
    export = made(HERE / case, tmp_path)
    assert differences(read(case, export, tmp_path), expected(case, export)) == []


@pytest.mark.parametrize("name", [name for name in formats() if name != "column_map"])
def test_contract__every_count_of_an_ordinary_export_is_read_or_a_part_of_one(name: str, tmp_path: Path) -> None:
    for case in CASES:
        if case.startswith(f"{name}/") and not case.endswith("/malformed"):
            (tmp_path / case).mkdir(parents=True)
            found = stage(made(HERE / case, tmp_path / case), shown_as=case, workspace=tmp_path / case / "work")
            assert [each.message for each in found.problems if each.code == "counts-not-read"] == []


@pytest.mark.parametrize("case", PACKED)
@pytest.mark.parametrize("packing", ["gz", "zst"])
def test_contract__packed_is_the_same(case: str, packing: str, tmp_path: Path) -> None:
    export = made(HERE / case, tmp_path)
    packed = export.with_name(f"{export.name}.{packing}")
    content = export.read_bytes()
    half = len(content) // 2  # two frames, as tools that append write them
    pack = gzip.compress if packing == "gz" else zstandard.ZstdCompressor().compress
    packed.write_bytes(pack(content[:half]) + pack(content[half:]))
    assert differences(read(case, packed, tmp_path), expected(case, packed)) == []


def expected(case: str, export: Path) -> dict[str, Any]:
    """What is written down, with the export's own hash for {sha256}."""
    text = (HERE / case / "expected.json").read_text(encoding="utf-8")
    found = json.loads(text.replace("{sha256}", hashlib.sha256(export.read_bytes()).hexdigest()))
    return {"rejected": [], **found, "format": [case.split("/")[0]]}


def differences(got: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """What one has and the other has not, a row a line."""
    found = []
    for name in sorted({*got, *wanted}):
        left, right = ([json.dumps(row, sort_keys=True) for row in side[name]] for side in (got, wanted))
        found += [f"{name}, not expected: {row}" for row in left if row not in right]
        found += [f"{name}, missing: {row}" for row in right if row not in left]
        if not found and left != right:
            found.append(f"{name}: in another order")
    return found


def read(case: str, export: Path, folder: Path) -> dict[str, Any]:
    """Load the export into new books; what is in the store and in quarantine then."""
    bench, loaded = load(case, export, folder)
    assert loaded.file.format == case.split("/")[0]
    assert loaded.file.read == loaded.file.accepted + loaded.file.rejected + loaded.file.aggregate + loaded.file.duplicate
    rejected = [[row["where"].rsplit("/", 1)[-1].split(".", 1)[0] + row["where"][row["where"].rfind(":") :]
                 if row["line"] else f"record {row['record']}", row["column"], row["value"], row["reason"]]
                for row in quarantined(bench)]  # fmt: skip
    return {"format": [loaded.file.format], "rows": stored(bench), "rejected": rejected}


def load(case: str, export: Path, folder: Path) -> tuple[Workbench, Loaded]:
    books = folder / "books"
    books.mkdir()
    own = HERE / case / "finledger.yaml"
    (books / "finledger.yaml").write_text(own.read_text(encoding="utf-8") if own.is_file() else SETTINGS, encoding="utf-8")
    mapped = HERE / case / "map.yaml"
    bench = Workbench(books)
    (loaded,) = bench.load([export], column_map=mapped if mapped.is_file() else None)
    return bench, loaded


def stored(bench: Workbench) -> list[dict[str, Any]]:
    """Every row of the store in the order of records: the columns that hold something, times in UTC, decimals as text."""
    paths = [str(path) for path in bench.store.paths(bench.ledger.parts())]
    if not paths:
        return []
    columns = [column.name for column in NATIVE] + list(LABELS)
    with duckdb.connect() as connection:
        listed = ", ".join(f'"{name}"' for name in columns)
        rows = connection.execute(
            f"SELECT {listed}, file_sha256 || ':' || record, is_aggregate FROM read_parquet({paths!r}, union_by_name = true) "
            f"ORDER BY file_sha256, record"
        ).fetchall()
    return [
        {name: shown(value) for name, value in zip([*columns, "source_ref"], row[:-1], strict=True) if value is not None}
        | ({"is_aggregate": True} if row[-1] else {})
        for row in rows
    ]


def shown(value: object) -> object:
    if isinstance(value, Decimal):  # not normalize(): that keeps 28 digits
        return f"{value:f}".rstrip("0").removesuffix(".")
    return f"{value.isoformat()}Z" if isinstance(value, datetime) else value


def quarantined(bench: Workbench) -> list[dict[str, Any]]:
    rows = bench.quarantine()
    return [row | {"line": ":" in str(row["where"]).rsplit("/", 1)[-1]} for row in rows]


def made(case: Path, folder: Path) -> Path:
    """The case's export, written where it can be loaded from."""
    (source,) = case.glob("input.*")
    if source.suffix == ".sql":
        target = folder / "input.parquet"
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'Asia/Tokyo'")  # whose zone it was written in must not matter
            connection.execute(f"COPY ({source.read_text(encoding='utf-8').rstrip().rstrip(';')}) TO '{target}'")
        return target
    if source.name == "input.sheets.json":
        workbook = Workbook()
        workbook.remove(workbook.worksheets[0])
        for title, rows in json.loads(source.read_text(encoding="utf-8"), object_hook=moment).items():
            sheet = workbook.create_sheet(title)
            for row in rows:
                sheet.append(row)
        workbook.save(folder / "input.xlsx")
        return folder / "input.xlsx"
    return Path(shutil.copy(source, folder / source.name))


def moment(found: dict[str, Any]) -> Any:
    """{"time": "2026-07-01T00:00:00"} is a cell that holds a date."""
    return datetime.fromisoformat(found["time"]) if set(found) == {"time"} else found
