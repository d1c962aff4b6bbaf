"""Declared columns: from an export's text to a checked, typed value, in SQL.

Every value is read as text. DuckDB's own typed readers and its casts round without a word (`1.5` becomes 2, a 19th decimal
place is dropped), so a number is taken only when its text says exactly what the type can hold (rule M1). A value that does
not pass is NULL beside a text that is not: that pair is a fault, with the reason that the column's kind gives.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from finledger.core import usage
from finledger.core.money import is_currency
from finledger.core.period import Month

KINDS: dict[str, str] = {column.name: str(column.kind) for column in usage.NATIVE} | dict.fromkeys(usage.LABELS, "text")
REASONS = {
    "text": "holds a control character",
    "time": "is not a time of the years 2000 to 2100 as RFC 3339 writes it (2026-07-01T09:30:00Z)",
    "count": "is not a whole number of 0 or more",
    "quantity": "is not a number of 0 or more with at most 20 digits before and 18 after the point",
    "cost": "is not a number with at most 20 digits before and 18 after the point",
}
_MOMENT = r"(20[0-9]{2}|2100)-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
_TIME = _MOMENT + r"(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?"
_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
_PLAIN = r"-?[0-9]{1,20}(\.[0-9]{1,18})?"


@dataclass(frozen=True, slots=True)
class Field:
    """A native or label column, and where its text comes from: an SQL expression of VARCHAR over the export's relation.

    `shown` is what the export calls it. `value` is a typed SQL expression instead of the kind's own cast, for a time that
    is not RFC 3339 or a number with a divisor; `{text}` stands for the text in it.
    """

    name: str
    text: str
    shown: str
    value: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """How one export becomes native rows. `nulls`: words that mean empty. `row_hash`: the text that makes a row's id (C9)."""

    fields: tuple[Field, ...]
    nulls: tuple[str, ...] = ()
    row_hash: str = ""
    input_includes_cached: bool = False

    def named(self, name: str) -> Field | None:
        return next((found for found in self.fields if found.name == name), None)


@dataclass(frozen=True, slots=True)
class Check:
    """A rule over a row's cast values: `bad` is SQL, true when the row breaks it."""

    bad: str
    column: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Context:
    """What checking depends on beside the layout. `control`: the file may hold control characters; `month` is an expectation."""

    timezone: str
    control: bool = True
    month: Month | None = None


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def decimal_sql(text: str) -> str:
    """DECIMAL(38,18) of the text, or NULL when a digit would be lost: 1.50 and 1.5e-7 pass, 1_000 and 1e-19 do not."""
    trimmed = f"trim({text})"
    mantissa = f"regexp_replace(regexp_replace({trimmed}, '[eE].*$', ''), '[+-]', '')"
    digits = f"rtrim(replace({mantissa}, '.', ''), '0')"
    zeros = f"(length(replace({mantissa}, '.', '')) - length({digits}))"
    places = f"length(regexp_extract({mantissa}, '\\.([0-9]*)', 1))"
    exponent = f"coalesce(try_cast(nullif(regexp_extract({trimmed}, '[eE]([+-]?[0-9]+)$', 1), '') AS INTEGER), 0)"
    return (
        f"CASE WHEN {text} IS NULL THEN NULL WHEN regexp_full_match({text}, '{_PLAIN}') THEN try_cast({text} AS DECIMAL(38,18)) "
        f"WHEN NOT regexp_full_match({trimmed}, '{_NUMBER}') THEN NULL "
        f"WHEN {digits} = '' THEN CAST(0 AS DECIMAL(38,18)) "
        f"WHEN {places} - {zeros} - {exponent} <= 18 THEN try_cast({trimmed} AS DECIMAL(38,18)) END"
    )


def count_sql(text: str, whole: str) -> str:
    """BIGINT of the text, or NULL when it is not a whole number: 5, 5.0 and 5e3 pass, 1.5 does not.

    `whole` is the text cast to BIGINT, which rounds: it is taken where it reads the same when it is written again.
    """
    exact = decimal_sql(text)
    return (
        f"CASE WHEN CAST({whole} AS VARCHAR) = {text} THEN {whole} WHEN {text} IS NULL THEN NULL "
        f"WHEN ({exact}) % 1 = 0 THEN try_cast(({exact}) AS BIGINT) END"
    )


def time_sql(text: str) -> str:
    """TIMESTAMP in UTC; without an offset the session's zone, which is the books', holds. Digits beyond microseconds go.

    A cast to TIMESTAMP drops an offset without a word: it is for times in Z only, where it takes a third of the time.
    """
    upper = f"upper(trim({text}))"
    return (
        f"CASE WHEN regexp_full_match({text}, '{_MOMENT}Z') THEN try_cast({text} AS TIMESTAMP) "
        f"WHEN regexp_full_match({upper}, '{_TIME}') THEN try_cast({upper} AS TIMESTAMPTZ) AT TIME ZONE 'UTC' END"
    )


def value_sql(found: Field, context: Context) -> str:
    text = f"t_{found.name}"
    kind = KINDS[found.name]
    if found.value:
        return found.value.replace("{text}", text)
    if kind == "text":
        return f"CASE WHEN {is_control(text)} THEN NULL ELSE {text} END" if context.control else text
    if kind == "time":
        return time_sql(text)
    return count_sql(text, f"w_{found.name}") if kind == "count" else decimal_sql(text)


def is_control(text: str) -> str:
    return f"regexp_matches({text}, '[[:cntrl:]\\x{{80}}-\\x{{9f}}]')"


def select_sql(layout: Layout, relation: str, context: Context, *, broken: bool = False) -> str:
    """The query from an export's relation to typed native columns and `faults`: NULL, or why the row is refused, as JSON.

    `faults` is a JSON list of {column, value, reason}, built only for the rows that have any. `broken`: the relation says
    which records are not JSON, and has their `line`.
    """
    nulls = ("", *layout.nulls)
    texts = ", ".join(f"{_emptied(found.text, nulls)} AS t_{found.name}" for found in layout.fields)
    values = ", ".join(f"{value_sql(found, context)} AS v_{found.name}" for found in layout.fields)
    counts = [found.name for found in layout.fields if KINDS[found.name] == "count" and not found.value]
    whole = "".join(f", try_cast(t_{name} AS BIGINT) AS w_{name}" for name in counts)
    checks = (*_column_checks(layout, context), *_row_checks(layout, context))
    if broken:
        checks = (Check("broken", "(record)", "line", "is not a JSON object"), *checks)
        texts += ", broken, line"
    bad = " OR ".join(check.bad for check in checks)
    listed = ", ".join(
        f"CASE WHEN {check.bad} THEN json_object('column', {literal(check.column)}, 'value', "
        f"left(coalesce({check.value}, ''), 200), 'reason', {literal(check.reason)}) END"
        for check in checks
    )
    columns = ", ".join(f"{_output(found.name, layout)} AS {quoted(found.name)}" for found in layout.fields)
    if layout.row_hash:
        texts += f", {layout.row_hash} AS row_hash"
        columns += ", row_hash"
    return (
        f"SELECT {columns}, CASE WHEN {bad} THEN "
        f"CAST(to_json(list_filter([{listed}], lambda fault: fault IS NOT NULL)) AS VARCHAR) END AS faults "
        f"FROM (SELECT *, {values} FROM (SELECT *{whole} FROM (SELECT {texts} FROM {relation})))"
    )


def _emptied(text: str, nulls: Sequence[str]) -> str:
    for word in nulls:
        text = f"nullif({text}, {literal(word)})"
    return text


def _output(name: str, layout: Layout) -> str:
    if name == "input_tokens" and layout.input_includes_cached:
        return f"v_input_tokens - ({_cached(layout)})"
    return f"v_{name}"


def _cached(layout: Layout) -> str:
    parts = [f"coalesce(v_{name}, 0)" for name in ("cached_input_tokens", "cache_write_tokens") if layout.named(name)]
    return " + ".join(parts) or "0"


def _column_checks(layout: Layout, context: Context) -> Iterable[Check]:
    for found in layout.fields:
        kind = KINDS[found.name]
        text, value = f"t_{found.name}", f"v_{found.name}"
        if kind == "text" and not context.control:
            continue
        bad = f"({text} IS NOT NULL AND {value} IS NULL)"
        if kind in ("count", "quantity"):
            bad = f"({bad} OR {value} < 0)"
        yield Check(bad, found.shown, text, found.reason or REASONS[kind])


def _row_checks(layout: Layout, context: Context) -> Iterable[Check]:
    def has(name: str) -> bool:
        return layout.named(name) is not None

    def text(name: str) -> str:
        return f"t_{name}" if has(name) else "CAST(NULL AS VARCHAR)"

    def shown(name: str) -> str:
        found = layout.named(name)
        return found.shown if found else name

    for name in ("usage_id", "ts"):
        if not (name == "usage_id" and layout.row_hash):
            blank = f"({text(name)} IS NULL OR ({text(name)} < '!' AND trim({text(name)}) = ''))"
            yield Check(blank, shown(name), text(name), "is missing")
    for quantity, sku in (("gpu_hours", "gpu_sku"), ("egress_gb", "egress_sku")):
        if has(quantity):
            yield Check(f"(v_{quantity} > 0 AND {text(sku)} IS NULL)", shown(quantity), text(quantity), f"has no {sku}")
    for cost in ("billed_cost", "effective_cost"):
        if has(cost):
            bad = f"(v_{cost} IS NOT NULL AND {text('billed_currency')} IS NULL)"
            yield Check(bad, shown(cost), text(cost), "has no currency")
    if has("billed_currency"):
        bad = f"({text('billed_currency')} NOT IN ({_listed(_currencies())}))"
        yield Check(bad, shown("billed_currency"), text("billed_currency"), "is not an ISO 4217 currency")
    if has("workload_type"):
        reason = f"is not one of {', '.join(usage.WORKLOAD_TYPES)}"
        bad = f"({text('workload_type')} NOT IN ({_listed(usage.WORKLOAD_TYPES)}))"
        yield Check(bad, shown("workload_type"), text("workload_type"), reason)
    if has("reasoning_tokens") and has("output_tokens"):
        reason = "is more than the output tokens that include it (M5)"
        bad = "(v_reasoning_tokens > coalesce(v_output_tokens, 0))"
        yield Check(bad, shown("reasoning_tokens"), text("reasoning_tokens"), reason)
    if layout.input_includes_cached and has("input_tokens"):
        reason = "is less than the cached and cache-write tokens that it includes (M5)"
        bad = f"(coalesce(v_input_tokens, 0) < {_cached(layout)})"
        yield Check(bad, shown("input_tokens"), text("input_tokens"), reason)
    if context.month is not None:
        start, end = (f"{moment:%Y-%m-%d %H:%M:%S}" for moment in context.month.bounds(context.timezone))
        bad = f"(v_ts < TIMESTAMP '{start}' OR v_ts >= TIMESTAMP '{end}')"
        yield Check(bad, shown("ts"), text("ts"), f"is outside the month expected, {context.month}: held for review")


def _listed(words: Iterable[str]) -> str:
    return ", ".join(literal(word) for word in words)


def _currencies() -> list[str]:
    codes = ("".join(letters) for letters in itertools.product(string.ascii_uppercase, repeat=3))
    return [code for code in codes if is_currency(code)]
