"""Azure cost details of enterprise and customer agreements and pay-as-you-go: a line for each meter, resource and day.

A file is of actual or of amortised costs, never both: load one of them. What a reservation or a plan covers was not billed with
the row; its cost, which only amortised costs have, is effective. Quantities are in blocks of the unit (0.0129 of `10K` is 129).
"""

from __future__ import annotations

from finledger.read.documents import Places
from finledger.read.usage._bill import needed, takes_back
from finledger.read.usage._declared import Column, Reader, blocks, fixed, sql

_COST = "CostInBillingCurrency|Cost|PreTaxCost"
_DATE = "Date|UsageDateTime|ServicePeriodStartDate"
_METER_WORDS, _BUCKET, _COUNT = "@words", "@bucket", "@count"

# The words of a meter's name, in marks other than points: `gpt-4o-0806-Inp-glbl Tokens`, `5 mini cd Inp Gl 1M Tokens`.
_INPUT, _OUTPUT = " (inp|inpt|input) ", " (out|outp|outpt|opt|output) "
_CACHED, _WRITTEN = " (cached|cchd|cd|cache|cach|ch inp) ", " (wr|write) "
_EMBEDDED = " (embed|embedding|embeddings) "
_OTHER = " (aud|audio|img|image|rt|realtime|training|trng|hosting|hstng|grdr|grader|unit|units) "
_OF_OPENAI = (
    "coalesce({1}, 'Usage') = 'Usage' AND (contains(lower(coalesce({0}, '')), 'openai') "
    "OR contains(lower(coalesce({2}, '')), 'openai') OR contains(lower(coalesce({2}, '')), 'foundry models'))"
)
_WORDS = "' ' || regexp_replace(lower({3}), '[^a-z0-9.]+', ' ', 'g') || ' '"


def _is(*words: str, without: tuple[str, ...] = ()) -> str:
    found = [f"regexp_matches({{0}}, '{word}')" for word in words]
    return " AND ".join([*found, *(f"NOT regexp_matches({{0}}, '{word}')" for word in without)])


_BUCKETS = {
    "input_tokens": _is(_INPUT, without=(_OUTPUT, _CACHED, _WRITTEN)),
    "cached_input_tokens": _is(_CACHED, without=(_OUTPUT, _WRITTEN)),
    "cache_write_tokens": _is(_CACHED, _WRITTEN, without=(_OUTPUT,)),
    "output_tokens": _is(_OUTPUT, without=(_INPUT, _CACHED, _WRITTEN)),
}


def _bucket() -> Column:
    """Which of the four a meter counts; empty where it counts none of them."""
    cases = " ".join(f"WHEN {each} THEN '{bucket}'" for bucket, each in _BUCKETS.items())
    cases += f" WHEN {_is(_EMBEDDED)} THEN 'input_tokens'"  # which names no side: there is but one
    tokens = f"regexp_matches({{0}}, ' tokens? $') AND NOT regexp_matches({{0}}, '{_OTHER}')"
    return Column((_METER_WORDS,), f"CASE WHEN {tokens} THEN CASE {cases} END END")


def _count() -> Column:
    """The quantity in blocks; empty where cost and list price say that it is not in blocks, the unit is none, or a correction takes
    money and some back."""
    names = ("Quantity|UsageQuantity", "UnitOfMeasure", "UnitPrice|PayGPrice|ResourceRate", _COST, _BUCKET)
    price = f"{_about('{2}')} * {_about('{0}')}"
    in_blocks = f"({price} = 0 OR {_about('{3}')} = 0 OR {price} < 30 * abs({_about('{3}')}))"
    is_count = f"{{4}} IS NOT NULL AND NOT {takes_back('{0}', '{3}')}"
    taken = f"{is_count} AND regexp_full_match({{1}}, '10* ?[KkMm]?( [Tt]okens)?') AND {in_blocks}"
    return Column(names, f"CASE WHEN {taken} THEN {blocks('', '').template} END")


def _about(text: str) -> str:
    """SQL of a number near enough to compare; 0 for what is none, so that it is refused where it is read."""
    number = "-?[0-9]{{0,15}}([.][0-9]*)?([eE][+-]?[0-9]{{1,2}})?"
    return f"coalesce(CASE WHEN regexp_full_match({text}, '{number}') THEN TRY_CAST({text} AS DOUBLE) END, 0)"


def _model() -> Column:
    """What stands before the first word of the bucket, as the meter writes it; of embeddings, before where they run."""
    words = "cached|cchd|cd|cache|cach|ch|inp|inpt|input|out|outp|outpt|opt|output"
    name = f"nullif(regexp_extract({{0}}, '^(.+?)[- ]+(?:{words})[- ]', 1, 'i'), '')"
    place = "(?:glbl|global|gl|regnl|rgnl|regional|data[- ]?zone|dzone|dz|1[mk]|tokens?)"
    other = f"nullif(regexp_extract({{0}}, '^(.+?)(?:[- ]+{place})+$', 1, 'i'), '')"
    return Column(("MeterName", _BUCKET), f"CASE WHEN {{1}} IS NOT NULL THEN coalesce({name}, {other}) END")


def _day() -> Column:
    """A day in UTC: 9/2/2023 is the second of September, as Azure writes it in every language."""
    parts = [f"regexp_extract({{0}}, '^([0-9]+)/([0-9]+)/([0-9]+)', {group})" for group in (1, 2, 3)]
    american = f"{parts[2]} || '-' || lpad({parts[0]}, 2, '0') || '-' || lpad({parts[1]}, 2, '0') || 'T00:00:00Z'"
    return Column(
        (_DATE,),
        "CASE WHEN regexp_full_match({0}, '[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{4}}( 0?0:00(:00)?| 12:00(:00)? AM)?') "
        f"THEN {american} WHEN regexp_full_match({{0}}, '20[0-9]{{{{6}}}}') "
        "THEN {0}[:4] || '-' || {0}[5:6] || '-' || {0}[7:] || 'T00:00:00Z' WHEN length({0}) = 10 THEN {0} || 'T00:00:00Z' "
        "WHEN regexp_full_match({0}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ][0-9:.]*') THEN {0} || 'Z' ELSE {0} END",
    )


_COVERED = (
    "CASE WHEN {0} IS NOT NULL AND lower(coalesce({1}, '')) IN ('reservation', 'savingsplan') "
    "AND lower(coalesce({2}, '')) IN ('usage', 'unusedreservation', 'unusedsavingsplan') AND regexp_full_match({0}, '[0-9.eE+-]*') "
    "THEN '0' ELSE coalesce({0}, '(blank)') END"
)
READER = Reader(
    title="Azure cost details of EA, MCA and pay-as-you-go, actual or amortised (CSV, Parquet)",
    grain="cost",
    places=Places(("", "data[]")),
    needs=(_COST, "BillingCurrencyCode|BillingCurrency|Currency", _DATE, "MeterId", "MeterName", "UnitOfMeasure"),
    steps={
        _METER_WORDS: sql(
            f"CASE WHEN {_OF_OPENAI} THEN {_WORDS} END", "MeterSubCategory", "ChargeType", "MeterCategory", "MeterName"
        ),
        _BUCKET: _bucket(),
        _COUNT: _count(),
    },
    columns={
        "ts": _day(),
        "provider": fixed("azure"),
        "model": _model(),
        "requests": fixed("0"),
        **{bucket: sql(f"CASE WHEN {{1}} = '{bucket}' THEN {{0}} END", _COUNT, _BUCKET) for bucket in _BUCKETS},
        "billed_cost": Column((_COST, "PricingModel", "ChargeType"), _COVERED, reason=needed(_COST).reason),
        "effective_cost": needed(_COST),
        "billed_currency": "BillingCurrencyCode|BillingCurrency|Currency",
        "account": "BillingAccountId",
        "sub_account_id": "SubscriptionId|SubscriptionGuid",
        "sub_account_name": "SubscriptionName",
        "organization": "InvoiceSectionName|InvoiceSection",
        "project": "ResourceGroup|ResourceGroupName",
        "service": "MeterCategory|ConsumedService",
        "sku": "MeterName|ProductName|Product",
        "resource": "ResourceId|InstanceId|InstanceName|ResourceName",
        "region": "ResourceLocation|Location|MeterRegion",
        "charge_category": "ChargeType",
        "charge_class": "PricingModel",
        "tag": "Tags",
    },
    m5="OpenAI's text meters are rows of their own: input, cached input, cache writes and output as metered, none of them added up; "
    "any other meter and a correction below 0 give a cost and no tokens.",
)
