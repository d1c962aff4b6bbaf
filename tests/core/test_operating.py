"""Models of operation (rule C7). The whole months are tests/examples/36-finops-led and 37-it-led, with their sums."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from finledger.core.model import UNALLOCATED, Sku, Uplift
from finledger.core.problem import Outcome, Refused
from finledger.pipeline import MonthInputs, run_month
from tests.laws.test_corridor import JULY, ORGANISATION, book, group

NONE = Decimal(0)
LED = replace(ORGANISATION, pools=())
MADE = [
    # 3 M input x 3.00 + 1 M output x 12.00 = 21.00 of tokens; 1,000 published actions are 9.30 of base
    group("growth", "chat", "", 1_000, 3_000_000, NONE, NONE, ""),
    group("growth", "eval", "", 1_000, 3_000_000, NONE, NONE, ""),
]


def charged(model: str, priced: bool, usage=MADE, prices=None):  # type: ignore[no-untyped-def]
    organisation = replace(LED, operating_model=model, buffer_priced=priced)
    inputs = MonthInputs(JULY, organisation, [prices or book()], lambda query: Outcome(tuple(usage)))
    return run_month(inputs)[0]


def lines(charges, team="growth"):  # type: ignore[no-untyped-def]
    kept = [line for line in charges.lines if line.key.team == team]
    return {line.key.item: {name: str(part) for name, part in line.components} for line in kept}


def central(charges):  # type: ignore[no-untyped-def]
    return {each.component: str(each.amount) for each in charges.central}


def test_finops_led__buffer_as_an_option() -> None:
    """21.00 x 1.04 = 21.84, and the fund gets 0.84; without the option teams pay 21.00 and 0.97 of surcharge is central.

    Central: overhead 21 x 0.15 = 3.15, of which the registry is 0.11025; surcharge (21 + 3.15) x 0.04 = 0.966; the eval
    runs at the book's price, 1,000 x 0.011123 = 11.123.
    """
    paid = charged("finops_led", True)
    assert lines(paid) == {"chat": {"base": "21.00", "buffer": "0.84"}}
    assert central(paid) == {"eval": "11.12", "overhead": "3.04", "registry": "0.11"}
    free = charged("finops_led", False)
    assert lines(free) == {"chat": {"base": "21.00"}}
    assert central(free) == {"buffer": "0.97", "eval": "11.12", "overhead": "3.04", "registry": "0.11"}


def test_it_led__buffer_as_an_option() -> None:
    """1,000 x 0.0093 x 1.15 = 10.695, rounded to 10.70; with the surcharge x 1.04 = 11.1228, rounded to 11.12.

    The registry would have been 9.30 x 0.15 x 0.035 = 0.048825, the surcharge 10.695 x 0.04 = 0.4278. 10.70 in cents is
    930.43 of base and 139.57 of overhead: the cent left goes to overhead. 11.12 is 929.77, 139.46 and 42.77 of surcharge.
    """
    assert lines(charged("it_led", False)) == {"chat": {"base": "9.30", "overhead": "1.40"}}
    assert central(charged("it_led", False)) == {"buffer": "0.43", "eval": "11.12", "registry": "0.05"}
    assert lines(charged("it_led", True)) == {"chat": {"base": "9.30", "buffer": "0.43", "overhead": "1.39"}}
    assert central(charged("it_led", True)) == {"eval": "11.12", "registry": "0.05"}


def test_platform_led__funds_nothing_centrally() -> None:
    assert charged("platform_led", False).central == ()


@pytest.mark.parametrize(("model", "rate", "registry"), [("finops_led", "24.00", "0.13"), ("it_led", "27.60", "0.13")])
def test_uplift_on_gpu__follows_the_model(model: str, rate: str, registry: str) -> None:
    """An hour at 24.00: at cost, or with 15 % overhead. The registry of 24 x 0.15 x 0.035 = 0.126 is central in both."""
    uplift = Uplift(Decimal("0.15"), Decimal("0.035"), "carved", NONE, ("gpu",))
    prices = replace(book(), uplift=uplift, gpu={"h100": Sku(Decimal("24.00"), "gpu_hour")})
    charges = charged(model, False, [group("growth", "", "h100", 0, 0, Decimal(1), NONE, "")], prices)
    assert sum(line.amount.amount for line in charges.lines if line.key.kind == "gpu") == Decimal(rate)
    assert central(charges)["registry"] == registry


def test_usage_of_nobody__is_priced_as_a_consumers() -> None:
    """An eval run that nobody owns is disclosed to nobody: it is held by the platform at the model's price (A1)."""
    charges = charged("finops_led", False, [group("", "eval", "", 1_000, 3_000_000, NONE, NONE, "")])
    assert lines(charges, UNALLOCATED) == {"eval": {"base": "21.00"}}
    assert charges.disclosures == () and central(charges) == {}


def test_finops_led__an_action_without_tokens_is_not_free() -> None:
    with pytest.raises(Refused) as refused:
        charged("finops_led", False, [group("growth", "chat", "", 10, 0, NONE, NONE, "")])
    assert [problem.code for problem in refused.value.problems] == ["tokens-missing"]
    assert lines(charged("it_led", False, [group("growth", "chat", "", 10_000, 0, NONE, NONE, "")])) != {}
