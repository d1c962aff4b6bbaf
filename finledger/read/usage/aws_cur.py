"""AWS Cost and Usage Report, legacy and 2.0, by hour, day or month: what each line was billed, and what it cost amortised.

Billed is the unblended cost, which with the rows of discounts adds up to the invoice. Effective is the net cost where the row
has one, and what was prepaid or committed lands where it was used. A pod or task of split cost allocation (its billed cost is
0) takes its split and unused cost, and the instance-hour that this is a part of then costs 0; both have to be in the file.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from finledger.read.columns import Field, literal, over
from finledger.read.usage._bill import NO_COST, in_template, minus, needed, plus, tag_columns, utc
from finledger.read.usage._declared import Column, Reader, blocks, fixed, sql
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
_START, _RESOURCE = "line_item_usage_start_date", "line_item_resource_id"
_INSTANCE_HOURS = (
    "(^|-)(BoxUsage|SpotUsage|HostBoxUsage|HostUsage|DedicatedUsage|UnusedBox|UnusedDed|ReservedHostUsage|SchedUsage)"
)

# REGION-MODEL[-mantle]-BUCKET[-HOW]: a row is taken only where all of it is known. Another ending is another price, and may be
# another count.
_HOW = "((-(batch|flex|standard|cross-region-global))*)"
_BEDROCK = "^(?:[A-Z]{2,4}[0-9]?-)?(.+?)(?:-mantle)?-"
_INPUT, _OUTPUT = f"{_BEDROCK}input-tokens{_HOW}$", f"{_BEDROCK}output-tokens{_HOW}$"
_READ, _WRITE = f"{_BEDROCK}cache-read-input-token-count{_HOW}$", f"{_BEDROCK}cache-write-input-token-count{_HOW}$"
_ANY = f"{_BEDROCK}(?:input-tokens|output-tokens|cache-read-input-token-count|cache-write-input-token-count){_HOW}$"
_IS_USE = "«0» IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage') AND «1» = 'AmazonBedrock'"
_BEDROCK_NAMES = (_TYPE, "line_item_product_code", _USAGE_TYPE)


def _tokens(pattern: str) -> Column:
    quantity, unit = "line_item_usage_amount", "pricing_unit"
    counted = blocks(quantity, unit).template.replace("{1}", "{4}")
    is_use = _IS_USE.replace("«1»", "«2»").replace("«0»", "«1»")
    taken = in_template(
        f"{is_use} AND regexp_matches(«3», '{pattern}') AND regexp_full_match(lower(«4»), '10* ?[kmb]? ?tokens?')"
    )
    return Column((quantity, *_BEDROCK_NAMES, unit), f"CASE WHEN {taken} THEN {counted} END")


def _of_bedrock(group: int, tidy: str = "{0}") -> Column:
    found = tidy.replace("{0}", f"regexp_extract(«2», '{_ANY}', {group})")
    return Column(_BEDROCK_NAMES, in_template(f"CASE WHEN {_IS_USE} AND regexp_matches(«2», '{_ANY}') THEN {found} END"))


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


def _tagged(key: str) -> str:
    folded = key.replace(":", "_").replace("-", "_")
    return f"resource_tags.{key}|resource_tags.{folded}|resourceTags/{key}"


READER = _Cur(
    title="AWS Cost and Usage Report, legacy and 2.0 (CSV, Parquet)",
    grain="cost",
    needs=(_TYPE, _USAGE_TYPE, _UNBLENDED, "line_item_currency_code", _START),
    columns={
        "ts": utc(_START),
        "provider": fixed("aws"),
        "model": _of_bedrock(1),
        "requests": fixed("0"),
        "input_tokens": _tokens(_INPUT),
        "cached_input_tokens": _tokens(_READ),
        "cache_write_tokens": _tokens(_WRITE),
        "output_tokens": _tokens(_OUTPUT),
        "billed_cost": needed(_UNBLENDED),
        "effective_cost": _UNBLENDED,
        "billed_currency": "line_item_currency_code",
        "user": "line_item_iam_principal|line_item_user_identifier",
        "account": "bill_payer_account_id",
        "sub_account_id": "line_item_usage_account_id",
        "sub_account_name": "line_item_usage_account_name",
        "service": "line_item_product_code",
        "sku": f"{_USAGE_TYPE}|line_item_product_code",
        "resource": _RESOURCE,
        "region": "product_region_code|product_region",
        "namespace": _tagged("aws:eks:namespace"),
        "cluster": _tagged("aws:eks:cluster-name"),
        "call_type": "line_item_operation",
        "charge_category": _TYPE,
        "service_tier": _of_bedrock(2, "nullif(ltrim({0}, '-'), '')"),
        "tag": sql("{0}", "resource_tags"),
    },
    m5="Bedrock's four kinds of tokens are rows of their own, input without the cache; an unknown kind gives a cost and no tokens.",
)
