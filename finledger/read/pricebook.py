"""pricebooks/*.yaml to price books, each checked for itself and all of them against one another (rules P1-P4, C3, M4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

from finledger.core.model import ActionClass, BufferTerms, ModelRates, Price, PriceBook, QualityTerms, Sku, Uplift
from finledger.core.problem import Outcome, Problem
from finledger.read.fields import Checked, checked
from finledger.read.pricebook_text import (
    BUCKETS,
    ActionText,
    BufferText,
    PriceBookText,
    RatesText,
    pricebook_schema,
)
from finledger.read.yaml_lines import Document, excerpt_of, load

__all__ = ["check_currency", "parse_pricebook", "pricebook_schema", "read_pricebook", "read_pricebooks"]
MAX_PRICE_DIGITS = 18
Found = Checked[PriceBookText]


def read_pricebook(path: Path, shown_as: str) -> Outcome[PriceBook | None]:
    """One book, draft or published, or None with every problem of the file. An unreadable file raises OSError."""
    return parse_pricebook(path.read_bytes(), shown_as)


def parse_pricebook(content: bytes, shown_as: str) -> Outcome[PriceBook | None]:
    """The book that a file of this content would be."""
    loaded = load(content, shown_as)
    if loaded.rows is None:
        return Outcome(None, loaded.problems)
    found = checked(PriceBookText, loaded.rows)
    if found.model is not None:
        _check_head(found, found.model)
        _check_terms(found, found.model)
        for name, rates in found.model.models.items():
            if found.sound("models", name) and all(getattr(rates, bucket) is None for bucket in BUCKETS):
                message = f"the model {name} has no rate"
                found.report("model-without-rates", message, f"add one of {', '.join(BUCKETS)}", "models", name)
        for name, action in found.model.actions.items():
            _check_action(found, name, action)
        _check_seats(found, found.model)
    if found.problems or found.model is None:
        return Outcome(None, found.in_order())
    return Outcome(_book(found.model, loaded.rows, hashlib.sha256(content).hexdigest()))


def read_pricebooks(folder: Path, shown_as: str) -> Outcome[tuple[PriceBook, ...]]:
    """Every book in the folder, sorted by first day and version; none where there is no folder."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml")) if folder.is_dir() else []
    outcomes = [read_pricebook(path, f"{shown_as}/{path.name}") for path in paths if not path.name.startswith(".")]
    books = sorted((outcome.rows for outcome in outcomes if outcome.rows is not None), key=_sorted_by)
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    problems += _check_together(books, folder)
    return Outcome(tuple(books), tuple(problems))


def check_currency(books: Iterable[PriceBook], currency: str) -> tuple[Problem, ...]:
    """Prices are in the books' own currency (rule M6): a problem for each book that is not."""
    return tuple(
        Problem(
            "pricebook-currency",
            f"the price book is in {book.currency}, the books are in {currency}",
            book.where("currency"),
            f"currency: {book.currency}",
            f"write its prices in {currency}, or correct the currency of one of the two",
        )
        for book in books
        if book.currency != currency
    )


def _sorted_by(book: PriceBook) -> Any:
    return book.effective_from, book.quarter, book.version, book.file


# ── checks of one book ──────────────────────────────────────────────────────────────────────────────────────────────────


def _check_head(found: Found, book: PriceBookText) -> None:
    if book.effective_until <= book.effective_from:
        message = f"the book ends on {book.effective_until}, before it holds for a day from {book.effective_from}"
        found.report("pricebook-period", message, "write the first day after its prices; it is exclusive", "effective_until")
    if book.version < 1:
        found.report("pricebook-version", "versions are counted from 1", "write 1 or a later version", "version")
    if book.price_digits > MAX_PRICE_DIGITS:
        message = f"{book.price_digits} decimal places are more than {MAX_PRICE_DIGITS}"
        found.report("price-digits", message, f"write a number from 0 to {MAX_PRICE_DIGITS}", "price_digits")


def _check_terms(found: Found, book: PriceBookText) -> None:
    """Shares, quality and buffer terms (rules C4, Q1, Q3, B2, B5)."""
    shared = [name for name, action in book.actions.items() if action.funding == "shared"]
    by_share = book.eval is None or (book.eval.platform_share is None and book.eval.split != "by_component")
    if shared and by_share and found.sound("eval"):
        message = f"{shared[0]} is shared between team and platform, and the book does not say in which parts"
        found.report("platform-share-missing", message, "add `eval: {platform_share: 0.50}`", "actions", shared[0])
    if book.quality is not None:
        coverage = book.quality.coverage
        if coverage.target <= coverage.floor:
            message = f"the coverage target {coverage.target} is not above the floor {coverage.floor}"
            found.report("coverage-target", message, "write a target above the floor", "quality", "coverage", "target")
        if coverage.max_multiplier < 1:
            message = f"a multiplier of {coverage.max_multiplier} would make unmeasured quality cheaper"
            found.report("max-multiplier", message, "write 1 or more", "quality", "coverage", "max_multiplier")
    if book.buffer is not None:
        _check_settlement(found, book.buffer)
        size = book.buffer.size
        if found.sound("buffer", "size") and (len(size) != 2 or size[0] > size[1]):
            message = "the size of the buffer is not a lower and an upper limit"
            found.report("buffer-size", message, "write `size: [0.05, 0.10]`", "buffer", "size")
        if book.buffer.trigger <= 0:
            message = "a trigger of 0 would make every month eligible"
            found.report(
                "buffer-trigger", message, "write how many times the forecast it takes, such as 3.0", "buffer", "trigger"
            )


def _check_settlement(found: Found, buffer: BufferText) -> None:
    """How much of a draw is a loan is said where a part of it is, and nowhere else (rule B4)."""
    sound = found.sound("buffer", "settlement") and found.sound("buffer", "loan_share")
    if sound and buffer.settlement == "mixed" and buffer.loan_share is None:
        message = "a mixed settlement does not say how much of a draw is paid back"
        found.report("loan-share", message, "add `loan_share: 0.50`", "buffer", "settlement")
    elif sound and buffer.settlement != "mixed" and buffer.loan_share is not None:
        how = "in full" if buffer.settlement == "loan" else "not at all"
        message = f"a {buffer.settlement} is paid back {how}, and has a loan_share"
        found.report("loan-share", message, "remove it, or write `settlement: mixed`", "buffer", "loan_share")


def _check_action(found: Found, name: str, action: ActionText) -> None:
    """A published class has a price of its own or by model; a metered one has neither (rule P4). Shared ones have a scope."""
    steps = ("actions", name)
    if action.scope is not None and action.funding != "shared" and found.sound(*steps, "funding"):
        message = f"{name} has a scope, and is not shared between team and platform"
        found.report("scope-not-shared", message, "remove the scope, or write `funding: shared`", *steps, "scope")
    sound = all(found.sound(*steps, key) for key in ("base", "price", "by_model"))
    given = [key for key in ("base", "price") if getattr(action, key) is not None]
    if action.pricing == "metered":
        extra = [*given, *(["by_model"] if action.by_model else [])]
        if extra:
            message = f"{name} is metered, and has {' and '.join(extra)}"
            found.report("metered-with-price", message, "remove them, or write `pricing: published`", *steps, extra[0])
    elif sound and not given and not action.by_model:
        message = f"{name} is published without a price"
        found.report("published-without-price", message, "add base and price, or write `pricing: metered`", *steps)
    elif sound and len(given) == 1:
        missing = "price" if given == ["base"] else "base"
        found.report("published-without-price", f"{name} has a {given[0]} and no {missing}", f"add `{missing}: …`", *steps)


def _check_seats(found: Found, book: PriceBookText) -> None:
    """A seat includes actions that would be charged else (rule C5)."""
    for sku, seat in book.seats.items():
        for action in seat.included:
            if action not in book.actions or book.actions[action].funding != "consumer":
                why = "is not funded by the consumer" if action in book.actions else "is no class of this book"
                message = f"a seat {sku} includes actions of {action}, which {why}"
                remedy = "name a class that the consumer funds, or remove the entry"
                found.report("seat-included", message, remedy, "seats", sku, "included", action)


# ── checks of the books against one another ─────────────────────────────────────────────────────────────────────────────


def _check_together(books: Sequence[PriceBook], folder: Path) -> list[Problem]:
    """One price for each day: versions follow one another inside a quarter, quarters do not overlap (rule P1)."""
    problems = []
    for first, second in combinations(sorted(books, key=lambda book: (book.quarter, book.version, book.file)), 2):
        if first.quarter == second.quarter:
            problems += _check_versions(first, second, folder)
        elif first.effective_from < second.effective_until and second.effective_from < first.effective_until:
            start = max(first.effective_from, second.effective_from)
            message = f"{second.name} and {first.name} ({first.file}) both hold on {start}"
            remedy = "let one end where the other begins: effective_until is exclusive"
            problems.append(_problem(second, folder, "pricebook-overlap", message, remedy, "effective_from"))
    return problems


def _check_versions(first: PriceBook, second: PriceBook, folder: Path) -> list[Problem]:
    if first.version == second.version:
        message = f"{second.name} stands already in {first.file}"
        return [_problem(second, folder, "pricebook-twice", message, "give one of the two the next version", "version")]
    problems = []
    if second.effective_from <= first.effective_from:
        message = (
            f"version {second.version} begins on {second.effective_from}, not after version {first.version} ({first.file})"
        )
        remedy = f"write a day after {first.effective_from}: a later version takes over from its effective_from"
        problems.append(_problem(second, folder, "pricebook-version-order", message, remedy, "effective_from"))
    if second.effective_until != first.effective_until:
        message = (
            f"version {second.version} ends on {second.effective_until}, version {first.version} on {first.effective_until}"
        )
        remedy = f"write {first.effective_until}: every version of a quarter ends on the same day"
        problems.append(_problem(second, folder, "pricebook-version-end", message, remedy, "effective_until"))
    return problems


def _problem(book: PriceBook, folder: Path, code: str, message: str, remedy: str, key: str) -> Problem:
    where = book.where(key)
    text_lines = tuple((folder / Path(book.file).name).read_text(encoding="utf-8-sig").splitlines())
    return Problem(code, message, where, excerpt_of(text_lines, where.line or 1), remedy)


# ── to the core's nouns ─────────────────────────────────────────────────────────────────────────────────────────────────


def _as(word: str) -> Any:
    """A word that its field has checked, as the Literal that the noun declares."""
    return word


def _book(book: PriceBookText, document: Document, sha256: str) -> PriceBook:
    return PriceBook(
        quarter=book.pricebook,
        version=book.version,
        effective_from=book.effective_from,
        effective_until=book.effective_until,
        published=book.published,
        currency=book.currency,
        price_digits=book.price_digits,
        rounding=_as(book.rounding),
        models={name: ModelRates(rates.provider, _rates(rates), rates.source or "") for name, rates in book.models.items()},
        gpu={name: Sku(sku.rate, "gpu_hour") for name, sku in book.gpu.items()},
        egress={name: Sku(sku.rate, sku.unit) for name, sku in book.egress.items()},
        seats={name: Sku(sku.rate, "seat", dict(sku.included)) for name, sku in book.seats.items()},
        uplift=Uplift(
            overhead=book.uplift.overhead,
            registry=book.uplift.registry,
            registry_basis=_as(book.uplift.registry_basis),
            buffer=book.uplift.buffer,
            applies_to=tuple(book.uplift.applies_to),
        ),
        actions={name: _action(name, action) for name, action in book.actions.items()},
        platform_share=book.eval.platform_share if book.eval is not None else None,
        eval_split=_as(book.eval.split) if book.eval is not None else "line",
        quality=_quality(book),
        buffer=_buffer(book),
        sha256=sha256,
        file=document.shown_as,
        lines=document.lines(),
    )


def _rates(rates: RatesText) -> dict[str, Decimal]:
    stated = {native: getattr(rates, key) for key, native in BUCKETS.items()}
    return {bucket: rate for bucket, rate in stated.items() if rate is not None}


def _action(name: str, action: ActionText) -> ActionClass:
    own = Price(action.base, action.price) if action.base is not None and action.price is not None else None
    by_model = {model: Price(price.base, price.price) for model, price in action.by_model.items()}
    scope = _as(action.scope or "domain")
    return ActionClass(name, _as(action.funding), _as(action.pricing), own, by_model, scope, action.planned)


def _quality(book: PriceBookText) -> QualityTerms | None:
    if book.quality is None:
        return None
    coverage, freshness = book.quality.coverage, book.quality.freshness
    return QualityTerms(
        target=coverage.target,
        floor=coverage.floor,
        max_multiplier=coverage.max_multiplier,
        slo=freshness.slo,
        step=freshness.step,
        cap=freshness.cap,
    )


def _buffer(book: PriceBookText) -> BufferTerms | None:
    if book.buffer is None:
        return None
    buffer = book.buffer
    low, high = buffer.size
    part = {"grant": Decimal(0), "loan": Decimal(1), "mixed": buffer.loan_share or Decimal(0)}
    return BufferTerms(
        trigger=buffer.trigger,
        cap_per_team_per_quarter=buffer.cap_per_team_per_quarter,
        size=(low, high),
        settlement=_as(buffer.settlement),
        loan_share=part[buffer.settlement],
        above_threshold=buffer.above_threshold,
    )
