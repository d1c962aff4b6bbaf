"""What a report says in words, the same in every format: what it is of, whether it can change, its first sentence."""

from __future__ import annotations

import shlex

from finledger.core.money import Money, total
from finledger.core.report import Report
from finledger.write import text


def title(report: Report) -> str:
    return f"AI spend of {text.shown(report.team)}" if report.team else "AI spend"


def period(report: Report) -> str:
    """July 2026; 2026-Q3, July to September 2026."""
    if len(report.months) == 1 and report.period == str(report.months[0]):
        return text.month(report.months[0])
    first, last = report.months[0], report.months[-1]
    if first == last:
        return f"{report.period}, {text.month(first)} only"
    between = text.MONTHS[first.number - 1] if first.year == last.year else text.month(first)
    return f"{report.period}, {between} to {text.month(last)}"


def standing(report: Report) -> str:
    """Whether the figures can still change; a provisional report says beside it that it is one."""
    then = f"As it was believed at the close {text.shown(report.believed)}. " if report.believed else ""
    if not report.provisional:
        return f"{then}Final: every month of it is closed."
    so_far = f"Usage up to {text.day(report.as_of)} is in it. " if report.as_of else ""
    return f"{then}{so_far}Figures of open months change with what is loaded."


def command(report: Report) -> str:
    """What writes the report again."""
    option = "--quarter" if "Q" in report.period else "--month"
    team = ["--team", report.team] if report.team else []
    then = ["--as-of", report.believed, "--out", "DIR"] if report.believed else []
    return text.shown(shlex.join(["finledger", "report", option, report.period, *team, *then]))


def charged(report: Report) -> Money:
    """What teams are charged in the period: the sum of the bill."""
    bill = report.table("bill")
    return total((each for each in bill.column("total") if isinstance(each, Money)) if bill else (), report.currency)


def unallocated(report: Report) -> Money | None:
    """What of the period has no owner; None on a team's own page, which does not say it."""
    trend = report.table("unallocated-trend")
    if trend is None:
        return None
    rows = ((row[trend.index("month")], row[trend.index("unallocated")]) for row in trend.rows)
    return total((each for month, each in rows if month in report.months and isinstance(each, Money)), report.currency)


def sentence(report: Report) -> str:
    """The report in a sentence."""
    amount, of = f"{text.money(charged(report))} {report.currency}", period(report)
    if report.team:
        return f"Team {text.shown(report.team)} comes to {amount} in {of}{_budget(report)}."
    bill = report.table("bill")
    teams = len(set(bill.column("team"))) if bill else 0
    loose = unallocated(report)
    nobody = f"; {text.money(loose)} {report.currency} more belongs to nobody yet" if loose else ""
    return f"{text.count(teams, 'team')} {'comes' if teams == 1 else 'come'} to {amount} in {of}{_budget(report)}{nobody}."


def _budget(report: Report) -> str:
    """Over or under: of the teams and months that have a budget."""
    bill = report.table("bill")
    variances = [each for each in bill.column("variance") if isinstance(each, Money)] if bill else []
    if not variances:
        return ", without a budget"
    variance = total(variances, report.currency)
    where = "" if bill and len(variances) == len(bill.rows) else " where one is set"
    if not variance:
        return f", exactly the budget{where}"
    size = variance if variance.minor > 0 else -variance
    return f", {text.money(size)} {'over' if variance.minor > 0 else 'under'} budget{where}"
