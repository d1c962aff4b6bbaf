"""Random small books from a seed: whatever moves a cent of a quarter, in all the ways that the rules tell apart.

The same seed makes the same books. Forecasts are chosen last, from what the second reading says that a team was charged, so
that a month can meet the trigger of a draw exactly, or miss it by the smallest amount.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from tests.oracle import usage
from tests.oracle.charges import Month
from tests.oracle.oracle import work_out
from tests.oracle.plain_books import MINOR_DIGITS, month_after, months_of, read_books
from tests.oracle.sums import text_of

NAMES = ("search", "support", "research", "Growth", "ops-2", "équipe", "a.i", "zeta")
SCALE = {"USD": Decimal(1), "JPY": Decimal(150), "KWD": Decimal("0.3")}
QUARTERS = (*(("2026-Q3",),) * 3, *(("2026-Q4",),) * 2, ("2026-Q3", "2026-Q4"), ("2026-Q4", "2027-Q1"))
STAGES = (  # a team's first stage, and perhaps a later one
    *(("chargeback", ""),) * 2,
    *(("optimisation", ""), ("showback", ""), ("chargeback", "optimisation"), ("chargeback", "allocation")),
    *(("allocation", "chargeback"),) * 2,
)
DRAWS = "month,team,cause,disclosure,requested"
GOOD_CAUSES = ("backfill", "evaluation_campaign", "model_migration", "research_exploration")


class PlainText(
    yaml.emitter.Emitter, yaml.serializer.Serializer, yaml.representer.SafeRepresenter, yaml.resolver.BaseResolver
):
    """Writes every scalar as it stands, as a person would: 0.30 and not '0.30'."""

    def __init__(self, stream: Any, **options: Any) -> None:
        yaml.emitter.Emitter.__init__(self, stream, allow_unicode=True, width=1000)
        yaml.serializer.Serializer.__init__(self)
        yaml.representer.SafeRepresenter.__init__(self, default_flow_style=None, sort_keys=False)
        yaml.resolver.BaseResolver.__init__(self)


@dataclass
class Plan:
    """What one seed's books are like."""

    chance: random.Random
    currency: str
    timezone: str
    quarters: tuple[str, ...]
    months: list[str]
    teams: dict[str, dict[str, Any]] = field(default_factory=dict)
    features: dict[str, list[str]] = field(default_factory=dict)
    versions: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, str]] = field(default_factory=list)

    @property
    def digits(self) -> int:
        return MINOR_DIGITS[self.currency]

    def amount(self, dollars: str | Decimal, digits: int = 6) -> str:
        """So many dollars' worth in the books' currency, as a text without needless zeros."""
        worth = (Decimal(dollars) * SCALE[self.currency]).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
        return f"{worth.normalize():f}"


def write_books(folder: Path, seed: int) -> Plan:
    """Make the books of a seed in a folder."""
    plan = _plan(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number, book in enumerate(plan.versions):
        _write_yaml(folder / f"pricebooks/book-{number}.yaml", book)
    _write_csv(folder / "evals/all.csv", "month,feature,coverage,in_distribution,tasks,graded,correct", _evals(plan))
    for month in plan.months:
        plan.rows += usage.rows_of(plan.chance, month, plan.months, plan.teams, plan.features, SCALE[plan.currency])
    compound = random.Random(f"compound {seed}")  # of its own, so that the other books of a seed stay what they are
    splits = compound.random() < 0.5
    if splits:
        usage.operated(plan.rows, plan.teams, seed)
    _write_csv(folder / "usage/all.csv", usage.COLUMNS, plan.rows, billed_currency=plan.currency)
    _write_csv(folder / "decisions/draws.csv", DRAWS, [])
    if plan.chance.random() < 0.7:
        _write_csv(folder / "platform-costs.csv", "month,component,amount,account", _platform_costs(plan))
    settings = {
        "books": f"Books {seed}",
        "currency": plan.currency,
        "timezone": plan.timezone,
        "operating_model": "platform_led",
        "platform": {"team": "ai-platform", "cost_center": "cc-1000"},
        "unallocated": "hold",
        "teams": plan.teams,
    }
    if plan.chance.random() < 0.4:
        settings["buffer"] = {"opening": plan.amount(plan.chance.choice(("0.5", "12.34", "80", "900")), plan.digits)}
    if splits:
        settings["compound_calls"] = "split"
        settings |= compound.choice(({}, {"operator_share": compound.choice(("0.5", "0.3", "0.75", "1"))}))
    _write_yaml(folder / "finledger.yaml", settings)

    charged = work_out(read_books(folder))  # before any draw: forecasts do not change it
    requests = [_request(plan, charged, month, team) for month in plan.months for team in plan.teams]
    plan.chance.shuffle(requests)
    for team in plan.teams.values():
        team["budget"] = {month: plan.amount("400", plan.digits) for month in plan.months if plan.chance.random() < 0.9}
    _write_yaml(folder / "finledger.yaml", settings)
    _write_csv(folder / "decisions/draws.csv", DRAWS, filter(None, requests))
    _write_csv(folder / "usage/all.csv", usage.COLUMNS, plan.rows, billed_currency=plan.currency)
    return plan


def _write_yaml(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.dump(content, Dumper=PlainText), encoding="utf-8")


def _write_csv(path: Path, columns: str, rows: Iterable[dict[str, str]], **everywhere: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns.split(","), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | everywhere for row in rows)


def _plan(seed: int) -> Plan:
    chance = random.Random(f"books {seed}")
    quarters = chance.choice(QUARTERS)
    months = [month for quarter in quarters for month in months_of(quarter)]
    if chance.random() < 0.25 and len(quarters) == 2:
        months = months[1:]  # the books begin within a quarter
    zone = chance.choice(("UTC", "UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"))
    plan = Plan(chance, chance.choice(("USD", "USD", "USD", "JPY", "KWD")), zone, quarters, months)
    for number, name in enumerate(chance.sample(NAMES, chance.randint(3, 7))):
        plan.features[name] = [f"{name}-f{index}" for index in range(chance.randint(1, 2))]
        plan.teams[name] = _team(plan, name, f"cc-{2000 + number}")
    for quarter in quarters:
        plan.versions += _price_books(plan, quarter)
    return plan


def _team(plan: Plan, name: str, code: str) -> dict[str, Any]:
    chance, later = plan.chance, plan.chance.choice(plan.months[1:])
    day = chance.choice(("01", "16"))
    team: dict[str, Any] = {"cost_center": code}
    move = chance.random()
    if move < 0.15:  # moved to another cost centre
        team["cost_center"] = [{"code": code}, {"code": f"{code}-b", "from": f"{later}-{day}"}]
    elif move < 0.22:  # joined later
        team["cost_center"] = [{"code": code, "from": f"{later}-{day}"}]
    first, second = chance.choice(STAGES)
    team["stage"] = [{"stage": first}, {"stage": second, "from": f"{later}-{day}"}] if second else first
    team["features"] = plan.features[name]
    if chance.random() < 0.4:
        team["seats"] = {"assistant": str(chance.randint(0, 5))}
    team["forecast"] = {}
    return team


# ── price books ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _price_books(plan: Plan, quarter: str) -> list[dict[str, Any]]:
    chance, months = plan.chance, months_of(quarter)
    rates = {
        "gpt-large": {"provider": "p", **_rates(plan, "3.00", "0.30", "3.75", "12.00")},
        "claude-mid": {"provider": "q", **_rates(plan, "3.00", "0.30", "3.75", "15.00")},
        "llama": {"provider": "own", **_rates(plan, "0.61", "0.07", "0.60", "1.83")},
    }
    book = {
        "pricebook": quarter,
        "version": "1",
        "effective_from": f"{months[0]}-01",
        "effective_until": f"{month_after(months[2], 1)}-01",
        "published": f"{month_after(months[0], -1)}-20",
        "currency": plan.currency,
        "price_digits": "6",
        "rounding": chance.choice(("half_up", "half_even")),
        "models": rates,
        "gpu": {"h100": {"rate": plan.amount("24.05", 4)}, "a10g": {"rate": plan.amount("1.35", 4)}},
        "egress": {
            "cross-zone": {"rate": plan.amount("0.085", 4)},
            "internet": {"rate": plan.amount("0.12", 4), "unit": "GiB"},
        },
        "seats": {"assistant": {"rate": plan.amount("30.005", 4)}},
        "uplift": _uplift(chance),
        "eval": {"platform_share": chance.choice(("0", "0.3", "0.50", "0.50", "0.65", "1"))},
        "quality": _quality(chance),
    }
    book["actions"] = _actions(plan, book["uplift"])
    if chance.random() < 0.95:
        book["buffer"] = _buffer_terms(plan)
    books = [book]
    if chance.random() < 0.4:
        later = dict(book, version="2", effective_from=f"{chance.choice(months[1:])}-{chance.choice(('01', '13'))}")
        later["published"] = f"{months[0]}-20"
        later["uplift"] = _uplift(chance)
        later["models"] = {name: {**model, "input": plan.amount("2.50", 4)} for name, model in rates.items()}
        later["actions"] = _actions(plan, later["uplift"])
        if "buffer" in later:  # in force from the first month that begins under it
            later["buffer"] = dict(later["buffer"], cap_per_team_per_quarter=plan.amount("23", plan.digits))
        later["gpu"] = {"h100": {"rate": plan.amount("22.15", 4)}, "a10g": {"rate": plan.amount("1.35", 4)}}
        later["eval"] = {"platform_share": "0.45"}
        later["seats"] = {"assistant": {"rate": plan.amount("27.775", 4)}}
        later["rounding"], later["quality"] = chance.choice(("half_up", "half_even")), _quality(chance)
        books.append(later)
    return books


def _rates(plan: Plan, *dollars: str) -> dict[str, str]:
    return dict(zip(("input", "cached_input", "cache_write", "output"), (plan.amount(rate, 4) for rate in dollars)))


def _uplift(chance: random.Random) -> dict[str, Any]:
    return {
        "overhead": chance.choice(("0.10", "0.15", "0.175", "0.20")),
        "registry": chance.choice(("0.02", "0.035", "0.05")),
        "registry_basis": chance.choice(("carved", "carved", "additive", "of_price")),
        "buffer": chance.choice(("0.03", "0.04", "0.05")),
        "applies_to": chance.choice(
            (["actions"],) * 6 + (["actions", "gpu"], ["gpu"], ["actions", "egress", "seats"], ["actions", "passthrough"])
        ),
    }


def _actions(plan: Plan, uplift: dict[str, Any]) -> dict[str, Any]:
    chance = plan.chance
    half = f"{Decimal(5).scaleb(-1 - plan.digits):f}"  # half a minor unit

    def priced(dollars: str) -> dict[str, str]:
        base = Decimal(plan.amount(dollars))
        overhead, buffer = Decimal(uplift["overhead"]), Decimal(uplift["buffer"])
        price = (base * (1 + overhead) * (1 + buffer)).quantize(Decimal("0.000001"))
        return {"base": f"{base:f}", "price": f"{price.normalize():f}"}

    def published(funding: str, dollars: str) -> dict[str, Any]:
        return {"funding": funding, "pricing": "published", **priced(dollars)}

    return {
        "chat_call": {
            **published("consumer", chance.choice(("0.0093", "0.0081", "0.0125"))),
            "by_model": {"llama": priced("0.002325"), "claude-mid": {"base": "0", "price": plan.amount("0.005")}},
        },
        "retrieval_call": published("consumer", "0.00042"),
        "half_cent": {"funding": "consumer", "pricing": "published", "base": half, "price": half},
        "agent_step": {"funding": "consumer", "pricing": "metered"},
        "eval_run": published("shared", chance.choice(("0.0093", "0.0217"))),
        "eval_metered": {"funding": "shared", "pricing": "metered"},
        "judge_call": {"funding": "platform", "pricing": "metered"},
        "harness": published("platform", "0.0031"),
    }


def _quality(chance: random.Random) -> dict[str, Any]:
    return {
        "coverage": chance.choice(
            (
                {"target": "0.80", "floor": "0.20", "max_multiplier": "1.50"},
                {"target": "0.80", "floor": "0.20", "max_multiplier": "1.25"},
                {"target": "0.75", "floor": "0.05", "max_multiplier": "2"},
                {"target": "0.80", "floor": "0.33", "max_multiplier": "1.333"},
            )
        ),
        "freshness": chance.choice(
            (
                {"slo": "0.90", "step": "0.05", "cap": "0.25"},
                {"slo": "0.90", "step": "0.05", "cap": "0.08"},
                {"slo": "0.95", "step": "0.115", "cap": "0.40"},
            )
        ),
    }


def _buffer_terms(plan: Plan) -> dict[str, Any]:
    chance = plan.chance
    terms: dict[str, Any] = {
        "trigger": chance.choice(("3.0", "3.0", "3.0", "2.5")),
        "cap_per_team_per_quarter": plan.amount(chance.choice(("5", "17.77", "60", "900", "900", "0")), plan.digits),
        "size": chance.choice((["0.05", "0.10"], ["0.05", "0.10"], ["0.02", "0.033"], ["0.10", "0.30"])),
        "settlement": "grant",
    }
    for usual in ("trigger", "size"):  # 3.0, and 5 to 10 %
        if chance.random() < 0.1:
            del terms[usual]
    if chance.random() < 0.2:
        terms["above_threshold"] = "true"
    return terms


# ── quality, forecasts and requests ──────────────────────────────────────────────────────────────────────────────────

COVERAGES = {
    "recovers": ("0.30", "0.55", "0.85"),
    "relapses": ("0.50", "0.90", "0.41", "0.80"),
    "good": ("0.95", "0.81"),
    "at the limits": ("0.80", "0.20", "0.75", "0.05", "0.79"),
    "with gaps": ("0.125", "", "0.9", ""),
    "poor": ("0.10", "0.333", "0.20"),
}
FRESHNESS = (
    ("0.95",),
    ("0.85", "0.80", "0.70"),
    ("0.85", "", "0.89"),
    ("0.92", "0.899", "0.90", "0.5"),
    ("0.6", "0.6", "0.6", "0.6", "0.6", "0.6", "0.6", "0.97"),
)


def _evals(plan: Plan) -> list[dict[str, str]]:
    """Records of a feature from before the books on, so that a run of stale months crosses the quarter's edge."""
    chance, rows = plan.chance, []
    for feature in (feature for features in plan.features.values() for feature in features):
        if chance.random() < 0.15:
            continue  # untracked
        coverage, fresh = COVERAGES[chance.choice(sorted(COVERAGES))], chance.choice(FRESHNESS)
        shift = chance.randint(0, 5)
        for number, month in enumerate([month_after(plan.months[0], -2), month_after(plan.months[0], -1), *plan.months]):
            if chance.random() < 0.08:
                continue  # unrecorded
            tasks = chance.randint(1, 80000)
            graded = chance.choice((0, chance.randint(1, tasks)))
            rows.append(
                {
                    "month": month,
                    "feature": feature,
                    "coverage": coverage[(number + shift) % len(coverage)],
                    "in_distribution": fresh[(number + shift) % len(fresh)],
                    "tasks": str(tasks),
                    "graded": str(graded),
                    "correct": str(chance.randint(0, graded)),
                }
            )
    return rows


def _platform_costs(plan: Plan) -> list[dict[str, str]]:
    """What the platform's components cost: more than the reserves hold, or less."""
    rows = []
    for month in plan.months:
        for component in ("overhead", "registry", "harness", "judge", "labelling", "trace_capture"):
            if plan.chance.random() < 0.5:
                dollars = Decimal(plan.chance.randint(0, plan.chance.choice((200, 20000)))).scaleb(-2)
                rows.append({"month": month, "component": component, "amount": plan.amount(dollars, plan.digits)})
    return rows


def _request(plan: Plan, charged: list[Month], month: str, team: str) -> dict[str, str] | None:
    """A team's forecast for a month is set, and perhaps its request for a draw is made."""
    chance = plan.chance
    figures = next(figures for figures in charged if figures.month == month)
    book = max((b for b in plan.versions if b["effective_from"] <= f"{month}-01"), key=lambda b: b["effective_from"])
    trigger = Fraction(book.get("buffer", {}).get("trigger", "3.0"))
    limit = Fraction(figures.before_draws(team) or 0) / trigger  # in minor units: at or below it a draw is eligible
    choice = chance.choice(("exactly", "exactly", "just too much", "burst", "burst", "burst", "calm", "none", "zero"))
    if choice == "exactly" and limit.denominator != 1 and "passthrough" not in book["uplift"]["applies_to"]:
        limit = Fraction((limit // 2 + 1) * 2)  # a whole number of times the trigger, 3 or 2.5, is whole
        cost = text_of(int(limit * trigger) - (figures.before_draws(team) or 0), plan.digits)
        plan.rows.append(usage.pass_through(chance, month, team, cost))
    forecast = {
        "exactly": limit,
        "just too much": limit + 1,
        "burst": limit * Fraction(chance.randint(20, 99), 100),
        "calm": limit * chance.randint(2, 4),
        "none": None,
        "zero": Fraction(0),
    }[choice]
    if forecast is not None and forecast >= 0:
        plan.teams[team]["forecast"][month] = text_of(int(forecast), plan.digits)
    joined = plan.teams[team]["cost_center"][0]
    if chance.random() > 0.6 or (isinstance(joined, dict) and joined.get("from", "")[:7] > month):
        return None
    asked = ("", "", "", plan.amount("0.5", plan.digits), plan.amount("7.31", plan.digits), plan.amount("5000", plan.digits))
    return {
        "month": month,
        "team": team,
        "cause": chance.choice((*GOOD_CAUSES, *GOOD_CAUSES, *GOOD_CAUSES, "overspend")),
        "disclosure": chance.choice(("Moved the corpus",) * 9 + ("",)),
        "requested": chance.choice(asked),
    }
