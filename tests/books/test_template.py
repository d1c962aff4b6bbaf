"""New books can be read as they are, and what is commented out in them too."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from finledger.books.template import new_books
from finledger.core.accounts import missing_between_entities
from finledger.core.lint import lint
from finledger.read.evals import read_evals
from finledger.read.pricebook import check_currency, read_pricebooks
from finledger.read.rates import read_rates
from finledger.read.settings import read_settings


def made(folder: Path, name: str, currency: str, day: date) -> Path:
    for path, text in new_books(name, currency, day).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("currency", "day", "quarter", "until"),
    [
        ("USD", date(2026, 8, 5), "2026-Q3", date(2026, 10, 1)),
        ("JPY", date(2026, 12, 31), "2026-Q4", date(2027, 1, 1)),
        ("KWD", date(2027, 1, 1), "2027-Q1", date(2027, 4, 1)),
    ],
)
def test_new_books__read_without_a_problem(tmp_path: Path, currency: str, day: date, quarter: str, until: date) -> None:
    folder = made(tmp_path, 'Ann\'s "AI": # books', currency, day)
    settings = read_settings(folder / "finledger.yaml", "finledger.yaml")
    assert settings.problems == () and settings.rows is not None
    assert settings.rows.books == 'Ann\'s "AI": # books'
    assert {team.stage.at(day) for team in settings.rows.teams.values()} == {"showback"}
    books = read_pricebooks(folder / "pricebooks", "pricebooks")
    assert books.problems == ()
    (book,) = books.rows
    assert (book.quarter, book.effective_until, book.published) == (quarter, until, None)
    assert book.effective_from <= day < book.effective_until
    assert check_currency(books.rows, settings.rows.currency) == ()
    assert lint(book, books.rows, settings.rows.pools) == []
    assert read_evals(folder / "evals", "evals").problems == read_rates(folder / "rates.csv", "rates.csv").problems == ()


def test_new_books__what_is_commented_out_works(tmp_path: Path) -> None:
    text = new_books("x", "USD")["finledger.yaml"]
    keys = (
        "pools|providers|buffer|fiscal_year_start|sources|rules|accounts|seats|targets|fund_presentation|disputes|review|journal|"
        "gates|early_adoption"
    )
    live = re.sub(rf"^( *)# (?=({keys}):|  )", r"\1", text, flags=re.MULTILINE)
    assert live != text
    (tmp_path / "finledger.yaml").write_text(live, encoding="utf-8")
    outcome = read_settings(tmp_path / "finledger.yaml", "finledger.yaml")
    assert outcome.problems == () and outcome.rows is not None
    assert [pool.name for pool in outcome.rows.pools] == ["network", "notebooks", "gpu-shared"]
    assert list(outcome.rows.providers) == ["some-provider"] and outcome.rows.fiscal_year_start == 7
    assert not missing_between_entities(replace(outcome.rows, platform_entity="x"))
    assert outcome.rows.fund_presentation == "pnl_contra"
    assert (outcome.rows.respond_days, outcome.rows.resolve_days) == (5, 20)
    assert outcome.rows.teams["search"].targets["*"] == {"per_useful_gpu_hour": Decimal("40.00")}
    assert len(outcome.rows.rules) == 2 and outcome.rows.teams["search"].seats == {"assistant": 40}


def test_new_books__a_name_that_cannot_be_printed(tmp_path: Path) -> None:
    assert 'books: "AI platform"\n' in new_books("\x00\n", "USD")["finledger.yaml"]
    folder = made(tmp_path, " " + "x" * 200, "EUR", date(2026, 7, 1))
    assert read_settings(folder / "finledger.yaml", "finledger.yaml").problems == ()


def test_new_books__unknown_currency() -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        new_books("x", "ABC")
