"""The review, the projection and the digest through the command line: figures by hand in examples/76 (rules Q5, U2, U3)."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from finledger.books.events import broken_links
from finledger.core.digest import Use
from finledger.core.period import Month
from finledger.workbench import Workbench
from finledger.workbench.digesting import _Reaches
from finledger.workbench.projecting import Reach
from tests.support import copy_books, finledger, finledger_json, prepared

EXAMPLE = Path(__file__).parents[1] / "examples" / "76-review-and-projection"
SWAP = ("--decision", "swap", "--candidate", "gpt-small", "--by", "Bo Chen", "--reason", "A fifth of the price")
RANKING = ("ranking", "--quarter", "2026-Q3", "--on", "2026-07-20")


@pytest.fixture
def books(tmp_path: Path) -> Path:
    return prepared(copy_books(EXAMPLE, tmp_path / "books"), ("load",))


def by(rows: list[dict], name: str) -> dict[str, dict]:
    return {row[name]: row for row in rows}


# ── before the bill ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_status__month_to_date_and_projected(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = finledger_json(capsys, "status", "--books", books)["projection"]
    assert (found["as_of"], found["complete_days"], found["days"], found["last_day_may_be_filling"]) == (
        "2026-07-14",
        13,
        31,
        True,
    )
    assert (found["to_date"], found["projected"]) == ("2856.50", "5735.02")
    names = ("to_date", "projected", "budget", "over_budget", "forecast", "over_forecast", "alert")
    teams = {team: [row[name] for name in names] for team, row in by(found["teams"], "team").items()}
    assert teams == {
        "search": ["2373.40", "5031.00", "4000.00", "1031.00", "4500.00", "531.00", "yes"],
        "ads": ["476.80", "689.00", "600.00", "89.00", None, None, "no"],
        "(unallocated)": ["6.30", "15.02", None, None, None, None, "no"],
    }
    features = {(row["team"], row["feature"]): row["projected"] for row in found["features"]}
    assert features["search", "ranking"] == "4681.00"
    assert features["ads", "bidding"] == "501.00"
    assert features["ads", ""] == "188.00"


def test_status__by_the_end_of_a_day(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A day that a person says is over counts whole: 350.00 + 2,023.40 ÷ 14 × 31 = 4,830.39 (README)."""
    found = finledger_json(capsys, "status", "--books", books, "--at", "2026-07-14")["projection"]
    assert (found["complete_days"], found["last_day_may_be_filling"]) == (14, False)
    search = by(found["teams"], "team")["search"]
    assert (search["to_date"], search["projected"], search["alert"]) == ("2373.40", "4830.39", "no")
    early = finledger_json(capsys, "status", "--books", books, "--at", "2026-07-12")["projection"]
    search = by(early["teams"], "team")["search"]
    assert (early["as_of"], search["to_date"], search["projected"]) == ("2026-07-12", "2162.00", "5031.00")
    june = finledger_json(capsys, "status", "--books", books, "--at", "2026-06-20")["projection"]
    assert (june["month"], june["as_of"], june["projected"]) == ("2026-06", "2026-06-20", "2190.00")  # 1,260 ÷ 20 × 30 + 300


def test_projection__of_a_whole_month_is_what_allocate_says(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    charged = finledger_json(capsys, "allocate", "--books", books, "--month", "2026-06")
    tables = finledger_json(capsys, "review", "status", "--books", books, "--month", "2026-06")
    rows = {row["team"]: (row["to_date"], row["projected"]) for row in tables["projection"]}
    assert rows == {team: (each["total"], each["total"]) for team, each in charged["teams"].items()}


def test_reach__is_what_books_with_those_days_alone_are_charged(books: Path, tmp_path: Path) -> None:
    """Every line, to the cent, as if the rows behind the day had never been loaded."""
    few = copy_books(EXAMPLE, tmp_path / "few")
    rows = (few / "usage/july.csv").read_text().splitlines(keepends=True)
    (few / "usage/july.csv").write_text("".join(row for row in rows if row < "z" and "2026-07-1" not in row[:21]))
    finledger("load", "--books", few)
    wanted, _ = Workbench(few).charge(Month(2026, 7))
    reach = Reach(Workbench(books), Month(2026, 7), [date(2026, 7, 9), date(2026, 7, 13)])
    assert {row.key: row.amount for row in reach.by(date(2026, 7, 9)).lines} == {row.key: row.amount for row in wanted.lines}


def test_weeks__of_a_month_add_up_to_its_use(books: Path) -> None:
    bench = Workbench(books)
    cuts = [date(2026, 7, 1), date(2026, 7, 6), date(2026, 7, 13), date(2026, 8, 1)]
    spans = [(first, after - timedelta(days=1)) for first, after in pairwise(cuts)]
    whole = (date(2026, 7, 1), date(2026, 7, 31))
    reaches = _Reaches(bench, [*spans, whole], "duckdb")
    weeks = [reaches.between(*span) for span in spans]
    total = Use({})
    for week in weeks:
        assert week is not None
        total = total + week
    assert total == reaches.between(*whole)
    assert {team: int(minor) for team, minor in total.by_team.items()} == {
        "(unallocated)": 630,
        "ads": 25280,
        "search": 202340,
    }
    assert total.loose == 630


# ── the review ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_measures__by_hand(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = finledger_json(capsys, "review", "status", "--books", books, "--month", "2026-07")
    assert {
        row["measure"]: (row["figure"], row["last"], row["change"], row["change_share"]) for row in found["measures"]
    } == {
        "GPU idle": ("93.5", None, None, None),
        "cost per 1k tokens": ("0.0042", "0.0063", "-0.0021", "-0.333333"),
        "spend on the paved road": ("99.7795", "100", "-0.2205", None),
        "unallocated spend": ("0.2205", "0", "0.2205", None),
        "budget variance": ("-1749.80", "60.00", "-1809.80", None),
        "bill": ("2850.20", "1560.00", "1290.20", "0.827051"),
        "coverage": ("53.5277", "80", "-26.4723", None),
        "freshness": ("86.0079", "95", "-8.9921", None),
        "cost per correct task": ("0.0192819", "0.014", "0.00528192", "0.377280"),
    }
    quality = by(found["quality"], "feature")
    names = ("team", "bill", "coverage", "freshness", "cost_per_correct_task")
    assert [quality["ranking"][name] for name in names] == ["search", "2023.40", "0.5", "0.85", "0.0201333"]
    assert [quality["bidding"][name] for name in names] == ["ads", "252.80", "0.85", "0.95", "0.014"]
    assert [row["alert"] for row in found["budget"]] == ["no", "no"]
    whats = [(row["what"], row["team"], row["figure"], row["owner"]) for row in found["actions"]]
    assert whats[:2] == [
        ("going over budget", "search", "1031.00", "search-leads@northwind.example"),
        ("review to decide", "search", "43.81", "search-leads@northwind.example"),
    ]
    assert all(row["owner"] and row["action"] for row in found["actions"])


def test_swap__refused_with_every_condition_and_its_figure_then_approved(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("review", "decide", *RANKING, *SWAP, "--books", books)
    finledger(*words, expect=1)
    said = capsys.readouterr().err
    for code, figure in (
        ("coverage-short", "0.50"),
        ("not-fresh", "0.85"),
        ("not-graded", "no grade is given"),
        ("without-budget", "2026-Q4"),
    ):
        assert f"error[review-{code}]" in said and figure in said
    assert not [event for event in Workbench(books).ledger.events() if event.kind.startswith("review")]

    shutil.copy(EXAMPLE / "later/eval-budgets.csv", books)
    finledger(*words, "--grade", "90/100", expect=1)  # a budget beside short coverage makes no swap
    evaluate = ("review", "decide", *RANKING, "--decision", "evaluate", "--by", "Bo Chen", "--reason", "Grade it first")
    finledger(*evaluate, "--books", books)
    finledger(*words, expect=2)  # decided: somebody has to open it again

    shutil.copy(EXAMPLE / "later/evals/2026.csv", books / "evals")
    finledger("review", "open", *RANKING, "--by", "Ann Lee", "--reason", "Coverage is there", "--books", books)
    cases = books / "candidate.jsonl"
    case = '{{"month": "2026-07", "feature": "{}", "segment": "all", "correct": {}}}\n'
    graded = [("ranking", "true")] * 9 + [("ranking", "false"), ("bidding", "false"), ("ranking", "null")]
    cases.write_text("".join(case.format(*each) for each in graded))
    decided = finledger_json(capsys, *words, "--grade", cases)
    assert (decided["state"], decided["decision"], decided["cost_per_correct_task"], decided["rise"]) == (
        "decided",
        "swap",
        "0.0168",
        "0.200000",
    )
    events = Workbench(books).ledger.events()
    assert [event.kind for event in events] == ["review-decide", "review-open", "review-decide"]
    assert list(broken_links(events)) == []
    kept = events[-1].content
    assert (kept["by"], kept["on"], kept["figures"]["coverage"], kept["figures"]["target"]) == (
        "Bo Chen",
        "2026-07-20",
        "0.82",
        "0.80",
    )
    assert (kept["grade"]["correct"], kept["grade"]["graded"], kept["grade"]["share"]) == (9, 10, "0.900000")
    assert kept["grade"]["sha256"] == hashlib.sha256(cases.read_bytes()).hexdigest()
    evals = hashlib.sha256((books / "evals/2026.csv").read_bytes()).hexdigest()
    assert ["evals/2026.csv", evals] in kept["made_from"]["texts"]
    (row,) = finledger_json(capsys, "review", "status", "--books", books, "--quarter", "2026-Q3")["reviews"]
    assert (row["state"], row["decision"], row["candidate"], row["event"]) == ("decided", "swap", "gpt-small", 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("decide", "rankin", "--quarter", "2026-Q3", *SWAP), "did you mean ranking?"),
        (("decide", "bidding", "--quarter", "2026-Q3", *SWAP), "is not open"),
        (("decide", *RANKING, *SWAP[:2], *SWAP[4:]), "--candidate MODEL"),
        (("decide", *RANKING, "--decision", "keep", "--candidate", "x", "--by", "a", "--reason", "b"), "only a swap"),
        (("decide", *RANKING, *SWAP, "--grade", "9/8"), "more than 8 graded"),
        (("decide", *RANKING, *SWAP, "--grade", "nowhere.jsonl"), "write CORRECT/GRADED"),
        (("decide", *RANKING, "--decision", "keep", "--by", "a", "--reason", "  "), "--reason is empty"),
        (("open", *RANKING, "--by", " "), "--by is empty"),
        (("status", "--month", "2026-07", "--quarter", "2026-Q3"), "choose one of"),
    ],
)
def test_misused__says_what_to_write(
    books: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    finledger("review", *words, "--books", books, expect=2)
    assert said in capsys.readouterr().err


def test_dry_run__keeps_nothing(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("review", "decide", *RANKING, "--decision", "keep", "--by", "Bo", "--reason", "Wait", "--books", books)
    finledger(*words, "--dry-run")
    assert "nothing was written" in capsys.readouterr().err
    assert Workbench(books).ledger.events() == ()


def test_rise__at_the_limit_opens_and_below_it_does_not(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rise is 43.8095… %: a limit of 0.438 opens it, one of 0.4381 does not. With `later/` it is 20 % exactly, and opens at it."""
    settings = books / "finledger.yaml"
    text = settings.read_text()
    for limit, states in (("0.438", ["open"]), ("0.4381", []), ("0.20", ["open"]), ("0.2001", [])):
        if limit.startswith("0.2"):
            shutil.copy(EXAMPLE / "later/evals/2026.csv", books / "evals")
        settings.write_text(f"{text}review: {{cost_rise: {limit}}}\n")
        rows = finledger_json(capsys, "review", "status", "--books", books, "--quarter", "2026-Q3")["reviews"]
        assert [row["state"] for row in rows] == states


def test_year__the_two_outcomes_as_figures(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = finledger_json(capsys, "review", "status", "--books", books, "--year", "2026")
    second, third = by(found["programme"], "quarter")["2026-Q2"], by(found["programme"], "quarter")["2026-Q3"]
    assert (second["bill"], second["covered_spend"], second["cost_per_correct_task"]) == ("1560.00", "0.800000", "0.014")
    assert (third["attributed"], third["at_target"], third["premiums"]) == ("0.997795", "0.100791", "335.00")
    assert [row["met"] for row in found["outcomes"]] == ["yes", "no", "no"]
    shutil.copy(EXAMPLE / "later/evals/2026.csv", books / "evals")
    better = finledger_json(capsys, "review", "status", "--books", books, "--year", "2026")["outcomes"]
    assert [row["met"] for row in better] == ["yes", "yes", "no"]


def test_alerts__exit_code_says_so(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("review", "alerts", "--books", books, expect=1)
    assert "search is 1,031.00 USD over its budget of 2026-07 at the month's end" in capsys.readouterr().err
    finledger("review", "alerts", "--books", books, "--at", "2026-07-14")
    (books / "finledger.yaml").write_text((books / "finledger.yaml").read_text() + "review: {variance_amount: 1031.00}\n")
    finledger("review", "alerts", "--books", books)


# ── the digest ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_digest__the_week_against_the_last(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = finledger_json(capsys, "digest", "--books", books)
    assert (found["week"], found["first"], found["through"]) == ("2026-W29", "2026-07-13", "2026-07-13")
    assert found["totals"] == {"this_week": "165.60", "same_days_last_week": "165.60", "last_week": "1159.20"}
    first = finledger_json(
        capsys, "digest", "--books", books, "--week", "2026-W27"
    )  # 29 June to 5 July: June is whole, and empty then
    assert (first["week"], first["totals"]["this_week"], first["totals"]["last_week"]) == ("2026-W27", "834.30", "0.00")
    loose = [row for row in first["tables"]["unallocated-weeks"] if row["when"].startswith("week")]
    assert [(row["unallocated"], row["share"]) for row in loose] == [("6.30", "0.007551")]  # ÷ (5 × 165.60 + 6.30)
    capsys.readouterr()
    finledger("digest", "--books", books)
    text = capsys.readouterr().out
    assert "| search | 151.00 | 151.00 | 0.00 |" in text
    assert "| going over budget | search |  | 1,031.00 | USD |" in text
    finledger("digest", "--books", books, "--week", "2026-W99", expect=2)


def test_digest__a_week_over_two_months_is_of_both(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1 to 5 July are five days of 165.60, beside nobody's 6.30; the days of June before them have no usage."""
    found = finledger_json(capsys, "digest", "--books", books, "--at", "2026-07-01")
    assert (found["week"], found["totals"]["this_week"]) == ("2026-W27", "165.60")


# ── bad input ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_empty__books_and_months(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = copy_books(EXAMPLE, tmp_path / "empty")
    for words in (("digest",), ("review", "status"), ("review", "alerts")):
        finledger(*words, "--books", made, expect=1)
        assert "no usage is loaded" in capsys.readouterr().err
    assert finledger_json(capsys, "status", "--books", made)["projection"] is None
    found = finledger_json(capsys, "review", "status", "--books", made, "--month", "2026-07")
    assert {row["figure"] for row in found["measures"]} == {None}
    finledger("load", "--books", made)
    later = finledger_json(capsys, "review", "status", "--books", made, "--month", "2026-09")
    assert {row["figure"] for row in later["measures"]} == {None}
    finledger("digest", "--books", made, "--at", "2026-05-01", expect=1)


def test_month_without_prices__is_said_and_hides_nothing_else(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (books / "pricebooks/2026-Q3.yaml").unlink()
    assert finledger_json(capsys, "status", "--books", books)["projection"] is None
    capsys.readouterr()
    finledger("status", "--books", books)
    assert "2026-07 cannot be projected (" in capsys.readouterr().err
    finledger("review", "status", "--books", books, "--month", "2026-07", expect=1)
    finledger("digest", "--books", books, expect=1)
    finledger("review", "decide", *RANKING, *SWAP, "--books", books, expect=1)
    year = finledger_json(capsys, "review", "status", "--books", books, "--year", "2026")
    assert [row["months"] for row in year["programme"]] == [0, 1, 0, 0]
    june = finledger_json(capsys, "review", "status", "--books", books, "--month", "2026-06")
    assert by(june["measures"], "measure")["bill"]["figure"] == "1560.00"


def test_feature_without_evals_and_team_without_budget(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (books / "evals/2026.csv").write_text("month,feature,coverage,in_distribution,tasks,graded,correct\n")
    settings = books / "finledger.yaml"
    settings.write_text("\n".join(line for line in settings.read_text().splitlines() if "budget" not in line))
    found = finledger_json(capsys, "review", "status", "--books", books, "--quarter", "2026-Q3")
    measures = by(found["measures"], "measure")
    for name in ("coverage", "freshness", "cost per correct task", "budget variance"):
        assert measures[name]["figure"] is None
    assert [(row["coverage"], row["cost_per_correct_task"], row["months_measured"]) for row in found["quality"]] == [
        (None, None, "0 of 1")
    ] * 2
    assert {row["variance"] for row in found["budget"]} == {None}
    assert [row["what"] for row in found["actions"]] == ["coverage not tracked", "coverage not tracked"]
    finledger("review", "alerts", "--books", books)
    finledger("review", "open", *RANKING, "--by", "Ann", "--books", books)
    capsys.readouterr()
    finledger("review", "decide", *RANKING, *SWAP, "--grade", "9/10", "--books", books, expect=1)
    said = capsys.readouterr().err
    assert said.count("is not tracked") == 3 and "review-not-graded" not in said


NAMES = ("=cmd|' /C calc'!A0", "<script>alert(1)</script>", "a|b *c* [d](javascript:e)", "+1+1", "'quoted")


@pytest.mark.parametrize("name", NAMES)
def test_names__are_text_wherever_they_stand(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    made = copy_books(EXAMPLE, tmp_path / "books")
    shutil.rmtree(made / "evals")
    rows = list(csv.DictReader(io.StringIO((made / "usage/july.csv").read_text())))
    with (made / "usage/july.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows({**row, "feature": name if row["feature"] == "ranking" else row["feature"]} for row in rows)
    settings = made / "finledger.yaml"
    settings.write_text(settings.read_text().replace("search-leads@northwind.example", json.dumps(name)))
    finledger("load", "--books", made)
    capsys.readouterr()
    finledger("digest", "--books", made)
    text = capsys.readouterr().out
    assert "<script>" not in text and not re.search(r"(?<!\\)\]\(", text)
    lines = [line for line in text.splitlines() if line.startswith("| coverage not tracked")]
    cells = {line.replace("\\|", "").count("|") for line in lines}
    assert cells == {8}, "no name breaks a table's row"
    finledger("review", "open", name, "--quarter", "2026-Q3", "--by", name, "--reason", name, "--books", made)
    capsys.readouterr()
    found = finledger_json(capsys, "review", "status", "--books", made, "--quarter", "2026-Q3")
    assert name in {row["feature"] for row in found["quality"]}
    finledger("review", "alerts", "--books", made, "--format", "csv", expect=1 if len(found["actions"]) and any(
        row["what"] == "going over budget" for row in found["actions"]) else 0)  # fmt: skip
    for row in csv.reader(io.StringIO(capsys.readouterr().out)):
        assert not any(cell.startswith(("=", "+", "@")) for cell in row)
    assert Decimal(found["projection"][1]["to_date"]) > 0
