"""The worked examples: books small enough to check by hand, through the command line, with both engines.

An example's expected/ may hold, for a month,

- MONTH.csv: every entry of a charge line, by component, and no other;
- MONTH.json: disclosures, the central funding, idle capacity and pools (all of them), and of teams, features, stages,
  buffer, price book and unallocated whatever is named;
- MONTH-postings.csv: the journal's net by account and cost centre;
- MONTH.error: `allocate` refuses, writes nothing, and its message holds each line of the file;

for a quarter, looked at when all months were allocated in the order of their names,

- QUARTER.json: of buffer, reserves, variances (by class), teams, eval (by month) and requests whatever is named, and the
  codes of the problems that stand in the way of closing it besides months that are open;
- QUARTER-postings.csv: the net of the quarter's own entries by account and cost centre;

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
MONTHS, QUARTERS = "????-[01][0-9]", "????-Q[1-4]"
# The lists of a quarter's JSON, by what names their rows.
NAMED_BY = {"variances": "class", "teams": "team", "eval": "month"}
ROW = dict[str, Any]


def test_examples__are_complete_and_named_in_the_table() -> None:
    table = (HERE / "README.md").read_text()
    for name in EXAMPLES:
        assert f"({name}/README.md)" in table
        assert (HERE / name / "README.md").is_file()
        assert list((HERE / name / "expected").glob(f"{MONTHS}.*")), name
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
    for path in sorted(expected.glob(f"{MONTHS}.error")):
        _refuses(books, path, engine, capsys)
    for path in sorted(expected.glob(f"{MONTHS}.csv")):
        month = path.stem
        got = finledger_json(capsys, "allocate", "--books", books, "--month", month, "--engine", engine)
        _compare_lines(got, path)
        if path.with_suffix(".json").exists():
            _compare_figures(got, json.loads(path.with_suffix(".json").read_text()))
        postings = expected / f"{month}-postings.csv"
        if postings.exists():
            finledger("journal", "--books", books, "--month", month, "--to", "csv")
            assert _net(books / "out" / month / "journal", "account") == _net(postings, "account_key")
    for path in sorted(expected.glob(f"{QUARTERS}.json")):
        got = finledger_json(capsys, "close", "--quarter", path.stem, "--dry-run", "--books", books, expect=1)
        _compare_quarter(got, json.loads(path.read_text()))
        postings = expected / f"{path.stem}-postings.csv"
        if postings.exists():
            assert _net_of(got["entries"]) == _net(postings, "account_key")


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
    charges = got["charges"]
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
    for part in ("central", "idle", "pools"):
        if part in want:
            assert got[part] == want[part]
    for part in ("unallocated", "buffer", "pricebook"):
        if part in want:
            assert {name: got[part][name] for name in want[part]} == want[part]
    if "stages" in want:
        assert {row["team"]: row["stage"] for row in got["charges"]} == want["stages"]


def _compare_quarter(got: ROW, want: ROW) -> None:
    codes = {problem["code"] for problem in got["problems"]} - {"month-open"}
    assert codes == set(want.get("problems", ()))
    if "buffer" in want:
        assert {name: got["buffer"][name] for name in want["buffer"]} == want["buffer"]
    for part in ("reserves", *NAMED_BY):
        if part in want:
            rows = {row[NAMED_BY[part]]: row for row in got[part]} if part in NAMED_BY else got[part]
            assert rows.keys() == want[part].keys()
            assert {key: {name: rows[key][name] for name in figures} for key, figures in want[part].items()} == want[part]
    if "requests" in want:
        assert [{name: row[name] for name in want["requests"][0]} for row in got["requests"]] == want["requests"]


def _counted(disclosures: list[ROW]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(row[name] for name in DISCLOSURE) for row in disclosures)


def _text(figure: Any) -> str | None:
    return None if figure is None else str(figure)


def _net(place: Path, account: str) -> dict[tuple[str, str], Decimal]:
    """Debits less credits by account and cost centre, of a file or of all CSV files of a folder; zeros left out."""
    found = []
    for path in sorted(place.glob("*.csv")) if place.is_dir() else [place]:
        with path.open(newline="") as postings:
            for row in csv.DictReader(postings):
                found.append((row[account], row["cost_center"], Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)))
    return _summed(found)


def _net_of(entries: list[ROW]) -> dict[tuple[str, str], Decimal]:
    """The same of the entries that a quarter's JSON shows."""
    postings = [posting for entry in entries for posting in entry["postings"]]
    return _summed([(row["account"], row["cost_center"], Decimal(row["amount"])) for row in postings])


def _summed(postings: list[tuple[str, str, Decimal]]) -> dict[tuple[str, str], Decimal]:
    net: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for account, cost_center, amount in postings:
        net[account.lower().replace(" ", "_"), cost_center] += amount
    return {key: amount for key, amount in net.items() if amount}
