"""A report of one source that is exported again: costs with other amounts, usage cut by other keys (rules C1, X4)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finledger.core.problem import Refused
from finledger.workbench import Workbench
from tests.laws.test_load import books, counts

HEAD = (
    "BilledCost,EffectiveCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,"
    "ServiceProviderName,SubAccountId,SkuId"
)
JULY = 1782864000  # 2026-07-01T00:00:00Z


def bill(path: Path, *rows: tuple[int, str, str], more: str = "") -> Path:
    """A FOCUS bill: (day, SKU, cost) a row; `more`: a tag column that the export has since."""
    lines = [HEAD + (",Tags" if more else "")]
    for day, sku, cost in rows:
        lines.append(
            f"{cost},{cost},USD,2026-07-{day:02}T00:00:00Z,2026-07-{day + 1:02}T00:00:00Z,Usage,OpenAI,proj_1,{sku}"
            + (f',"{{""team"": ""{more}""}}"' if more else "")
        )
    path.write_text("\n".join((*lines, "")))
    return path


def report(path: Path, *rows: dict[str, object], width: int = 86400) -> Path:
    """A page of OpenAI's usage; `hour` of a row is its bucket's, from the beginning of July."""
    buckets = [
        {
            "object": "bucket",
            "start_time": JULY + int(str(row.get("hour", 0))) * 3600,
            "end_time": JULY + int(str(row.get("hour", 0))) * 3600 + width,
            "results": [
                {
                    "object": "organization.usage.completions.result",
                    "input_tokens": row["tokens"],
                    "output_tokens": 0,
                    "input_cached_tokens": 0,
                    "num_model_requests": 1,
                    "project_id": row.get("project"),
                    "api_key_id": row.get("key"),
                    "model": row.get("model", "gpt-4o"),
                }
            ],
        }
        for row in rows
    ]
    path.write_text(json.dumps({"object": "page", "data": buckets, "has_more": False, "next_page": None}))
    return path


def refused(bench: Workbench, *files: Path) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as raised:
        bench.load(files)
    return [(problem.code, problem.message) for problem in raised.value.problems]


def costs(bench: Workbench) -> str:
    return str(bench.usage_summary()[0]["billed_cost"]).rstrip("0").rstrip(".")


FIRST = ((1, "chat", "12.34"), (2, "chat", "3.10"), (2, "embed", "0.50"))
LATER = ((1, "chat", "12.34"), (2, "chat", "9.45"), (2, "embed", "0.50"), (3, "chat", "8.00"))


def test_costs__that_grew_are_not_added_to_what_they_were(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    old, new = bill(bench.root / "a.csv", *FIRST), bill(bench.root / "b.csv", *LATER)
    assert counts(bench, old) == [(3, 3, 0, 0, 0)]
    ((code, message),) = refused(bench, new)
    assert code == "costs-exported-again"
    assert "2 of its 3 rows are known and 1 say other amounts" in message and "9.45 USD would be passed on twice" in message
    assert costs(bench) == "15.94"
    assert counts(bench, new, replaces=["a.csv"]) == [(4, 4, 0, 0, 0)]
    assert costs(bench) == "30.29"


def test_costs__exported_with_another_column_are_the_same_costs(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    counts(bench, bill(bench.root / "a.csv", *FIRST))
    ((code, message),) = refused(bench, bill(bench.root / "b.csv", *FIRST, more="search"))
    assert (code, "15.94 USD would be passed on twice" in message) == ("costs-exported-again", True)


def test_costs__a_longer_export_in_which_nothing_changed_brings_its_new_days(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    counts(bench, bill(bench.root / "a.csv", *FIRST))
    assert counts(bench, bill(bench.root / "b.csv", *FIRST, (3, "chat", "8.00"))) == [(4, 1, 3, 0, 0)]
    assert costs(bench) == "23.94"


def test_costs__of_other_things_on_the_same_days_are_added(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    counts(bench, bill(bench.root / "a.csv", *FIRST))
    parts = [bill(bench.root / f"{sku}.csv", (1, sku, "12.34"), (2, sku, "1.00")) for sku in ("speech", "images")]
    assert counts(bench, *parts) == [(2, 2, 0, 0, 0), (2, 2, 0, 0, 0)]
    assert costs(bench) == "42.62"


def test_costs__both_exports_in_one_load(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    assert [code for code, _ in refused(bench, bill(bench.root / "a.csv", *FIRST), bill(bench.root / "b.csv", *LATER))] == [
        "costs-exported-again"
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([{"tokens": 5, "project": "a"}, {"tokens": 7, "project": "b"}], [{"tokens": 12, "key": "k"}]),
        ([{"tokens": 5, "project": "a"}], [{"tokens": 5, "project": "a", "key": "k"}]),
        (
            [{"tokens": 12, "project": "a"}],
            [{"tokens": 5, "project": "a", "hour": 3}, {"tokens": 7, "project": "a", "hour": 4}],
        ),
        ([{"tokens": 12, "project": "a"}], [{"tokens": 12, "project": None}]),
    ],
)
def test_usage_reports__cut_otherwise_are_the_same_usage(
    tmp_path: Path, first: list[dict[str, object]], second: list[dict[str, object]]
) -> None:
    for number, (one, other) in enumerate(((first, second), (second, first))):
        bench = books(tmp_path / str(number))
        assert len(counts(bench, report(bench.root / "a.json", *one))) == 1
        ((code, _),) = refused(bench, report(bench.root / "b.json", *other))
        assert code == "report-cut-otherwise"
        assert len(bench.load([bench.root / "b.json"], replaces=["a.json"])) == 1


def test_usage_reports__of_other_days_hours_and_keys_are_added(tmp_path: Path) -> None:
    bench = books(tmp_path / "books")
    for name, row in {
        "a": {"tokens": 5, "project": "a", "hour": 1},
        "b": {"tokens": 5, "project": "b", "hour": 1},
        "c": {"tokens": 5, "project": "a", "hour": 2},
        "d": {"tokens": 5, "key": "k", "hour": 30},
    }.items():
        assert counts(bench, report(bench.root / f"{name}.json", row, width=3600)) == [(1, 1, 0, 0, 0)]
