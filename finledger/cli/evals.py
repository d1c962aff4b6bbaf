"""A month's evaluation by feature: coverage and freshness, what it cost, and the budget beside the run.

Runs are actions of the classes that team and platform share; their amount is what they come to before the split. Budgets
stand in eval-budgets.csv (month,feature,runs,amount). Prompts: the share of calls that run a registered prompt.

Example: finledger evals --month 2026-07
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finledger.cli._options import AsOf, Books, Format, Month, Quiet, opened

if TYPE_CHECKING:
    from finledger.workbench.inspection import EvalMonth

COLUMNS = (
    "feature", "coverage", "freshness", "multiplier", "cost_per_correct_task", "bill", "prompts", "planned_runs", "runs",
    "runs_left", "planned", "gross", "left",
)  # fmt: skip
QUALITY = ("feature", "coverage", "freshness", "multiplier", "cost_per_correct_task", "bill", "prompts")
BUDGET = ("feature", "planned_runs", "runs", "runs_left", "planned", "gross", "left")
HEADINGS = {
    "bill": "charged",
    "prompts": "registered prompts",
    "gross": "cost",
    "planned": "planned cost",
    "left": "cost left",
}
UNKNOWN = {"coverage": "not tracked", "freshness": "not tracked", "cost_per_correct_task": "not measurable"}


def evals(books: Books, month: Month, format: Format = "table", as_of: AsOf = "", quiet: Quiet = False) -> None:
    from finledger.cli import screen
    from finledger.workbench.inspection import evals_of

    bench = opened(books, as_of)
    with screen.progress(f"charging {month}", quiet=quiet):
        found = evals_of(bench, month)
    rows = _rows(found)
    if format == "json":
        screen.json_out(
            {
                "schema": 1,
                "month": str(month),
                "currency": found.charges.currency,
                "features": {row["feature"]: {name: row[name] for name in COLUMNS[1:]} for row in rows},
                "prompts": _share(found.prompted_overall),
                "eval_share": _split(found),
                "subsidies": [
                    {"component": each.component, "amount": f"{each.amount:f}"} for each in found.charges.subsidies
                ],
            }
        )
    elif format == "csv":
        screen.csv_out(COLUMNS, screen.cells(COLUMNS, rows))
    else:
        _show(rows, f"{month}, {found.charges.currency}")
        _explain(found, quiet)


def _show(rows: list[dict[str, Any]], period: str) -> None:
    from finledger.cli import screen
    from finledger.write.text import share

    shown = [{**row, "prompts": share(row["prompts"])} for row in rows]
    used = [row for row in shown if row["planned_runs"] or row["planned"] or row["runs"] != "0"]
    for title, names, listed in (
        (f"Quality of {period}", QUALITY, shown),
        (f"Evaluation of {period}: budget, and what was run", BUDGET, used),
    ):
        headings = [HEADINGS.get(name, name) for name in names]
        cells = [[UNKNOWN.get(name) if row[name] is None else row[name] for name in names] for row in listed]
        if cells:
            screen.table(title, headings, cells, right_align=headings[1:], below=names is BUDGET)


def _rows(found: EvalMonth) -> list[dict[str, Any]]:
    """One row a feature, decimals as text, None where something is not known, not planned or not measurable."""
    from finledger.core.money import zero
    from finledger.write.figures import plain, shown, text_or_none

    used = {each.feature: each for each in found.use}
    measured = {each.feature: each for each in found.charges.features}
    rows = []
    for name in sorted({*used, *measured}):
        use, feature = used.get(name), measured.get(name)
        rows.append(
            {
                "feature": name,
                "coverage": text_or_none(feature and feature.coverage),
                "freshness": text_or_none(feature and feature.in_distribution),
                "multiplier": shown(feature.multiplier) if feature else None,
                "cost_per_correct_task": shown(feature.cost_per_correct_task) if feature else None,
                "bill": str(feature.total) if feature else None,
                "prompts": _share(found.prompted.get(name)),
                "planned_runs": text_or_none(use and use.planned_runs),
                "runs": plain(use.runs) if use else "0",
                "runs_left": plain(use.runs_left) if use and use.runs_left is not None else None,
                "planned": text_or_none(use and use.planned),
                "gross": str(use.gross if use else zero(found.charges.currency)),
                "left": text_or_none(use and use.left),
            }
        )
    return rows


def _split(found: EvalMonth) -> dict[str, str | None] | None:
    """How the cost of evaluation was really shared (rule C4)."""
    split = found.charges.eval_share
    if split is None:
        return None
    return {
        "gross": str(split.gross),
        "teams": str(split.teams),
        "platform": str(split.platform),
        "subsidies": str(split.subsidies),
        "platform_share": _share(split.share),
    }


def _explain(found: EvalMonth, quiet: bool) -> None:
    from finledger.cli import screen
    from finledger.write.text import money, share, words

    split, currency = found.charges.eval_share, found.charges.currency
    rows = []
    if split is not None:
        direct = f" and {money(split.subsidies)} paid directly" if split.subsidies else ""
        borne = f"; the platform bore {share(_share(split.share))} of it all" if split.share is not None else ""
        rows.append(
            (
                "evaluation",
                f"{money(split.gross)} {currency}: teams {money(split.teams)}, platform {money(split.platform)}{direct}{borne}",
            )
        )
    for each in found.charges.subsidies:
        rows.append((words(each.component), f"{each.amount:,f} {currency}, paid by the platform"))
    prompted = _share(found.prompted_overall)
    rows.append(("prompts", "no calls" if prompted is None else f"{share(prompted)} of calls run a registered prompt"))
    over = [each.feature or "(no feature)" for each in found.use if (each.left or 0) < 0 or (each.runs_left or 0) < 0]
    if over:
        rows.append(("over budget", ", ".join(over)))
    screen.done(rows, quiet=quiet)


def _share(ratio: Any) -> str | None:
    """A part of one, to 6 places."""
    from finledger.core.money import rounded_places
    from finledger.write.figures import SHARE_PLACES

    return None if ratio is None else str(rounded_places(ratio, SHARE_PLACES))
