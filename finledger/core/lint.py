"""What looks wrong in a price book that is not forbidden (rule P6): warnings, for whoever drafts or publishes it.

Ranges are those of the articles behind the rulebook; outside them nothing is refused or changed, only said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal, localcontext

from finledger.core.model import Pool, Price, PriceBook
from finledger.core.money import EXACT, rounded_places
from finledger.core.pricebook import book_at, stack, uplift_on
from finledger.core.problem import Problem, SourceRef

OUTPUT_TO_INPUT = (Decimal(3), Decimal(5))
UPLIFT_RANGES: Mapping[str, tuple[Decimal, Decimal, str]] = {
    "overhead": (Decimal("0.10"), Decimal("0.20"), "the overhead"),
    "registry": (Decimal("0.02"), Decimal("0.05"), "the registry's part"),
    "buffer": (Decimal("0.03"), Decimal("0.05"), "the buffer's surcharge"),
}
PLATFORM_SHARE = (Decimal("0.40"), Decimal("0.60"))
MOST_CLASSES = 12
MOST_MOVED = Decimal("0.25")
FUNDED_BY_OVERHEAD = ("gateway", "retrieval", "observability")
Entry = tuple[tuple[str, ...], Decimal]


def lint(book: PriceBook, others: Sequence[PriceBook], pools: Iterable[Pool]) -> list[Problem]:
    """The warnings on a book, in the order of its lines; `others` are the books beside it, for gaps and moved prices."""
    beside = [other for other in others if (other.quarter, other.version) != (book.quarter, book.version)]
    with localcontext(EXACT):
        found = [
            *_ratios(book),
            *_uplift(book),
            *_split(book),
            *_classes(book),
            *_stacks(book),
            *_moved(book, beside),
            *_gap(book, beside),
        ]
    in_order = sorted(found, key=lambda problem: (problem.source.line or 0) if problem.source else 0)
    return [*in_order, *_funded_twice(book, pools)]


def _warning(code: str, message: str, source: SourceRef | None, remedy: str) -> Problem:
    return Problem(code, message, source, remedy=remedy, severity="warning")


def _plain(number: Decimal) -> str:
    return f"{number:f}"


def _ratios(book: PriceBook) -> Iterator[Problem]:
    low, high = OUTPUT_TO_INPUT
    for name, model in book.models.items():
        paid, made = model.rates.get("input_tokens"), model.rates.get("output_tokens")
        if paid is None or made is None or low * paid <= made <= high * paid:
            continue
        message = f"{name}: the output rate {_plain(made)} is not {low} to {high} times the input rate {_plain(paid)}"
        yield _warning(
            "lint-output-ratio", message, book.where("models", name), "check both rates against the provider's prices"
        )


def _uplift(book: PriceBook) -> Iterator[Problem]:
    rates = {"overhead": book.uplift.overhead, "registry": book.uplift.registry, "buffer": book.uplift.buffer}
    for name, rate in rates.items():
        low, high, words = UPLIFT_RANGES[name]
        if not low <= rate <= high:
            message = f"{words} is {_plain(rate)}, outside {_plain(low)} to {_plain(high)}"
            yield _warning(f"lint-{name}", message, book.where("uplift", name), "check the rate, or say why it differs")


def _split(book: PriceBook) -> Iterator[Problem]:
    low, high = PLATFORM_SHARE
    if book.platform_share is not None and not low <= book.platform_share <= high:
        message = f"the platform's share of shared actions is {_plain(book.platform_share)}, outside {low} to {high}"
        where = book.where("eval", "platform_share")
        yield _warning("lint-platform-share", message, where, "check the share; one half is usual")


def _classes(book: PriceBook) -> Iterator[Problem]:
    if len(book.actions) > MOST_CLASSES:
        message = (
            f"the book has {len(book.actions)} action classes, more than {MOST_CLASSES}: few people can keep them apart"
        )
        yield _warning("lint-many-classes", message, book.where("actions"), "merge classes that cost about the same")


def _prices(book: PriceBook) -> Iterator[tuple[tuple[str, ...], Price]]:
    for name, action in book.actions.items():
        if action.price is not None:
            yield ("actions", name), action.price
        for model, price in action.by_model.items():
            yield ("actions", name, "by_model", model), price


def _stacks(book: PriceBook) -> Iterator[Problem]:
    uplift = uplift_on(book.uplift, "actions")
    for path, price in _prices(book):
        stacked = rounded_places(stack(price.base, uplift)["exact"], book.price_digits, book.rounding)
        if stacked != price.price:
            message = f"{_entry(path)}: the price {_plain(price.price)} is not its base and uplift, {_plain(stacked)}"
            yield _warning("lint-stack", message, book.where(*path), f"write {_plain(stacked)}, or correct the base")


def _rates(book: PriceBook) -> Iterator[Entry]:
    """Every figure of the book that somebody pays, by its place."""
    for path, price in _prices(book):
        yield path, price.price
    for name, model in book.models.items():
        for bucket, rate in model.rates.items():
            yield ("models", name, bucket.removesuffix("_tokens")), rate
    for part, skus in (("gpu", book.gpu), ("egress", book.egress), ("seats", book.seats)):
        for name, sku in skus.items():
            yield (part, name), sku.rate


def _entry(path: tuple[str, ...]) -> str:
    return " ".join(step for step in path[1:] if step != "by_model")


def _moved(book: PriceBook, others: Sequence[PriceBook]) -> Iterator[Problem]:
    before = book_at(others, book.effective_from - timedelta(days=1))
    if before is None:
        return
    old = dict(_rates(before))
    for path, rate in _rates(book):
        was = old.get(path)
        if was is not None and abs(rate - was) > MOST_MOVED * was:
            message = f"{_entry(path)} moved by more than a quarter: {_plain(was)} in {before.name}, {_plain(rate)} here"
            yield _warning("lint-price-moved", message, book.where(*path), "check the figure, and tell the teams who pay it")


def _gap(book: PriceBook, others: Sequence[PriceBook]) -> Iterator[Problem]:
    if book_at(others, book.effective_from - timedelta(days=1)) is not None:
        return
    ended = max((other.effective_until for other in others if other.effective_until <= book.effective_from), default=None)
    if ended is not None:
        message = f"no book holds from {ended} until this one begins on {book.effective_from}"
        remedy = "begin this book earlier, or add one for the days between: usage in a gap has no price"
        yield _warning("lint-gap", message, book.where("effective_from"), remedy)


def _funded_twice(book: PriceBook, pools: Iterable[Pool]) -> Iterator[Problem]:
    for pool in pools:
        words = [word for word in FUNDED_BY_OVERHEAD if word in pool.name.casefold()]
        if words and book.uplift.overhead:
            message = f"the pool {pool.name} charges for {words[0]}, which the overhead of {book.name} funds already"
            yield _warning("lint-pool-funded", message, pool.source, "drop the pool, or take its cost out of the overhead")
