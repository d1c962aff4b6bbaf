"""A team's own list held against its charges, by id and by day (rule U11)."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.close.small_books import AUGUST, JULY, close, daily, load_late, make_books, row, write
from tests.support import finledger, finledger_json

# Each thousand calls is 12.60. The rows of search are 12.60, 25.20 and 37.80: 75.60.
USAGE = [
    row("job-1", "2026-07-02", "search", 1000, tokens="500"),
    row("job-2", "2026-07-02", "search", 2000, tokens="700"),
    row("job-3", "2026-07-09", "search", 3000, tokens="900"),
    row("job-9", "2026-07-09", "support", 1000, tokens="100"),
]


@pytest.fixture
def books(tmp_path: Path) -> Path:
    return make_books(tmp_path / "books", {"july.csv": USAGE})


def agree(capsys: pytest.CaptureFixture[str], books: Path, text: str, name: str = "jobs.csv", month: str = "2026-07") -> Any:
    path = write(books.parent / name, text)
    return finledger_json(capsys, "agree", "search", path, "--books", books, "--month", month)


def test_by_id__agreed_only_ours_only_theirs_and_not_the_same(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """job-1 agrees: 12.60 of 75.60 is 0.166667. job-2 has other tokens, job-3 is not listed, job-4 is not charged."""
    got = agree(capsys, books, "Job ID,Count,input tokens,who\njob-1,1000,500,ann\njob-2,2000,701,ben\njob-4,7,1,cy\n")
    assert got["rows"] == {"agreed": 1, "differs": 1, "only_ours": 1, "only_theirs": 1}
    assert got["charged"] == {"agreed": "12.60", "differs": "25.20", "only_ours": "37.80"}
    assert (got["usage"], got["besides"], got["total"]) == ("75.60", "0.00", "75.60")
    assert (got["share_of_rows"], got["share_of_money"], got["agrees"]) == ("0.250000", "0.166667", False)
    assert (got["by"], got["compared"]) == (["usage_id"], ["requests", "input_tokens"])
    differs = next(each for each in got["apart"] if each["status"] == "differs")
    assert (differs["identity"], differs["ours"]["input_tokens"], differs["theirs"]["input_tokens"]) == (
        ["job-2"],
        "700",
        "701",
    )
    assert differs["where"].endswith("jobs.csv:3")


def test_by_day__sums_of_days_and_rows_of_other_months_left_out(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the 2nd 1,000 + 2,000 calls agree with 3,000; the row of June is not July's."""
    text = "date,action,count,tokens\n2026-07-02,chat_call,2500,1000\n2026-07-02,chat_call,500,200\n2026-07-09,chat_call,3000,900\n"
    got = agree(capsys, books, text + "2026-06-30,chat_call,99,9\n")
    assert (got["agrees"], got["rows"]["agreed"], got["left_out"]) == (True, 2, 1)
    assert (got["share_of_rows"], got["share_of_money"], got["apart"]) == ("1.000000", "1.000000", [])


def test_json_lines__without_quantities_only_whether_it_is_there(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    got = agree(
        capsys, books, '{"id": "job-1", "cost": 1.5}\n{"id": "job-3"}\n\n{"id": "job-2", "note": null}\n', "jobs.jsonl"
    )
    assert (got["agrees"], got["compared"]) == (True, [])


def test_formats__every_row_as_csv_and_a_statement_to_sign(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(books.parent / "jobs.csv", 'id,count\njob-1,1000\n"=HYPERLINK(""x"")",1\n<b>*bold*</b>,2\n')
    finledger("agree", "search", path, "--books", books, "--month", "2026-07", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [each["status"] for each in rows] == ["only ours", "only ours", "only theirs", "only theirs", "agreed"]
    assert '\'=HYPERLINK("x")' in {each["identity"] for each in rows}
    finledger("agree", "search", path, "--books", books, "--month", "2026-07", "--format", "markdown")
    statement = capsys.readouterr().out
    assert "That matches what we ran, but for the rows above." in statement and "Name: ___" in statement
    assert "\\<b\\>\\*bold\\*" in statement and "<b>" not in statement
    assert "| charged, and not on the list | 2 | 63.00 |" in statement
    finledger("agree", "search", path, "--books", books, "--month", "2026-07")
    said = capsys.readouterr()
    assert "What does not agree" in said.out and "20 % of rows, 16.67 % of what usage is charged" in said.err
    whole = write(books.parent / "all.csv", "id\njob-1\njob-2\njob-3\n")
    finledger("agree", "search", whole, "--books", books, "--month", "2026-07", "--format", "markdown")
    assert "\nYes, that matches what we ran.\n" in capsys.readouterr().out


def test_closed_month__late_usage_is_another_month_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What came after July was closed is a correction in August: July's list still agrees."""
    books = make_books(tmp_path / "books", {"july.csv": daily(JULY), "august.csv": daily(AUGUST)})
    close(books, JULY)
    load_late(books, "late.csv", [row("late-1", "2026-07-15", "search", 1000)])
    listed = "\n".join(["usage_id", *(f"search-2026-07-{day:02}" for day in range(1, 32))]) + "\n"
    got = agree(capsys, books, listed)
    assert (got["agrees"], got["total"], got["rows"]["agreed"]) == (True, "390.60", 31)


def test_odd_lists(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A list of a month in which nothing was used; a team that is not there; a file that is not; an empty file."""
    got = agree(capsys, books, "id\njob-1\n", month="2026-09")
    assert (got["rows"]["only_theirs"], got["total"], got["share_of_money"]) == (1, "0.00", None)
    path = write(books.parent / "jobs.csv", "id\njob-1\n")
    finledger("agree", "nobody", path, "--books", books, "--month", "2026-07", expect=2)
    finledger("agree", "search", books / "none.csv", "--books", books, "--month", "2026-07", expect=2)
    finledger("agree", "search", write(books.parent / "no.csv", ""), "--books", books, "--month", "2026-07", expect=1)
    wrong = write(books.parent / "wrong.csv", "day,count\n2026-07-02,1.5\nyesterday,3\n,4\n")
    finledger("agree", "search", wrong, "--books", books, "--month", "2026-07", expect=1)
    said = capsys.readouterr().err
    assert all(code in said for code in ("table-header", "not-a-count", "not-a-date", "table-cell-empty"))
