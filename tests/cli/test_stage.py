"""`finledger stage`: what it shows, what it writes and what it leaves alone (rules A3, A4)."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import date
from pathlib import Path

import pytest

from finledger.core.invoice import adopted
from finledger.core.ladder import ladder_tables
from finledger.core.period import Month
from finledger.core.problem import Refused
from finledger.workbench import Workbench, stages
from finledger.workbench.ladder import known_in, ladder_of
from finledger.write.stage_line import with_stage
from tests.close.small_books import (
    AUGUST,
    JULY,
    SEPTEMBER,
    SETTINGS,
    close,
    closed_already,
    daily,
    edit,
    load_late,
    make_books,
    row,
    snapshot,
    write,
)
from tests.support import finledger, finledger_json

OCTOBER = Month(2026, 10)
MAPPED = """\
journal: csv
accounts:
  ai_service_expense: Expense
  recovery_of_usage: Usage
  recovery_of_overhead: Overhead
  registry_reserve: Registry
  buffer_fund: Buffer
"""
BY = ("--by", "Ada Fell", "--on", "2026-10-05")


def quarter(root: Path, settings: str = SETTINGS) -> Path:
    """Three closed months in which research, at showback, is charged as search is."""
    usage = [
        line for month in (JULY, AUGUST, SEPTEMBER) for team in ("search", "research") for line in daily(month, team, 100)
    ]
    make_books(root, {"all.csv": usage}, {"finledger.yaml": settings})
    return closed_already(root, JULY, AUGUST, SEPTEMBER)


def moved(team: str, to: str, month: Month, root: Path, *words: str, expect: int = 0) -> None:
    finledger("stage", "promote", team, "--to", to, "--from", month, *BY, *words, "--books", root, expect=expect)


# ── what is shown ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_status__of_books_without_a_month(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("init", tmp_path / "new", "-q")
    found = finledger_json(capsys, "stage", "status", "--books", tmp_path / "new")
    assert [(each["team"], each["stage"], each["how"], each["next"], each["ready"]) for each in found["teams"]] == [
        ("search", "showback", "", "allocation", False),
        ("support", "showback", "", "allocation", False),
    ]
    assert {each["blocker"]: each["stands"] for each in found["blockers"]} == {
        "unallocated spend": True,
        "finance integration": True,
        "early adoption": True,
    }


def test_status__a_team_without_any_month_and_strange_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strange = "<script>alert(1)</script>".replace("/", "") + " & 'x' =1"
    root = quarter(tmp_path / "books", SETTINGS + f'  "{strange}": {{cost_center: cc-9, early_adoption: true}}\n')
    found = finledger_json(capsys, "stage", "status", "--team", strange, "--books", root)
    (team,) = found["teams"]
    assert (team["team"], team["stage"], team["next"]) == (strange, "showback", "allocation")
    assert {each["code"]: each["met"] for each in team["criteria"]} == {
        "gate-dispute-open": True,
        "gate-dispute-rate": False,
    }
    assert [(each["lines"], each["charged"]) for each in team["months"]] == [(0, "0.00")] * 3
    finledger("stage", "status", "--format", "csv", "--books", root)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [each["team"] for each in rows] == [strange, "research", "search", "support"]


def test_names__on_the_command_line_are_kept_as_they_are_and_never_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = quarter(tmp_path / "books")
    name = "=HYPERLINK(1) <b>Ada</b>"
    words = ("stage", "signoff", "--month", "2026-09", "--by", name, "--on", "2026-10-03", "--books", root)
    capsys.readouterr()
    finledger(*words, "--dry-run", "--format", "csv")
    (said,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert said["by"] == f"'{name}"
    assert finledger_json(capsys, *words)["by"] == name
    assert Workbench(root).ledger.events("stage-signoff")[0].content["by"] == name
    for bad in ("", "  ", "Ada\x1b[31m", "Ada\u202e"):
        finledger("stage", "ack", "research", "--month", "2026-09", "--by", bad, "--books", root, expect=2)
    finledger("stage", "ack", "reserch", "--month", "2026-09", "--by", "Ada", "--books", root, expect=2)
    assert "did you mean research or search?" in capsys.readouterr().err


def test_status__as_it_was_believed_at_a_close(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = quarter(tmp_path / "books")
    moved("research", "allocation", OCTOBER, root)
    now = finledger_json(capsys, "stage", "status", "--month", "2026-10", "--team", "research", "--books", root)
    then = finledger_json(
        capsys, "stage", "status", "--month", "2026-10", "--team", "research", "--as-of", "2026-08", "--books", root
    )
    assert (now["teams"][0]["stage"], now["teams"][0]["moved_by"]) == ("allocation", "Ada Fell")
    assert (then["teams"][0]["stage"], then["teams"][0]["moved_by"]) == ("showback", None)
    assert [each["month"] for each in then["teams"][0]["months"]] == ["2026-07", "2026-08"]


def test_status__of_2000_teams_takes_no_three_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = "books: Many\ncurrency: USD\nplatform: {team: ai-platform, cost_center: cc-1000}\nteams:\n"
    teams = "".join(f"  team-{n:04}: {{cost_center: cc-{n}, budget: {{2026-07: 10.00}}}}\n" for n in range(2000))
    usage = [row(f"u-{n}", "2026-07-10", f"team-{n:04}", 100) for n in range(2000)]
    root = make_books(tmp_path / "books", {"all.csv": usage}, {"finledger.yaml": head + teams})
    Workbench(root).allocate(JULY)
    started = time.process_time()
    found = finledger_json(capsys, "stage", "status", "--books", root)
    assert time.process_time() - started < 3
    assert len(found["teams"]) == 2000
    assert {each["missing"][0] for each in found["teams"]} == {"disputed lines"}


def test_tables__say_what_the_command_says(tmp_path: Path) -> None:
    root = quarter(tmp_path / "books")
    tables = {table.name: table for table in ladder_tables(ladder_of(Workbench(root), SEPTEMBER))}
    assert tuple(tables) == ("ladder", "gates", "organisation-gate", "blockers", "stage-history")
    assert tables["ladder"].column("team") == ("research", "search", "support")
    assert tables["ladder"].column("adopted") == ("no", "yes", "yes")
    assert tables["stage-history"].where("team", "search").column("month") == (JULY, AUGUST, SEPTEMBER)
    assert set(tables["gates"].where("team", "search").column("criterion")) == {"acknowledged variance"}


# ── what is measured ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("unallocated", ["hold", "proportional", "even"])
def test_unallocated__is_the_share_that_the_month_was_closed_with(unallocated: str, tmp_path: Path) -> None:
    """Also where it is spread over the teams, beside a pool that is no part of it and a correction of an earlier month."""
    pool = "pools:\n  notebooks: {amount: {2026-07: 90.00, 2026-08: 100.00}, driver: requests, to: teams}\n"
    root = tmp_path / "books"
    usage = [*daily(JULY), *daily(AUGUST), row("x1", "2026-07-05", "", 700), row("x2", "2026-08-05", "", 900)]
    make_books(root, {"all.csv": usage}, {"finledger.yaml": f"unallocated: {unallocated}\n{pool}{SETTINGS}"})
    shares = [close(root, JULY).charges]
    load_late(root, "late.csv", [row("late", "2026-07-09", "search", 5000)])
    shares.append(close(root, AUGUST).charges)
    known = known_in(Workbench(root), AUGUST)
    assert all(each is not None for each in shares)
    assert [each.unallocated for each in known.closed] == [each.unallocated_share for each in shares if each is not None]
    assert known.closed[0].unallocated > 0


def test_gates__of_the_books_replace_the_rule_s_numbers(tmp_path: Path) -> None:
    """6 % of August is nobody's: that month closes where the organisation says that less than 10 % will do."""
    usage = {"all.csv": [*daily(AUGUST), row("x1", "2026-08-05", "", 2000)]}
    root = make_books(tmp_path / "books", usage)
    with pytest.raises(Refused, match=r"6\.06 % of all charges, is unallocated: 5 % is the limit"):
        close(root, AUGUST)
    edit(root / "finledger.yaml", "books: Close", "books: Close\ngates: {chargeback: {unallocated: 0.10}}")
    close(root, AUGUST)
    assert ladder_of(Workbench(root), AUGUST).organisation[0].wanted.startswith("under 10 % in each of the last 3")


def test_journal__in_the_formats_that_the_finance_system_takes(tmp_path: Path) -> None:
    root = make_books(tmp_path / "books", {"all.csv": daily(JULY)}, {"finledger.yaml": MAPPED + SETTINGS})
    finledger("journal", "--month", "2026-07", "-q", "--books", root)
    assert [path.name for path in (root / "out/2026-07/journal").iterdir()] == ["2026-07.csv"]


# ── what is written ─────────────────────────────────────────────────────────────────────────────────────────────────────

LAYOUTS = {
    "a word": "  r:  # who\n    cost_center: cc-1\n    stage: showback   # the first rung\n    owner: x\n",
    "nothing": "  r:\n    # nothing is said of its stage\n    cost_center: cc-1\n",
    "in braces": "  r: {cost_center: cc-1, stage: 'showback'}  # short\n",
    "in braces, nothing": "  r: {cost_center: cc-1}\n",
    "a list in brackets": "  r: {cost_center: cc-1, stage: [ {stage: showback, from: 2026-01-01}, ]}\n",
    "a list of lines": "  r:\n    cost_center: cc-1\n    stage:\n      - {stage: showback}  # once\n      # and then\n    owner: x\n",
    "a list of keys": "  r:\n    stage:\n    - from: 2026-01-01\n      stage: showback # since\n\n    cost_center: cc-1\n",
    "at the end": "  r:\n    cost_center: cc-1\n    stage:\n      - {stage: showback}",
}


@pytest.mark.parametrize("breaks", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_stage_line__is_added_and_nothing_else_changes(layout: str, mark: str, breaks: str) -> None:
    from finledger.read.yaml_lines import load

    before = f"{mark}# Bücher\nteams:\n  q: {{cost_center: cc-2}}\n{LAYOUTS[layout]}".replace("\n", breaks)
    after = with_stage(before, "r", "allocation", date(2026, 10, 1))
    read = load(after.encode(), "finledger.yaml").rows
    assert read is not None
    added = {"stage": "allocation", "from": "2026-10-01"}
    assert read.root.plain()["teams"]["r"]["stage"][1:] == [added]
    assert read.root.plain()["teams"]["q"] == {"cost_center": "cc-2"}
    assert after.count("\n") - after.count("\r\n") == (0 if breaks == "\r\n" else after.count("\n"))
    for comment in (
        "# who",
        "# the first rung",
        "# nothing is said",
        "# short",
        "# once",
        "# and then",
        "# since",
        "# Bücher",
    ):
        assert (comment in after) == (comment in before)
    lost = [line for line in before.splitlines() if line not in after.splitlines()]
    assert len(lost) <= 1 and all("stage" in line or "cost_center" in line for line in lost)
    again = with_stage(after, "r", "chargeback", date(2026, 10, 1))
    assert again == after.replace("stage: allocation, from: 2026-10-01", "stage: chargeback, from: 2026-10-01")


def test_promote__in_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    root = quarter(tmp_path / "books")
    before = snapshot(root)
    moved("research", "allocation", OCTOBER, root, "--dry-run", "-q")
    assert snapshot(root) == before


def test_promote__through_a_link_and_written_by_hand_before(tmp_path: Path) -> None:
    root = quarter(tmp_path / "books")
    (root / "finledger.yaml").rename(tmp_path / "kept.yaml")
    (root / "finledger.yaml").symlink_to(tmp_path / "kept.yaml")
    moved("research", "allocation", OCTOBER, root)
    assert (root / "finledger.yaml").is_symlink()
    assert "{stage: allocation, from: 2026-10-01}" in (tmp_path / "kept.yaml").read_text()
    edit(tmp_path / "kept.yaml", "{stage: allocation, from: 2026-10-01}", "{stage: allocation, from: 2026-11-01}")
    text = (tmp_path / "kept.yaml").read_text()
    moved("research", "allocation", Month(2026, 11), root)
    assert (tmp_path / "kept.yaml").read_text() == text, "what stands there already is only recorded"
    assert [event.period for event in Workbench(root).ledger.events("stage-promote")] == ["2026-10", "2026-11"]


def test_promote__keeps_its_evidence(tmp_path: Path) -> None:
    root = quarter(tmp_path / "books")
    moved("research", "allocation", OCTOBER, root)
    (event,) = Workbench(root).ledger.events("stage-promote")
    assert (event.period, event.subject, event.content["by"], event.content["on"]) == (
        "2026-10",
        "research",
        "Ada Fell",
        "2026-10-05",
    )
    assert [name for name, *_ in event.content["evidence"]] == ["gate-dispute-open", "gate-dispute-rate"]
    moved("research", "allocation", OCTOBER, root, expect=2)


def test_demote__takes_a_stage_back_and_it_has_to_be_earned_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = quarter(tmp_path / "books")
    words = ("stage", "demote", "search", "--to", "showback", *BY, "--reason", "Its key was shared", "--books", root)
    finledger(*words)
    found = finledger_json(capsys, "stage", "status", "--month", "2026-10", "--team", "search", "--books", root)["teams"][0]
    assert (found["stage"], found["how"], found["since"]) == ("showback", "demoted", "2026-10-01")
    edit(root / "finledger.yaml", "{stage: showback, from: 2026-10-01}", "{stage: chargeback, from: 2026-10-01}")
    (warned,) = ladder_of(Workbench(root), OCTOBER).problems
    assert (warned.code, warned.severity) == ("stage-not-earned", "warning")
    assert "search is at chargeback in 2026-10, and has come no further than showback" in warned.message
    finledger(*words, expect=0)  # written again, where somebody put it back
    finledger(*words, expect=2)


# ── sign-off, acknowledgement ───────────────────────────────────────────────────────────────────────────────────────────


def stands(root: Path) -> list[str]:
    return [each.void for each in ladder_of(Workbench(root), SEPTEMBER).sign_offs]


def reopen(root: Path, period: object) -> None:
    option = "--quarter" if "Q" in str(period) else "--month"
    finledger("reopen", option, period, "--by", "Ada", "--reason", "a look", "-q", "--books", root)


def test_sign_off__is_void_once_the_month_is_closed_with_other_figures(tmp_path: Path) -> None:
    root = quarter(tmp_path / "books")
    stages.sign_off(Workbench(root), SEPTEMBER, by="Cleo", on=date(2026, 10, 3))
    assert stands(root) == [""]
    reopen(root, SEPTEMBER)
    assert stands(root) == ["was reopened"]
    close(root, SEPTEMBER)
    assert stands(root) == [""], "the figures are those that were signed"
    reopen(root, SEPTEMBER)
    load_late(root, "late.csv", [row("late", "2026-09-09", "support", 1000)])
    close(root, SEPTEMBER)
    assert stands(root) == ["was closed again with other figures"]
    finledger("stage", "signoff", "--month", "2026-09", "--by", "Cleo", "--on", "2026-10-09", "--books", root)
    finledger("stage", "signoff", "--month", "2026-09", "--by", "Dee", "--role", "cfo", "--books", root, expect=2)
    assert stands(root) == ["was closed again with other figures", ""]


def test_sign_off__of_a_quarter_is_one_of_its_months(tmp_path: Path) -> None:
    root = quarter(tmp_path / "books", MAPPED + SETTINGS)
    finledger("reconcile", "--quarter", "2026-Q3", "-q", "--books", root)
    finledger("close", "--quarter", "2026-Q3", "-q", "--books", root)
    finledger("stage", "signoff", "--quarter", "2026-Q3", "--by", "Cleo", "--on", "2026-10-03", "--books", root)
    ladder = ladder_of(Workbench(root), SEPTEMBER)
    assert [each.met for each in ladder.organisation] == [True] * 4
    assert ladder.sign_offs[0].months == (JULY, AUGUST, SEPTEMBER)
    reopen(root, "2026-Q3")
    reopen(root, SEPTEMBER)
    load_late(root, "late.csv", [row("late", "2026-09-09", "support", 1000)])
    close(root, SEPTEMBER)
    finledger("close", "--quarter", "2026-Q3", "-q", "--books", root)
    assert stands(root) == ["was closed again with other figures"]


def test_acknowledged__counts_when_finance_has_not_closed_the_month(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = SETTINGS.replace("stage: chargeback}", "stage: chargeback, budget: {2026-07: 300.00, 2026-08: 300.00}}", 1)
    root = make_books(tmp_path / "books", {"all.csv": [*daily(JULY), *daily(AUGUST)]}, {"finledger.yaml": budget})
    finledger("allocate", "--month", "2026-07", "-q", "--books", root)
    words = ("stage", "ack", "search", "--by", "Eve", "--on", "2026-08-02", "--books", root)
    early = finledger_json(capsys, *words, "--month", "2026-07")
    assert (early["charged"], early["variance"], early["counts"]) == ("390.60", "90.60", True)
    finledger(*words, "--month", "2026-07", expect=2)
    close(root, JULY, AUGUST)
    assert finledger_json(capsys, *words, "--month", "2026-08")["counts"] is False
    (criterion,) = ladder_of(Workbench(root), AUGUST).of("search").gate
    assert (criterion.figure, criterion.met) == ("1 of 2 closed months at chargeback, 50.00 %", False)
    edit(root / "finledger.yaml", "books: Close", "books: Close\ngates: {optimisation: {acknowledged: 0.50}}")
    assert ladder_of(Workbench(root), AUGUST).of("search").ready


# ── what follows from a stage ───────────────────────────────────────────────────────────────────────────────────────────


def test_below_chargeback__nothing_is_posted_and_a_statement_is_written(tmp_path: Path) -> None:
    """Research is at allocation in October, by a promotion: its October has no entry, no number, no part in the fund."""
    root = quarter(tmp_path / "books")
    moved("research", "allocation", OCTOBER, root)
    book = (root / "pricebooks/2026-Q3.yaml").read_text().replace("2026-10-01", "2027-01-01")
    book = book.replace("2026-07-01", "2026-10-01").replace("2026-06-24", "2026-09-24").replace("2026-Q3", "2026-Q4")
    write(root / "pricebooks/2026-Q4.yaml", book)
    load_late(root, "october.csv", [*daily(OCTOBER, "search", 100), *daily(OCTOBER, "research", 100)])
    found = close(root, OCTOBER)
    assert found.charges is not None
    assert {entry.team for entry in found.charges.entries} == {"search"}
    assert {(document.team, document.kind) for document in found.documents} == {
        ("research", "statement"),
        ("search", "invoice"),
        ("support", "invoice"),
    }
    assert str(found.charges.buffer.contributions) == "1.86"  # of search's 3,100 calls: 3.1 x 0.60


def test_adopted__is_said_while_the_team_is_where_the_books_began(tmp_path: Path) -> None:
    root = quarter(tmp_path / "books", MAPPED + SETTINGS.replace("cc-4829, stage: showback", "cc-4829, stage: allocation"))
    stages.sign_off(Workbench(root), SEPTEMBER, by="Cleo", on=date(2026, 10, 3))
    moved("research", "chargeback", OCTOBER, root)
    research = Workbench(root).organisation.teams["research"]
    assert (adopted(research, SEPTEMBER), adopted(research, OCTOBER)) == (True, False)
    ladder = {month: ladder_of(Workbench(root), month).of("research") for month in (SEPTEMBER, OCTOBER)}
    assert [(each.stage, each.how) for each in ladder.values()] == [("allocation", "adopted"), ("chargeback", "promoted")]
    statement = json.loads((root / "out/2026-09/statements/research.json").read_text())
    assert statement["adopted"] is True
