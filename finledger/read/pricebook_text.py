"""A price book, key by key: the models that check its text, and that its JSON Schema for editors is made from."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import Field, WithJsonSchema

from finledger.read import values
from finledger.read.fields import (
    Amount,
    Count,
    Currency,
    Day,
    Flag,
    Number,
    Share,
    Text,
    TextKey,
    TextModel,
    editor_schema,
    one_of,
    parsed_by,
)

# The book's words for the buckets of usage (rule M5).
BUCKETS = {
    "input": "input_tokens",
    "cached_input": "cached_input_tokens",
    "cache_write": "cache_write_tokens",
    "output": "output_tokens",
}
APPLIES_TO = ("actions", "gpu", "egress", "seats", "passthrough")
Quarter = Annotated[str, parsed_by(values.quarter), WithJsonSchema({"type": "string", "pattern": r"^\d{4}-Q[1-4]$"})]
Version = Annotated[int, parsed_by(values.count), WithJsonSchema({"type": "integer", "minimum": 1})]
Places = Annotated[int, parsed_by(values.count), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 18})]


class RatesText(TextModel):
    provider: Text = Field(description="Who serves the model.")
    input: Amount | None = Field(None, description="Per 1,000,000 input tokens that no cache served.")
    cached_input: Amount | None = Field(None, description="Per 1,000,000 input tokens read from a cache.")
    cache_write: Amount | None = Field(None, description="Per 1,000,000 input tokens written to a cache.")
    output: Amount | None = Field(None, description="Per 1,000,000 output tokens, reasoning included.")
    source: Text | None = Field(None, description="Where the rates were taken from, and as of which day.")


class SkuText(TextModel):
    rate: Amount = Field(description="The price of one unit.")


class EgressText(SkuText):
    unit: Annotated[str, *one_of("GB", "GiB")] = Field(default="GB", description="GB = 1000³ bytes, GiB = 1024³ bytes.")


class SeatText(SkuText):
    included: dict[TextKey, Count] = Field(
        default={}, description="In it_led: how many actions of a class a seat includes each month, before they are charged."
    )


class UpliftText(TextModel):
    overhead: Share = Field(default=Decimal(0), description="The platform's overhead, as a share of base cost.")
    registry: Share = Field(default=Decimal(0), description="The registry's part, as a share of the overhead.")
    registry_basis: Annotated[str, *one_of("carved", "additive", "of_price")] = Field(
        default="carved", description="Whether the registry is carved out of the overhead or added on top."
    )
    buffer: Share = Field(default=Decimal(0), description="The surcharge for the bursting buffer.")
    applies_to: list[Annotated[str, *one_of(*APPLIES_TO)]] = Field(
        default=["actions"], description="What carries the uplift."
    )


class PriceText(TextModel):
    base: Amount = Field(description="The base cost of one action.")
    price: Amount = Field(description="The published price of one action.")


class ActionText(TextModel):
    funding: Annotated[str, *one_of("consumer", "shared", "platform")] = Field(description="Who pays for the action.")
    pricing: Annotated[str, *one_of("published", "metered")] = Field(
        description="A published price for each action, or the tokens that were used."
    )
    base: Amount | None = Field(None, description="The base cost of one action.")
    price: Amount | None = Field(None, description="The published price of one action.")
    by_model: dict[TextKey, PriceText] = Field(default={}, description="Base and price for the models that differ.")
    scope: Annotated[str, *one_of("domain", "baseline")] | None = Field(
        None, description="Whose evaluation a shared action is: the team's domain, or the platform's baseline."
    )
    planned: Count | None = Field(None, description="How many actions the quarter's overhead was spread over.")


class EvalText(TextModel):
    platform_share: Share | None = Field(
        None, description="The platform's share of shared actions; needed unless they are split by_component."
    )
    split: Annotated[str, *one_of("line", "by_component", "pooled")] = Field(
        default="line", description="What is shared: each line, whole classes by their scope, or the month's sum of all."
    )


class CoverageText(TextModel):
    target: Share = Field(default=Decimal("0.80"), description="From this coverage on there is no premium.")
    floor: Share = Field(default=Decimal("0.20"), description="Up to this coverage the premium is full.")
    max_multiplier: Number = Field(description="The multiplier at the floor, such as 1.50.")


class FreshnessText(TextModel):
    slo: Share = Field(default=Decimal("0.90"), description="The share of traffic that the eval set has to cover.")
    step: Amount = Field(default=Decimal("0.05"), description="What a month below the SLO adds to the multiplier.")
    cap: Amount = Field(description="The most that it can add.")


class QualityText(TextModel):
    coverage: CoverageText = Field(description="The coverage multiplier.")
    freshness: FreshnessText = Field(description="What stale eval sets cost.")


class BufferText(TextModel):
    trigger: Amount = Field(default=Decimal(3), description="A draw needs charges of so many times the forecast.")
    cap_per_team_per_quarter: Amount = Field(description="The most a team can draw in a quarter.")
    size: list[Share] = Field(
        default=[Decimal("0.05"), Decimal("0.10")], description="The fund's limits, as shares of a month's base cost."
    )
    settlement: Annotated[str, *one_of("grant", "loan", "mixed")] = Field(
        default="grant", description="Whether a draw is paid back: not at all, in full, or in part (`loan_share`)."
    )
    loan_share: Share | None = Field(None, description="The share of a draw that is paid back, where it is mixed.")
    above_threshold: Flag = Field(default=False, description="Whether a draw covers only what exceeds the trigger.")


class PriceBookText(TextModel):
    """A price book: one version of a quarter's prices."""

    STANDINS: ClassVar[dict[str, Any]] = {
        "pricebook": "1970-Q1",
        "version": "1",
        "effective_from": "1970-01-01",
        "effective_until": "9000-01-01",
        "currency": "UYW",
    }

    pricebook: Quarter = Field(description="The quarter: 2026-Q3.")
    version: Version = Field(description="1, 2, …: a later version takes over from its effective_from on.")
    effective_from: Day = Field(description="The first day of these prices.")
    effective_until: Day = Field(description="The first day after them.")
    published: Day | None = Field(None, description="When the book was published, and frozen; left out, it is a draft.")
    currency: Currency = Field(description="The currency of the prices: the books' own.")
    price_digits: Places = Field(default=6, description="Decimal places of a published price.")
    rounding: Annotated[str, *one_of("half_up", "half_even")] = Field(
        default="half_up", description="How an amount exactly between two cents is rounded."
    )
    models: dict[TextKey, RatesText] = Field(default={}, description="Token rates by model, per 1,000,000.")
    gpu: dict[TextKey, SkuText] = Field(default={}, description="Rates per accelerator-hour.")
    egress: dict[TextKey, EgressText] = Field(default={}, description="Rates per GB or GiB.")
    seats: dict[TextKey, SeatText] = Field(default={}, description="Rates per seat and month.")
    uplift: UpliftText = Field(default=UpliftText(), description="What is stacked on base cost.")
    actions: dict[TextKey, ActionText] = Field(default={}, description="The billable actions.")
    eval: EvalText | None = Field(None, description="How shared actions are split.")
    quality: QualityText | None = Field(None, description="The price of unmeasured quality.")
    buffer: BufferText | None = Field(None, description="The terms of the bursting buffer.")


def pricebook_schema() -> dict[str, Any]:
    """The JSON Schema of a price book, for editors."""
    return editor_schema(PriceBookText, "finledger price book")
