"""A book drafted from uses (rule P5): averages, prices by model, what is kept, what an accelerator costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from finledger.core.build import Head, draft, recovered, used_buckets
from finledger.core.currency import CurrencyRate
from finledger.core.lint import lint
from finledger.core.model import ActionClass, ActionUse, ModelRates, Price, PriceBook, Sku, Uplift
from finledger.core.model_rates import GpuCost, converted, settled
from finledger.core.variance import variances

D = Decimal
LARGE = ModelRates("cumulus", {"input_tokens": D("3.00"), "output_tokens": D("12.00")})
SMALL = ModelRates("cumulus", {"input_tokens": D("0.40"), "output_tokens": D("1.60")})
LAST = PriceBook(
    quarter="2026-Q3",
    version=1,
    effective_from=date(2026, 7, 1),
    effective_until=date(2026, 10, 1),
    published=date(2026, 6, 24),
    currency="USD",
    price_digits=6,
    rounding="half_up",
    models={"large": LARGE, "small": SMALL},
    gpu={"h100": Sku(D("2.60"), "gpu_hour"), "l40s": Sku(D("2.10"), "gpu_hour")},
    egress={},
    seats={},
    uplift=Uplift(D("0.15"), D("0.035"), "carved", D("0.04")),
    actions={"chat_call": ActionClass("chat_call", "consumer", "published", Price(D("0.0087"), D("0.010405")))},
)
HEAD = Head("2026-Q4", 1, date(2026, 10, 1), date(2027, 1, 1))


def use(actions: int, tokens_in: int, tokens_out: int, item: str = "chat_call", model: str = "large") -> ActionUse:
    tokens = {"input_tokens": tokens_in, "output_tokens": tokens_out}
    version = "2026-Q3.v1"
    return ActionUse(item, model, version, "consumer", D(actions), 0, tokens, D(0), None, None)


def classes(**actions: ActionClass) -> PriceBook:
    return replace(LAST, actions=actions)


def test_draft__the_worked_price() -> None:
    """1,000 + 2,000 calls, 4,500,000 input and 1,200,000 output tokens: 1,500 and 400 a call, 0.0093, 0.011123 (P3)."""
    made = draft(LAST, HEAD, [use(1000, 1_900_000, 250_000), use(2000, 2_600_000, 950_000)], LAST.models)
    (row,) = made.classes
    assert (row.average("input_tokens"), row.average("output_tokens")) == (1500, 400)
    assert (row.base, row.price, row.last) == (D("0.0093"), D("0.011123"), Price(D("0.0087"), D("0.010405")))
    assert row.parts["registry"] == D("0.000048825") and row.parts["buffer"] == D("0.0004278")
    assert row.change == Fraction(718, 10405)
    book = made.book
    assert (book.name, book.published, book.actions["chat_call"].planned) == ("2026-Q4.v1", None, 3000)
    assert [problem.code for problem in lint(book, (LAST,), ()) if problem.code == "lint-stack"] == []


def test_draft__base_to_three_more_places_than_a_price_and_the_price_on_that_base() -> None:
    """7 calls of 10 input tokens in all: 0.00003 / 7 = 0.00000428571…; stated 0.000004286, x 1.196 = 0.0000051… → 0.000005."""
    (row,) = draft(LAST, HEAD, [use(7, 10, 0)], LAST.models).classes
    assert (row.base, row.price) == (D("0.000004286"), D("0.000005"))


def test_draft__a_class_of_several_models_is_their_mean() -> None:
    """100 calls at 0.0093 and 300 at 0.00124 (1,500 x 0.40 + 400 x 1.60): (0.93 + 0.372) / 400 = 0.003255."""
    uses = [use(100, 150_000, 40_000), use(300, 450_000, 120_000, model="small")]
    (row,) = draft(LAST, HEAD, uses, LAST.models).classes
    assert (row.model, row.base, row.price) == ("", D("0.003255"), D("0.003893"))
    whole, small, large = _by_model(draft(LAST, HEAD, uses, LAST.models, by_model=True).book, "small", "large")
    assert (small, large) == (Price(D("0.00124"), D("0.001483")), Price(D("0.0093"), D("0.011123")))
    assert whole == Price(D("0.003255"), D("0.003893"))


def _by_model(book: PriceBook, *models: str) -> tuple[Price | None, ...]:
    action = book.actions["chat_call"]
    return (action.price, *(action.by_model.get(model) for model in models))


def test_draft__the_class_price_is_the_mean_of_what_it_will_price() -> None:
    """`small` has a price of its own: the class's is that of `large` alone, and each model keeps to its own calls."""
    own = {"small": Price(D("0.001"), D("0.001196"))}
    last = classes(chat_call=replace(LAST.actions["chat_call"], by_model=own))
    uses = [use(100, 150_000, 40_000), use(300, 450_000, 120_000, model="small")]
    got = _by_model(draft(last, HEAD, uses, last.models).book, "small", "large")
    assert got == (Price(D("0.0093"), D("0.011123")), Price(D("0.00124"), D("0.001483")), None)


def test_draft__a_class_without_a_price_of_its_own_gets_one_for_each_model_that_ran() -> None:
    action = ActionClass("chat_call", "consumer", "published", None, {"small": Price(D("0.001"), D("0.001196"))})
    made = draft(classes(chat_call=action), HEAD, [use(100, 150_000, 40_000)], LAST.models)
    assert _by_model(made.book, "small", "large") == (None, action.by_model["small"], Price(D("0.0093"), D("0.011123")))
    assert [(row.model, row.kept) for row in made.classes] == [("small", "no use in the period"), ("large", "")]


def test_draft__what_usage_does_not_say_is_kept() -> None:
    unused = ActionClass("eval_run", "shared", "published", Price(D("0.009"), D("0.010764")), planned=12)
    tool = ActionClass("tool_call", "consumer", "published", Price(D("0.0008"), D("0.000957")))
    judge = ActionClass("judge_call", "platform", "metered")
    last = classes(eval_run=unused, tool_call=tool, judge_call=judge)
    uses = [use(50, 0, 0, "tool_call", ""), use(4, 6000, 1600, "judge_call"), use(1, 9, 9, "old_call")]
    made = draft(last, HEAD, uses, last.models)
    assert made.book.actions == {
        "eval_run": unused,
        "tool_call": replace(tool, planned=50),
        "judge_call": replace(judge, planned=4),
    }
    assert [row.kept for row in made.classes] == ["no use in the period", "no tokens in the period", ""]
    assert made.classes[2].base == D("0.0093") and made.classes[2].price is None
    assert made.notes == ("old_call: used in the period, and no class of 2026-Q3.v1: left out",)


def test_draft__planned_is_a_quarter_of_a_shorter_period() -> None:
    """500 calls in one month: 1,500 a quarter; 500 in two: 750; 7 in two: 10.5, so 11."""
    for count, months, planned in ((500, 1, 1500), (500, 2, 750), (7, 2, 11), (500, 3, 500)):
        made = draft(LAST, HEAD, [use(count, 9, 9)], LAST.models, months=months)
        assert made.book.actions["chat_call"].planned == planned


def test_draft__accelerators_at_what_they_cost_to_own() -> None:
    """(288,000 / 36 + 2,800) / (8 x 720 x 0.625) = 10,800 / 3,600; the other keeps its rate; a new one is added."""
    cost = GpuCost("h100", D("288000"), 36, D("2800"), D("720"), D("0.625"), 8)
    new = GpuCost("b200", D("40000"), 36, D("300"), D("730"), D("0.60"))
    made = draft(LAST, HEAD, [use(1, 9, 9)], LAST.models, [new, cost])
    # (40,000 / 36 + 300) / (730 x 0.60) = 1,411.111… / 438 = 3.22171487…
    assert [(gpu.gpu_sku, f"{gpu.rate:f}", gpu.last) for gpu in made.gpu] == [
        ("h100", "3.00", D("2.60")), ("l40s", "2.10", D("2.10")), ("b200", "3.221715", None),
    ]  # fmt: skip
    assert made.book.gpu["b200"] == Sku(D("3.221715"), "gpu_hour")


def test_recovered__what_the_period_brought_in_beside_what_it_cost() -> None:
    """1,200 calls, 1,000 planned, at a base of 0.0093. Tokens at the book's rates cost 11.16, as the base says: no mix.

    Billed 11.50: 0.34 over. Overhead of 200 calls more: 200 x 0.0093 x 0.15 = 0.279. 0.279 - 0.34 = -0.061, shown -0.06.
    """
    chat = ActionClass("chat_call", "consumer", "published", Price(D("0.0093"), D("0.011123")), planned=1000)
    book = classes(chat_call=chat)
    used = replace(use(1200, 1_800_000, 480_000), base=D("11.16"), token_cost=D("11.16"), provider_cost=D("11.50"))
    assert recovered(variances([used], [book]), "USD") == {"chat_call": D("-0.06")}
    assert recovered(variances([replace(used, provider_cost=None)], [book]), "USD") == {}, "not measurable, so not said"


# ── rates ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_used_buckets__only_those_with_tokens() -> None:
    assert used_buckets([use(1, 5, 0), use(1, 0, 3), use(4, 0, 0, model="")]) == {
        "large": frozenset({"input_tokens", "output_tokens"})
    }


def test_settled__the_catalogue_before_the_last_book_bucket_by_bucket() -> None:
    last = replace(
        LAST, models={"large": replace(LARGE, rates={**LARGE.rates, "cache_write_tokens": D("3.75")}), "small": SMALL}
    )
    found = ModelRates("elsewhere", {"output_tokens": D("10"), "input_tokens": D("2.5")}, "a catalogue, 2026-10-01")
    got = settled(last, {}, {"large": found})
    assert got.problems == ()
    rates = {"input_tokens": D("2.5"), "cache_write_tokens": D("3.75"), "output_tokens": D("10")}
    assert got.rows.models["large"] == ModelRates("cumulus", rates, "a catalogue, 2026-10-01")
    assert got.rows.models["small"] == replace(SMALL, source="price book 2026-Q3.v1")
    assert got.rows.notes == (
        "large: the catalogue has no rate for cache_write; there it keeps that of 2026-Q3.v1",
        "small: not in the catalogue of model prices; it keeps the rates of 2026-Q3.v1",
    )


def test_settled__what_neither_prices_and_was_used_is_a_problem() -> None:
    used = {"huge": frozenset({"input_tokens"}), "small": frozenset({"cached_input_tokens", "output_tokens"})}
    outcome = settled(LAST, used, {})
    assert [(each.code, each.message.partition(" for ")[2]) for each in outcome.problems] == [
        ("model-rate-unknown", "cached_input_tokens of model 'small', which was used in the period"),
        ("model-rate-unknown", "model 'huge', which was used in the period"),
    ]


def test_converted__once_and_rounded() -> None:
    """2.50 USD x 0.8613 = 2.15325, to 4 places 2.1533 (half up)."""
    rate = CurrencyRate(date(2026, 9, 30), "USD", "EUR", D("0.8613"), "ECB")
    got = converted(ModelRates("openai", {"input_tokens": D("2.50")}, "a catalogue"), rate, 4)
    assert got == ModelRates("openai", {"input_tokens": D("2.1533")}, "a catalogue; USD at 0.8613 of 2026-09-30")
