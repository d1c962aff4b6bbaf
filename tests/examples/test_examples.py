"""The worked examples: books small enough to check by hand, through the command line, with both engines.

An example's expected/ may hold, for a month,

- MONTH.csv: every entry of a charge line, by component, and no other;
- MONTH.json: disclosures (all of them), and of teams, features, stages and unallocated whatever is named;
- MONTH-postings.csv: the journal's net by account and cost centre;
- MONTH.error: `allocate` refuses, writes nothing, and its message holds each line of the file;

and load.json: what `load` counts. The sums are in each example's README.md; README.md here says how they are done.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support import copy_books, finledger, finledger_json

HERE = Path(__file__).parent
EXAMPLES = sorted(path.parent.name for path in HERE.glob("*/finledger.yaml"))
LINE = ("team", "cost_center", "feature", "item", "workload_type", "model", "component", "amount")
DISCLOSURE = ("team", "feature", "item", "workload_type", "model", "gross", "platform_share", "paid")
LATER_RULES = {"coverage_premium", "freshness_premium", "coverage_credit", "buffer_draw"}
ROW = dict[str, Any]


def test_examples__are_complete_and_named_in_the_table() -> None:
    table = (HERE / "README.md").read_text()
    for name in EXAMPLES:
        assert f"({name}/README.md)" in table
        assert (HERE / name / "README.md").is_file()
        assert list((HERE / name / "expected").glob("????-??.*")), name
    assert len(EXAMPLES) == table.count("/README.md)")


@pytest.mark.parametrize("engine", ["duckdb", "reference"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str, engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books = copy_books(HERE / name, tmp_path / name)
    expected = HERE / name / "expected"
    loaded = finledger_json(capsys, "load", "--books", books)
    assert loaded["rejected"] == 0
    if (expected / "load.json").exists():
        counts = json.loads((expected / "load.json").read_text())
        assert {key: loaded[key] for key in counts} == counts
    for path in sorted(expected.glob("????-??.error")):
        _refuses(books, path, engine, capsys)
    for path in sorted(expected.glob("????-??.csv")):
        month = path.stem
        got = finledger_json(capsys, "allocate", "--books", books, "--month", month, "--engine", engine)
        _compare_lines(got, path)
        if path.with_suffix(".json").exists():
            _compare_figures(got, json.loads(path.with_suffix(".json").read_text()))
        postings = expected / f"{month}-postings.csv"
        if postings.exists():
            finledger("journal", "--books", books, "--month", month, "--to", "csv")
            assert _net(books / "out" / month / "journal", "account") == _net(postings, "account_key")


def _refuses(books: Path, error: Path, engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    finledger("allocate", "--books", books, "--month", error.stem, "--engine", engine, expect=1)
    said = " ".join("".join(capsys.readouterr()).split())
    missing = [fragment for fragment in error.read_text().splitlines() if fragment not in said]
    assert not missing, said
    assert not list((books / "out").rglob("charges.csv"))


def _compare_lines(got: ROW, path: Path) -> None:
    with path.open(newline="") as lines:
        want = [tuple(row[name] for name in LINE) for row in csv.DictReader(lines)]
    charges = [row for row in got["charges"] if row["component"] not in LATER_RULES]
    assert sorted(tuple(row[name] for name in LINE) for row in charges) == sorted(want)
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in charges:
        sums[row["line_id"]] += Decimal(row["amount"])
    assert sums == {row["line_id"]: Decimal(row["line_amount"]) for row in charges}
    assert [check for check in got["checks"] if not check["holds"]] == []


def _compare_figures(got: ROW, want: ROW) -> None:
    if "disclosures" in want:
        assert _counted(got["disclosures"]) == _counted(want["disclosures"])
    for part in ("teams", "features"):
        for key, figures in want.get(part, {}).items():
            assert {name: _text(got[part][key][name]) for name in figures} == figures, key
    if "unallocated" in want:
        assert {name: got["unallocated"][name] for name in want["unallocated"]} == want["unallocated"]
    if "stages" in want:
        assert {row["team"]: row["stage"] for row in got["charges"]} == want["stages"]


def _counted(disclosures: list[ROW]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(row[name] for name in DISCLOSURE) for row in disclosures)


def _text(figure: Any) -> str | None:
    return None if figure is None else str(figure)


def _net(place: Path, account: str) -> dict[tuple[str, str], Decimal]:
    """Debits less credits by account and cost centre, of a file or of all CSV files of a folder; zeros left out."""
    net: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for path in sorted(place.glob("*.csv")) if place.is_dir() else [place]:
        with path.open(newline="") as postings:
            for row in csv.DictReader(postings):
                key = (row[account].lower().replace(" ", "_"), row["cost_center"])
                net[key] += Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
    return {key: amount for key, amount in net.items() if amount}
