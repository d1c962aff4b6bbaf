"""simulate, advise, evals and gaming, as a person or a script meets them (rules U8-U10, C7)."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support import ROOT, copy_books, finledger, finledger_json

EXAMPLE = ROOT / "tests" / "examples" / "36-finops-led"
HEADER = "usage_id,ts,team,workload_type,model,feature,action,requests,user,prompt_id,input_tokens\n"


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """The month of examples 36 and 37, platform-led, loaded."""
    folder = copy_books(EXAMPLE, tmp_path / "books")
    settings = folder / "finledger.yaml"
    settings.write_text(settings.read_text().replace("finops_led", "platform_led"))
    finledger("load", "--books", folder, "--quiet")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ── simulate ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_simulate__another_model(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After: the sums of example 37. Before, for search: 10,000 x 0.011123 = 111.23, 23.40 x 1.196 = 27.99, half of 11.13 is
    5.57 and two seats 60.00, together 204.79; for support 2,000 x 0.011123 = 22.25 and 12.35 passed through, 34.60.
    """
    got = finledger_json(capsys, "simulate", "--books", books, "--month", "2026-07", "--model", "it_led")
    assert got["what_if"] == {"model": "it_led"}
    assert got["teams"]["search"] == {"before": "204.79", "after": "193.86", "change": "-10.93", "change_percent": "-5.34"}
    assert got["teams"]["support"] == {"before": "34.60", "after": "33.74", "change": "-0.86", "change_percent": "-2.49"}
    assert (got["winners"], got["losers"]) == (["search", "support"], [])
    # the platform: half of the eval runs (5.56) and the judge's 4.31 before, all of both after
    assert got["platform"]["eval"] == {"before": "9.87", "after": "15.44", "change": "5.57", "change_percent": "56.43"}
    assert got["platform"]["registry"]["after"] == "0.71"


def test_simulate__writes_nothing(books: Path) -> None:
    finledger("allocate", "--books", books, "--month", "2026-07", "--quiet")
    before = contents(books)
    finledger("simulate", "--books", books, "--month", "2026-07", "--share", "0.4", "--quiet")
    finledger("gaming", "--books", books, "--month", "2026-07", "--quiet")
    finledger("evals", "--books", books, "--month", "2026-07", "--quiet")
    assert contents(books) == before


def test_simulate__a_book_that_lies_elsewhere(books: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A draft for October on July: chat calls at 0.02 are 200.00 and 40.00 for the teams."""
    text = (books / "pricebooks" / "2026-Q3.yaml").read_text()
    for old, new in (("2026-Q3", "2026-Q4"), ("2026-10-01", "2027-01-01"), ("2026-07-01", "2026-10-01")):
        text = text.replace(old, new)
    text = text.replace("published: 2026-06-24\n", "").replace(
        "base: 0.0093, price: 0.011123}", "base: 0.0093, price: 0.02}", 1
    )
    draft = tmp_path / "draft.yaml"
    draft.write_text(text)
    finledger("simulate", "--books", books, "--month", "2026-07", "--book", draft, "--format", "csv", "--quiet")
    rows = {(row["team"], row["component"]): row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert rows["search", ""]["change"] == "88.77"  # 200.00 - 111.23
    assert rows["support", ""]["change"] == "17.75"  # 40.00 - 22.25
    assert rows["", ""]["change"] == "115.40"  # and 20.00 - 11.12 that nobody owns


def test_simulate__markdown_for_a_pull_request(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("simulate", "--books", books, "--month", "2026-07", "--share", "1", "--format", "markdown", "--quiet")
    said = capsys.readouterr().out
    assert "### 2026-07: share 1" in said
    assert "| search | 204.79 | 199.22 | -5.57 | -2.72 |" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--share", "1.4"], "not a share between 0 and 1"),
        (["--overhead", "15%"], "write a share of one"),
        (["--max-multiplier", "0.5"], "would make unmeasured quality cheaper"),
        (["--book", "2026-Q9"], "there are 2026-Q3.v1"),
        (["--seats-vs-actions", "--share", "0.4"], "leave the other options out"),
        (["--seats-vs-actions", "--format", "markdown"], "table, json or csv"),
    ],
)
def test_simulate__wrong_usage(books: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("simulate", "--books", books, "--month", "2026-07", *words, expect=2)
    assert said in " ".join(capsys.readouterr().err.split())


def test_seats_vs_actions__users_after_the_rules_have_labelled_them(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whose a row is, and which action, may come from rules. At 0.011123: ann 2,000 calls 22.246, ben 20 are 0.22246."""
    with (books / "finledger.yaml").open("a") as settings:
        settings.write('rules:\n  - {when: {user: "*"}, set: {team: support, action: chat_call}}\n')
    rows = [f"u{n},2026-07-09T12:00:00Z,,inference,gpt-large,,,{calls},{user},," for n, (user, calls) in
            enumerate([("ann", 1500), ("ben", 20), ("ann", 500)])]  # fmt: skip
    (books / "usage" / "users.csv").write_text(HEADER + "\n".join(rows) + "\n")
    finledger("load", "--books", books, "--quiet")
    got = finledger_json(capsys, "simulate", "--books", books, "--month", "2026-07", "--seats-vs-actions")
    (support,) = [each for each in got["teams"] if each["team"] == "support"]
    assert {name: support[name] for name in ("users", "lightest", "heaviest", "ratio", "nameless", "seat_bill")} == {
        "users": "2", "lightest": "0.22", "heaviest": "22.25", "ratio": "100", "nameless": "22.25", "seat_bill": "0.00",
    }  # fmt: skip
    (search,) = [each for each in got["teams"] if each["team"] == "search"]
    assert (search["seat_bill"], search["users"], search["ratio"]) == ("60.00", "0", None)


# ── advise ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_advise__knows_the_books_at_hand(
    books: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:  # type: ignore[no-untyped-def]
    words = ("advise", "--consumption", "low", "--finops", "low", "--platform", "high")
    got = finledger_json(capsys, *words, "--books", books)
    assert (got["model"], got["on_a_row"], got["current"]) == ("it_led", True, "platform_led")
    monkeypatch.chdir(tmp_path)
    assert finledger_json(capsys, *words)["current"] is None
    finledger(*words, "--books", tmp_path / "nowhere", expect=2)


def test_advise__off_the_rows_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    finledger("advise", "--consumption", "high", "--finops", "low", "--platform", "high")
    said = capsys.readouterr().out
    assert said.startswith("it_led is the nearest, 1 level off\n")
    assert "consumption is high, not low or medium (1 level)" in said


# ── evals ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_evals__budget_beside_run(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1,001 eval runs for 11.13 of 1,200 planned for 10.00: 199 runs left, 1.13 over. Of 11,601 calls none ran a prompt."""
    (books / "eval-budgets.csv").write_text(
        "month,feature,runs,amount\n2026-07,semantic-search,1200,10.00\n2026-07,ticket-summary,,5.00\n2026-08,other,1,\n"
    )
    got = finledger_json(capsys, "evals", "--books", books, "--month", "2026-07")
    search, tickets = got["features"]["semantic-search"], got["features"]["ticket-summary"]
    wanted = ("planned_runs", "runs", "runs_left", "planned", "gross", "left", "prompts", "coverage")
    assert [search[name] for name in wanted] == ["1200", "1001", "199", "10.00", "11.13", "-1.13", "0.000000", None]
    assert [tickets[name] for name in wanted[:6]] == [None, "0", None, "5.00", "0.00", "5.00"]
    assert set(got["features"]) == {"semantic-search", "ticket-summary"}
    # 11.13 + the judge's 4.31 = 15.44, of which the platform bore 5.56 + 4.31 = 9.87
    assert got["eval_share"] == {
        "gross": "15.44", "teams": "5.57", "platform": "9.87", "subsidies": "0.00", "platform_share": "0.639249",
    }  # fmt: skip


def test_evals__share_of_calls_with_a_registered_prompt(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Support's 2,000 chat calls ran no prompt; 3,000 more do: 3,000 of 5,000. The platform's own do not count."""
    row = "2026-07-09T12:00:00Z,{},inference,gpt-large,ticket-summary,chat_call,{},,{},"
    rows = [f"p1,{row.format('support', 1000, 'p-7')}", f"p2,{row.format('support', 2000, 'p-8')}"]
    rows.append(f"p3,{row.format('ai-platform', 9999, 'p-9')}")
    (books / "usage" / "prompts.csv").write_text(HEADER + "\n".join(rows) + "\n")
    finledger("load", "--books", books, "--quiet")
    got = finledger_json(capsys, "evals", "--books", books, "--month", "2026-07")
    assert got["features"]["ticket-summary"]["prompts"] == "0.600000"
    assert got["prompts"] == "0.169482"  # 3,000 of 17,701: the month has 14,701 without


# ── gaming ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_gaming__production_relabelled_and_moved(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """July: support runs 2,000 chat calls of 2,055.6 tokens. August: 1,200, and 800 eval runs as long; half its calls have
    lost their feature.
    """
    row = "2026-08-09T12:00:00Z,support,{},gpt-large,{},{},{},,,{}"
    rows = [
        f"g1,{row.format('inference', 'ticket-summary', 'chat_call', 400, 400 * 2000)}",
        f"g2,{row.format('inference', '', 'chat_call', 800, 800 * 2000)}",
        f"g3,{row.format('evaluation', 'ticket-summary', 'eval_run', 800, 800 * 2000)}",
    ]
    (books / "usage" / "august.csv").write_text(HEADER + "\n".join(rows) + "\n")
    finledger("load", "--books", books, "--quiet")
    got = finledger_json(capsys, "gaming", "--books", books, "--quarter", "2026-Q3")
    assert list(got["months"]) == ["2026-07", "2026-08"]
    august = {each["check"]: each for each in got["months"]["2026-08"]}
    (relabelled,) = august["production-as-eval"]["flags"]
    assert (relabelled["team"], relabelled["feature"]) == ("support", "ticket-summary")
    assert relabelled["figures"] == {
        "eval share before": "0.0000",
        "eval share": "0.6667",
        "production calls before": "2000",
        "production calls": "400",
        "tokens a production call before": "2055.6",
        "tokens an eval call": "2000.0",
    }
    (moved,) = august["unlabelled-path"]["flags"]
    assert moved["figures"]["share without feature"] == "0.4000"  # 800 of 2,000
    assert "2026-06" in got["months"]["2026-07"][2]["not_measurable"][0]


@pytest.mark.parametrize("words", [[], ["--month", "2026-07", "--quarter", "2026-Q3"], ["--quarter", "2027-Q1"]])
def test_gaming__wants_a_month_or_a_quarter(books: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    finledger("gaming", "--books", books, *words, expect=2)


def test_simulate__a_quarter_carries_credits_from_month_to_month(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A multiplier of 1 at the floor: no premium in July, so that August has none to give back.

    As it is, what August credits is what July charged too much: the quarter's change is the premium that stays.
    """
    folder = copy_books(ROOT / "tests" / "examples" / "41-premium-recovered", tmp_path / "recovered")
    finledger("load", "--books", folder, "--quiet")
    charged = {
        month: finledger_json(capsys, "allocate", "--books", folder, "--month", month, "--dry-run")["charges"]
        for month in ("2026-07", "2026-08", "2026-09")
    }
    quality = [
        Decimal(row["amount"])
        for rows in charged.values()
        for row in rows
        if row["component"] in ("coverage_premium", "coverage_credit")
    ]
    assert any(amount < 0 for amount in quality) and sum(quality) > 0
    got = finledger_json(capsys, "simulate", "--books", folder, "--quarter", "2026-Q3", "--max-multiplier", "1")
    assert Decimal(got["total"]["change"]) == -sum(quality)
    assert {name for name, change in got["components"].items() if change["change"] != "0.00"} == {
        "coverage_premium", "coverage_credit",
    }  # fmt: skip
    finledger("simulate", "--books", folder, expect=2)
    finledger("simulate", "--books", folder, "--month", "2026-07", "--quarter", "2026-Q3", expect=2)
