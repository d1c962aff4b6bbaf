"""Price books as rows: every price with its parts, how a draft's prices were made, and what differs between two books.

Figures are decimals as text, in plain notation; an empty cell is "".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from finledger.core.book_changes import Changed
from finledger.core.build import ClassDraft, Draft
from finledger.core.compare import Change, Comparison
from finledger.core.model import Price, PriceBook, Sku
from finledger.core.money import rounded_places
from finledger.core.pricebook import registry_by_basis, stack, uplift_on
from finledger.core.usage import TOKEN_BUCKETS
from finledger.write.comparison import amounts, comparison_json, comparison_rows, plain_amounts, signed
from finledger.write.text import grouped, money, plain, shown, words

COLUMNS = ("book", "kind", "item", "model", "funding", "pricing", "base", "overhead", "registry", "buffer", "price", "unit")
REGISTRY_COLUMNS = (
    "registry", "carved", "price (carved)", "additive", "price (additive)", "of_price", "price (of_price)",
)  # fmt: skip
DRAFT_COLUMNS = (
    "kind", "item", "model", "pricing", "actions", *TOKEN_BUCKETS, "base", "overhead", "registry", "buffer", "price",
    "last_price", "change_percent", "made_from",
)  # fmt: skip
USE_COLUMNS = ("item", "model", "actions", *TOKEN_BUCKETS, "made_from")
CLASS_COLUMNS = (
    "item", "model", "pricing", "price", "last_price", "change_percent", "base", "overhead", "registry", "buffer",
)  # fmt: skip
ACTION_COLUMNS = ("item", "model", "funding", "pricing", "price", "base", "overhead", "registry", "buffer")
SKU_COLUMNS = ("kind", "item", "model", "price", "unit")
UPLIFTED_COLUMNS = ("kind", "item", "model", "base", "overhead", "registry", "buffer", "price", "unit")
PART_PLACES = 3  # of a part of a price, beyond the price's own
USE_PLACES = 2
RATE_COLUMNS = ("item", "model", "price", "last_price", "change_percent", "made_from")
HEADINGS = {
    **{bucket: bucket.removesuffix("_tokens") for bucket in TOKEN_BUCKETS},
    "last_price": "last", "change_percent": "%", "made_from": "made from",
}  # fmt: skip
FIGURES = (
    "actions",
    *(name for name in HEADINGS.values() if name != "made from"),
    "price",
    "base",
    "overhead",
    "registry",
    "buffer",
)
ENTRY_COLUMNS = ("section", "item", "old", "new", "change", "change_percent")
ENTRY_HEADINGS = (*ENTRY_COLUMNS[:-1], "%")
DIFF_COLUMNS = ("kind", "section", "item", "component", "old", "new", "change", "change_percent")
PARTS = ("base", "overhead", "registry", "buffer")
AVERAGE_PLACES = 6
REGISTRY_RATES = (Decimal("0.02"), Decimal("0.05"))  # the range of rule P3
TOTAL = "(total)"
PLATFORM = "(platform)"
Cells = list[str]


def head(book: PriceBook) -> dict[str, str]:
    return {
        "name": book.name,
        "quarter": book.quarter,
        "version": str(book.version),
        "currency": book.currency,
        "effective_from": str(book.effective_from),
        "effective_until": str(book.effective_until),
        "published": str(book.published or ""),
        "sha256": book.sha256,
    }


def title(book: PriceBook) -> str:
    """2026-Q3.v1, USD, 2026-07-01 to before 2026-10-01, published 2026-06-24, sha256 0123456789ab"""
    published = f"published {book.published}" if book.published is not None else "a draft"
    digest = f", sha256 {book.sha256[:12]}" if book.sha256 else ""
    period = f"{book.effective_from} to before {book.effective_until}"
    return f"{book.name}, {book.currency}, {period}, {published}{digest}"


def for_people(rows: Iterable[Cells], columns: Sequence[str], price_digits: int) -> list[Cells]:
    """The same rows with figures that people read: parts of a price to three places more than it has, averages to two."""
    places = {**dict.fromkeys(PARTS, price_digits + PART_PLACES), **dict.fromkeys(TOKEN_BUCKETS, USE_PLACES)}
    return [
        [_rounded(cell, places[name]) if cell and name in places else cell for cell, name in zip(row, columns, strict=True)]
        for row in rows
    ]


def _rounded(cell: str, places: int) -> str:
    return f"{rounded_places(Decimal(cell), places):f}" if "." in cell else cell


# ── show ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def price_rows(book: PriceBook) -> Iterator[Cells]:
    """Actions with their stacks, then the rates of models, GPUs, egress and seats; columns as `COLUMNS`."""
    for name, action in sorted(book.actions.items()):
        terms = [book.name, "action", name]
        for model, price in [("", action.price), *sorted(action.by_model.items())]:
            if price is not None:
                yield [*terms, model, action.funding, action.pricing, *_stack(book, price), "action"]
        if action.pricing == "metered":
            yield [*terms, "", action.funding, action.pricing, "", "", "", "", "", "action"]
    for model, rates in sorted(book.models.items()):
        for bucket, rate in rates.rates.items():
            yield [book.name, "tokens", bucket, model, "", "", f"{rate:f}", "", "", "", f"{rate:f}", "1,000,000 tokens"]
    sections: list[tuple[str, Any]] = [("gpu", book.gpu), ("egress", book.egress), ("seat", book.seats)]
    for kind, skus in sections:
        for name, sku in sorted(skus.items()):
            yield _sku_row(book, kind, name, sku)


def _sku_row(book: PriceBook, kind: str, name: str, sku: Sku) -> Cells:
    parts = stack(sku.rate, uplift_on(book.uplift, "seats" if kind == "seat" else kind))
    made = [_exact(parts[part]) for part in (*PARTS, "exact")]
    return [book.name, kind, name, "", "", "", *made, sku.unit]


def _stack(book: PriceBook, price: Price) -> Cells:
    parts = stack(price.base, uplift_on(book.uplift, "actions"))
    return [*(_exact(parts[part]) for part in PARTS), f"{price.price:f}"]


def registry_rows(book: PriceBook) -> Iterator[Cells]:
    """What the registry gets of 100.00 of base, and the price, by basis: at 2 %, at the book's rate, and at 5 % (P3)."""
    for rate in sorted({*REGISTRY_RATES, book.uplift.registry}):
        found = registry_by_basis(Decimal(100), replace(book.uplift, registry=rate))
        mark = ", this book's" if rate == book.uplift.registry else ""
        figures = [_exact(figure, 2) for pair in found.values() for figure in pair]
        yield [f"{_exact(rate * 100)} %{mark}", *figures]


def units(book: PriceBook) -> str:
    """What a price or a rate is for."""
    return f"In {book.currency}: an action, 1,000,000 tokens, a GPU-hour, a unit of egress, a seat and month."


# ── build ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def draft_rows(draft: Draft) -> Iterator[Cells]:
    """Every figure of a drafted book with what it was made from; columns as `DRAFT_COLUMNS`."""
    for row in draft.classes:
        yield _class_row(row, draft.book.price_digits)
    for name, model in draft.book.models.items():
        old = draft.last.models.get(name)
        for bucket, rate in model.rates.items():
            last = old.rates.get(bucket) if old is not None else None
            yield _rate_row("tokens", bucket, name, rate, last, model.source)
    for gpu in draft.gpu:
        yield _rate_row("gpu", gpu.gpu_sku, "", gpu.rate, gpu.last, gpu.working or f"price book {draft.last.name}")


def _class_row(row: ClassDraft, price_digits: int) -> Cells:
    averages = [_shown(row.average(bucket), AVERAGE_PLACES) for bucket in TOKEN_BUCKETS]
    parts = [_exact(row.parts[part]) if row.parts else "" for part in PARTS]
    # a metered class has no price; what an action cost with its uplift stands in its place
    metered = rounded_places(row.parts["exact"], price_digits) if row.pricing == "metered" and row.parts else None
    price = row.price if row.price is not None else metered
    last = f"{row.last.price:f}" if row.last is not None else ""
    made = f"{row.kept}: the last book's price" if row.kept and row.last is not None else row.kept or "usage"
    return [
        "action", row.item, row.model, row.pricing, _exact(row.actions), *averages, *parts,
        f"{price:f}" if price is not None else "", last, _percent(row.change), made,
    ]  # fmt: skip


def _rate_row(kind: str, item: str, model: str, rate: Decimal, last: Decimal | None, made_from: str) -> Cells:
    change = Fraction(rate - last) / Fraction(last) if last else None
    empty = [""] * (1 + len(TOKEN_BUCKETS) + len(PARTS))
    return [kind, item, model, "", *empty, f"{rate:f}", f"{last:f}" if last is not None else "", _percent(change), made_from]


def remarks(draft: Draft) -> dict[str, str]:
    """What stands above an entry of the drafted YAML: what its figures were made from, by the entry's path."""
    found: dict[str, str] = {}
    for row in draft.classes:
        path = f"actions/{row.item}/by_model/{row.model}" if row.model else f"actions/{row.item}"
        found[path] = _made_from(row)
    for item, amount in draft.recovered.items():
        path = f"actions/{item}"
        words = recovered_words(amount, draft.book.currency)
        found[path] = f"{found[path]}; {words}" if path in found else words
    for gpu in draft.gpu:
        if gpu.working:
            found[f"gpu/{gpu.gpu_sku}"] = gpu.working
    return found


def recovered_words(amount: Decimal, currency: str) -> str:
    """What a class's prices brought in beside what it cost (X3)."""
    return f"the period recovered {abs(amount):,f} {currency} {'more' if amount > 0 else 'less'} than it cost"


def _made_from(row: ClassDraft) -> str:
    if row.kept:
        return f"{row.kept}, as in the last book"
    tokens = [
        f"{_shown(mean, 3, grouped=True)} {bucket.removesuffix('_tokens').replace('_', ' ')}"
        for bucket in TOKEN_BUCKETS
        if (mean := row.average(bucket))
    ]
    return f"{plain(row.actions)} actions of {' + '.join(tokens)} tokens on average"


def columns_of(rows: Iterable[Sequence[str]], known: Sequence[str], wanted: Sequence[str]) -> list[Cells]:
    """Some columns of rows that have them all."""
    places = [known.index(name) for name in wanted]
    return [[row[place] for place in places] for row in rows]


def draft_json(draft: Draft, book: PriceBook, months: Iterable[object], notes: Sequence[str]) -> dict[str, Any]:
    """The draft's figures as `DRAFT_COLUMNS` names them; what is empty is null. `book` as it reads from its file."""
    return {
        "schema": 1,
        "pricebook": head(book),
        "last": head(draft.last),
        "months": [str(month) for month in months],
        "prices": [
            {name: cell or None for name, cell in zip(DRAFT_COLUMNS, row, strict=True)} | {"model": row[2]}
            for row in draft_rows(draft)
        ],
        "planned": {name: action.planned for name, action in book.actions.items()},
        "recovered": {item: f"{amount:f}" for item, amount in draft.recovered.items()},
        "notes": list(notes),
    }


# ── diff ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def entry_rows(found: Iterable[Changed]) -> Iterator[Cells]:
    """What differs between two books; columns as `ENTRY_COLUMNS`."""
    for each in found:
        difference = "" if each.difference is None else _exact(each.difference)
        yield [each.section, each.name, _value(each.old), _value(each.new), difference, _percent(each.ratio)]


def entry_rows_shown(found: Iterable[Changed]) -> Iterator[Cells]:
    """The same for people: more and less are told apart by their signs."""
    for *names, difference, ratio in entry_rows(found):
        yield [*names, signed(difference), signed(ratio)]


def diff_rows(found: Iterable[Changed], effect: Comparison | None) -> Iterator[Cells]:
    """What differs between two books, then what that does to a month's charges; columns as `DIFF_COLUMNS`."""
    for section, item, *figures in entry_rows(found):
        yield ["entry", section, item, "", *figures]
    if effect is not None:
        for team, component, *figures in comparison_rows(effect):
            yield ["charges", "", team, component, *figures]
        for change in effect.platform:
            yield ["platform", "", "", change.component, *plain_amounts(change)]


def diff_json(
    old: PriceBook, new: PriceBook, found: Iterable[Changed], effect: Comparison | None, month: str, notes: Sequence[str]
) -> dict[str, Any]:
    """Entries that differ (null: not there, or no figure) and, with a month, its charges before and after."""
    return {
        "schema": 1,
        "old": head(old),
        "new": head(new),
        "entries": [
            {name: cell or None for name, cell in zip(ENTRY_COLUMNS, row, strict=True)} for row in entry_rows(found)
        ],
        "effect": None if effect is None else {"month": month, **comparison_json(effect)},
        "notes": list(notes),
    }


def effect_rows(effect: Comparison) -> tuple[tuple[str, ...], list[Cells]]:
    """Columns and rows: each team before and after, with what moves in each component; the total; what the platform bears."""
    moving = [each.component for each in effect.components if _moves(effect, each.component)]
    cells = {(cell.team, cell.component): cell for cell in effect.cells}
    whole = {each.component: each for each in effect.components}
    rows = [[each.team, *amounts(each), *(_delta(cells.get((each.team, name))) for name in moving)] for each in effect.teams]
    rows.append([TOTAL, *amounts(effect.total), *(_delta(whole[name]) for name in moving)])
    rows += [[f"{PLATFORM} {words(each.component)}", *amounts(each), *([""] * len(moving))] for each in effect.platform]
    return ("team", "old", "new", "change", "%", *map(words, moving)), rows


def _moves(effect: Comparison, component: str) -> bool:
    return any(cell.delta for cell in effect.cells if cell.component == component)


def _delta(change: Change | None) -> str:
    return "" if change is None else signed(str(change.delta))


def diff_markdown(
    old: PriceBook, new: PriceBook, found: Sequence[Changed], effect: Comparison | None, month: str, notes: Sequence[str]
) -> str:
    """What differs, as Markdown fit for a pull request."""
    lines = [f"## Price book {old.name} → {new.name}", "", f"- old: {title(old)}", f"- new: {title(new)}", ""]
    if found:
        lines += [*_table(ENTRY_HEADINGS, entry_rows_shown(found), left=2), "", units(new)]
    else:
        lines.append("No price, rate or term differs.")
    if effect is not None:
        change = signed(str(effect.total.delta))
        lines += ["", f"### What it does to the charges of {month}", ""]
        before, after = money(effect.total.before), money(effect.total.after)
        lines += [f"{before} → {after} {effect.currency}: **{grouped(change)}**", ""]
        columns, rows = effect_rows(effect)
        bold = [[f"**{grouped(cell)}**" if cell else "" for cell in row] if row[0] == TOTAL else row for row in rows]
        lines += _table(columns, bold, left=1)
    lines += [line for each in notes for line in ("", each)]
    return "\n".join(lines)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> list[str]:
    marks = ["---" if number < left else "---:" for number in range(len(columns))]
    return [_table_row(columns), f"|{'|'.join(marks)}|", *(_table_row(map(grouped, row)) for row in rows)]


def _table_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    """A name may hold what Markdown would read as its own."""
    return shown(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _exact(number: Decimal, least_places: int = 0) -> str:
    return plain(number, least_places, grouped=False)


def _shown(mean: Fraction | None, places: int, grouped: bool = False) -> str:
    return "" if mean is None else plain(rounded_places(mean, places), grouped=grouped)


def _percent(share: Fraction | None) -> str:
    return "" if share is None else str(rounded_places(share * 100, 2))


def _value(value: Decimal | int | str | None) -> str:
    if value is None:
        return ""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
