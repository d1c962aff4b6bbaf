"""What moves a unit cost, beside the line that it moves: prompts, the cache, volume, failures; and how busy GPUs are (rule U1).

Tokens per call stand against the average of the class over everybody's calls, so that a team sees whether its prompts are long.
GPU-hours that were reserved and not used (C6) count as idle: they bill like the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

from finledger.core.model import ChargeLine
from finledger.core.money import Money, minor_digits, significant, total
from finledger.core.period import Month
from finledger.core.report import Cell, Field, Missing, Table
from finledger.core.unit_use import ActionKey, MonthUse, Use, summed
from finledger.core.units import NOT_MEASURED, UnitMonth, shown, unit_lines, useful_hour, utilisation

LEVERS = (
    Field("month", "month"),
    Field("team", "text"),
    Field("feature", "text"),
    Field("action", "text"),
    Field("model", "text"),
    Field("cost", "money"),
    Field("calls", "count"),
    Field("calls_per_day", "rate", "calls"),
    Field("tokens_per_call", "rate", "tokens"),
    Field("class_tokens_per_call", "rate", "tokens"),
    Field("against_class", "share"),
    Field("cached_share", "share"),
    Field("failed", "count"),
    Field("failed_share", "share"),
)
OF_GPU = (
    Field("cost", "money"),
    Field("used_hours", "quantity"),
    Field("reserved_idle_hours", "quantity"),
    Field("measured_hours", "quantity"),
    Field("busy_hours", "quantity"),
    Field("utilisation", "share"),
    Field("idle", "share"),
    Field("per_useful_gpu_hour", "rate", "per busy GPU-hour"),
)
GPU_NOTE = (
    "Utilisation is busy hours over the hours that are measured and those that were reserved and not used; cost per useful hour "
    "is cost over hours times utilisation (U1, C6). The platform's own use is left out (C8)."
)


def lever_tables(months: Mapping[Month, UnitMonth]) -> tuple[Table, ...]:
    """`levers` by action line, `gpu` by SKU and `gpu-by-team`, each with all the months, in order of their keys."""
    ordered = sorted(months.values(), key=lambda each: each.charges.month)
    month = Field("month", "month")
    return (
        Table(
            "levers",
            "Levers of each action line",
            LEVERS,
            tuple(row for each in ordered for row in _lever_rows(each)),
            "Tokens per call beside the average of the class over everybody's calls: 1.2 is a fifth more. The cached share is of "
            "the prompt's tokens. Of a retried call, each attempt that failed stands among the failed, and is billed (U1, C2).",
            team="team",
        ),
        Table(
            "gpu",
            "GPU-hours and what the useful ones cost",
            (month, Field("gpu_sku", "text"), *OF_GPU),
            tuple(row for each in ordered for row in _gpu_rows(each)),
            GPU_NOTE,
        ),
        Table(
            "gpu-by-team",
            "GPU-hours by team",
            (month, Field("team", "text"), Field("gpu_sku", "text"), *OF_GPU),
            tuple(row for each in ordered for row in _team_gpu_rows(each)),
            GPU_NOTE,
            team="team",
        ),
    )


# ── action lines ────────────────────────────────────────────────────────────────────────────────────────────────────────


def class_averages(use: MonthUse) -> dict[str, Fraction]:
    """Tokens per call of each class, over everybody's calls; classes without tokens are absent."""
    by_class: dict[str, list[Use]] = {}
    for key, each in use.by_action.items():
        by_class.setdefault(key.action, []).append(each)
    found = {action: summed(uses) for action, uses in by_class.items()}
    return {action: Fraction(use.all_tokens, use.calls) for action, use in found.items() if use.all_tokens and use.calls}


def _lever_rows(month: UnitMonth) -> Iterable[tuple[Cell, ...]]:
    averages = class_averages(month.use)
    charged: dict[ActionKey, int] = {}
    for line in unit_lines(month.charges.lines):
        if line.key.kind == "action":
            key = ActionKey(line.key.team, line.key.feature, line.key.item, line.key.model)
            charged[key] = charged.get(key, 0) + line.amount.minor
    for key, use in sorted(month.use.by_action.items()):
        average = averages.get(key.action)
        mean = Fraction(use.all_tokens, use.calls) if use.calls and use.all_tokens else None
        no_tokens, no_calls = Missing("no tokens"), Missing("no calls")
        yield (
            month.charges.month,
            *key,
            Money(charged.get(key, 0), month.charges.currency),
            use.calls,
            significant(Fraction(use.calls, month.days)) if month.days else Missing("no day has usage"),
            no_tokens if mean is None else significant(mean),
            no_tokens if average is None else significant(average),
            no_tokens if mean is None or average is None else Fraction(mean) / average,
            Fraction(use.tokens["cached_input_tokens"], use.prompt_tokens) if use.prompt_tokens else no_tokens,
            use.failed,
            Fraction(use.failed, use.calls) if use.calls else no_calls,
        )


# ── GPU-hours ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _gpu_rows(month: UnitMonth) -> Iterable[tuple[Cell, ...]]:
    """What every SKU came to, whoever used it: teams, nobody, and the rows of pools before they are shared out."""
    used = _gpu_lines(month, "gpu")
    idle = {sku: [each for each in month.charges.idle if each.gpu_sku == sku] for sku in _skus(month)}
    for sku in _skus(month):
        use = summed(each for (_, which, _), each in month.use.by_gpu.items() if which == sku)
        cost = total((line.amount for line in used if line.key.item == sku), month.charges.currency)
        wasted = total((each.amount for each in idle[sku]), month.charges.currency)
        hours = sum((each.idle for each in idle[sku]), Decimal(0))
        yield (month.charges.month, sku, *_gpu_cells(use, hours, cost, wasted))


def _team_gpu_rows(month: UnitMonth) -> Iterable[tuple[Cell, ...]]:
    currency = month.charges.currency
    sums: dict[tuple[str, str], list[ChargeLine]] = {}
    for line in _gpu_lines(month, "gpu", "gpu_idle"):
        sums.setdefault((line.key.team, line.key.item), []).append(line)
    uses: dict[tuple[str, str], Use] = {}
    for (team, sku, _), use in month.use.by_gpu.items():
        uses.setdefault((team, sku), Use()).add(use)
    for team, sku in sorted({*sums, *uses}):
        lines = sums.get((team, sku), [])
        idle = [line for line in lines if line.key.kind == "gpu_idle"]
        cost = total((line.amount for line in lines if line.key.kind == "gpu"), currency)
        wasted = total((line.amount for line in idle), currency)
        hours = sum((line.quantity for line in idle), Decimal(0))
        yield (month.charges.month, team, sku, *_gpu_cells(uses.get((team, sku), Use()), hours, cost, wasted))


def _gpu_lines(month: UnitMonth, *kinds: str) -> list[ChargeLine]:
    return [line for line in (*unit_lines(month.charges.lines), *month.of_pools) if line.key.kind in kinds]


def _skus(month: UnitMonth) -> list[str]:
    return sorted({sku for _, sku, _ in month.use.by_gpu} | {each.gpu_sku for each in month.charges.idle})


def _gpu_cells(use: Use, idle_hours: Decimal, cost: Money, wasted: Money) -> tuple[Cell, ...]:
    busy = utilisation(use, idle_hours)
    scale = 10 ** minor_digits(cost.currency)
    useful = useful_hour(cost.minor, wasted.minor, use, scale) if use.gpu_hours else Missing("no busy GPU-hour")
    return (
        cost + wasted,
        use.gpu_hours,
        idle_hours,
        NOT_MEASURED if use.gpu_hours and not use.measured_hours else use.measured_hours,
        NOT_MEASURED if use.gpu_hours and not use.measured_hours else use.busy_hours,
        busy,
        busy if isinstance(busy, Missing) else 1 - busy,
        shown(useful),
    )
