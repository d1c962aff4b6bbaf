"""Usage that the price book does not price: one problem per missing line of the book, with the usage that needs it (P2)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from finledger.core.model import OwnedGroup, PriceBook, Reservation
from finledger.core.problem import Problem, SourceRef


@dataclass(frozen=True, slots=True)
class Gap:
    """What is missing: a problem but for its quantity. `unit` is what the quantity counts."""

    code: str
    why: str
    unit: str
    remedy: str
    source: SourceRef


class Gaps:
    """Collects gaps while lines are priced, adding up the usage that fell into each."""

    def __init__(self) -> None:
        self._found: dict[Gap, tuple[Decimal, OwnedGroup]] = {}

    def add(self, gap: Gap, quantity: int | Decimal, group: OwnedGroup) -> None:
        before, first = self._found.get(gap, (Decimal(0), group))
        self._found[gap] = (before + quantity, first)

    def problems(self, allowed: bool) -> tuple[Problem, ...]:
        """One problem a gap, naming usage by the first group in it; warnings where the user lets gaps through."""
        return tuple(
            Problem(
                gap.code,
                f"{gap.why} ({gap.unit}: {quantity.normalize():f})",
                gap.source,
                remedy=gap.remedy + (", or run with --allow-unpriced to leave it out of the charges" if not allowed else ""),
                severity="warning" if allowed else "error",
                rows=tuple(first.group.keys.items()),
                interval=first.group.interval,
            )
            for gap, (quantity, first) in sorted(self._found.items(), key=lambda item: (item[0].code, item[0].why))
        )


def no_book(day: str) -> Gap:
    return Gap(
        "pricebook-missing",
        f"no price book is in force on {day}, and metered usage falls on that day or later in the month",
        "rows",
        "add a book to pricebooks/ whose effective_from and effective_until hold that day",
        SourceRef("pricebooks"),
    )


def no_action(book: PriceBook, action: str) -> Gap:
    return Gap(
        "action-unpriced",
        f"book {book.name} has no price for actions of class {action!r}",
        "actions",
        f"add `{action}: {{funding: …, pricing: …}}` under actions",
        book.where("actions"),
    )


def no_model_price(book: PriceBook, action: str, model: str) -> Gap:
    return Gap(
        "model-unpriced",
        f"book {book.name} prices actions of class {action!r} by model, and not {_on(model)}",
        "actions",
        f"add `{model or 'MODEL'}: {{base: …, price: …}}` under by_model, or a base and price for the whole class",
        book.where("actions", action, "by_model"),
    )


def no_model(book: PriceBook, action: str, model: str) -> Gap:
    if model:
        remedy = f"add `{model}: {{provider: …, input: …, output: …}}` under models"
    else:
        remedy = "add a rule to finledger.yaml that sets the model, or a published price for the class"
    return Gap(
        "model-unpriced",
        f"book {book.name} has no token rates for metered actions of class {action!r} {_on(model)}",
        "actions",
        remedy,
        book.where("models"),
    )


def no_bucket(book: PriceBook, model: str, bucket: str) -> Gap:
    name = bucket.removesuffix("_tokens")
    return Gap(
        "bucket-unpriced",
        f"book {book.name} has no rate for {bucket} of model {model!r}",
        "tokens",
        f"add `{name}: …` to the model's rates",
        book.where("models", model),
    )


def no_tokens(book: PriceBook, action: str, model: str) -> Gap:
    return Gap(
        "tokens-missing",
        f"actions of class {action!r} {_on(model)} state no tokens, and finops_led meters every action at cost",
        "actions",
        "load an export that states the tokens, or leave the action out so that the provider's cost is passed through",
        book.where("actions", action),
    )


def no_sku(book: PriceBook, section: str, sku: str, unit: str) -> Gap:
    return Gap(
        f"{section}-unpriced",
        f"book {book.name} has no rate for {section} SKU {sku!r}",
        unit,
        f"add `{sku}: {{rate: …}}` under {section}",
        book.where(section),
    )


def no_meter(model: str) -> Gap:
    return Gap(
        "tokens-unpriced",
        f"tokens {f'of model {model!r}' if model else 'without a model'} have neither an action nor a provider's cost",
        "tokens",
        "give the rows an action: add a rule to finledger.yaml that sets one (rules: - {when: …, set: {action: …}})",
        SourceRef("finledger.yaml"),
    )


def no_currency_rate(currency: str, functional: str, day: str) -> Gap:
    return Gap(
        "currency-rate-missing",
        f"no rate from {currency} to {functional} is known for the provider's cost of {day} or later in the month",
        currency,
        f"add a line to rates.csv dated {day} or before: DATE,{currency},{functional},RATE,SOURCE",
        SourceRef("rates.csv"),
    )


def no_seat(book: PriceBook | None, team: str, sku: str, count: int) -> Problem:
    held = f"no fee for seats {sku!r}, which team {team} holds (seats: {count})"
    if book is None:
        remedy = "add a book to pricebooks/ whose effective_from and effective_until hold the month's first day"
        message = f"no price book is in force on the month's first day, so there is {held}"
        return Problem("seat-unpriced", message, SourceRef("pricebooks"), remedy=remedy)
    remedy = f"add `{sku}: {{rate: …}}` under seats, or take the seats off the team in finledger.yaml"
    return Problem("seat-unpriced", f"book {book.name} has {held}", book.where("seats"), remedy=remedy)


def no_reserved_sku(book: PriceBook | None, reservation: Reservation, hours: Decimal, allowed: bool) -> Problem:
    """Idle hours of a reservation whose SKU has no rate (rule C6)."""
    sku, row = reservation.gpu_sku, reservation.source
    needed = f"GPU SKU {sku!r}, of which reserved hours lay idle (GPU-hours: {hours.normalize():f})"
    if book is None:
        message = f"no price book is in force on the month's first day, so there is no rate for {needed}"
        where, remedy = SourceRef("pricebooks"), "add a book whose effective_from and effective_until hold that day"
    else:
        message, where = f"book {book.name} has no rate for {needed}", book.where("gpu")
        remedy = f"add `{sku}: {{rate: …}}` under gpu"
    if not allowed:
        remedy += ", or run with --allow-unpriced to leave it out of the charges"
    excerpt = f"rows {row}" if row is not None else ""
    return Problem("gpu-unpriced", message, where, excerpt, remedy, "warning" if allowed else "error")


def _on(model: str) -> str:
    return f"on model {model!r}" if model else "without a model"
