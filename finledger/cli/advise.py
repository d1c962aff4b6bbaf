"""Which model of operation fits: platform, FinOps or IT in the lead, and what each would fund centrally.

Three factors decide: how much AI the organisation consumes, how mature its FinOps practice is (tagging, allocation), and
how mature the platform team or IT is as a biller. Where they match no known combination, the nearest is named, with how
far off it is.

Example: finledger advise --consumption medium --finops low --platform high
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from finledger.cli._options import Format, Quiet, find_books

if TYPE_CHECKING:
    from finledger.core.advise import Fit

Level = Literal["low", "medium", "high"]
Consumption = Annotated[Level, typer.Option("--consumption", help="How much AI the organisation consumes.")]
Finops = Annotated[Level, typer.Option("--finops", help="How mature its FinOps practice is: tagging, allocation.")]
Platform = Annotated[Level, typer.Option("--platform", help="How mature the platform team, or IT, is as a biller.")]
OwnBooks = Annotated[
    Path | None,
    typer.Option(
        "--books",
        metavar="DIR",
        envvar="FINLEDGER_BOOKS",
        help="The set of books whose model is compared.  [default: the nearest above this folder, if any]",
        show_default=False,
    ),
]
COLUMNS = ("model", "steps", "off", "fails where")
COMPONENTS = ("actions", "overhead", "evaluation", "registry", "buffer", "seats")


def advise(
    consumption: Consumption,
    finops: Finops,
    platform: Platform,
    books: OwnBooks = None,
    format: Format = "table",
    quiet: Quiet = False,
) -> None:
    from finledger.cli import screen
    from finledger.core.advise import FUNDING
    from finledger.core.advise import advise as look

    fits = look(consumption, finops, platform)
    current = _current(books)
    if format == "json":
        given = {"consumption": consumption, "finops": finops, "platform": platform}
        screen.json_out(
            {
                "schema": 1,
                "given": given,
                "model": fits[0].model,
                "on_a_row": fits[0].steps == 0,
                "current": current,
                "fits": [_row(fit) for fit in fits],
                "funding": FUNDING,
            }
        )
        return
    rows = [[fit.model, str(fit.steps), "; ".join(_off(fit)), "; ".join(fit.warnings)] for fit in fits]
    if format == "csv":
        screen.csv_out(COLUMNS, rows)
        return
    best = fits[0]
    how = "fits" if best.steps == 0 else f"is the nearest, {_steps(best.steps)} off"
    screen.table(f"{best.model} {how}", COLUMNS, rows, right_align=("steps",))
    funding = [[part, *(FUNDING[fit.model][part] for fit in fits)] for part in COMPONENTS]
    screen.table(
        "What is priced to teams, and what is central",
        ("", *(fit.model for fit in fits)),
        funding,
        below=True,
        verbatim=True,
    )
    _explain(fits, current, quiet)


def _explain(fits: tuple[Fit, ...], current: str | None, quiet: bool) -> None:
    from finledger.cli import screen

    best = fits[0]
    screen.note(f"{'Why' if best.steps == 0 else 'Where it fits,'} {best.model}: {best.why}", quiet=quiet)
    tied = [fit.model for fit in fits[1:] if fit.steps == best.steps]
    if tied:
        rule = "the one with less against it is named first, then the one that asks less of who operates it"
        screen.note(f"As near: {', '.join(tied)}. Of equals, {rule}.", quiet=quiet)
    if current is not None:
        same = "these books already have it" if current == best.model else f"these books have {current}"
        screen.note(f"{same}; see a month under another model: finledger simulate --model {best.model}", quiet=quiet)


def _off(fit: Fit) -> list[str]:
    return [f"{each.factor} is {each.given}, not {' or '.join(each.wanted)} ({_steps(each.steps)})" for each in fit.off]


def _steps(count: int) -> str:
    return f"{count} level{'' if count == 1 else 's'}"


def _row(fit: Fit) -> dict[str, Any]:
    off = [{"factor": o.factor, "given": o.given, "wanted": list(o.wanted), "steps": o.steps} for o in fit.off]
    return {"model": fit.model, "steps": fit.steps, "why": fit.why, "off": off, "fails_where": list(fit.warnings)}


def _current(books: Path | None) -> str | None:
    """The model of the books at hand; None where there are none."""
    from finledger.core.problem import Misused
    from finledger.workbench import Workbench

    try:
        return Workbench(books or find_books(Path.cwd())).organisation.operating_model
    except Misused:
        if books is not None:
            raise
        return None
