"""Real and tool-made exports, read whole: as many rows, and to the last digit the sums, that their own descriptions give."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from finledger.books import rows
from finledger.core.problem import Refused
from finledger.workbench import Workbench
from tests.formats.usage.test_usage_formats import SETTINGS
from tests.support import SHARED, needs_shared

pytestmark = needs_shared
SERVEGEN = """
format: csv
columns:
  usage_id: {row_hash: true}
  ts: {column: timestamp_s, unix: s, origin: 2026-07-02T00:00:00Z}
  team: {column: client, prefix: tenant-}
  model: model
  action: {value: chat_call}
  input_tokens: input_tokens
  output_tokens: output_tokens
  reasoning_tokens: reasoning_tokens
"""
AZURE = """
format: csv
columns:
  usage_id: {row_hash: true}
  ts: TIMESTAMP
  input_tokens: ContextTokens
  output_tokens: GeneratedTokens
"""
AZURE_PATTERN = AZURE.replace("ts: TIMESTAMP", "ts: {column: TIMESTAMP, pattern: '%Y-%m-%d %H:%M:%S.%n'}")
MOONCAKE = """
format: jsonl
columns:
  usage_id: {row_hash: true}
  ts: {column: timestamp, unix: ms, origin: 2026-07-01T00:00:00Z}
  input_tokens: input_length
  output_tokens: output_length
"""
MAPPED = {
    "servegen": (SERVEGEN, "servegen/servegen_requests_day02_sample.csv", 173_136, 59_123_630, 9_929_836),
    "azure": (AZURE, "azure_llm_2023/AzureLLMInferenceTrace_code.csv", 8_819, 18_059_974, 245_896),
    "azure-pattern": (AZURE_PATTERN, "azure_llm_2023/AzureLLMInferenceTrace_code.csv", 8_819, 18_059_974, 245_896),
    "mooncake": (MOONCAKE, "mooncake/conversation_trace.jsonl", 12_031, 144_793_823, 4_122_048),
}
FOCUS = {
    "aws 1.2": ("focus_toolkit_generated/aws-1.2/focus_1_2_cost_and_usage_aws.csv", 5_000, "108199.043438443241250", None),
    "azure 1.3": (
        "focus_toolkit_generated/azure-1.3/focus_1_3_cost_and_usage_azure.csv",
        5_000,
        "186714.720746220416",
        None,
    ),
    "gcp 1.4": ("focus_toolkit_generated/gcp-1.4/synthetic_focus_1_4_cost_and_usage.csv", 5_000, None, None),
    "sample 1.0": ("focus_sample_1.0/focus_sample.csv", 1_000, "20.52022672899", "14.97651418586"),
}


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    (tmp_path / "finledger.yaml").write_text(SETTINGS)
    return Workbench(tmp_path)


def sums(bench: Workbench) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for month in bench.months():
        for row in rows.summary(bench.store.paths(bench.ledger.parts(month))):
            for name in ("rows", "input_tokens", "output_tokens", "billed_cost", "effective_cost"):
                found[name] = found.get(name, Decimal(0)) + Decimal(row[name])
    return found


@pytest.mark.parametrize("name", MAPPED)
def test_load__a_trace_by_a_column_map(name: str, bench: Workbench) -> None:
    column_map, file, count, input_tokens, output_tokens = MAPPED[name]
    (bench.root / "map.yaml").write_text(column_map)
    (loaded,) = bench.load([SHARED / "data" / file], column_map=bench.root / "map.yaml")
    assert (loaded.file.read, loaded.file.accepted) == (count, count)
    found = sums(bench)
    assert (found["rows"], found["input_tokens"], found["output_tokens"]) == (count, input_tokens, output_tokens)


@pytest.mark.parametrize("name", FOCUS)
def test_load__a_provider_bill(name: str, bench: Workbench) -> None:
    file, count, billed, effective = FOCUS[name]
    (loaded,) = bench.load([SHARED / "data" / file])
    assert (loaded.file.format, loaded.file.read, loaded.file.accepted) == ("focus", count, count)
    found = sums(bench)
    if billed is None:
        billed, effective = read_by_hand(SHARED / "data" / file)
    assert found["billed_cost"] == Decimal(billed)
    if effective is not None:
        assert found["effective_cost"] == Decimal(effective)


def read_by_hand(path: Path) -> tuple[str, str]:
    """The sums of the costs by Python's own CSV reader and decimals."""
    import csv

    with path.open(encoding="utf-8", newline="") as stream:
        records = list(csv.DictReader(stream))
    billed = sum(Decimal(record["BilledCost"]) for record in records)
    return str(billed), str(sum(Decimal(record["EffectiveCost"]) for record in records))


def test_load__not_a_cost_file(bench: Workbench) -> None:
    """The commitments beside a bill are another table: refused by name, nothing guessed."""
    file = SHARED / "data/focus_toolkit_generated/azure-1.3/focus_1_3_contract_commitment_azure.csv"
    with pytest.raises(Refused, match="no export format has these columns"):
        bench.load([file])
    assert bench.ledger.files() == ()
