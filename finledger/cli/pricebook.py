"""Look at price books: what each action costs and why, and what looks wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finledger.cli._options import Books, Format, Quiet

if TYPE_CHECKING:
    from finledger.core.model import Price, PriceBook, Sku

app = typer.Typer(add_completion=False)
BookName = Annotated[
    str, typer.Argument(metavar="[BOOK]", help="As 2026-Q3 (all its versions) or 2026-Q3.v1; every book when left out.")
]
COLUMNS = ("book", "kind", "item", "model", "funding", "pricing", "base", "overhead", "registry", "buffer", "price", "unit")
LINT_COLUMNS = ("severity", "code", "where", "message", "remedy")


@app.command()
def show(books: Books, book: BookName = "", format: Format = "table", quiet: Quiet = False) -> None:
    """Every price of a book with the parts it is made of: base, overhead, registry, buffer.

    A metered action has no price of its own: what its tokens cost is shown per million, by model.

    Example: finledger pricebook show 2026-Q3
    """
    from finledger.cli import screen

    chosen, _ = _chosen(books, book)
    rows = [row for each in chosen for row in _rows(each)]
    if format == "json":
        heads = [_head(each) for each in chosen]
        screen.json_out({"schema": 1, "pricebooks": heads, "prices": [dict(zip(COLUMNS, row, strict=True)) for row in rows]})
    elif format == "csv":
        screen.csv_out(COLUMNS, rows)
    else:
        for each in chosen:
            head = _head(each)
            title = (
                f"{each.name}, {head['currency']}, {head['effective_from']} to before {head['effective_until']}, "
                f"{'published ' + head['published'] if head['published'] else 'a draft'}, sha256 {head['sha256'][:12]}"
            )
            own = [row[1:] for row in rows if row[0] == each.name]
            screen.table(title, COLUMNS[1:], own, right_align=COLUMNS[6:11])


@app.command()
def lint(books: Books, book: BookName = "", format: Format = "table", quiet: Quiet = False) -> None:
    """What is wrong in a book (exit code 1), and what only looks wrong: warnings, which change nothing.

    Example: finledger pricebook lint 2026-Q3
    """
    from finledger.cli import screen
    from finledger.core.lint import lint as look

    chosen, every = _chosen(books, book)
    pools = _pools(books)
    found = [problem for each in chosen for problem in look(each, every, pools)]
    rows = [[each.severity, each.code, str(each.source or ""), each.message, each.remedy] for each in found]
    if format == "table":
        screen.problems(found, quiet=quiet, file=books / "out" / "problems.txt")
        screen.note(f"{len(chosen)} price books, {len(found)} warnings", quiet=quiet)
    else:
        screen.figures(format, "", LINT_COLUMNS, rows)


def _chosen(books: Path, name: str) -> tuple[list[PriceBook], tuple[PriceBook, ...]]:
    """The books of that name, and all of them; `Refused` when one cannot be read, `Misused` when none is called so."""
    from finledger.core.problem import Misused, Refused
    from finledger.read.pricebook import read_pricebooks

    outcome = read_pricebooks(books / "pricebooks", "pricebooks")
    if outcome.errors:
        raise Refused(outcome.problems)
    wanted = name.removesuffix(".yaml").removesuffix(".yml").rpartition("/")[2]
    chosen = [each for each in outcome.rows if wanted in ("", each.quarter, each.name)]
    if not chosen:
        known = ", ".join(each.name for each in outcome.rows) or "none"
        raise Misused(f"no price book {name or 'at all'} in {books / 'pricebooks'}: there are {known}")
    return chosen, outcome.rows


def _pools(books: Path) -> tuple[Any, ...]:
    from finledger.core.problem import Refused
    from finledger.read.settings import read_settings

    outcome = read_settings(books / "finledger.yaml", "finledger.yaml")
    if outcome.rows is None:
        raise Refused(outcome.problems)
    return outcome.rows.pools


def _head(book: PriceBook) -> dict[str, str]:
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


def _rows(book: PriceBook) -> Iterator[list[str]]:
    """Actions with their stacks, then the rates of models, GPUs, egress and seats."""
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


def _sku_row(book: PriceBook, kind: str, name: str, sku: Sku) -> list[str]:
    from finledger.core.pricebook import stack, uplift_on

    parts = stack(sku.rate, uplift_on(book.uplift, "seats" if kind == "seat" else kind))
    made = [_part(parts[part]) for part in ("base", "overhead", "registry", "buffer", "exact")]
    return [book.name, kind, name, "", "", "", *made, sku.unit]


def _stack(book: PriceBook, price: Price) -> list[str]:
    from finledger.core.pricebook import stack, uplift_on

    parts = stack(price.base, uplift_on(book.uplift, "actions"))
    return [*(_part(parts[part]) for part in ("base", "overhead", "registry", "buffer")), f"{price.price:f}"]


def _part(part: Any) -> str:
    from finledger.write.text import plain

    return plain(part, grouped=False)
