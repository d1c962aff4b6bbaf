"""`label coverage`: how much is labelled, by month, source and team, in rows and in what they cost; and what to add."""

from __future__ import annotations

import csv
import io
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.problem import Refused
from finledger.workbench import Workbench
from finledger.workbench.labels import coverage, report_tables
from tests.examples.test_examples import HERE
from tests.support import copy_books, finledger, finledger_json, prepared

SETTINGS = """\
books: Labels
currency: USD
platform: {team: ai-platform, cost_center: cc-1000}
teams:
  search: {cost_center: cc-4815, features: [semantic-search]}
  support: {cost_center: cc-4822, features: [helpdesk, ticket-summary]}
sources:
  bill: {role: reconcile}
rules:
  - {when: {source: gateway}, set: {action: chat_call, workload_type: inference}}
  - {when: {api_key_alias: "search-*"}, set: {team: search}}
"""
# 0.011123 a call: s1 11.123, s2 1.1123 and s3 2.2246 on search's line: 14.4599 -> 14.46; o1 33.369 -> 33.37 unallocated
ROWS = """\
usage_id,ts,team,feature,source,model,requests,input_tokens,api_key_alias,user,billed_cost,billed_currency,action,gpu_sku,gpu_hours
s1,2026-07-01T10:00:00Z,search,,gateway,gpt-large,1000,500,,,,,,,
s2,2026-07-02T10:00:00Z,,,gateway,gpt-large,100,50,search-web,,,,,,
s3,2026-07-03T10:00:00Z,search,semantic-search,gateway,gpt-large,200,100,,,,,,,
o1,2026-07-04T10:00:00Z,,,gateway,gpt-large,3000,100,shared,ops,,,,,
o2,2026-07-05T10:00:00Z,ghost,,gateway,gpt-large,10,100,,,,,,,
b1,2026-07-05T10:00:00Z,,,bill,gpt-large,10,100,,,5.00,USD,,,
g1,2026-07-06T10:00:00Z,support,,cluster,,,,,,,,,h100,2
p1,2026-07-06T10:00:00Z,ai-platform,,gateway,gpt-large,50,100,,,,,,,
"""


@pytest.fixture
def books(tmp_path: Path) -> Path:
    copy_books(HERE / "22-pool-of-rows" / "pricebooks", tmp_path / "pricebooks")
    (tmp_path / "usage").mkdir()
    (tmp_path / "finledger.yaml").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "usage/july.csv").write_text(ROWS, encoding="utf-8")
    return prepared(tmp_path, ("load",))


def found(capsys: pytest.CaptureFixture[str], books: Path, *words: str) -> dict[str, Any]:
    said: dict[str, Any] = finledger_json(capsys, "label", "coverage", "--books", books, *words)
    return said


def row(said: dict[str, Any], by: str, **names: str) -> dict[str, Any]:
    return next(row for row in said["coverage"] if row["by"] == by and names.items() <= row.items())


def test_shares_of_rows_and_of_cost(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """7 rows count, b1 is only compared. Charged: search 14.46, unallocated 33.37 + 0.11 (one line: 33.48023 -> 33.48), GPU 48.00."""
    said = found(capsys, books)
    month = row(said, "month")
    assert (month["rows"], month["cost"]) == (7, "95.94")
    assert month["team_rows"] == "0.857143", "all but o1: ghost is a team, though nobody knows it"
    assert month["cost_center_rows"] == "0.714286", "5 of 7"
    assert month["cost_center_cost"] == "0.651032", "(14.46 + 48.00) / 95.94"
    assert month["feature_rows"] == "0.142857"
    assert month["action_rows"] == "0.857143"
    assert said["months"] == [{"month": "2026-07", "cost": "charges", "why": ""}]
    assert said["compared"] == [{"source": "bill", "rows": 1}]
    assert row(said, "source", source="cluster")["cost"] == "48.00"
    assert row(said, "team", team="search")["feature_cost"] == "0.153527", "2.22 of 14.46"
    assert row(said, "team", team="ai-platform")["cost"] == "0.00", "the platform's own use is nobody's charge"


def test_unlabelled__costliest_first_with_the_rule_to_add(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """o1 is 33.369 of the line's 33.48023, which is rounded to 33.48: 33.37; o2 the other 0.11."""
    loose = found(capsys, books)["unlabelled"]
    assert [(each["missing"], each["cost"]) for each in loose] == [
        (["team", "feature"], "33.37"), (["feature"], "11.13"), (["feature"], "1.11"), (["team", "feature"], "0.11"),
    ]  # fmt: skip
    assert [each["text"] for each in loose] == [
        "- {when: {source: gateway, api_key_alias: shared}, set: {team: TEAM, feature: FEATURE}}",
        "- {when: {source: gateway, team: search, model: gpt-large}, set: {feature: semantic-search}}",
        "- {when: {source: gateway, api_key_alias: search-web}, set: {feature: semantic-search}}",
        "ghost: {cost_center: COST-CENTRE}",
    ]
    assert [each["under"] for each in loose] == ["rules", "rules", "rules", "teams"]
    assert [each["guess"] for each in loose] == ["", "search", "search", "ghost"]


def test_unlabelled__by_likely_owner(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """What lacks a team alone: 33.37 that nobody can tell, 0.11 of a team to be added."""
    assert found(capsys, books)["owners"] == [
        {"guess": "", "rows": 1, "cost": "33.37", "rules": 1},
        {"guess": "ghost", "rows": 1, "cost": "0.11", "rules": 1},
    ]
    finledger("label", "coverage", "--books", books)
    assert "nobody can tell" in capsys.readouterr().out


def test_report_tables__a_trend_that_ends_with_the_month(books: Path) -> None:
    """June and July are the trend of July; what is not labelled is July's alone. August is not loaded, September is later."""
    for month in ("06", "09"):
        row = f"x{month},2026-{month}-01T10:00:00Z,search,x,gateway,gpt-large,10,10,,,,,,,\n"
        (books / f"usage/{month}.csv").write_text(ROWS.splitlines(keepends=True)[0] + row, encoding="utf-8")
    finledger("load", "--books", books)
    bench, july = Workbench(books), Month(2026, 7)
    tables = report_tables(bench, {july: bench.allocate(july, record=False)[0]})
    assert [table.name for table in tables] == ["label-coverage", "unlabelled", "unlabelled-owners"]
    whole = tables[0].where("source", "all sources")
    assert whole.column("month") == (Month(2026, 6), Month(2026, 7))
    assert whole.column("cost")[1] == Money(9594, "USD")
    assert [str(cost) for cost in tables[1].column("cost")] == ["33.37", "11.13", "1.11", "0.11"]
    assert report_tables(bench, {}) == ()


def test_unlabelled__what_is_pasted_labels_it(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """Every suggestion, with its gaps filled in, is valid YAML in its place; then nothing lacks a team or a feature."""
    loose = found(capsys, books)["unlabelled"]
    filled = [
        each["text"].replace("TEAM", "support").replace("FEATURE", "helpdesk") for each in loose if each["under"] == "rules"
    ]
    teams = [each["text"].replace("COST-CENTRE", "cc-9") for each in loose if each["under"] == "teams"]
    settings = SETTINGS.replace("sources:", "".join(f"  {text}\n" for text in teams) + "sources:")
    (books / "finledger.yaml").write_text(settings + "".join(f"  {text}\n" for text in filled), encoding="utf-8")
    said = found(capsys, books)
    assert [each["missing"] for each in said["unlabelled"]] == [["feature"]], (
        "ghost has a cost centre now, and no feature yet"
    )
    assert row(said, "month")["cost_center_cost"] == "1.000000"


def test_a_shared_value_takes_a_second_field(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """Two teams use the key `common`: the rule has to look at the user, too."""
    rows = ["usage_id,ts,team,feature,source,model,requests,api_key_alias,user"]
    for number, (team, user) in enumerate([("search", "a"), ("support", "b"), ("", "b"), ("", "c")]):
        rows.append(f"c{number},2026-07-08T10:00:00Z,{team},x,gateway,gpt-large,9000,common,{user}")
    (books / "usage/more.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    finledger("load", "--books", books)
    texts = [each["text"] for each in found(capsys, books)["unlabelled"][:2]]
    assert "- {when: {source: gateway, api_key_alias: common, user: b}, set: {team: support}}" in texts
    assert "- {when: {source: gateway, api_key_alias: common, user: c}, set: {team: TEAM}}" in texts


def test_cost_adds_up_to_the_charges(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Over the examples, to the cent: what is covered costs what the usage's lines say, before anybody's share is taken off."""
    for name in (
        "22-pool-of-rows",
        "23-classification",
        "24-pass-through-effective",
        "28-metered-buckets",
        "38-seats-include-actions",
    ):
        books = copy_books(HERE / name, tmp_path / name)
        finledger("load", "--books", books)
        month = str(Workbench(books).months()[0])
        said = found(capsys, books, "--month", month)
        charged, _ = Workbench(books).charge(Workbench(books).months()[0])
        kinds = {"action", "gpu", "egress", "passthrough"}
        direct = sum(line.amount.amount for line in charged.lines if line.key.kind in kinds)
        gross = sum((each.gross - each.paid).amount for each in charged.disclosures)
        pooled = sum(pool.amount.amount for pool in charged.pools if name == "22-pool-of-rows" and pool.name != "penny")
        for by in ("month", "source", "team"):
            costs = [Decimal(each["cost"]) for each in said["coverage"] if each["by"] == by and each["cost"] is not None]
            assert sum(costs) == direct + gross + pooled, (name, by)


def test_without_a_price__the_providers_cost_then_rows(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    (books / "usage/august.csv").write_text(
        "usage_id,ts,team,source,model,input_tokens,effective_cost,billed_currency\n"
        "x1,2026-08-01T10:00:00Z,search,api,gpt-large,10,0.1234567,USD\nx2,2026-08-01T10:00:00Z,,api,gpt-large,10,,\n",
        encoding="utf-8",
    )
    (books / "usage/november.csv").write_text(
        "usage_id,ts,team,requests,action\nn1,2026-11-01T10:00:00Z,search,1,chat_call\n"
    )
    finledger("load", "--books", books)
    said = found(capsys, books)
    assert [each["cost"] for each in said["months"]] == ["charges", "provider_cost", "rows"]
    assert row(said, "month", month="2026-08")["cost"] == "0.1234567"
    assert row(said, "month", month="2026-11")["cost"] is None
    changes = [each["change"] for each in said["coverage"] if each["by"] == "month"]
    assert changes[0] is None and changes[2] == "0.000000", "all of the cost has a team in both months"


def test_table_and_csv(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    (books / "usage/more.csv").write_text(
        "usage_id,ts,team,requests,source,api_key_alias\nf1,2026-07-08T10:00:00Z,,1,=1+1,\u202e@evil\n", encoding="utf-8"
    )
    finledger("load", "--books", books)
    capsys.readouterr()
    finledger("label", "coverage", "--books", books, "--by", "source", "--top", "2")
    said, err = capsys.readouterr()
    assert "with cost center" in said and "rules:\n  - {when: {source: gateway, api_key_alias: shared}" in said
    assert "Labels by team" not in said and "\u202e" not in said
    assert "bill is only compared" in err and "more without a team or a feature" in err
    finledger("label", "coverage", "--books", books, "--by", "source", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [each["source"] for each in rows] == ["'=1+1", "cluster", "gateway"]
    assert rows[2]["team_rows"] == "0.833333"


def test_one_month(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    assert {each["month"] for each in found(capsys, books, "--month", "2026-07")["coverage"]} == {"2026-07"}
    finledger("label", "coverage", "--books", books, "--month", "2026-06", expect=1)


def test_every_row_a_key_of_its_own__makes_no_group_of_every_row(books: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The field is left out then, and the rule looks at the next one that tells callers apart."""
    from finledger.workbench import labels

    monkeypatch.setattr(labels, "GROUPS", 200)
    lines = ["usage_id,ts,source,model,requests,api_key,project"]
    lines += [f"k{n},2026-07-08T10:00:00Z,gateway,gpt-large,1,key-{n},p{n % 3}" for n in range(3000)]
    (books / "usage/keys.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    finledger("load", "--books", books)
    made = coverage(Workbench(books)).unlabelled
    assert len([advice for advice in made if dict(advice.when).get("project")]) == 3
    assert not any("api_key" in dict(advice.when) for advice in made)


def test_nothing_loaded(books: Path) -> None:
    shutil.rmtree(books / "store")
    with pytest.raises(Refused) as refused:
        coverage(Workbench(books))
    assert refused.value.problems[0].code == "usage-not-loaded"
