"""What a real month or quarter would cost under another price book, split, multiplier, uplift or model of operation.

Re-rates the usage and shows, by team and by component, what it was, what it would be, and who pays more or less. Earlier
months stay as they were. Nothing is written. A changed uplift makes published prices anew from their base.
--seats-vs-actions instead shows what seats bill beside what the same users' actions would cost, and how far the heaviest
user is from the lightest.

Example: finledger simulate --month 2026-07 --model it_led
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from finledger.cli._options import AnyMonth, AnyQuarter, Books, Quiet, one_period

if TYPE_CHECKING:
    from finledger.core.compare import Change
    from finledger.core.seats import SeatSpread
    from finledger.workbench.simulation import Simulated


def _decimal(kind: str) -> Callable[[str], Decimal]:
    def parse(text: str) -> Decimal:
        from finledger.read import values

        readers: dict[str, Callable[[Any], Decimal]] = {"share": values.share, "multiplier": values.multiplier}
        try:
            return readers[kind](text)
        except values.WrongValue as wrong:
            raise typer.BadParameter(f"{wrong.message}: {wrong.remedy}") from None

    return parse


def _number(name: str, kind: str, help: str) -> Any:
    return typer.Option(name, parser=_decimal(kind), metavar="SHARE" if kind == "share" else "NUMBER", help=help)


Shared = Annotated[Decimal | None, _number("--share", "share", "The platform's share of evaluation.")]
Multiplier = Annotated[Decimal | None, _number("--max-multiplier", "multiplier", "The coverage multiplier at the floor.")]
Overhead = Annotated[Decimal | None, _number("--overhead", "share", "The overhead on base cost.")]
Registry = Annotated[Decimal | None, _number("--registry", "share", "The prompt registry's rate.")]
Surcharge = Annotated[Decimal | None, _number("--surcharge", "share", "The buffer's surcharge.")]
OtherBook = Annotated[
    str, typer.Option("--book", metavar="BOOK", help="Another price book: 2026-Q4, 2026-Q4.v2, or a file with one.")
]
Model = Annotated[
    Literal["platform_led", "finops_led", "it_led"] | None, typer.Option("--model", help="Another model of operation.")
]
Priced = Annotated[
    bool | None,
    typer.Option("--buffer-priced/--buffer-central", help="In finops_led and it_led: who pays the buffer's surcharge."),
]
Loose = Annotated[
    Literal["hold", "proportional", "even"] | None, typer.Option("--unallocated", help="What happens to usage of nobody.")
]
SeatsVsActions = Annotated[
    bool, typer.Option("--seats-vs-actions", help="Seats beside the actions of the same users, by team.")
]
FourFormats = Annotated[
    Literal["table", "json", "csv", "markdown"],
    typer.Option("--format", help="How figures are shown; json and csv are for programs, markdown for a pull request."),
]
CHANGE = ("before", "after", "change", "%")
SPREAD = (
    "team", "seats", "seat_bill", "actions_cost", "users", "nameless", "lightest", "heaviest", "ratio", "p5", "p95",
    "p95_to_p5",
)  # fmt: skip
SPREAD_HEADINGS = {"nameless": "of no user", "ratio": "heavy to light", "p95_to_p5": "p95 to p5"}


def simulate(
    books: Books,
    month: AnyMonth = None,
    quarter: AnyQuarter = None,
    book: OtherBook = "",
    share: Shared = None,
    max_multiplier: Multiplier = None,
    overhead: Overhead = None,
    registry: Registry = None,
    surcharge: Surcharge = None,
    model: Model = None,
    buffer_priced: Priced = None,
    unallocated: Loose = None,
    seats_vs_actions: SeatsVsActions = False,
    format: FourFormats = "table",
    quiet: Quiet = False,
) -> None:
    from finledger.cli import screen
    from finledger.core.period import Quarter
    from finledger.core.problem import Misused
    from finledger.core.whatif import WhatIf
    from finledger.workbench import Workbench, simulation

    bench = Workbench(books)
    other = simulation.other_book(bench, book) if book else None
    what_if = WhatIf(other, share, max_multiplier, overhead, registry, surcharge, model, buffer_priced, unallocated)
    if seats_vs_actions and what_if.changes:
        raise Misused("--seats-vs-actions looks at the month as it is: leave the other options out")
    if seats_vs_actions and format == "markdown":
        raise Misused("--seats-vs-actions is shown as table, json or csv")
    period = one_period(month, quarter)
    if seats_vs_actions and quarter is not None:
        raise Misused("--seats-vs-actions looks at one month: name it with --month")
    if isinstance(period, Quarter):
        months = list(period.months(bench.organisation.fiscal_year_start))
    else:
        months = [period]
    with screen.progress(f"charging {period} twice", quiet=quiet):
        if seats_vs_actions:
            spreads = simulation.seats_against_actions(bench, months[0])
        else:
            found = simulation.simulate(bench, months, what_if)
    if seats_vs_actions:
        _show_seats(spreads, str(month), bench.organisation.currency, format, quiet)
    else:
        _show(found, str(period), what_if.changes, format, quiet)


# ── before and after ────────────────────────────────────────────────────────────────────────────────────────────────────


def _show(found: Simulated, period: str, changes: Sequence[tuple[str, str]], format: str, quiet: bool) -> None:
    from finledger.cli import screen
    from finledger.write import comparison as written

    compared = found.comparison
    said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in changes) or "nothing changed"
    if format == "json":
        screen.json_out({"schema": 1, "period": period, "what_if": dict(changes), **written.comparison_json(compared)})
    elif format == "csv":
        screen.csv_out(written.COLUMNS, written.comparison_rows(compared))
    elif format == "markdown":
        print(written.comparison_markdown(compared, f"{period}: {said}"))
    else:
        title = f"{period} as it is and with {said}, {compared.currency}" if changes else f"{period}: {said}"
        teams = [[each.team, *written.amounts(each)] for each in compared.teams]
        teams.append(["total", *written.amounts(compared.total)])
        screen.table(title, ("team", *CHANGE), teams, right_align=CHANGE)
        _parts("By component", compared.components)
        _parts("Borne by the platform", compared.platform)
        if not changes:
            screen.note("Name a change, such as --model it_led or --book 2026-Q4; finledger simulate --help lists them.")
    if format in ("table", "markdown"):
        _winners(found, quiet)
        known = [each for charges in found.before for each in charges.notices]
        fresh = [each for charges in found.after for each in charges.notices if each not in known]
        screen.problems(fresh, quiet=quiet)


def _parts(title: str, changes: Sequence[Change]) -> None:
    from finledger.cli import screen
    from finledger.write.comparison import amounts
    from finledger.write.text import words

    if changes:
        rows = [[words(each.component), *amounts(each)] for each in changes]
        screen.table(title, ("component", *CHANGE), rows, right_align=CHANGE, below=True)


def _winners(found: Simulated, quiet: bool) -> None:
    from finledger.cli import screen
    from finledger.write.comparison import signed

    for label, teams in (("pay less", found.comparison.winners), ("pay more", found.comparison.losers)):
        if teams:
            listed = ", ".join(f"{each.team} {signed(str(each.delta))}" for each in teams)
            screen.note(f"{len(teams)} {label}: {listed}", quiet=quiet)


# ── seats against actions ───────────────────────────────────────────────────────────────────────────────────────────────


def _show_seats(spreads: Sequence[SeatSpread], month: str, currency: str, format: str, quiet: bool) -> None:
    from finledger.cli import screen
    from finledger.core.seats import WIDE

    rows = [_spread_row(each, currency) for each in spreads]
    if format == "json":
        teams = [dict(zip(SPREAD, row, strict=True)) for row in rows]
        screen.json_out({"schema": 1, "month": month, "currency": currency, "teams": teams})
        return
    if format == "csv":
        screen.csv_out(SPREAD, rows)
        return
    shown = [[row[0], row[1], *("n/a" if cell is None else cell for cell in row[2:])] for row in rows]
    title = f"Seats and actions of {month}, {currency} (users by what their actions cost)"
    headings = [SPREAD_HEADINGS.get(name, name) for name in SPREAD]
    screen.table(title, headings, shown, right_align=headings[2:])
    if any(each.costs for each in spreads) and not all(each.costs for each in spreads):
        screen.note("n/a: no row of the team says whose it is.", quiet=quiet)
    wide = [each.team for each in spreads if each.spread is not None and each.spread >= WIDE]
    if wide:
        screen.note(
            f"Users of {', '.join(wide)} differ by {WIDE} times and more on the same seat: light ones pay for heavy ones.",
            quiet=quiet,
        )
    if not any(each.costs for each in spreads):
        screen.note("No row of the month says whose it is: the column `user` is empty, so users cannot be told apart.")


def _spread_row(spread: SeatSpread, currency: str) -> list[str | None]:
    """Amounts to the currency's minor unit: figures to look at, which are not charged."""
    from finledger.core.money import minor_digits, rounded_places
    from finledger.write.figures import shown

    def amount(exact: Decimal | None) -> str | None:
        return None if exact is None else str(rounded_places(exact, minor_digits(currency)))

    costs = spread.costs
    return [
        spread.team,
        ", ".join(f"{sku} {count}" for sku, count in sorted(spread.seats.items())),
        amount(spread.seat_bill),
        amount(spread.actions),
        str(len(costs)),
        amount(spread.nameless),
        amount(costs[0] if costs else None),
        amount(costs[-1] if costs else None),
        shown(spread.extremes),
        amount(spread.light),
        amount(spread.heavy),
        shown(spread.spread),
    ]
