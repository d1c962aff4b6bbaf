"""Every file of the reference data: read by the format that is found, with the rows and totals of its description, or why not.

The sums are DuckDB's over the staged rows; those to compare with were made from the files by Python's own readers and decimals.
"""

from __future__ import annotations

from decimal import Decimal
from fnmatch import fnmatch
from pathlib import Path

import duckdb
import pytest

from finledger.core.model import StagedFile
from finledger.read.stage import stage
from tests.formats.usage.test_real_exports import AZURE, MOONCAKE, SERVEGEN
from tests.support import SHARED, needs_shared

pytestmark = needs_shared
FOLDER = SHARED / "data"
HOURLY = """
format: csv
columns:
  usage_id: {row_hash: true}
  ts: {column: hour_start_s, unix: s, origin: 2026-07-01T00:00:00Z}
  team: {column: client, prefix: tenant-}
  model: model
  requests: requests
  input_tokens: input_tokens
  output_tokens: output_tokens
  reasoning_tokens: reason_tokens
"""
# file: format, rows read, rows refused, totals of the accepted rows
COST = ("billed_cost", "effective_cost")
READ: dict[str, tuple[str, int, int, dict[str, str]]] = {
    "focus_sample_1.0/focus_sample.csv": (
        "focus", 1_000, 0, dict(zip(COST, ("20.52022672899", "14.97651418586"), strict=True)),
    ),
    "focus_toolkit_generated/aws-1.2/focus_1_2_cost_and_usage_aws.csv": (
        "focus", 5_000, 0, dict.fromkeys(COST, "108199.043438443241250"),
    ),
    "focus_toolkit_generated/azure-1.3/focus_1_3_cost_and_usage_azure.csv": (
        "focus", 5_000, 0, dict.fromkeys(COST, "186714.720746220416000"),
    ),
    "focus_toolkit_generated/gcp-1.4/synthetic_focus_1_4_cost_and_usage.csv": (
        "focus", 5_000, 0, dict.fromkeys(COST, "113220.622096177319000"),
    ),
    "llm_api_responses/usage_blocks.jsonl": ("provider_responses", 308, 6, {}),  # its sums: test_provider_answers.py
    "native_exports/aws/sample-anonymous-aws-export-dataset.csv": (
        "aws_cur", 1_281, 0, dict.fromkeys(COST, "1.68230869740"),
    ),
    "native_exports/azure/finops_toolkit_EA_ActualCost_Small.csv": (
        "azure_costs", 11, 0, dict.fromkeys(COST, "8.5450077867419368"),
    ),
    "native_exports/azure/opencost_Enterprise.csv": ("azure_costs", 1, 0, dict.fromkeys(COST, "0")),
    "native_exports/azure/opencost_EnterpriseCamel.csv": ("azure_costs", 1, 0, dict.fromkeys(COST, "0.012")),
    "native_exports/azure/sample-anonymous-ea-export-dataset.csv": (
        "azure_costs", 27, 0, dict.fromkeys(COST, "1.26136926505726"),
    ),
    "opencost/allocation-example-output.json": ("opencost", 3, 0, dict.fromkeys(COST, "1.77816")),
    "opencost/export-sample.csv": ("opencost", 2, 0, dict.fromkeys(COST, "0.02098749347202301")),
}  # fmt: skip
# file: the map that describes it, rows, totals
TOKENS = ("input_tokens", "output_tokens")
MAPPED: dict[str, tuple[str, int, dict[str, str]]] = {
    "azure_llm_2023/AzureLLMInferenceTrace_code.csv": (
        AZURE, 8_819, dict(zip(TOKENS, ("18059974", "245896"), strict=True)),
    ),
    "azure_llm_2023/AzureLLMInferenceTrace_conv.csv": (
        AZURE, 19_366, dict(zip(TOKENS, ("22361870", "4088665"), strict=True)),
    ),
    "mooncake/conversation_trace.jsonl": (MOONCAKE, 12_031, dict(zip(TOKENS, ("144793823", "4122048"), strict=True))),
    "mooncake/synthetic_trace.jsonl": (MOONCAKE, 3_993, dict(zip(TOKENS, ("61194628", "595432"), strict=True))),
    "servegen/servegen_requests_day02_sample.csv": (
        SERVEGEN, 173_136, dict(zip(TOKENS, ("59123630", "9929836"), strict=True)),
    ),
    "servegen/servegen_hourly_client_usage.csv": (
        HOURLY, 47_568, dict(zip(("requests", *TOKENS), ("3824907861", "681455709074", "112169311164"), strict=True)),
    ),
}  # fmt: skip
# what looks like an export and is refused: the problem, and why that is right
REFUSED = {
    "focus_spec_examples/commitment_discount_*.csv": ("unknown-format", "a table of a few columns: no currency"),
    "focus_spec_examples/*_utilization_*.csv": ("unknown-format", "a table of a few columns: no currency"),
    "focus_spec_examples/s*_agreements_*.csv": ("all-rows-rejected", "times as 4/1/25: FOCUS has them in ISO 8601"),
    "focus_spec_examples/virtual_currency_*.csv": ("all-rows-rejected", "times as 4/1/25: FOCUS has them in ISO 8601"),
    "focus_toolkit_generated/*/*contract_commitment*.csv": ("unknown-format", "FOCUS's table of commitments: no usage"),
    "focus_toolkit_generated/*/*billing_period.csv": ("unknown-format", "FOCUS's table of periods: no usage"),
    "focus_toolkit_generated/*/*invoice_detail.csv": ("unknown-format", "FOCUS's table of invoices: read by invoices"),
    "native_exports/azure/opencost_BOM.csv": ("all-rows-rejected", "one row, with a date and no amount"),
    "opencost/cloudCost-example-output.json": ("unknown-format", "OpenCost's copy of the cloud's bill: load the bill"),
    "formats/dcgm_default-counters.csv": ("unknown-format", "which counters an exporter asks for: no samples"),
}
NOT_USAGE = {
    "*.md": "text", "*/LICENSE*": "text", "*/SHA256SUMS": "hashes", "*/_run.json": "how data were made",
    "*/focus_1_4_manifest.json": "how data were made", "formats/*.json": "schemas", "formats/headers.txt": "column names only",
    "formats/*.prisma": "a schema", "prices/*.csv": "prices",
}  # fmt: skip


def read(name: str, folder: Path, column_map: str = "") -> StagedFile:
    mapped = folder / "map.yaml"
    mapped.write_text(column_map)
    return stage(FOLDER / name, shown_as=name, workspace=folder / "work", map_file=mapped if column_map else None)


def sums(staged: StagedFile, *names: str) -> dict[str, Decimal]:
    listed = ", ".join(f"coalesce(sum({name}), 0)" for name in names)
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {listed} FROM read_parquet('{staged.rows}') WHERE faults IS NULL").fetchall()
    return dict(zip(names, map(Decimal, found[0]), strict=True))


def test_contract__every_file_is_accounted_for() -> None:
    patterns = [*READ, *MAPPED, *REFUSED, *NOT_USAGE]
    found = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
    assert [name for name in found if not any(fnmatch(name, pattern) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in found)] == []


@pytest.mark.parametrize("name", READ)
def test_read__rows_and_totals(name: str, tmp_path: Path) -> None:
    form, count, rejected, totals = READ[name]
    staged = read(name, tmp_path)
    assert (staged.format, staged.read, staged.rejected, staged.duplicate, staged.problems) == (form, count, rejected, 0, ())
    if totals:
        assert sums(staged, *totals) == {column: Decimal(total) for column, total in totals.items()}


@pytest.mark.parametrize("name", MAPPED)
def test_mapped__rows_and_totals(name: str, tmp_path: Path) -> None:
    column_map, count, totals = MAPPED[name]
    staged = read(name, tmp_path, column_map)
    assert (staged.format, staged.read, staged.rejected, staged.duplicate, staged.problems) == (
        "column_map",
        count,
        0,
        0,
        (),
    )
    assert sums(staged, *totals) == {column: Decimal(total) for column, total in totals.items()}


@pytest.mark.parametrize("pattern", REFUSED)
def test_refused__for_the_reason_written_down(pattern: str, tmp_path: Path) -> None:
    code, why = REFUSED[pattern]
    for path in sorted(FOLDER.glob(pattern)):
        staged = read(path.relative_to(FOLDER).as_posix(), tmp_path)
        assert [problem.code for problem in staged.problems] == [code], f"{path.name}: {why}"


def test_read__blank_tokens_are_not_0(tmp_path: Path) -> None:
    """55 clients of the hourly file have no token counts: their 17,305 rows are usage without a quantity."""
    staged = read("servegen/servegen_hourly_client_usage.csv", tmp_path, HOURLY)
    with duckdb.connect() as connection:
        query = f"SELECT count(*) FROM read_parquet('{staged.rows}') WHERE input_tokens IS NULL"
        assert connection.execute(query).fetchall() == [(17_305,)]
