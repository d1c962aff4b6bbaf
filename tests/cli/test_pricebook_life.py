"""A price book's life through the command line: drafted, built from usage, compared, published, frozen (P1, P3, P5, P6)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finledger.books.ledger import Ledger
from finledger.core.model import Price, PriceBook
from finledger.core.period import Month
from finledger.core.pricebook import under
from finledger.pipeline import query
from finledger.read.pricebook import read_pricebook
from finledger.workbench import Workbench, book_life
from finledger.write.pricebook import pricebook_yaml
from tests.support import ROOT, copy_books, finledger, finledger_json, prepared

SAMPLE = ROOT / "samples" / "p3-price-from-usage"
COMPANY = ROOT / "samples" / "kestrel-freight"
D = Decimal


@pytest.fixture
def books(tmp_path: Path) -> Path:
    return prepared(copy_books(SAMPLE, tmp_path / "books"), ("load", "--quiet"))


def book_of(books: Path, name: str = "2026-Q4") -> PriceBook:
    outcome = read_pricebook(books / "pricebooks" / f"{name}.yaml", f"pricebooks/{name}.yaml")
    assert outcome.rows is not None, outcome.problems
    return outcome.rows


def files(books: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((books / "pricebooks").iterdir())}


# ── build ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_build__the_worked_price_from_real_rows(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """600,000 calls of 1,500 input and 400 output tokens on average: base 0.0093, price 0.011123 (README of the sample)."""
    got = finledger_json(capsys, "pricebook", "build", "2026-Q4", "--from-quarter", "2026-Q3", "--books", books)
    chat = next(row for row in got["prices"] if row["kind"] == "action")
    figures = (
        "actions",
        "input_tokens",
        "output_tokens",
        "base",
        "registry",
        "buffer",
        "price",
        "last_price",
        "change_percent",
    )
    assert [chat[name] for name in figures] == [
        "600000", "1500", "400", "0.0093", "0.000048825", "0.0004278", "0.011123", "0.010405", "6.90",
    ]  # fmt: skip
    assert got["months"] == ["2026-07", "2026-08", "2026-09"] and got["planned"] == {"chat_call": 600000}
    h100 = next(row for row in got["prices"] if row["kind"] == "gpu")
    assert [h100[name] for name in ("item", "price", "last_price", "change_percent")] == ["h100", "3.00", "2.60", "15.38"]
    book = book_of(books)
    assert (book.published, book.effective_from, book.effective_until) == (None, date(2026, 10, 1), date(2027, 1, 1))
    assert (book.actions["chat_call"].price, book.gpu["h100"].rate) == (Price(D("0.0093"), D("0.011123")), D("3.00"))
    assert book.models["chat-large"].source == "price book 2026-Q3.v1"
    finledger("pricebook", "lint", "2026-Q4", "--books", books)
    assert "1 price book, 0 warnings" in capsys.readouterr().err


def test_build__by_month_as_csv_and_dry(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """July alone: 170 M + 35 M tokens of 100,000 calls: 1,700 and 350; 0.0051 + 0.0042 = 0.0093. Three Julys are planned."""
    before = files(books)
    words = ("pricebook", "build", "2026-Q4", "--from-month", "2026-07", "--books", books, "--dry-run", "--format", "csv")
    finledger(*words)
    chat = next(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert (chat["input_tokens"], chat["output_tokens"], chat["price"]) == ("1700", "350", "0.011123")
    assert files(books) == before
    finledger("pricebook", "build", "2026-Q4", "--from-month", "2026-07", "--books", books)
    assert book_of(books).actions["chat_call"].planned == 300_000
    finledger(*words)
    finledger("pricebook", "build", "2026-Q4", "--from-month", "2026-07", "--books", books, expect=1)


def test_build__twice_is_the_same_draft(books: Path) -> None:
    finledger("pricebook", "build", "2026-Q4", "--books", books)
    first = files(books)
    (books / "pricebooks/2026-Q4.yaml").unlink()
    finledger("pricebook", "build", "2026-Q4", "--books", books)
    assert files(books) == first


def test_build__rates_of_the_catalogue_hold_from_the_new_books_first_day(books: Path) -> None:
    """chat-large under the name of a model whose prices the package knows: 2.50 and 10.00, so 0.00375 + 0.004 = 0.00775."""
    for path in (books / "pricebooks/2026-Q3.yaml", books / "usage/usage-2026-Q3.csv"):
        path.write_text(path.read_text().replace("chat-large", "gpt-4o").replace("cumulus", "openai"))
    again = copy_books(books, books.parent / "again")
    for left in (again / "store").iterdir():
        if left.is_file():
            left.unlink()
    finledger("load", "--books", again, "--quiet")
    finledger("pricebook", "build", "2026-Q4", "--books", again)
    book = book_of(again)
    price = book.actions["chat_call"].price
    assert price is not None and (price.base, price.price) == (D("0.00775"), D("0.009269"))
    assert re.fullmatch(r"genai-prices \S+, openai/gpt-4o, as of 2026-10-01", book.models["gpt-4o"].source)
    (again / "pricebooks/2026-Q4.yaml").unlink()
    finledger("pricebook", "build", "2026-Q4", "--books", again, "--rates", "book")
    kept = book_of(again)
    assert kept.models["gpt-4o"].rates["input_tokens"] == D("3.00")
    assert kept.models["gpt-4o"].source == "price book 2026-Q3.v1"


def test_build__wrong_use(books: Path) -> None:
    finledger(
        "pricebook", "build", "2026-Q4", "--from-quarter", "2026-Q3", "--from-month", "2026-07", "--books", books, expect=2
    )
    finledger("pricebook", "build", "2026-Q3", "--from-month", "2026-07", "--dry-run", "--books", books, expect=2)
    finledger("pricebook", "build", "2026-Q5", "--books", books, expect=2)
    finledger("pricebook", "build", "2026-Q4", "--gpu-cost", books / "none.csv", "--books", books, expect=4)


# ── new ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_new__takes_the_terms_of_the_book_before(books: Path) -> None:
    old = book_of(books, "2026-Q3")
    finledger("pricebook", "new", "2026-Q4", "--books", books, "--dry-run")
    assert list(files(books)) == ["2026-Q3.yaml"]
    finledger("pricebook", "new", "2026-Q4", "--books", books)
    new = book_of(books)
    assert (new.name, new.published, new.effective_from) == ("2026-Q4.v1", None, date(2026, 10, 1))
    assert (new.actions, new.models, new.gpu, new.uplift) == (old.actions, old.models, old.gpu, old.uplift)


def test_new__a_later_version_takes_over_on_a_day(books: Path) -> None:
    finledger("pricebook", "new", "2026-Q3", "--starts", "2026-08-16", "--books", books)
    later = book_of(books, "2026-Q3.v2")
    assert (later.version, later.effective_from, later.effective_until) == (2, date(2026, 8, 16), date(2026, 10, 1))
    for day in ("2026-08-16", "2026-07-01", "2026-10-01"):
        finledger("pricebook", "new", "2026-Q3", "--starts", day, "--books", books, expect=2)
    finledger("pricebook", "lint", "--books", books)


def test_new__in_a_fiscal_year_that_starts_in_july(books: Path) -> None:
    """The first quarter of the year that ends in June 2027 is July to September 2026."""
    settings = books / "finledger.yaml"
    settings.write_text("fiscal_year_start: 7\n" + settings.read_text())
    finledger("pricebook", "new", "2027-Q2", "--books", books)
    book = book_of(books, "2027-Q2")
    assert (book.effective_from, book.effective_until) == (date(2026, 10, 1), date(2027, 1, 1))


def test_new__the_first_book_of_all_is_an_example(books: Path) -> None:
    (books / "pricebooks/2026-Q3.yaml").unlink()
    finledger("pricebook", "new", "2026-Q3", "--books", books)
    book = book_of(books, "2026-Q3")
    assert (book.currency, book.published, book.effective_from) == ("USD", None, date(2026, 7, 1))
    assert book.actions["chat_call"].price is not None
    finledger("pricebook", "publish", "2026-Q3", "--date", "2026-06-24", "--books", books)
    assert book_of(books, "2026-Q3").published == date(2026, 6, 24)


def test_new__from_any_book(books: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(pricebook_yaml(replace(book_of(books, "2026-Q3"), quarter="2025-Q1", gpu={})))
    finledger("pricebook", "new", "2026-Q4", "--from", other, "--books", books)
    assert book_of(books).gpu == {}


# ── publish ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_publish__one_line_and_the_hash_and_only_once(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("pricebook", "new", "2026-Q4", "--books", books)
    before = files(books)
    finledger("pricebook", "publish", "2026-Q4", "--date", "2026-09-24", "--books", books, "--dry-run")
    assert files(books) == before and Workbench(books).ledger.frozen_books() == {}
    got = finledger_json(capsys, "pricebook", "publish", "2026-Q4", "--date", "2026-09-24", "--books", books)
    assert (got["pricebook"]["published"], got["already_published"]) == ("2026-09-24", False)
    assert got["pricebook"]["sha256"] == book_of(books).sha256
    assert Workbench(books).ledger.frozen_books() == {"2026-Q4.v1": book_of(books).sha256}
    after = files(books)
    again = finledger_json(capsys, "pricebook", "publish", "2026-Q4", "--books", books)
    assert again["already_published"] and files(books) == after
    finledger("pricebook", "publish", "2026-Q4", "--date", "2026-09-25", "--books", books, expect=2)


def test_publish__through_a_link(books: Path, tmp_path: Path) -> None:
    """The book lies with the others of the company: that file gets the day, and the link stays one."""
    finledger("pricebook", "new", "2026-Q4", "--books", books)
    path, elsewhere = books / "pricebooks" / "2026-Q4.yaml", tmp_path / "shared.yaml"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    finledger("pricebook", "publish", "2026-Q4", "--date", "2026-09-24", "--books", books)
    assert path.is_symlink() and "\npublished: 2026-09-24\n" in elsewhere.read_text(encoding="utf-8")


def test_publish__busy_books_leave_the_draft_a_draft(books: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finledger("pricebook", "new", "2026-Q4", "--books", books)
    before = files(books)
    opened = Ledger.open
    monkeypatch.setattr(Ledger, "open", lambda path: opened(path, busy_seconds=0.1))
    with Workbench(books).ledger.write():
        finledger("pricebook", "publish", "2026-Q4", "--books", books, expect=3)
        finledger("pricebook", "show", "--books", books)  # who only looks need not wait
    assert files(books) == before


def test_publish__an_edited_book_stops_every_command(books: Path) -> None:
    finledger("pricebook", "publish", "2026-Q3", "--books", books)
    finledger("pricebook", "new", "2026-Q4", "--books", books)
    path = books / "pricebooks/2026-Q3.yaml"
    whole = path.read_text()
    path.write_text(whole.replace("0.010405", "0.010406"))
    for words in (
        ["show"], ["lint"], ["diff", "2026-Q3", "2026-Q4"], ["publish", "2026-Q4"], ["new", "2027-Q1"], ["build", "2027-Q1"],
    ):  # fmt: skip
        finledger("pricebook", *words, "--books", books, expect=1)
    finledger("allocate", "--month", "2026-07", "--books", books, expect=1)
    path.write_text(whole)
    finledger("pricebook", "show", "--books", books)


def test_publish__which_of_several_versions(books: Path) -> None:
    finledger("pricebook", "new", "2026-Q4", "--books", books)
    finledger("pricebook", "new", "2026-Q4", "--starts", "2026-11-16", "--books", books)
    finledger("pricebook", "publish", "2026-Q4", "--books", books, expect=2)
    finledger("pricebook", "publish", "2026-Q4.v1", "--date", "2026-09-24", "--books", books)
    finledger("pricebook", "publish", "2026-Q4", "--date", "2026-11-02", "--books", books)
    assert book_of(books, "2026-Q4.v2").published == date(2026, 11, 2)


def test_looking__makes_no_store(tmp_path: Path) -> None:
    books = copy_books(SAMPLE, tmp_path / "books")
    for words in (["show"], ["lint"], ["diff", "2026-Q3", "2026-Q3"]):
        finledger("pricebook", *words, "--books", books)
    assert not (books / "store").exists()


def test_show__the_registry_by_basis(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 100.00 of base with 15 %: 3.5 % of 15.00 is 0.525; of 115.00 it is 4.025; with 4 % on all: 119.60 and 123.786."""
    finledger("pricebook", "show", "2026-Q3", "--books", books)
    shown = capsys.readouterr().out
    row = next(line.split() for line in shown.splitlines() if line.startswith("3.5 %"))
    assert row[4:] == ["0.525", "119.60", "0.525", "120.146", "4.025", "123.786"]


# ── diff ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_diff__prices_and_what_they_do_to_a_month(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """180,000 calls: 1,872.90 and 2,002.14; 120,000: 1,248.60 and 1,334.76 (README of the sample)."""
    finledger("pricebook", "build", "2026-Q4", "--books", books)
    got = finledger_json(capsys, "pricebook", "diff", "2026-Q3", "2026-Q4", "--month", "2026-09", "--books", books)
    entries = {f"{row['section']} {row['item']}": (row["old"], row["new"], row["change_percent"]) for row in got["entries"]}
    assert entries == {
        "gpu h100 rate": ("2.60", "3.00", "15.38"),
        "actions chat_call base": ("0.0087", "0.0093", "6.90"),
        "actions chat_call price": ("0.010405", "0.011123", "6.90"),
        "actions chat_call planned": (None, "600000", None),
    }
    teams = {name: (each["before"], each["after"], each["change"]) for name, each in got["effect"]["teams"].items()}
    assert teams == {"search": ("1872.90", "2002.14", "129.24"), "support": ("1248.60", "1334.76", "86.16")}
    assert got["effect"]["total"]["change"] == "215.40"


def test_diff__as_markdown_for_a_pull_request(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finledger("pricebook", "build", "2026-Q4", "--books", books)
    capsys.readouterr()
    words = ("pricebook", "diff", "2026-Q3", "2026-Q4", "--month", "2026-09", "--books", books)
    finledger(*words, "--format", "markdown")
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "## Price book 2026-Q3.v1 → 2026-Q4.v1"
    assert "| actions | chat_call price | 0.010405 | 0.011123 | +0.000718 | +6.90 |" in shown
    assert "3,121.50 → 3,336.90 USD: **+215.40**" in shown
    assert "| search | 1,872.90 | 2,002.14 | +129.24 | +6.90 | +108.06 | +4.96 | +15.65 | +0.57 |" in shown
    total = ("(total)", "3,121.50", "3,336.90", "+215.40", "+6.90", "+180.10", "+8.28", "+26.07", "+0.95")
    assert f"| {' | '.join(f'**{cell}**' for cell in total)} |" in shown
    assert "In USD: an action, 1,000,000 tokens, a GPU-hour, a unit of egress, a seat and month." in shown
    tables = [line for line in shown if line.startswith("|")]
    assert {line.count("|") for line in tables[:6]} == {7} and {line.count("|") for line in tables[6:]} == {10}
    finledger(*words, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["new"] for row in rows if row["kind"] == "charges" and (row["item"], row["component"]) == ("", "")] == [
        "3336.90"
    ]


def test_diff__without_a_difference(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    got = finledger_json(capsys, "pricebook", "diff", "2026-Q3", "2026-Q3.v1", "--month", "2026-08", "--books", books)
    assert got["entries"] == [] and got["effect"]["total"]["change"] == "0.00"


CHANGED = {"0.02, unit": "0.03, unit", "platform_share: 0.50": "platform_share: 0.40", "rate: 30.00": "rate: 34.50"}


@pytest.mark.parametrize("month", ["2026-07", "2026-08"])
def test_diff__is_the_difference_of_two_allocates(month: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A company's month under its own book and under another, in two sets of books: team by team, to the cent."""
    books = copy_books(COMPANY, tmp_path / "books")
    for left in ("pricebooks/2026-Q4.yaml", *(books / "usage").glob("*/*-2026-1?.*")):
        (books / left).unlink(missing_ok=True)
    prepared(books, ("load", "--quiet"), ("pricebook", "build", "2026-Q4"))
    path = books / "pricebooks/2026-Q4.yaml"
    text = path.read_text()
    for old, new in CHANGED.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text.replace("overhead: 0.15", "overhead: 0.16"))  # metered prices take it, published ones keep theirs
    other = copy_books(books, tmp_path / "other")
    effect = finledger_json(capsys, "pricebook", "diff", "2026-Q3", "2026-Q4", "--month", month, "--books", books)["effect"]

    _put_in_force(other, book_of(books), Month.parse(month))
    before, after = (
        finledger_json(capsys, "allocate", "--month", month, "--books", each, "--dry-run") for each in (books, other)
    )
    moved = {name: _total(after, name) - _total(before, name) for name in before["teams"]}
    moved["(unallocated)"] = D(after["unallocated"]["amount"]) - D(before["unallocated"]["amount"])
    assert {name: D(each["change"]) for name, each in effect["teams"].items()} == moved
    assert len([each for each in moved.values() if each]) > 5
    assert D(effect["total"]["change"]) == sum(moved.values())
    assert D(effect["platform"]["eval"]["change"]) == _borne(after) - _borne(before)
    for component, each in effect["components"].items():
        assert D(each["change"]) == _component(after, component) - _component(before, component), component


def _put_in_force(books: Path, book: PriceBook, month: Month) -> None:
    """The book as that of the third quarter from the month on: instead of its first version, or as its second."""
    (books / "pricebooks/2026-Q4.yaml").unlink()
    first = month == Month(2026, 7)
    moved = replace(
        book,
        quarter="2026-Q3",
        version=1 if first else 2,
        effective_from=month.first_day,
        effective_until=date(2026, 10, 1),
        published=date(2026, 6, 24),
    )
    (books / f"pricebooks/2026-Q3{'' if first else '.v2'}.yaml").write_text(pricebook_yaml(moved))


def _total(charges: Any, team: str) -> Decimal:
    return D(charges["teams"][team]["total"])


def _borne(charges: Any) -> Decimal:
    return sum((D(each["platform_share"]) for each in charges["disclosures"]), D(0))


def _component(charges: Any, name: str) -> Decimal:
    return sum((D(row["amount"]) for row in charges["charges"] if row["component"] == name), D(0))


def test_diff__asks_the_engine_once(books: Path) -> None:
    """Both books ask for the same grouping, also where a version changes inside the month: it is worked out once."""
    finledger("pricebook", "new", "2026-Q3", "--starts", "2026-08-16", "--books", books)
    finledger("pricebook", "publish", "2026-Q3.v2", "--date", "2026-08-01", "--books", books)
    bench = Workbench(books)
    inputs = bench.month_inputs(Month(2026, 8))
    asked = [query(replace(inputs, books=under(inputs.books, book, Month(2026, 8)))) for book in bench.pricebooks]
    assert asked[0] == asked[1] and len(asked[0].intervals) == 1
    assert len(query(inputs).intervals) == 2
    first = inputs.group(asked[0])
    assert inputs.group(asked[1]) is first


def test_published_late__is_said_and_done(books: Path) -> None:
    """A version that takes over on 16 August is published on that day: the day has begun."""
    finledger("pricebook", "new", "2026-Q3", "--starts", "2026-08-16", "--books", books)
    bench = Workbench(books)
    for day, codes in ((date(2026, 8, 15), []), (date(2026, 8, 16), ["pricebook-published-late"])):
        done = book_life.publish(bench, "2026-Q3.v2", day, day, dry_run=True)
        assert [each.code for each in done.warnings] == codes
    assert "published: 2026-08" not in files(books)["2026-Q3.v2.yaml"].decode(), "a dry run writes nothing"


def test_look__a_published_book_is_frozen_by_the_first_command_that_sees_it(books: Path) -> None:
    """Once there is a ledger; a copy that was never loaded stays without one, and can be mended."""
    assert Workbench(books).ledger.frozen_books() == {}  # opened, it is there
    finledger("pricebook", "lint", "--books", books)
    assert Workbench(books).ledger.frozen_books() == {"2026-Q3.v1": Workbench(books).pricebooks[0].sha256}
    path = books / "pricebooks/2026-Q3.yaml"
    path.write_text(path.read_text() + "# a remark\n")
    finledger("pricebook", "show", "--books", books, expect=1)
