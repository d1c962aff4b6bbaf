"""The trial balance and what ties out across files, ledger, documents and journals, through the command line (rules L2, X4, B1).

1,000 chat calls are 12.60: base 10.00, buffer 0.60, overhead 1.90, registry 0.10. A burst is 3 x 126.00; a team may draw
400.00 in a quarter.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finledger.core.period import Month
from finledger.core.problem import Problem
from finledger.workbench import Workbench
from finledger.workbench.tie_out import tie_outs
from tests.support import ROOT, SHARED, copy_books, finledger, finledger_json, needs_shared

GOLDEN = SHARED / "golden" / "northwind-2026-Q3"
SUMMER = ("2026-07", "2026-08", "2026-09")
HEADER = "usage_id,ts,team,workload_type,model,action,requests\n"
SETTINGS = """books: Quarter
currency: USD
platform: {team: ai-platform, cost_center: cc-1000}
buffer: {opening: 500.00}
teams:
  search: {cost_center: cc-1, stage: chargeback, forecast: {2026-07: 126.00}}
  support: {cost_center: cc-2, stage: chargeback}
  research: {cost_center: cc-3, stage: showback}
"""
TERMS = "buffer: {trigger: 3.0, cap_per_team_per_quarter: 400.00, size: [0.05, 0.90]}\n"
DRAWS = "month,team,cause,disclosure,requested\n2026-07,search,backfill,last year again,\n"
USAGE = (
    ("2026-07", "search", 40_000),
    ("2026-07", "research", 1_000),
    ("2026-08", "support", 1_000),
    ("2026-09", "search", 500),
)


def new_books(books: Path) -> Path:
    """With a summer loaded."""
    book = (ROOT / "tests/examples/50-loan/pricebooks/2026-Q3.yaml").read_text()
    write(books / "finledger.yaml", SETTINGS)
    write(books / "pricebooks/2026-Q3.yaml", book.partition("buffer: {trigger")[0] + TERMS)
    write(books / "decisions/draws.csv", DRAWS)
    load(books, "summer", USAGE)
    return books


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three months that are charged, issued, posted and reconciled."""
    books = new_books(tmp_path_factory.mktemp("made"))
    make(books, *SUMMER)
    finledger("reconcile", "--quarter", "2026-Q3", "--books", books, "--quiet")
    return books


@pytest.fixture
def books(made: Path, tmp_path: Path) -> Path:
    return copy_books(made, tmp_path / "books")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def load(books: Path, name: str, usage: tuple[tuple[str, str, int], ...]) -> None:
    rows = [
        f"{name}-{n},{month}-10T12:00:00Z,{team},inference,gpt-large,chat_call,{calls}\n"
        for n, (month, team, calls) in enumerate(usage)
    ]
    write(books / "usage" / f"{name}.csv", HEADER + "".join(rows))
    finledger("load", books / "usage" / f"{name}.csv", "--books", books, "--quiet")


def make(books: Path, *months: str) -> None:
    for month in months:
        finledger("allocate", "--month", month, "--books", books, "--quiet")
        finledger("invoice", "--month", month, "--to", "json", "--books", books, "--quiet")
        finledger("journal", "--month", month, "--books", books, "--quiet")


def roll(found: Any, account: str) -> Any:
    return next(each for each in found["roll_forwards"] if each["account"] == account)


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_quarter__the_fund_by_hand(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Opening 500.00 that no journal of these books posts. July: search pays 40 x 0.60 = 24.00 and draws 504.00 - 126.00 =
    378.00; research only sees its 0.60. August + 0.60, September + 0.30: 500.00 + 24.90 - 378.00 = 146.90. The upper
    limit is 0.90 x the mean base, (410.00 + 10.00 + 5.00) / 3 = 141.6666…: 127.50. So 19.40 is given back.
    """
    found = finledger_json(capsys, "trial-balance", "--quarter", "2026-Q3", "--books", books)
    fund = roll(found, "buffer_fund")
    assert [each["closing"] for each in fund["periods"]] == ["146.00", "146.60", "146.90", "127.50"]
    assert fund["whole"] == {
        "period": "2026-Q3", "opening": "500.00", "additions": {"buffer": "24.90"},
        "reductions": {"buffer_draw": "378.00", "buffer_rebate": "19.40"}, "closing": "127.50",
    }  # fmt: skip
    assert found["totals"] == [{**found["totals"][0], "opening": "0.00", "closing": "0.00"}]
    opened = [row for row in found["accounts"] if row["opening"] != "0.00"]
    assert {(row["account"], row["opening"]) for row in opened} == {
        ("Buffer fund", "-500.00"),
        ("Opening balances", "500.00"),
    }
    assert found["problems"] == [] and all(check["holds"] for check in found["checks"])
    assert found["provisional"] is True


def october(books: Path) -> None:
    load(books, "october", (("2026-10", "support", 1_000),))
    text = (books / "pricebooks/2026-Q3.yaml").read_text()
    for before, after in (
        ("2026-Q3", "2026-Q4"), ("2026-10-01", "2027-01-01"), ("2026-07-01", "2026-10-01"), ("2026-06", "2026-09"),
    ):  # fmt: skip
        text = text.replace(before, after)
    write(books / "pricebooks/2026-Q4.yaml", text)


def test_month__opens_with_all_that_was_posted_before(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The quarter's end lies behind its last month: not in September, but in what October opens with."""
    october(books)
    make(books, "2026-10")
    september = finledger_json(capsys, "trial-balance", "--month", "2026-09", "--books", books)
    after = finledger_json(capsys, "trial-balance", "--month", "2026-10", "--books", books)
    assert roll(september, "buffer_fund")["whole"]["closing"] == "146.90"
    assert roll(after, "buffer_fund")["whole"] == {
        "period": "2026-10", "opening": "127.50", "additions": {"buffer": "0.60"}, "reductions": {}, "closing": "128.10",
    }  # fmt: skip


def test_quarter__not_charged_is_refused_and_not_reconciled_is_said(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    october(books)
    finledger("trial-balance", "--quarter", "2026-Q4", "--books", books, expect=1)
    assert "month-not-allocated" in capsys.readouterr().err
    make(books, "2026-10")
    found = finledger_json(capsys, "trial-balance", "--quarter", "2026-Q4", "--books", books)
    assert [notice["code"] for notice in found["notices"]] == ["quarter-not-reconciled"]
    assert roll(found, "buffer_fund")["whole"]["closing"] == "128.10"
    third = finledger_json(capsys, "trial-balance", "--quarter", "2026-Q3", "--books", books)
    assert third["notices"] == []


def test_written__both_files_and_nothing_in_a_dry_run(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("trial-balance", "--month", "2026-08", "--books", books, "--dry-run")
    made = [books / "out" / "2026-08" / f"trial-balance.{suffix}" for suffix in ("json", "csv")]
    assert not any(path.exists() for path in made)
    shown = finledger_json(capsys, "trial-balance", "--month", "2026-08", "--books", books)
    assert json.loads(made[0].read_text()) == shown
    rows = list(csv.DictReader(made[1].read_text().splitlines()))
    assert rows == shown["accounts"] and sum(Decimal(row["closing"]) for row in rows) == 0
    before = [path.read_bytes() for path in made]
    finledger("trial-balance", "--month", "2026-08", "--books", books, "--format", "csv")
    assert [path.read_bytes() for path in made] == before


def test_usage__which_period(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("trial-balance", "--books", books, expect=2)
    finledger("trial-balance", "--month", "2026-07", "--quarter", "2026-Q3", "--books", books, expect=2)
    assert "--quarter" in capsys.readouterr().err


@needs_shared
def test_golden_quarter__nets_to_zero_and_closes_as_expected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its closing, 25.96, is known from an implementation that shares nothing with this one; so is its opening, 0.00."""
    books = copy_books(GOLDEN, tmp_path / "books")
    finledger("load", "--books", books, "--quiet")
    make(books, *SUMMER)
    finledger("reconcile", "--quarter", "2026-Q3", "--books", books, "--quiet")
    expected = json.loads((GOLDEN / "expected" / "2026-Q3.json").read_text())
    found = finledger_json(capsys, "trial-balance", "--quarter", "2026-Q3", "--books", books)
    whole = roll(found, "buffer_fund")["whole"]
    assert (whole["opening"], whole["closing"]) == (expected["opening"], expected["closing"]) == ("0.00", "25.96")
    assert (whole["additions"]["buffer"], whole["reductions"]["buffer_draw"]) == (
        expected["contributions"],
        expected["draws"],
    )
    assert {row["closing"] for row in found["totals"]} == {"0.00"}
    assert all(check["holds"] for check in found["checks"])
    if shutil.which("hledger") is None:
        pytest.skip("install hledger: apt-get install hledger")
    files = [word for month in SUMMER for word in ("-f", books / "out" / month / "journal" / f"{month}.journal")]
    words = ["hledger", *files, "bal", "-N", "--flat", "-O", "csv"]
    printed = csv.DictReader(subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines())
    theirs = sorted(Decimal(row["balance"].split()[0]) for row in printed)
    assert theirs == sorted(Decimal(row["closing"]) for row in found["accounts"] if row["closing"] != "0.00")


# ── a cent somewhere ────────────────────────────────────────────────────────────────────────────────────────────────────

FILES = (
    "charges.csv", "focus.csv", "focus-1.3.csv", "invoices/INV-2026-0001-search.json", "statements/research.json",
    "journal/2026-07.csv", "journal/2026-07.beancount", "journal/2026-07.journal",
)  # fmt: skip
# In each kind of file, where an amount of money stands: what is before it, and itself.
AMOUNT = {
    ".csv": re.compile(r"((?:^|,))(-?\d+\.\d\d)(?=,|$)"),
    ".json": re.compile(r'("(?:amount|total)": ")(-?\d+\.\d\d)(?=")'),
    ".beancount": re.compile(r"(  )(-?\d+\.\d\d)(?= USD)"),
    ".journal": re.compile(r"(  )(-?\d+\.\d\d)(?= USD)"),
}  # fmt: skip


def changed(text: str, suffix: str) -> Iterator[tuple[int, str]]:
    """The file with each of its amounts, one after another, a cent larger; and on which line."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        for found in AMOUNT[suffix].finditer(line):
            more = f"{Decimal(found[2]) + Decimal('0.01')}"
            yield (
                number + 1,
                "\n".join([*lines[:number], line[: found.start(2)] + more + line[found.end(2) :], *lines[number + 1 :]]),
            )


@pytest.mark.parametrize("name", FILES)
def test_a_cent__in_any_amount_of_a_file_is_found_with_its_line(books: Path, name: str) -> None:
    path = books / "out" / "2026-07" / name
    bench, text = Workbench(books), path.read_text()
    july = Month.parse("2026-07")
    assert [each for each in tie_outs(bench, july) if isinstance(each, Problem) or not each.holds] == []
    tried = 0
    before_disclosures = text.partition('"disclosures"')[0].count("\n") + 1 if path.suffix == ".json" else None
    for line, content in changed(text, path.suffix):
        if before_disclosures is not None and line > before_disclosures:
            continue  # memos, no figures of the ledger's lines
        path.write_text(content)
        found = [each for each in tie_outs(bench, july, usage=False) if isinstance(each, Problem)]
        places = {(each.source.file, each.source.line) for each in found if each.source is not None}
        assert (f"out/2026-07/{name}", line) in places, f"line {line} of {name}"
        tried += 1
    assert tried >= 4


def test_a_cent__through_the_command(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two cents that cancel out do not hide either; and nothing is written beside them."""
    path = books / "out" / "2026-07" / "journal" / "2026-07.csv"
    text = path.read_text()
    assert text.count(",400.00,,") == 1 and text.count(",4.00,,") == 1
    path.write_text(text.replace(",400.00,,", ",400.01,,").replace(",4.00,,", ",3.99,,"))
    capsys.readouterr()
    finledger("trial-balance", "--month", "2026-07", "--books", books, expect=1)
    said = capsys.readouterr().err
    lines = [number for number, line in enumerate(text.splitlines(), 1) if ",400.00,," in line or ",4.00,," in line]
    assert [int(n) for n in re.findall(r"error\[file-differs\] out/2026-07/journal/2026-07\.csv:(\d+)", said)] == lines
    assert "is 400.01 in the file, and 400.00 in the ledger" in said
    assert not (books / "out" / "2026-07" / "trial-balance.json").exists()


@pytest.mark.parametrize("name", FILES)
def test_a_line__that_was_taken_out_or_stands_twice(books: Path, name: str) -> None:
    path = books / "out" / "2026-07" / name
    if path.suffix == ".json":
        content = json.loads(path.read_text())
        taken, twice = ({**content, "lines": lines} for lines in (content["lines"][1:], content["lines"] * 2))
        texts = [json.dumps(each, indent=2) for each in (taken, twice)]
    else:
        lines = path.read_text().split("\n")
        at = next(n for n, line in enumerate(lines) if AMOUNT[path.suffix].search(line))
        texts = ["\n".join([*lines[:at], *again, *lines[at + 1 :]]) for again in ([], [lines[at]] * 2)]
    for text in texts:
        path.write_text(text)
        found = tie_outs(Workbench(books), Month.parse("2026-07"), usage=False)
        assert [each for each in found if isinstance(each, Problem) and each.source.file == f"out/2026-07/{name}"], text


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\x00", b"[1, 2", b"a,b\n1\n", b'{"total": NaN}', b'"', b"{}"])
def test_a_file__that_is_something_else_is_a_problem_and_no_crash(books: Path, name: str, content: bytes) -> None:
    (books / "out" / "2026-07" / name).write_bytes(content)
    found = tie_outs(Workbench(books), Month.parse("2026-07"), usage=False)
    problems = [each for each in found if isinstance(each, Problem)]
    assert problems and {each.source.file for each in problems if each.source} == {f"out/2026-07/{name}"}


def test_files__that_are_not_there_are_not_missed(books: Path) -> None:
    shutil.rmtree(books / "out")
    found = tie_outs(Workbench(books), Month.parse("2026-07"))
    assert found and all(not isinstance(each, Problem) and each.holds for each in found)


def test_files__that_are_about_to_be_written_are_looked_at(books: Path) -> None:
    path = books / "out" / "2026-07" / "charges.csv"
    before = path.read_bytes()
    coming = {path: before.replace(b"400.00", b"400.01")}
    found = tie_outs(Workbench(books), Month.parse("2026-07"), contents=coming, usage=False)
    assert [each for each in found if isinstance(each, Problem)]
    gone = tie_outs(Workbench(books), Month.parse("2026-07"), contents={path: None}, usage=False)
    assert not [each for each in gone if "charges.csv" in str(each)] and path.read_bytes() == before


# ── funds and reserves ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_fund__by_postings_against_by_charge_lines(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A posting moved in the ledger from the fund to the registry's reserve: the entry balances, the fund does not tie."""
    with sqlite3.connect(books / "store" / "ledger.sqlite") as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        moved = "UPDATE postings SET account_key = 'registry_reserve', account_name = 'Registry reserve'"
        connection.execute(f"{moved} WHERE account_key = 'buffer_fund' AND component = 'buffer' AND amount_minor = -60")
    connection.close()
    capsys.readouterr()
    finledger("trial-balance", "--month", "2026-08", "--books", books, expect=1)
    said = capsys.readouterr().err
    assert "buffer fund at 2026-08: by postings = by charge lines: 146.00 is not 146.60 (difference -0.60)" in said
    assert "registry reserve at 2026-08: by postings = by charge lines: 4.70 is not 4.10 (difference 0.60)" in said


def test_requests__are_added_up_again_from_what_is_stored(books: Path) -> None:
    """41,000 calls in July: 40,000 of search, 1,000 of research. What is loaded later, and not charged, is missing on lines."""

    def broken() -> list[tuple[int, int]]:
        found = tie_outs(Workbench(books), Month.parse("2026-07"))
        return [(int(each.left), int(each.right)) for each in found if not isinstance(each, Problem) and not each.holds]

    assert broken() == []
    load(books, "late", (("2026-07", "support", 500),))
    assert broken() == [(41_500, 41_000)]  # of a team that has no line yet
    load(books, "more", (("2026-07", "search", 500), ("2026-07", "ai-platform", 70)))
    assert broken() == [(42_070, 41_070)]  # the platform's own is on no line, as it has to be
    finledger("allocate", "--month", "2026-07", "--books", books, "--quiet")
    assert broken() != []  # documents and journal are still those of before
    make(books, "2026-07")
    assert broken() == []


# ── closed periods: corrections, credits, notes ─────────────────────────────────────────────────────────────────────────

WAIVED = ("--waive", "days-missing", "--waive", "source-missing", "--by", "Bo Chen", "--reason", "made for a test")


@pytest.fixture(scope="module")
def closed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """July is closed, 10,000 calls of it come late, the quarter is closed with them, and October credits a line of July."""
    books = new_books(tmp_path_factory.mktemp("closed"))
    finledger("close", "--month", "2026-07", *WAIVED, "--books", books, "--quiet")
    load(books, "late", (("2026-07", "search", 10_000),))
    for month in ("2026-08", "2026-09"):
        finledger("close", "--month", month, *WAIVED, "--books", books, "--quiet")
    finledger("close", "--quarter", "2026-Q3", "--books", books, "--quiet")
    october(books)
    (line,) = (
        each for each in Workbench(books).ledger.charge_rows(Month.parse("2026-07"), "search") if each.key.kind == "action"
    )
    why = ("--reason", "a load test", "--by", "Bo Chen", "--on", "2026-10-05")
    finledger("credit", "INV-2026-0001", line.line_id, "--quantity", 1000, *why, "--books", books, "--quiet")
    finledger("close", "--month", "2026-10", *WAIVED, "--books", books, "--quiet")
    return books


@pytest.fixture
def closed(closed_once: Path, tmp_path: Path) -> Path:
    return copy_books(closed_once, tmp_path / "books")


def test_closed__corrections_credits_and_true_ups_tie(closed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As before, 500.00 + 24.00 - 378.00 in July; August has its own 0.60 and the late 6.00; September 0.30. Late usage lifts the
    draw to the cap of 400.00: 22.00 more. The limit is 0.90 x (400.00 + 10.00 + 10.00 + 100.00 + 5.00) / 3 = 157.50, so
    nothing is given back: 130.90. October: 0.60 of its own, and 0.60 credited.
    """
    third = finledger_json(capsys, "trial-balance", "--quarter", "2026-Q3", "--books", closed)
    assert third["provisional"] is False
    fund = roll(third, "buffer_fund")
    assert [each["closing"] for each in fund["periods"]] == ["146.00", "152.60", "152.90", "130.90"]
    assert fund["periods"][3]["reductions"] == {"buffer_true_up": "22.00"}
    ticked = {check["law"]: check["left"] for check in third["checks"]}
    assert ticked["notes of search for 2026-Q3 = its entries"] == "-22"
    month = finledger_json(capsys, "trial-balance", "--month", "2026-10", "--books", closed)
    after = roll(month, "buffer_fund")["whole"]
    assert (after["opening"], after["additions"], after["reductions"]) == ("130.90", {"buffer": "0.60"}, {"buffer": "0.60"})
    assert all(check["holds"] for check in (*third["checks"], *month["checks"]))


@pytest.mark.parametrize(
    ("period", "name"),
    [
        ("2026-08", "notes/DN-2026-0001-search.json"),
        ("2026-10", "notes/CN-2026-0002-search.json"),
        ("2026-Q3", "notes/CN-2026-0001-search.json"),
        ("2026-Q3", "journal/2026-Q3.csv"),
        ("2026-Q3", "reconciliation.json"),
    ],
)
def test_closed__a_cent_in_a_note_or_a_quarters_file(
    closed: Path, period: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = closed / "out" / period / name
    before = path.read_text()
    at = before.index({"reconciliation.json": '"closing"', "journal/2026-Q3.csv": ""}.get(name, '"total"'))
    found = re.compile(r"-?\d+\.\d\d").search(before, at)
    assert found is not None
    path.write_text(before[: found.start()] + str(Decimal(found[0]) + Decimal("0.01")) + before[found.end() :])
    capsys.readouterr()
    option = "--quarter" if "Q" in period else "--month"
    finledger("trial-balance", option, period, "--books", closed, expect=1)
    line = before[: found.start()].count("\n") + 1
    assert f"error[file-differs] out/{period}/{name}:{line}\n" in capsys.readouterr().err
