"""Which model of operation fits (rule C7)."""

from __future__ import annotations

from itertools import product

import pytest

from finledger.core.advise import FUNDING, LEVELS, ROWS, Level, advise
from finledger.core.operating import MODELS


@pytest.mark.parametrize(
    ("given", "model"),
    [
        (("high", "high", "high"), "platform_led"),
        (("medium", "high", "low"), "finops_led"),
        (("medium", "high", "medium"), "finops_led"),
        (("medium", "high", "high"), "finops_led"),
        (("low", "low", "high"), "it_led"),
        (("medium", "low", "high"), "it_led"),
    ],
)
def test_rows__fit_as_they_are(given: tuple[Level, Level, Level], model: str) -> None:
    best = advise(*given)[0]
    assert (best.model, best.steps, best.off, best.warnings) == (model, 0, (), ())


def test_every_other_combination__is_off_and_says_by_what() -> None:
    factors = ("consumption", "finops", "platform")
    on_a_row = {given for row in ROWS for given in product(*(row.levels[factor] or LEVELS for factor in factors))}
    assert len(on_a_row) == 6
    for given in product(LEVELS, LEVELS, LEVELS):
        fits = advise(*given)
        assert sorted(fit.model for fit in fits) == sorted(MODELS)
        assert (fits[0].steps == 0) == (given in on_a_row)
        assert [fit.steps for fit in fits] == sorted(fit.steps for fit in fits)
        assert all(fit.steps == sum(off.steps for off in fit.off) for fit in fits)


def test_nearest__names_the_factor_and_how_far() -> None:
    """Much AI, little FinOps, mature IT: one level from the IT-led row, which fails where consumption dwarfs the seats."""
    best = advise("high", "low", "high")[0]
    (off,) = best.off
    assert (best.model, off.factor, off.given, off.wanted, off.steps) == (
        "it_led",
        "consumption",
        "high",
        ("low", "medium"),
        1,
    )
    assert best.warnings and "dwarfs" in best.warnings[0]


def test_equally_near__the_one_with_less_against_it() -> None:
    """Three levels off both: tagging fails FinOps; two things fail IT."""
    first, second, _ = advise("high", "low", "low")
    assert (first.model, second.model, first.steps, second.steps) == ("finops_led", "it_led", 3, 3)
    assert len(first.warnings) < len(second.warnings)


def test_funding__is_said_of_every_model_and_component() -> None:
    assert set(FUNDING) == set(MODELS)
    assert len({tuple(parts) for parts in FUNDING.values()}) == 1
