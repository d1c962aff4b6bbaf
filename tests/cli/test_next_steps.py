"""What a person sees from month to month, and what the program says comes next (rules B1, B2, L2)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support import ROOT, copy_books, finledger, finledger_json

EXAMPLES = ROOT / "tests" / "examples"


def said(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[str, str]:
    capsys.readouterr()
    finledger(*words)
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_status__leads_from_the_load_to_the_quarters_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Example 49: three months and one of the next quarter. Each command named is run, until none of the third quarter is."""
    books = copy_books(EXAMPLES / "49-rebate", tmp_path / "books")
    assert "1 new file in usage/: finledger load" in said(capsys, "status", "--books", books)[1]
    finledger("load", "--books", books)
    months = ("2026-07", "2026-08", "2026-09", "2026-10")
    waivers = [f"{month},days-missing,Ada Fell,the example has a row or two" for month in months]
    (books / "decisions").mkdir(exist_ok=True)
    (books / "decisions" / "waivers.csv").write_text("\n".join(["period,condition,name,reason", *waivers]))
    steps = []
    while found := re.search(r"Next: finledger (.*)", said(capsys, "status", "--books", books)[1]):
        steps.append(found[1])
        finledger(*found[1].split(), "--books", books, "--quiet")
    monthly = [f"{name} --month {month}" for month in months for name in ("allocate", "invoice", "journal", "close")]
    assert steps == [*monthly[:12], "reconcile --quarter 2026-Q3", "close --quarter 2026-Q3", *monthly[12:]]
    assert "finledger verify" in said(capsys, "status", "--books", books)[1]

    expected = finledger_json(capsys, "reconcile", "--quarter", "2026-Q3", "--books", books, "--dry-run")["buffer"][
        "closing"
    ]
    quarters = finledger_json(capsys, "status", "--books", books)["quarters"]
    assert [(each["quarter"], each["months"], each["reconciled"]) for each in quarters] == [
        ("2026-Q3", 3, True),
        ("2026-Q4", 1, False),
    ]
    assert quarters[0]["fund"] == expected


def test_status__showback_alone_ends_with_its_statements(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No team's stage moves money: there is no number to give and nothing to post, and status does not ask for them."""
    books = copy_books(EXAMPLES / "01-worked-price", tmp_path / "books")
    finledger("load", "--books", books)
    finledger("allocate", "--month", "2026-07", "--books", books)
    assert "Next: finledger invoice --month 2026-07" in said(capsys, "status", "--books", books)[1]
    err = said(capsys, "invoice", "--month", "2026-07", "--to", "md", "--books", books)[1]
    assert "in out/2026-07/statements" in err and "journal" not in err
    assert "Next: finledger close --month 2026-07" in said(capsys, "status", "--books", books)[1]


@pytest.mark.parametrize("words", [["allocate", "--month", "2026-08"], ["buffer", "status"]], ids=" ".join)
def test_requests__each_with_what_became_of_it(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Example 46: seven requests of August, refused for the seven reasons in their order."""
    books = copy_books(EXAMPLES / "46-refused", tmp_path / "books")
    finledger("load", "--books", books)
    finledger("allocate", "--month", "2026-07", "--books", books, "--quiet")
    lines = said(capsys, *words, "--books", books, "--quiet")[0].splitlines()
    rows = [line.removeprefix("2026-08").strip() for line in lines if "refused: " in line]
    assert [(row.split()[0], row.partition("refused: ")[2]) for row in rows] == [
        ("ads", "its stage moves no money"),
        ("bots", "no forecast"),
        ("chat", "below the trigger"),
        ("docs", "not one of the four causes"),
        ("edge", "nothing disclosed"),
        ("feed", "the team's cap is used up"),
        ("grid", "the fund is empty"),
    ]


def test_draw__a_request_that_draws_nothing_is_not_said_to_be_granted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    books = copy_books(EXAMPLES / "46-refused", tmp_path / "books")
    shutil.rmtree(books / "decisions")
    finledger("load", "--books", books)
    words = ("buffer", "draw", "--month", "2026-08", "--cause", "backfill", "--disclosure", "again", "--books", books)
    out, err = said(capsys, *words, "--team", "chat")
    assert "refused: below the trigger" in out and "draws nothing" in err and "granted when" not in err
    out, err = said(capsys, *words, "--team", "grid")
    assert out.rstrip().endswith("100.00  granted")  # 360.00 against 120.00; the cap and the fund have 100.00 each
    assert "next: finledger allocate --month 2026-08" in err


def test_fresh_books__every_look_says_something(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books = tmp_path / "books"
    finledger("init", books, "--month", "2026-07")
    assert "Nothing is loaded" in said(capsys, "status", "--books", books)[1]
    finledger("buffer", "status", "--books", books)
    finledger("reconcile", "--quarter", "2026-Q3", "--books", books, "--dry-run")
    finledger("evals", "--month", "2026-07", "--books", books)
    finledger("gaming", "--month", "2026-07", "--books", books)
    assert "1 price book, 0 warnings" in said(capsys, "pricebook", "lint", "--books", books)[1]
