"""The stack of a price (rule P3), and which book holds on a day (rule P1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Literal

import pytest

from finledger.core.model import PriceBook, Uplift
from finledger.core.period import Month
from finledger.core.pricebook import book_at, change_dates, holding, previous, stack, under, uplift_on

D = Decimal
BOOK = PriceBook(
    quarter="2026-Q3",
    version=1,
    effective_from=date(2026, 7, 1),
    effective_until=date(2026, 10, 1),
    published=date(2026, 6, 24),
    currency="USD",
    price_digits=6,
    rounding="half_up",
    models={},
    gpu={},
    egress={},
    seats={},
    uplift=Uplift(),
    actions={},
)


@pytest.mark.parametrize(
    ("basis", "overhead", "registry", "buffer", "exact"),
    [
        # overhead 0.0093 x 0.15 = 0.001395, of which 3.5 % is the registry's; buffer (0.0093 + 0.001395) x 0.04
        ("carved", "0.001346175", "0.000048825", "0.0004278", "0.0111228"),
        # the registry on top: buffer (0.010695 + 0.000048825) x 0.04
        ("additive", "0.001395", "0.000048825", "0.000429753", "0.011173578"),
        # the registry is 3.5 % of 0.010695; buffer (0.010695 + 0.000374325) x 0.04
        ("of_price", "0.001395", "0.000374325", "0.000442773", "0.011512098"),
    ],
)
def test_stack__by_basis(
    basis: Literal["carved", "additive", "of_price"], overhead: str, registry: str, buffer: str, exact: str
) -> None:
    got = stack(D("0.0093"), Uplift(D("0.15"), D("0.035"), basis, D("0.04")))
    assert got == {
        "base": D("0.0093"),
        "overhead": D(overhead),
        "registry": D(registry),
        "buffer": D(buffer),
        "exact": D(exact),
    }
    assert sum(got[part] for part in ("base", "overhead", "registry", "buffer")) == got["exact"]


def test_stack__thousand_actions_over_the_bands() -> None:
    """10 % and 3 %: 9.30 x 1.10 x 1.03 = 10.5369; 20 % and 5 %: 9.30 x 1.20 x 1.05 = 11.718 (rule P3)."""
    assert stack(D("9.30"), Uplift(D("0.10"), D("0.02"), "carved", D("0.03")))["exact"] == D("10.5369")
    assert stack(D("9.30"), Uplift(D("0.20"), D("0.05"), "carved", D("0.05")))["exact"] == D("11.718")


def test_stack__no_digit_is_lost() -> None:
    with_digits = stack(
        D("0.123456789012345678"), Uplift(D("0.123456789012345678"), D(0), "carved", D("0.123456789012345678"))
    )
    factor = 1123456789012345678
    assert with_digits["exact"].as_tuple().digits == tuple(int(digit) for digit in str(123456789012345678 * factor**2))


def test_uplift_on__only_what_the_book_lists() -> None:
    uplift = Uplift(overhead=D("0.15"), applies_to=("actions", "gpu"))
    assert (uplift_on(uplift, "gpu"), uplift_on(uplift, "egress")) == (uplift, Uplift())


def test_book_at__ends_are_exclusive_and_later_versions_take_over() -> None:
    second = replace(BOOK, version=2, effective_from=date(2026, 8, 15))
    books = (second, BOOK)
    assert book_at(books, date(2026, 6, 30)) is None
    assert book_at(books, date(2026, 7, 1)) is BOOK
    assert book_at(books, date(2026, 8, 14)) is BOOK
    assert book_at(books, date(2026, 8, 15)) is second
    assert book_at(books, date(2026, 9, 30)) is second
    assert book_at(books, date(2026, 10, 1)) is None
    assert change_dates(books) == (date(2026, 7, 1), date(2026, 8, 15), date(2026, 10, 1))


def test_book_at__a_draft_changes_no_published_price() -> None:
    draft = replace(BOOK, version=2, effective_from=date(2026, 8, 15), published=None)
    assert book_at((BOOK, draft), date(2026, 9, 1)) is BOOK
    assert change_dates((BOOK, draft)) == (date(2026, 7, 1), date(2026, 10, 1))
    assert book_at((draft,), date(2026, 9, 1)) is draft


def test_under__the_book_holds_all_of_the_month_and_the_others_outside_of_it() -> None:
    """August under the fourth quarter's book: the third's holds in July and September, and nothing changes inside August."""
    later = replace(
        BOOK, quarter="2026-Q4", effective_from=date(2026, 10, 1), effective_until=date(2027, 1, 1), published=None
    )
    mid = replace(BOOK, version=2, effective_from=date(2026, 8, 16))
    books = under((BOOK, mid, later), later, Month(2026, 8))
    days = [date(2026, 7, 31), date(2026, 8, 1), date(2026, 8, 31), date(2026, 9, 1), date(2026, 10, 1)]
    held = [book_at(books, day) for day in days]
    assert [book.name if book else "" for book in held] == [
        "2026-Q3.v1",
        "2026-Q4.v1",
        "2026-Q4.v1",
        "2026-Q3.v2",
        "2026-Q4.v1",
    ]
    assert not [day for day in change_dates(books) if date(2026, 8, 1) < day < date(2026, 9, 1)]
    assert under((BOOK,), BOOK, Month(2026, 7))[-1] == holding(BOOK, Month(2026, 7))


def test_previous__the_book_in_force_the_day_before_or_the_last_that_was() -> None:
    second = replace(BOOK, version=2, effective_from=date(2026, 8, 16), published=None)
    assert previous((BOOK, second), date(2026, 10, 1)) == BOOK, "a draft lying beside a published book changes nothing"
    assert previous((BOOK, replace(second, published=date(2026, 8, 1))), date(2026, 10, 1)) != BOOK
    assert previous((BOOK,), date(2027, 1, 1)) == BOOK, "after a gap of a quarter"
    assert previous((BOOK,), date(2026, 7, 1)) is None
