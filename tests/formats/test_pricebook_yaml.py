"""A price book that is written reads back as the same book, whatever its names and figures; publishing adds one line."""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.model import (
    ActionClass,
    BufferTerms,
    ModelRates,
    Price,
    PriceBook,
    QualityTerms,
    Sku,
    Uplift,
)
from finledger.core.usage import TOKEN_BUCKETS
from finledger.read.pricebook import parse_pricebook
from finledger.read.values import WrongValue, text
from finledger.write.pricebook import pricebook_yaml, with_published

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def _is_text(word: str) -> bool:
    try:
        return text(word) == word
    except WrongValue:
        return False


TRICKY = [
    "null",
    "yes",
    "no",
    "1.5",
    "~",
    "a: b",
    "#1",
    "- x",
    "{x}",
    '"q"',
    "it's",
    "a\\b",
    "ключ",
    "=1+1",
    "\ufeffx",
    "<<",
    "😀",
]
NAMES = st.one_of(
    st.sampled_from(TRICKY),
    st.text(string.ascii_letters + string.digits + " .:#{}[]&*!|>'\"%@`,-_/\\?~=", min_size=1, max_size=12),
    st.text(min_size=1, max_size=8),
).filter(_is_text)
AMOUNTS = st.decimals(0, 10**9, places=9, allow_nan=False, allow_infinity=False)
FIGURES = st.one_of(AMOUNTS, st.sampled_from([Decimal("3.00"), Decimal(0), Decimal("0.000000000000000001")]))
SHARES = st.decimals(0, 1, places=4)
PRICES = st.builds(Price, FIGURES, FIGURES)
RATES = st.dictionaries(st.sampled_from(TOKEN_BUCKETS), FIGURES, min_size=1).map(
    lambda rates: {bucket: rates[bucket] for bucket in TOKEN_BUCKETS if bucket in rates}
)
COUNTS = st.none() | st.integers(0, 10**12)


@st.composite
def actions(draw: st.DrawFn) -> dict[str, ActionClass]:
    found = {}
    for name in draw(st.lists(NAMES, unique=True, max_size=4)):
        funding = draw(st.sampled_from(["consumer", "shared", "platform"]))
        scope = draw(st.sampled_from(["domain", "baseline"])) if funding == "shared" else "domain"
        if draw(st.booleans()):
            found[name] = ActionClass(name, funding, "metered", scope=scope, planned=draw(COUNTS))
            continue
        by_model = draw(st.dictionaries(NAMES, PRICES, max_size=2))
        price = draw(st.none() | PRICES) if by_model else draw(PRICES)
        found[name] = ActionClass(name, funding, "published", price, by_model, scope, draw(COUNTS))
    return found


def seats(classes: dict[str, ActionClass]) -> st.SearchStrategy[Sku]:
    """Seats, some of which include actions of classes that the consumer funds."""
    own = sorted(name for name, action in classes.items() if action.funding == "consumer")
    included = st.dictionaries(st.sampled_from(own), st.integers(0, 10**6)) if own else st.just({})
    return st.builds(Sku, FIGURES, st.just("seat"), included)


@st.composite
def buffers(draw: st.DrawFn) -> BufferTerms:
    settlement = draw(st.sampled_from(["grant", "loan", "mixed"]))
    lent = {"grant": Decimal(0), "loan": Decimal(1), "mixed": draw(SHARES)}[settlement]
    low, high = sorted([draw(SHARES), draw(SHARES)])
    trigger = draw(st.decimals("0.1", 9, places=1))
    return BufferTerms(trigger, draw(FIGURES), (low, high), settlement, lent, draw(st.booleans()))


@st.composite
def qualities(draw: st.DrawFn) -> QualityTerms:
    target = draw(st.decimals("0.5", 1, places=2))
    floor = draw(st.decimals(0, "0.49", places=2))
    return QualityTerms(target, floor, draw(st.decimals(1, 3, places=2)), draw(SHARES), draw(FIGURES), draw(FIGURES))


@st.composite
def books(draw: st.DrawFn) -> PriceBook:
    by_component = draw(st.booleans())
    classes = draw(actions())
    return PriceBook(
        quarter="2026-Q4",
        version=draw(st.integers(1, 99)),
        effective_from=date(2026, 10, 1),
        effective_until=date(2027, 1, 1),
        published=draw(st.none() | st.dates(date(1970, 1, 1), date(2999, 12, 31))),
        currency=draw(st.sampled_from(["USD", "JPY", "KWD"])),
        price_digits=draw(st.integers(0, 18)),
        rounding=draw(st.sampled_from(["half_up", "half_even"])),
        models=draw(st.dictionaries(NAMES, st.builds(ModelRates, NAMES, RATES, st.just("") | NAMES), max_size=3)),
        gpu=draw(st.dictionaries(NAMES, st.builds(Sku, FIGURES, st.just("gpu_hour")), max_size=2)),
        egress=draw(st.dictionaries(NAMES, st.builds(Sku, FIGURES, st.sampled_from(["GB", "GiB"])), max_size=2)),
        seats=draw(st.dictionaries(NAMES, seats(classes), max_size=2)),
        uplift=Uplift(
            draw(SHARES),
            draw(SHARES),
            draw(st.sampled_from(["carved", "additive", "of_price"])),
            draw(SHARES),
            tuple(draw(st.lists(st.sampled_from(["actions", "gpu", "egress", "seats", "passthrough"]), unique=True))),
        ),
        actions=classes,
        platform_share=None if by_component else draw(SHARES),
        eval_split="by_component" if by_component else draw(st.sampled_from(["line", "pooled"])),
        quality=draw(st.none() | qualities()),
        buffer=draw(st.none() | buffers()),
    )


def same(found: PriceBook | None, book: PriceBook) -> bool:
    """All but where the book stands and how its bytes hash."""
    return found is not None and replace(found, sha256="", file="", lines={}) == replace(book, sha256="", file="", lines={})


@settings(max_examples=150)
@given(book=books(), remark=st.text(max_size=20))
def test_written__reads_back_as_the_same_book(book: PriceBook, remark: str) -> None:
    remarks = {f"actions/{name}": remark for name in book.actions} | {f"models/{name}": remark for name in book.models}
    content = pricebook_yaml(book, [remark], remarks).encode()
    outcome = parse_pricebook(content, "2026-Q4.yaml")
    assert outcome.problems == ()
    assert same(outcome.rows, book)


@settings(max_examples=50)
@given(book=books(), day=st.dates(date(1970, 1, 1), date(2999, 12, 31)), ending=st.sampled_from(["\n", "\r\n"]))
def test_published__adds_the_day_and_changes_nothing_else(book: PriceBook, day: date, ending: str) -> None:
    before = pricebook_yaml(replace(book, published=None)).replace("\n", ending)
    after = with_published(before, day)
    assert same(parse_pricebook(after.encode(), "b.yaml").rows, replace(book, published=day))
    changed = [pair for pair in zip(before.split("\n"), after.split("\n"), strict=True) if pair[0] != pair[1]]
    assert [line for _, line in changed] == [f"published: {day}{ending[:-1]}"], "the commented line became the real one"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_published__follows_effective_until_where_no_line_waits_for_it(ending: str) -> None:
    before = ending.join(
        ["\ufeff# our prices", "effective_until: 2027-01-01  # exclusive", "# published: see the wiki", "x: 1", ""]
    )
    line = f"effective_until: 2027-01-01  # exclusive{ending}published: 2026-09-24{ending}"
    assert with_published(before, date(2026, 9, 24)) == before.replace(
        f"effective_until: 2027-01-01  # exclusive{ending}", line
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# published: 2026-06-24  # ask Ann", "published: 2026-12-20  # ask Ann"),
        ("# published: …    # `finledger pricebook publish` writes the day; from then on …", "published: 2026-12-20"),
        ("# published: 2026-07-01   # set the day when the book is agreed on; without it, …", "published: 2026-12-20"),
        (
            "# published: 2026-01-01 was the last\n# published: …",
            "# published: 2026-01-01 was the last\npublished: 2026-12-20",
        ),
    ],
)
def test_published__what_a_person_noted_stays(before: str, after: str) -> None:
    """And our own notes on a draft go, which a published book would belie."""
    text = "effective_until: 2027-01-01\n{}\ncurrency: USD\n"
    assert with_published(text.format(before), date(2026, 12, 20)) == text.format(after)


def test_published__no_place_for_it() -> None:
    assert with_published("{pricebook: 2026-Q4}", date(2026, 9, 24)) == "{pricebook: 2026-Q4}"


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/pricebooks/*.yaml")), ids=lambda path: path.parts[-3])
def test_written__the_samples(path: Path) -> None:
    book = parse_pricebook(path.read_bytes(), path.name).rows
    assert book is not None
    assert same(parse_pricebook(pricebook_yaml(book).encode(), path.name).rows, book)
