"""Traces from the command line (rules A5, C2): the root of a trace pays for what others ran in it, and explain says all of that.

The figures are those of tests/examples/70-traces/README.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from finledger.core.period import Month
from finledger.workbench import Workbench
from tests.support import ROOT, copy_books, finledger, finledger_json, once

JULY = Month(2026, 7)
EXAMPLE = ROOT / "tests" / "examples" / "70-traces"


def books_with(tmp_path: Path, settings: str = "", *files: str) -> Path:
    """The example, loaded a file at a time in this order."""
    books = copy_books(EXAMPLE, tmp_path / f"books-{len(list(tmp_path.iterdir()))}")
    with (books / "finledger.yaml").open("a") as text:
        text.write(settings)
    for name in files or ("1-tools.csv", "2-agents.csv"):
        once(books, f"load {name}", lambda name=name: finledger("load", books / "usage" / name, "--books", books, "--quiet"))
    return books


def allocated(books: Path, capsys: pytest.CaptureFixture[str], month: str = "2026-07") -> Any:
    return finledger_json(capsys, "allocate", "--books", books, "--month", month)


def amounts(got: Any) -> dict[tuple[str, str, str], str]:
    return {(row["team"], row["feature"], row["item"]): row["line_amount"] for row in got["charges"]}


def test_files__loaded_the_other_way_round_charge_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (
        allocated(books_with(tmp_path, "", *names), capsys)
        for names in (("1-tools.csv", "2-agents.csv"), ("2-agents.csv", "1-tools.csv"))
    )
    assert (one["charges"], one["operated"], one["unallocated"]) == (
        other["charges"],
        other["operated"],
        other["unallocated"],
    )


def test_root_loaded_later__re_attributes_an_open_month(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the agents' file the spans of t1 and t2 are nobody's: 2 x 0.126 → 0.25, and 0.252 → 0.25 of ranking's."""
    books = books_with(tmp_path, "", "1-tools.csv")
    got = allocated(books, capsys)
    assert got["unallocated"]["amount"] == "0.50" and got["teams"]["insights"]["total"] == "0.00"
    finledger("load", books / "usage" / "2-agents.csv", "--books", books, "--quiet")
    got = allocated(books, capsys)
    assert got["unallocated"]["amount"] == "0.13" and got["teams"]["insights"]["total"] == "1.64"


def test_owner_pays__the_rows_own_team_and_the_roots_feature(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    got = allocated(books_with(tmp_path, "compound_calls: owner_pays\n"), capsys)
    assert amounts(got) == {
        ("insights", "feedback-summary", "agent_run"): "1.26",
        ("retrieval", "feedback-summary", "retrieval_call"): "0.13",
        ("retrieval", "", "retrieval_call"): "0.25",
        ("ranking", "feedback-summary", "rerank_call"): "0.25",
    }
    assert got["operated"] == [] and got["unallocated"]["amount"] == "0.00"


def test_source__whose_roots_are_not_exported_keeps_its_own_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All three retrieval calls are retrieval's own: 0.378 → 0.38."""
    got = allocated(books_with(tmp_path, "sources: {native: {traces: own}}\n"), capsys)
    assert amounts(got) == {
        ("insights", "feedback-summary", "agent_run"): "1.26",
        ("retrieval", "", "retrieval_call"): "0.38",
        ("ranking", "rerank-tool", "rerank_call"): "0.25",
    }


def test_rules__look_at_the_root_for_whose_a_row_is_and_at_the_row_for_who_ran_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Agents that name no team are insights' by a rule on their action; the rows of ranking's tool are nobody's by that rule."""
    books = copy_books(EXAMPLE, tmp_path / "by-rule")
    agents = books / "usage" / "2-agents.csv"
    agents.write_text(agents.read_text().replace("insights,feedback-summary", ","))
    rule = '{when: {action: "agent_*"}, set: {team: insights, feature: by-rule}}'
    with (books / "finledger.yaml").open("a") as text:
        text.write(f"rules: [{rule}]\n")
    finledger("load", "--books", books, "--quiet")
    got = allocated(books, capsys)
    # feature: the root's, by the rule; ranking's own rerank-tool does not count
    assert amounts(got) == {
        ("(unallocated)", "", "retrieval_call"): "0.13",
        ("insights", "by-rule", "agent_run"): "1.26",
        ("insights", "by-rule", "rerank_call"): "0.25",
        ("insights", "by-rule", "retrieval_call"): "0.13",
        ("retrieval", "", "retrieval_call"): "0.13",
    }
    assert {each["operator"] for each in got["operated"]} == {"retrieval", "ranking"}
    (line,) = {row["line_id"] for row in got["charges"] if (row["team"], row["item"]) == ("insights", "rerank_call")}
    told = finledger_json(capsys, "explain", "2026-07/insights", line, "--books", books)
    assert "rule 1" in str(told["facts"]["rules"])


def test_explain__says_who_caused_who_operated_and_from_which_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    books = books_with(tmp_path)
    got = allocated(books, capsys)
    lines = {(row["team"], row["item"]): row["line_id"] for row in got["charges"]}
    line = lines["insights", "rerank_call"]
    told = finledger_json(capsys, "explain", "2026-07/insights", line, "--books", books)
    said = str(told["facts"]["traces"])
    assert "'team': 'insights'" in said and "'feature': 'feedback-summary'" in said and "'operator': 'ranking'" in said
    assert told["same"] and [row["where"] for row in told["rows"]["first"]] == ["usage/1-tools.csv:3"]
    assert told["rows"]["first"][0]["trace_id"] == "t1"
    line = lines["(unallocated)", "retrieval_call"]
    told = finledger_json(capsys, "explain", "2026-07/(unallocated)", line, "--books", books)
    assert "no root of its trace" in str(told["facts"]["unallocated"])
    assert [row["where"] for row in told["rows"]["first"]] == ["usage/1-tools.csv:4"]


def test_explain__a_trace_over_midnight(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books = books_with(tmp_path)
    got = allocated(books, capsys, "2026-08")
    (line,) = {row["line_id"] for row in got["charges"]}
    told = finledger_json(capsys, "explain", "2026-08/insights", line, "--books", books)
    assert told["same"] and [row["where"] for row in told["rows"]["first"]] == ["usage/2-agents.csv:4"]


def test_engines__agree_on_every_line(tmp_path: Path) -> None:
    bench = Workbench(books_with(tmp_path))
    one, other = (bench.charge(JULY, engine_name=name)[0] for name in ("duckdb", "reference"))
    assert one.lines == other.lines
