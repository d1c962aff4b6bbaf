"""Which model of operation fits: consumption, FinOps maturity and the maturity of platform or IT decide (rule C7).

Three combinations are known to work. Anything else is held against them, step by step, and the nearest is named with how
far it is and which factor is off: an answer for a combination that nobody has vouched for is never shown as a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from finledger.core.operating import FINOPS_LED, IT_LED, PLATFORM_LED

Level = Literal["low", "medium", "high"]
LEVELS: tuple[Level, ...] = ("low", "medium", "high")
FACTORS = ("consumption", "finops", "platform")


@dataclass(frozen=True, slots=True)
class Row:
    """A combination that works. A factor without levels does not matter. `fails` says at which level the model fails."""

    model: str
    levels: Mapping[str, tuple[Level, ...]]
    why: str
    fails: Mapping[tuple[str, Level], str]


# From the least to operate to the most: of two that are equally near, the one that asks less is named.
ROWS = (
    Row(
        FINOPS_LED,
        {"consumption": ("medium",), "finops": ("high",), "platform": ()},
        "Tagging is good enough to charge actions at cost through the cloud bill's own tools; evaluation and the prompt "
        "registry get a central budget line, because tags do not catch them.",
        {("finops", "low"): "charges by tag are only as good as the tags: with weak tagging, cost lands on nobody"},
    ),
    Row(
        IT_LED,
        {"consumption": ("low", "medium"), "finops": ("low",), "platform": ("high",)},
        "IT bills seats already: they stay as the baseline that everybody knows, and actions come on top of them as a "
        "first signal of use.",
        {
            ("platform", "low"): "an IT that only buys software has nobody to run the billing",
            ("consumption", "high"): "consumption this large dwarfs the seats that it is added to",
        },
    ),
    Row(
        PLATFORM_LED,
        {"consumption": ("high",), "finops": ("high",), "platform": ("high",)},
        "Consumption pays for a billing system of its own, the platform team can defend a price list, and FinOps ties it "
        "into the accounts: all four components are in the price.",
        {("platform", "low"): "a platform team without experience of billing cannot defend its prices"},
    ),
)

# What each model prices to teams, and what it funds centrally (the table of rule C7, in words).
FUNDING: Mapping[str, Mapping[str, str]] = {
    PLATFORM_LED: {
        "actions": "published or metered, with all uplifts",
        "overhead": "in the price",
        "evaluation": "split between the platform and the team",
        "registry": "in the price",
        "buffer": "in the price",
        "seats": "billed where a team holds them",
    },
    FINOPS_LED: {
        "actions": "metered at cost, or passed through by tags",
        "overhead": "central",
        "evaluation": "central",
        "registry": "central",
        "buffer": "central, or a surcharge with `buffer: {priced: true}`",
        "seats": "billed where a team holds them",
    },
    IT_LED: {
        "actions": "adders to the seats: base and overhead",
        "overhead": "in the price",
        "evaluation": "central",
        "registry": "central",
        "buffer": "central, or a surcharge with `buffer: {priced: true}`",
        "seats": "the baseline",
    },
}


@dataclass(frozen=True, slots=True)
class Off:
    """A factor that is not what the model's row asks for, and by how many levels."""

    factor: str
    given: Level
    wanted: tuple[Level, ...]
    steps: int


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a model fits: `off` is empty on its row. `warnings`: what is known to make it fail, and is the case."""

    model: str
    why: str
    off: tuple[Off, ...]
    warnings: tuple[str, ...]

    @property
    def steps(self) -> int:
        return sum(each.steps for each in self.off)


def advise(consumption: Level, finops: Level, platform: Level) -> tuple[Fit, ...]:
    """Every model, the one that fits best first: by steps from its row, then by what makes it fail, then by what it asks.

    >>> [(fit.model, fit.steps) for fit in advise("high", "high", "high")]
    [('platform_led', 0), ('finops_led', 1), ('it_led', 3)]
    """
    given: dict[str, Level] = {"consumption": consumption, "finops": finops, "platform": platform}
    return tuple(sorted((_fit(row, given) for row in ROWS), key=lambda fit: (fit.steps, len(fit.warnings))))


def _fit(row: Row, given: Mapping[str, Level]) -> Fit:
    off = []
    for factor in FACTORS:
        wanted = row.levels[factor]
        if wanted and given[factor] not in wanted:
            steps = min(abs(LEVELS.index(given[factor]) - LEVELS.index(level)) for level in wanted)
            off.append(Off(factor, given[factor], wanted, steps))
    warnings = tuple(why for (factor, level), why in row.fails.items() if given[factor] == level)
    return Fit(row.model, row.why, tuple(off), warnings)
