"""AWS Cost and Usage Report, legacy and 2.0, by hour, day or month: what each line was billed, and what it cost amortised.

Billed is the unblended cost, which with the rows of discounts adds up to the invoice. Effective is the net cost where the row
has one, and what was prepaid or committed lands where it was used. A pod or task of split cost allocation (its billed cost is
0) takes its split and unused cost, and the instance-hour that this is a part of then costs 0; both have to be in the file.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from finledger.read.columns import Field, literal, over
from finledger.read.documents import Places
from finledger.read.usage._bill import NO_COST, both_tags, in_template, minus, needed, plus, tag_columns, takes_back, utc
from finledger.read.usage._declared import Column, Reader, blocks, fixed
from finledger.read.usage._texts import Texts

_TYPE, _USAGE_TYPE = "line_item_line_item_type", "line_item_usage_type"
_UNBLENDED, _NET = "line_item_unblended_cost", "line_item_net_unblended_cost"
_SAVED = "savings_plan_net_savings_plan_effective_cost|savings_plan_savings_plan_effective_cost"
_RESERVED = "reservation_net_effective_cost|reservation_effective_cost"
_IDLE = "unused_amortized_upfront_fee_for_billing_period"
_IDLE_UPFRONT = f"reservation_net_{_IDLE}|reservation_{_IDLE}"
_IDLE_RECURRING = "reservation_net_unused_recurring_fee|reservation_unused_recurring_fee"
_COMMITTED, _USED = "savings_plan_total_commitment_to_date", "savings_plan_used_commitment"
_RESERVATION = "reservation_reservation_arn|reservation_reservation_a_r_n"
_PARENT = "split_line_item_parent_resource_id"
_SPLIT = "split_line_item_net_split_cost|split_line_item_split_cost"
_UNUSED = "split_line_item_net_unused_cost|split_line_item_unused_cost"
_AMOUNT, _CODE = "line_item_usage_amount", "line_item_product_code"
_START, _RESOURCE = "line_item_usage_start_date", "line_item_resource_id"
_INSTANCE_HOURS = (
    "(^|-)(BoxUsage|SpotUsage|HostBoxUsage|HostUsage|DedicatedUsage|UnusedBox|UnusedDed|ReservedHostUsage|SchedUsage)"
)

# REGION-MODEL[-mantle]-BUCKET[-HOW], and of models sold through the Marketplace REGION-MP:REGION_BUCKET[_HOW]-Units, as
# `USE1-MP:USE1_CacheReadInputTokenCount_Global-Units` and `USE1-MP:USE1_cache_write_tokens_1h_global_standard-Units`: a row is taken
# only where all of it is known. Another ending may be another count.
_HOW = (
    "batch|flex|priority|standard|latency-optimized|custom-model|cross-region-global|cross-region-geo|global|geo|regional|"
    "[[:digit:]]+[mh]|long-ctx|long-context|lctx|longctx|longcontext"
)
_REGION = "[A-Z]{2,4}[0-9]?"
_KINDS_NATIVE = "input-tokens|output-tokens|cache-(?:read|write)-(?:input-)?token(?:s|-count)"
_NATIVE = f"^(?:{_REGION}-)?(.+?)(?:-mantle)?-({_KINDS_NATIVE})((?:-(?:{_HOW}))*)$"
_KINDS_SOLD = (
    "(?:input|output|response|cache_?read(?:_?input)?|cache_?write(?:[0-9]+[mh])?(?:_?input)?)(?:_tokens|TokenCount)"
)
_SOLD = f"(?i)^(?:{_REGION}-)?(?:MP:)?{_REGION}_({_KINDS_SOLD})((?:_(?:{_HOW.replace('-', '_')}))*)-Units$"
_IS_SOLD = "ends_with(«0», '-Units')"
_METERED, _KIND, _BLOCK, _COUNT = "@metered", "@kind", "@block", "@count"
_PRODUCT = "product_product_name|product_servicename"


def _metered() -> Column:
    """The usage type where it counts tokens of Bedrock; few rows do."""
    used = "«1» IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')"
    is_native = f"starts_with(«2», 'AmazonBedrock') AND regexp_matches(«0», '{_NATIVE}')"
    found = f"{_IS_SOLD} AND regexp_matches(«0», '{_SOLD}') OR {is_native}"
    return Column((_USAGE_TYPE, _TYPE, _CODE), in_template(f"CASE WHEN {used} AND ({found}) THEN «0» END"))


def _kind() -> Column:
    """What it counts, as the usage type has it, in lower case: `input-tokens`, `cachereadinputtokencount`."""
    sold, native = f"regexp_extract(«0», '{_SOLD}', 1)", f"regexp_extract(«0», '{_NATIVE}', 2)"
    found = f"lower(CASE WHEN {_IS_SOLD} THEN {sold} ELSE {native} END)"
    return Column((_METERED,), in_template(f"CASE WHEN «0» IS NOT NULL THEN {found} END"))


def _block() -> Column:
    """In how many the amount is, as a unit of tokens. A unit of the Marketplace is a million, which most rows say in words; where
    one does not, its price has to be one of a million."""
    said = "regexp_extract(lower(«2»), '(million|thousand)', 1)"
    price = "coalesce(TRY_CAST(«3» AS DOUBLE) / nullif(TRY_CAST(«4» AS DOUBLE), 0), 0) >= 0.02"
    in_words = f"CASE {said} WHEN 'million' THEN '1M' WHEN 'thousand' THEN '1K' ELSE CASE WHEN {price} THEN '1M' END END"
    cases = (
        f"WHEN regexp_full_match(lower(«1»), '10* ?[kmb]? ?tokens?') THEN «1» "
        f"WHEN lower(«1») IN ('unit', 'units') AND {_IS_SOLD} THEN {in_words}"
    )
    names = (_METERED, "pricing_unit", "line_item_line_item_description", _UNBLENDED, _AMOUNT)
    return Column(names, in_template(f"CASE WHEN «0» IS NOT NULL THEN CASE {cases} END END"))


def _count() -> Column:
    """The amount in blocks; empty where the unit is none of tokens, or a correction takes money and some back."""
    taken = f"{{1}} IS NOT NULL AND NOT {takes_back('{0}', '{2}')}"
    return Column((_AMOUNT, _BLOCK, _UNBLENDED), f"CASE WHEN {taken} THEN {blocks('', '').template} END")


def _tokens(kind: str) -> Column:
    return Column((_COUNT, _KIND), f"CASE WHEN regexp_matches({{1}}, '{kind}') THEN {{0}} END")


def _model() -> Column:
    """What the usage type begins with; of the Marketplace, which has no model in it, the product: `Claude Sonnet 4.6`."""
    inside = "CASE WHEN json_valid(«3») THEN coalesce(«3»->>'$.product_name', «3»->>'$.servicename') END"
    product = f"regexp_replace(coalesce(«1», {inside}), ' *[(]Amazon Bedrock Edition[)]', '')"
    sold = f"coalesce(nullif({product}, ''), nullif(regexp_extract(«2», '/([^/]+)$', 1), ''))"
    found = f"CASE WHEN {_IS_SOLD} THEN {sold} ELSE regexp_extract(«0», '{_NATIVE}', 1) END"
    return Column((_METERED, _PRODUCT, _RESOURCE, "product"), in_template(f"CASE WHEN «0» IS NOT NULL THEN {found} END"))


def _tier() -> Column:
    sold, native = f"replace(lower(regexp_extract(«0», '{_SOLD}', 2)), '_', '-')", f"regexp_extract(«0», '{_NATIVE}', 3)"
    found = f"nullif(ltrim(CASE WHEN {_IS_SOLD} THEN {sold} ELSE {native} END, '-'), '')"
    return Column((_METERED,), in_template(f"CASE WHEN «0» IS NOT NULL THEN {found} END"))


class _Cur(Reader):
    """What the costs are made of depends on which columns the report was made with."""

    def fields(self, texts: Texts) -> Iterator[Field]:
        told = set()
        for each in Reader.fields(self, texts):
            if each.name == "effective_cost":
                reason = _REASON if texts.has(_PARENT) else NO_COST
                each = Field("effective_cost", _effective(texts), "effective cost", reason=reason)
            told.add(each.name)
            yield each
        tags = tag_columns(texts.header, ("resourcetags/", "resource_tags_"))
        if tags and "tag" not in told:
            yield Field("tag", tags, "resourceTags")


_REASON = "is no amount, or the cost of a pod or task whose instance is not in this file: load the report whole"


def _effective(texts: Texts) -> str:
    """SQL of a row's amortised cost. A report made without the columns of plans or reservations has only what was billed."""
    text, has = texts.of, texts.has
    kind, blank = text(_TYPE), "'(blank)'"
    cases = []
    if has(_PARENT):
        hours = texts.bind(
            f"(regexp_matches({text(_USAGE_TYPE)}, '{_INSTANCE_HOURS}') "
            f"AND {kind} IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage') AND {text(_PARENT)} IS NULL)"
        )
        start = texts.bind(f"epoch_ms(TRY_CAST({utc(_START).template.format(text(_START))} AS TIMESTAMPTZ))")
        whose = texts.bind(f"md5(coalesce({text(_PARENT)}, {text(_RESOURCE)}) || ' ' || {start})")
        instances, split = _keys(texts, whose, hours), _keys(texts, whose, f"{text(_PARENT)} IS NOT NULL")
        cases += [
            (
                f"{text(_PARENT)} IS NOT NULL AND NOT coalesce({instances}, false)",
                f"{text(_PARENT)} || ' has no row'",
            ),
            (f"{text(_PARENT)} IS NOT NULL", f"coalesce({plus(text(_SPLIT), text(_UNUSED))}, {blank})"),
            (f"{hours} AND {split}", "'0'"),
        ]
    if has(_SAVED):
        cases += [
            (f"{kind} = 'SavingsPlanCoveredUsage'", f"coalesce({text(_SAVED)}, {blank})"),
            (f"{kind} IN ('SavingsPlanNegation', 'SavingsPlanUpfrontFee')", "'0'"),
        ]
        if has(_COMMITTED):
            idle = f"CASE WHEN {text(_COMMITTED)} IS NOT NULL THEN {plus(text(_COMMITTED), minus(text(_USED)))} END"
            cases.append((f"{kind} = 'SavingsPlanRecurringFee'", f"coalesce({idle}, {blank})"))
    if has(_RESERVED):
        cases.append((f"{kind} = 'DiscountedUsage'", f"coalesce({text(_RESERVED)}, {blank})"))
        if has(_IDLE_UPFRONT) or has(_IDLE_RECURRING):
            idle = plus(text(_IDLE_UPFRONT), text(_IDLE_RECURRING))
            cases.append((f"{kind} = 'RIFee'", f"coalesce({idle}, {blank})"))
        if has(_RESERVATION):
            cases.append((f"{kind} = 'Fee' AND {text(_RESERVATION)} IS NOT NULL", "'0'"))
    other = text(f"{_NET}|{_UNBLENDED}")
    if not cases:
        return other
    return f"CASE {' '.join(f'WHEN {when} THEN {then}' for when, then in cases)} ELSE {other} END"


def _keys(texts: Texts, key: str, where: str) -> str:
    """SQL: whether the row's key is that of a row of the file where this holds. Not a join: that would lose the rows' order.

    The keys, md5 in hexadecimal, stand in the query as one text, by their first three digits. Of a damaged file there are none.
    """
    try:
        with duckdb.connect() as connection:
            relation = over(texts.header.relation, texts.bound())
            found = connection.execute(f"SELECT DISTINCT {key} AS key FROM {relation} WHERE {where} ORDER BY 1").fetchall()
    except duckdb.Error:
        found = []
    shelves: list[list[str]] = [[] for _ in range(16**3)]
    for (each,) in found:
        if each is not None:
            shelves[int(each[:3], 16)].append(each[3:19])
    listed = literal("|".join(",".join(shelf) for shelf in shelves))
    digits = " + ".join(
        f"(instr('0123456789abcdef', substr({key}, {place}, 1)) - 1) * {16 ** (3 - place)}" for place in (1, 2, 3)
    )
    return f"contains(string_split({listed}, '|')[1 + {digits}], substr({key}, 4, 16))"


def _tagged(key: str) -> Column:
    """The value of a tag: a column of its own, or in a JSON text, also of a CSV; a text that is none has no value."""
    folded = key.replace(":", "_").replace("-", "_")
    values = ", ".join(f"«1»->>'$.\"{each}\"'" for each in (key, folded))
    has = f"contains(«1», '{key.split(':')[1]}')"  # few rows do
    inside = f"CASE WHEN {has} AND json_valid(«1») THEN coalesce({values}) END"
    return Column((f"resourceTags/{key}", "resource_tags"), in_template(f"coalesce(«0», {inside})"))


READER = _Cur(
    title="AWS Cost and Usage Report, legacy and 2.0 (CSV, Parquet)",
    grain="cost",
    places=Places(("", "data[]")),
    needs=(_TYPE, _USAGE_TYPE, _UNBLENDED, "line_item_currency_code", _START),
    steps={_METERED: _metered(), _KIND: _kind(), _BLOCK: _block(), _COUNT: _count()},
    columns={
        "ts": utc(_START),
        "provider": fixed("aws"),
        "model": _model(),
        "requests": fixed("0"),
        "input_tokens": _tokens("^input"),
        "cached_input_tokens": _tokens("^cache.?read"),
        "cache_write_tokens": _tokens("^cache.?write"),
        "output_tokens": _tokens("^(output|response)"),
        "billed_cost": needed(_UNBLENDED),
        "effective_cost": _UNBLENDED,
        "billed_currency": "line_item_currency_code",
        "user": "line_item_iam_principal|line_item_user_identifier",
        "account": "bill_payer_account_id",
        "sub_account_id": "line_item_usage_account_id",
        "sub_account_name": "line_item_usage_account_name",
        "service": _CODE,
        "sku": f"{_USAGE_TYPE}|{_CODE}",
        "resource": _RESOURCE,
        "region": "product_region_code|product_region",
        "namespace": _tagged("aws:eks:namespace"),
        "cluster": _tagged("aws:eks:cluster-name"),
        "call_type": "line_item_operation",
        "charge_category": _TYPE,
        "service_tier": _tier(),
        "tag": both_tags("resource_tags", "tags"),
    },
    m5="Bedrock's four kinds of tokens are rows of their own, input without the cache; an unknown kind and a correction below 0 "
    "give a cost and no tokens.",
)
