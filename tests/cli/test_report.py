"""`finledger report` on books with little in them, or with what should not be there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.close.small_books import JULY, PRICEBOOK, SETTINGS, daily, make_books
from tests.report.pages import tables_of
from tests.support import finledger, finledger_json

HOSTILE = "<img src=x onerror=alert(1)>=1+1"
JULY_USAGE = {"july.csv": [*daily(JULY), *daily(JULY, "support", 500)]}


def page_of(books: Path, period: str = "2026-07") -> str:
    return (books / "out" / period / "report.html").read_text()


def test_month__is_written_with_a_page_for_each_team(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books = make_books(tmp_path / "books", JULY_USAGE)
    finledger("report", "--month", "2026-07", "--books", books)
    said = capsys.readouterr()
    assert "open out/2026-07/report.html" in said.err
    assert "3 teams come to 585.90 USD in July 2026, without a budget." in said.out  # 31 x 1,500 x 0.0126
    made = {path.relative_to(books / "out/2026-07").as_posix() for path in (books / "out/2026-07").rglob("*.html")}
    assert made == {"report.html", "report/search.html", "report/support.html", "report/research.html"}
    before = {path: path.read_bytes() for path in (books / "out").rglob("*.*")}
    finledger("report", "--month", "2026-07", "--books", books, "--quiet")
    assert {path: path.read_bytes() for path in (books / "out").rglob("*.*") if path.name != "problems.txt"} == {
        path: content for path, content in before.items() if path.name != "problems.txt"
    }


def test_dry_run_and_other_folder(tmp_path: Path) -> None:
    books = make_books(tmp_path / "books", JULY_USAGE)
    finledger("report", "--month", "2026-07", "--books", books, "--dry-run", "--quiet")
    assert not (books / "out/2026-07").exists()
    words = ("--team", "search", "--to", "html,md", "--out", tmp_path / "mail")
    finledger("report", "--month", "2026-07", "--books", books, "--quiet", *words)
    assert {path.name for path in (tmp_path / "mail").rglob("*.*")} == {"search.html", "search.md"}
    assert not (books / "out/2026-07").exists()


def test_empty_month__is_a_page_that_says_so(tmp_path: Path) -> None:
    books = make_books(tmp_path / "books", JULY_USAGE)
    finledger("report", "--month", "2026-08", "--books", books, "--quiet")
    page = page_of(books, "2026-08")
    assert "3 teams come to 0.00 USD in August 2026" in page
    assert "no usage of 2026-08 is loaded" in page


def test_month_without_prices__is_refused_as_allocate_refuses_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books = make_books(tmp_path / "books", {"october.csv": [line.replace("2026-07", "2026-10") for line in daily(JULY)]})
    finledger("report", "--month", "2026-10", "--books", books, expect=1)
    assert "pricebook-missing" in capsys.readouterr().err
    assert not (books / "out/2026-10").exists()


def test_feature_without_evals__is_not_tracked_and_no_zero(tmp_path: Path) -> None:
    usage = {"july.csv": [line.replace(",search,,", ",search,finder,") for line in daily(JULY)]}
    books = make_books(tmp_path / "books", usage)
    finledger("report", "--month", "2026-07", "--books", books, "--quiet")
    (row,) = tables_of(page_of(books))["quality"]
    assert [row[name] for name in ("Coverage", "Freshness", "Cost per correct task")] == [
        "not tracked",
        "not tracked",
        "not measurable",
    ]


def test_names__that_want_to_be_code_are_text(tmp_path: Path) -> None:
    settings = SETTINGS.replace("books: Close", f"books: '{HOSTILE}'").replace(
        "  search: {cost_center: cc-4815, stage: chargeback}",
        f"  '{HOSTILE}': {{cost_center: cc-4815, stage: chargeback, owner: '{HOSTILE}', features: ['{HOSTILE}']}}",
    )
    usage = {"july.csv": [line.replace(",search,,", f",{HOSTILE},{HOSTILE},") for line in daily(JULY)]}
    books = make_books(tmp_path / "books", usage, {"finledger.yaml": settings})
    finledger("report", "--month", "2026-07", "--to", "html,md,csv", "--books", books, "--quiet")
    pages = [path.read_text() for path in (books / "out/2026-07").rglob("*.html")]
    assert len(pages) == 4
    assert all("<img src=x" not in page for page in pages)
    assert HOSTILE in [row["Team"] for row in tables_of(page_of(books))["bill"]]
    assert "<img" not in (books / "out/2026-07/report.md").read_text()
    assert all(path.resolve().is_relative_to(books.resolve()) for path in (books / "out").rglob("*"))


def test_closed_month__has_a_report_and_verify_is_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books = make_books(tmp_path / "books", JULY_USAGE)
    before = finledger_json(capsys, "report", "--month", "2026-07", "--books", books)
    assert before["provisional"]
    finledger("close", "--month", "2026-07", "--books", books, "--quiet")
    after = finledger_json(capsys, "report", "--month", "2026-07", "--books", books)
    assert not after["provisional"]
    for name in ("bill", "spend", "components"):
        assert after["tables"][name] == before["tables"][name]
    page = page_of(books)
    assert "Final: every month of it is closed." in page and "rovisional:" not in page
    finledger("verify", "--books", books, "--quiet")


def test_more_than_a_hundred_teams__have_their_pages_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teams = "".join(f"  team-{number}: {{cost_center: cc-{number}, stage: showback}}\n" for number in range(100))
    books = make_books(tmp_path / "books", JULY_USAGE, {"finledger.yaml": SETTINGS + teams})
    finledger("report", "--month", "2026-07", "--books", books)
    assert "103 teams: their own pages are written with --every-team" in capsys.readouterr().err
    assert [path.name for path in (books / "out/2026-07").rglob("*.html")] == ["report.html"]
    assert 'href="report/search.html"' not in page_of(books)
    finledger("report", "--month", "2026-07", "--books", books, "--every-team", "--quiet")
    assert len(list((books / "out/2026-07/report").glob("*.html"))) == 103
    assert 'href="report/search.html"' in page_of(books)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--month", "2026-07", "--quarter", "2026-Q3"),
        ("--month", "2026-07", "--to", "pdf"),
        ("--month", "2026-07", "--team", "nobody"),
    ],
)
def test_misuse(words: tuple[str, ...], tmp_path: Path) -> None:
    books = make_books(tmp_path / "books", JULY_USAGE)
    finledger("report", *words, "--books", books, expect=2)
    assert not (books / "out/2026-07").exists()


def test_json_and_csv__for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books = make_books(tmp_path / "books", JULY_USAGE, {"pricebooks/2026-Q3.yaml": PRICEBOOK})
    finledger("report", "--month", "2026-07", "--books", books, "--format", "csv", "--quiet")
    assert "2026-07,search,chargeback,390.60,0.00,," in capsys.readouterr().out.splitlines()
    found = finledger_json(capsys, "report", "--month", "2026-07", "--books", books, "--to", "json")
    assert found == json.loads((books / "out/2026-07/report.json").read_text())
