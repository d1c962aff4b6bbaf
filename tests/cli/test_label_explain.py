"""`label explain`: where each label of a row comes from, and whose the row is then."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support import finledger, finledger_json, prepared

SETTINGS = """\
books: Labels
currency: USD
timezone: Europe/Berlin
platform: {team: ai-platform, cost_center: cc-1000}
teams:
  search: {cost_center: cc-4815}
  support: {cost_center: [{code: cc-4822}, {code: cc-4900, from: 2026-07-20}]}
pools:
  shared: {rows: "pool:shared", driver: even}
sources:
  bill: {role: reconcile}
rules:
  - {when: {user: "svc-*", tag: "eval:*"}, set: {action: eval_run, workload_type: evaluation}}
  - when: {user: ["batch", "svc-*"]}
    set: {team: search, action: chat_call, feature: "=cmd()"}
    until: 2026-07-16
  - {when: {user: "svc-*"}, set: {team: support, action: agent_step}, from: 2026-07-10}
  - {when: {project: shared}, set: {team: "pool:shared"}}
"""
ROWS = """\
usage_id,ts,team,cost_center,user,tag,project,source,operator_team,requests,trace_id,span_id,parent_span_id,input_tokens
r1,2026-07-15T21:59:59Z,,,svc-a,"[""x"",""eval:n1""]",,,,1,,,,10
r2,2026-07-15T22:00:00Z,,,svc-a,,,,,1,,,,10
r3,2026-07-02T10:00:00Z,ghost,,,,,,,1,,,,10
r4,2026-07-02T10:00:00Z,search,cc-9,,,,,,1,,,,10
r5,2026-07-02T10:00:00Z,search,,,,,,,1,t,p,,10
r6,2026-07-02T10:00:00Z,search,,,,,,,1,t,c,p,10
r7,2026-07-02T10:00:00Z,search,,,,,,,many,,,,10

r6,2026-07-02T10:00:00Z,search,,,,,,,1,t,c,p,10
r8,2026-07-02T10:00:00Z,search,,,,,bill,,1,,,,10
r9,2026-07-02T10:00:00Z,,,,,shared,,,1,,,,10
r10,2026-07-25T10:00:00Z,support,,,,,,search,1,,,,10
"""


@pytest.fixture
def books(tmp_path: Path) -> Path:
    (tmp_path / "usage").mkdir()
    (tmp_path / "finledger.yaml").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "usage/july.csv").write_text(ROWS, encoding="utf-8")
    return prepared(tmp_path, ("load",))


def explained(capsys: pytest.CaptureFixture[str], books: Path, row: str) -> dict[str, Any]:
    found: dict[str, Any] = finledger_json(capsys, "label", "explain", row, "--books", books)
    return found


def label(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in found["labels"] if each["field"] == name)


def numbers(rules: list[dict[str, Any]]) -> list[int]:
    return [rule["number"] for rule in rules]


def test_the_last_second_of_a_rule(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """r1 is one second before midnight of the 16th in Berlin: rule 2 still gives it to search."""
    found = explained(capsys, books, "r1")
    assert (found["row"]["place"], found["row"]["day"], found["row"]["fate"]) == (
        "usage/july.csv:2",
        "2026-07-15",
        "accepted",
    )
    team = label(found, "team")
    assert (team["value"], team["from"], team["rule"]["number"], team["rule"]["where"]) == (
        "search",
        "rule",
        2,
        "finledger.yaml:14",
    )
    assert team["rule"]["text"] == (
        '{when: {user: [batch, "svc-*"]}, set: {team: search, action: chat_call, feature: "=cmd()"}, until: 2026-07-16}'
    )
    assert team["matched"] == [{"field": "user", "glob": "svc-*", "value": "svc-a"}]
    assert numbers(team["too_late"]) == [3]
    action = label(found, "action")
    assert (action["value"], numbers(action["too_late"])) == ("eval_run", [2, 3])
    assert action["matched"][1] == {"field": "tag", "glob": "eval:*", "value": "eval:n1"}
    assert found["owner"] == {
        "team": "search", "cost_center": "cc-4815", "unallocated": False, "reason": "", "operator": "", "operator_cost_center": "",
    }  # fmt: skip


def test_the_first_second_after_it(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    found = explained(capsys, books, "r2")
    assert (found["row"]["day"], label(found, "team")["value"], found["owner"]["cost_center"]) == (
        "2026-07-16",
        "support",
        "cc-4822",
    )
    assert numbers(label(found, "team")["out_of_date"]) == [2]
    feature = label(found, "feature")
    assert (feature["value"], feature["from"], numbers(feature["out_of_date"])) == ("", "", [2])


@pytest.mark.parametrize(
    ("row", "team", "reason"),
    [
        ("r3", "(unallocated)", "unknown team"),
        ("r4", "(unallocated)", "another team's cost centre"),
        ("r6", "search", ""),
        ("r9", "pool:shared", ""),
    ],
)
def test_owner(capsys: pytest.CaptureFixture[str], books: Path, row: str, team: str, reason: str) -> None:
    owner = explained(capsys, books, row)["owner"]
    assert (owner["team"], owner["reason"]) == (team, reason)


def test_owner__cost_centre_and_operator_of_the_day(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    owner = explained(capsys, books, "r10")["owner"]
    assert (owner["cost_center"], owner["operator"], owner["operator_cost_center"]) == ("cc-4900", "search", "cc-4815")


def test_what_became_of_rows_that_are_not_charged(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    aggregate = explained(capsys, books, "r5")
    assert (aggregate["row"]["fate"], aggregate["owner"]) == ("aggregate", None)
    compared = explained(capsys, books, "r8")
    assert (compared["row"]["fate"], compared["row"]["role"], compared["owner"]) == ("accepted", "reconcile", None)
    rejected = explained(capsys, books, "july.csv:8")["row"]
    assert (rejected["fate"], rejected["excerpt"][:3]) == ("rejected", "r7,")
    assert rejected["faults"] == [{"column": "requests", "value": "many", "reason": "is not a whole number of 0 or more"}]
    again = explained(capsys, books, "usage/july.csv:10")["row"]
    assert (again["fate"], again["same_as"], again["usage_id"]) == ("duplicate", "usage/july.csv:7", "r6")


def test_row_of_an_export_that_was_replaced(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    (books / "usage/later.csv").write_text(ROWS.replace(",many,", ",2,"), encoding="utf-8")
    finledger("load", books / "usage/later.csv", "--replaces", "usage/july.csv", "--books", books)
    found = explained(capsys, books, "usage/july.csv:2")["row"]
    assert (found["fate"], found["same_as"]) == ("replaced", "usage/later.csv")
    assert explained(capsys, books, "r1")["row"]["place"] == "usage/later.csv:2"
    assert explained(capsys, books, "later.csv:8")["row"]["fate"] == "accepted"


def test_row_by_its_record(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    assert explained(capsys, books, "usage/july.csv record 9")["row"]["usage_id"] == "r8"
    (books / "usage/july.csv").unlink()
    found = explained(capsys, books, "usage/july.csv:9")["row"]
    assert (found["usage_id"], found["place"]) == ("r8", "usage/july.csv record 9"), "without the file, a number is a record"


def test_row_of_parquet(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    with duckdb.connect() as connection:
        rows = "SELECT 'q' || i AS usage_id, TIMESTAMP '2026-07-03 10:00:00' AS ts, 'search' AS team FROM range(1, 4) r(i)"
        connection.execute(f"COPY ({rows}) TO '{books / 'usage/more.parquet'}' (FORMAT parquet)")
    finledger("load", "--books", books)
    assert explained(capsys, books, "more.parquet:2")["row"]["usage_id"] == "q2"


def test_row_far_down_a_file_with_quotes_over_lines(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """Every tenth record takes two lines, so that record 3,000 begins on line 3,000 + 1 + 299."""
    lines = ["usage_id,ts,team,x_note"]
    lines += [
        f"m{n},2026-07-03T10:00:00Z,search,{chr(34)}a{chr(10) if n % 10 == 0 else ' '}b{chr(34)}" for n in range(1, 3001)
    ]
    (books / "usage/many.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    finledger("load", "--books", books)
    assert explained(capsys, books, "many.csv:3300")["row"]["usage_id"] == "m3000"
    assert explained(capsys, books, "many.csv:3301")["row"]["usage_id"] == "m3000", "its second line"
    assert explained(capsys, books, "many.csv:12")["row"]["usage_id"] == "m10"


def test_table_and_csv__are_safe(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    finledger("label", "explain", "r1", "--books", books)
    said = capsys.readouterr().out
    assert "owner      search, cost centre cc-4815" in said and 'user svc-a by "svc-*"' in said
    assert (
        '3     finledger.yaml:17  {when: {user: "svc-*"}, set: {team: support, action: agent_step}, from: 2026-07-10}'
        in said
    )
    finledger("label", "explain", "r1", "--books", books, "--format", "csv")
    rows = {row["field"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert rows["feature"]["value"] == "'=cmd()", "no formula for a spreadsheet"
    assert (rows["team"]["from"], rows["team"]["too_late"]) == ("rule 2", "rule 3")


def test_hidden_characters(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """A right-to-left override in a value cannot turn a line around; a rule with it is written with an escape."""
    settings = SETTINGS + '  - {when: {user: "evil\\u202egood"}, set: {team: search}}\n'
    (books / "finledger.yaml").write_text(settings, encoding="utf-8")
    (books / "usage/more.csv").write_text("usage_id,ts,user\ne1,2026-07-03T10:00:00Z,evil\u202egood\n", encoding="utf-8")
    finledger("load", "--books", books)
    capsys.readouterr()
    finledger("label", "explain", "e1", "--books", books)
    said = capsys.readouterr().out
    assert "\u202e" not in said and "evilU+202Egood" in said and '{user: "evil\\u202egood"}' in said


def test_a_closed_month_is_explained_as_it_was_closed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A re-organisation later changes nothing of it (A7)."""
    from tests.examples.test_examples import HERE
    from tests.support import copy_books

    books = copy_books(HERE / "69-shared-account", tmp_path / "books")
    settings = books / "finledger.yaml"
    finledger("load", "--books", books)
    for command in ("allocate", "invoice", "journal"):
        finledger(command, "--books", books, "--month", "2026-07")
    waived = ("--waive", "days-missing", "--by", "Ann Lee", "--reason", "quiet days")
    finledger("close", "--books", books, "--month", "2026-07", *waived)
    settings.write_text(settings.read_text().replace("set: {team: research}", "set: {team: search}"), encoding="utf-8")
    capsys.readouterr()
    found = explained(capsys, books, "a7")
    assert (found["row"]["closed"], found["owner"]["team"]) == (True, "research")
    assert json.dumps(found["labels"]).count("team: research") >= 1
