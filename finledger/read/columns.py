"""Declared columns: from an export's text to a checked, typed value, in SQL.

Every value is read as text. DuckDB's own typed readers and its casts round without a word (`1.5` becomes 2, a 19th decimal
place is dropped), so a number is taken only when its text says exactly what the type can hold (rule M1), but for the last digits
of a binary float, which nobody wrote. A value that does not pass is NULL beside a text that is not: that pair is a fault, with the
reason that the column's kind gives.
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

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
NO_RECORD = "(no record) "  # stands before what lies where an object with fields should
_MOMENT = r"(20[0-9]{2}|2100)-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
_TIME = _MOMENT + r"(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?"
_NUMBER = r"^[+-]?([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]{1,3}))?$"  # with at least one digit
_THOUSANDS = r"[0-9]{1,3}([.][0-9]{3})+"  # a count of 1.000 is one or a thousand: nobody can say
# Tools write the largest integers for "no value" (9223372036854775794). The sum of two counts below this is a BIGINT still.
_SENTINEL = 4_000_000_000_000_000_000
_ABOVE_0 = "^[0-9.,]*[1-9]"
_PLAIN = r"-?[0-9]{1,20}(\.[0-9]{1,18})?"
_SMALL = r"-?[0-9]((\.[0-9]{1,12})?[eE]-0?[1-6]|(\.[0-9]{1,9})?[eE]-0?[7-9])"  # as programs write 0.00000015: 1.5e-07
_SHIFTED = r"-?[0-9]{1,19}(\.[0-9]{1,9})?[eE]-0?[1-9]"  # cents are 123.45e-2 of a dollar
# of 15 to 17 digits, as programs write a binary float: 2.2499999999999998e-05, 0.00018509999999999998
_FLOAT, _LONG_FLOAT = r"-?[1-9]\.[0-9]{13,15}[1-9][eE]-0?[1-9]", r"-?0\.0{0,9}[1-9][0-9]{13,15}[1-9]"


@dataclass(frozen=True, slots=True)
class Field:
    """A native or label column, and where its text comes from: an SQL expression of VARCHAR over the export's relation.

    `shown` is what the export calls it. `value` is a typed SQL expression instead of the kind's own cast, for a time that
    is not RFC 3339 or a number with a divisor; `{text}` stands for the text in it. A whole number of Parquet's may be its own text.
    """

    name: str
    text: str
    shown: str
    value: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """How one export becomes native rows. `nulls`: words that mean empty. `row_hash`: the text that makes a row's id (C9).

    `input_includes`: the buckets that the export's input count includes; `reasoning_beside`: its output count leaves out the
    reasoning; `total`: its own sum of the tokens, which the parts may not exceed (M5). `bound`: names for texts that the
    fields use, with their SQL, by levels; of these, `clean` hold no word that means empty, with the text that they
    are all of, or ""; `suspect` may hold NO_RECORD. `unread`: columns that seem to be counts and are not looked at, with their SQL.
    """

    fields: tuple[Field, ...]
    nulls: tuple[str, ...] = ()
    row_hash: str = ""
    input_includes: tuple[str, ...] = ()
    reasoning_beside: bool = False
    total: Field | None = None
    bound: tuple[tuple[tuple[str, str], ...], ...] = ()
    clean: Mapping[str, str] = field(default_factory=dict)
    suspect: frozenset[str] = frozenset()
    unread: tuple[tuple[str, str], ...] = ()

    def named(self, name: str) -> Field | None:
        return next((found for found in self.fields if found.name == name), None)

    def looked_at(self) -> str:
        """The SQL that our columns are made of, with all that it names; not the hash of a row, which is of every column."""
        bound = {name: text for level in self.bound for name, text in level}
        texts = [found.text for found in (*self.fields, *((self.total,) if self.total else ()))]
        waiting, seen = list(texts), dict[str, str]()
        while waiting:
            for name in re.findall(r"\w+", waiting.pop()):
                if name in bound and name not in seen:
                    seen[name] = bound[name]
                    waiting.append(bound[name])
        return "\n".join([*texts, *seen.values()])


@dataclass(frozen=True, slots=True)
class Check:
    """A rule over a row's cast values: `bad` is SQL, true when the row breaks it."""

    bad: str
    column: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Context:
    """What checking depends on beside the layout. `control`: the file may hold control characters; `month` is an expectation.

    `written`: numbers are text as people's programs write it, so that 1.000 may be a thousand.
    """

    timezone: str
    control: bool = True
    month: Month | None = None
    written: bool = False


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def decimal_sql(text: str) -> str:
    """DECIMAL(38,18) of the text, or NULL when a digit would be lost: 1.50 and 1.5e-7 pass, 1_000 and 1e-19 do not.

    Beyond 18 places, 15 to 17 digits are what programs write a binary float as: 2.2499999999999998e-05 is taken to 18 places.
    """
    # in pieces, once: what stands in a CASE is worked out anew each time. `digits` without zeros at the end, and where the point is
    pieces = f"regexp_extract(trim({text}), '{_NUMBER}', ['whole', 'places', 'exponent'])"
    exponent = "coalesce(try_cast(nullif(n.exponent, '') AS INTEGER), 0)"
    read = f"{{'digits': rtrim(n.whole || n.places, '0'), 'point': CAST(length(n.whole) + {exponent} AS INTEGER)}}"
    # written out: the cast of a text with an exponent refuses some that fit
    large = "'0' || ltrim(rpad(left(m.digits, m.point), m.point, '0'), '0') || '.' || substr(m.digits, m.point + 1)"
    plain = f"CASE WHEN m.point > 0 THEN {large} ELSE '0.' || repeat('0', -m.point) || m.digits END"
    sign = f"CASE WHEN starts_with(trim({text}), '-') THEN '-' ELSE '' END"
    told = "ltrim(m.digits, '0')"
    is_float = f"length({told}) BETWEEN 15 AND 17 AND m.point + length({told}) - length(m.digits) > -18"
    held = (
        f"CASE WHEN n.whole || n.places <> '' AND (length(m.digits) - m.point <= 18 OR m.digits = '' OR ({is_float})) "
        f"THEN try_cast({sign} || {plain} AS DECIMAL(38,18)) END"
    )
    number = f"list_transform([{read}], lambda m: {held})[1]"
    # the cast takes 3 µs for an exponent
    powers = ", ".join(f"0.{'0' * places}1" for places in range(9))
    power = f"CAST([{powers}] AS DECIMAL(10,9)[])[CAST(right({text}, 1) AS TINYINT)]"
    mantissa = f"split_part(lower({text}), 'e', 1)"
    small, shifted, from_float = (f"CAST({mantissa} AS DECIMAL({size})) * {power}" for size in ("13,12", "28,9", "17,16"))
    return (
        f"CASE WHEN {text} IS NULL THEN NULL WHEN regexp_full_match({text}, '{_PLAIN}') THEN try_cast({text} AS DECIMAL(38,18)) "
        f"WHEN regexp_full_match({text}, '{_SMALL}') THEN CAST({small} AS DECIMAL(38,18)) "
        f"WHEN regexp_full_match({text}, '{_SHIFTED}') THEN CAST({shifted} AS DECIMAL(38,18)) "
        f"WHEN regexp_full_match({text}, '{_FLOAT}') THEN CAST({from_float} AS DECIMAL(38,18)) "
        f"WHEN regexp_full_match({text}, '{_LONG_FLOAT}') THEN CAST({text} AS DECIMAL(38,18)) "
        f"ELSE list_transform([{pieces}], lambda n: {number})[1] END"
    )


def count_sql(text: str, whole: str) -> str:
    """BIGINT of the text, or NULL when it is not a whole number: 5, 5.0 and 5e3 pass, 1.5 does not.

    `whole` is the text cast to BIGINT, which rounds: it is taken where it reads the same when it is written again.
    """
    exact = decimal_sql(text)
    return (
        f"CASE WHEN CAST({whole} AS VARCHAR) = {text} THEN {whole} WHEN {text} IS NULL THEN NULL "
        f"ELSE list_transform([{exact}], lambda d: CASE WHEN d % 1 = 0 THEN try_cast(d AS BIGINT) END)[1] END"
    )


def time_sql(text: str) -> str:
    """TIMESTAMP in UTC; without an offset the session's zone, which is the books', holds. Digits beyond microseconds go.

    A cast to TIMESTAMP drops an offset without a word: it is for times in Z only (and 00:00), where it takes a third of the time.
    """
    upper = f"upper(trim({text}))"
    return (
        f"CASE WHEN regexp_full_match({text}, '{_MOMENT}(Z|[+]00:?00)') THEN try_cast({text} AS TIMESTAMP) "
        f"WHEN regexp_full_match({upper}, '{_TIME}') THEN try_cast({upper} AS TIMESTAMPTZ) AT TIME ZONE 'UTC' END"
    )


def value_sql(found: Field, context: Context) -> str:
    text = f"t_{found.name}"
    kind = KINDS[found.name]
    if found.value:
        return found.value.replace("{text}", text)
    if kind == "text":
        return f"CASE WHEN control AND {is_control(text)} THEN NULL ELSE {text} END" if context.control else text
    if kind == "time":
        return time_sql(text)
    return count_sql(text, f"w_{found.name}") if kind == "count" else decimal_sql(text)


def is_control(text: str) -> str:
    return f"regexp_matches({text}, '[[:cntrl:]\\x{{80}}-\\x{{9f}}]')"


def _any_control(layout: Layout) -> str:
    """SQL: whether one of a row's texts may hold a control character. One look finds none in most rows."""
    texts = "".join(f", t_{found.name}" for found in layout.fields if KINDS[found.name] == "text" and not found.value)
    return is_control(f"concat(''{texts})")


def select_sql(layout: Layout, relation: str, context: Context, *, broken: bool = False) -> str:
    """The query from an export's relation to typed native columns and `faults`: NULL, or why the row is refused, as JSON.

    `faults` is a JSON list of {column, value, reason}, built only for the rows that have any. `broken`: the relation says
    which records are not JSON, and has their `line`.
    """
    nulls = ("", *layout.nulls)
    looked_at = (*layout.fields, *((layout.total,) if layout.total else ()))
    texts = ", ".join(f"{found.text} AS t_{found.name}" for found in looked_at)
    # below, as a name: DuckDB works a text out once for each time that it stands in a CASE
    emptied = ", ".join(
        f"{_emptied(f't_{found.name}', nulls)} AS t_{found.name}" for found in looked_at if found.text not in layout.clean
    )
    emptied = f" REPLACE ({emptied})" if emptied else ""
    relation = over(relation, layout.bound)
    values = ", ".join(f"{value_sql(found, context)} AS v_{found.name}" for found in layout.fields)
    if layout.total:
        values += f", {decimal_sql('t_total')} AS v_total"
    counts = [found.name for found in layout.fields if KINDS[found.name] == "count" and not found.value]
    whole = "".join(f", try_cast(t_{name} AS BIGINT) AS w_{name}" for name in counts)
    control = f", {_any_control(layout)} AS control" if context.control else ""
    checks = (*_column_checks(layout, context), *_row_checks(layout, context))
    if broken:
        checks = (Check("broken", "(record)", "line", "is not a JSON object"), *checks)
        texts += ", broken, line"
    bad = " OR ".join(check.bad for check in checks)
    listed = ", ".join(
        f"CASE WHEN {check.bad} THEN json_object('column', {literal(check.column)}, 'value', "
        f"left(coalesce(CAST({check.value} AS VARCHAR), ''), 200), 'reason', {literal(check.reason)}) END"
        for check in checks
    )
    columns = ", ".join(f"{_output(found.name, layout)} AS {quoted(found.name)}" for found in layout.fields)
    for number, (_, text) in enumerate(layout.unread):
        texts += f", coalesce(regexp_matches({text}, '{_ABOVE_0}'), false) AS {unread_mark(number)}"
        columns += f", {unread_mark(number)}"
    if layout.row_hash:
        texts += f", {layout.row_hash} AS row_hash"
        columns = f"row_hash || '-1' AS usage_id, {columns}"  # the ordinal among identical rows, which are few
    return (
        f"SELECT {columns}, CASE WHEN {bad} THEN "
        f"CAST(to_json(list_filter([{listed}], lambda fault: fault IS NOT NULL)) AS VARCHAR) END AS faults "
        f"FROM (SELECT *, {values} FROM (SELECT *{whole}{control} FROM (SELECT *{emptied} FROM (SELECT {texts} FROM {relation}))))"
    )


def unread_mark(number: int) -> str:
    """Of a staged row: whether it has a number above 0 in the column of `Layout.unread` with that number."""
    return quoted(f"unread {number}")


def over(relation: str, bound: Iterable[Iterable[tuple[str, str]]]) -> str:
    """The relation with what is bound beside its columns."""
    for level in bound:
        relation = f"(SELECT *, {', '.join(f'{text} AS {name}' for name, text in level)} FROM {relation})"
    return relation


def _emptied(text: str, nulls: Sequence[str]) -> str:
    # not nullif() in nullif(): DuckDB writes each of them out with its text twice, so that six make 64 of it
    return f"CASE WHEN {text} IN ({_listed(nulls)}) THEN NULL ELSE {text} END"


def _output(name: str, layout: Layout) -> str:
    if name == "input_tokens" and layout.input_includes:
        return f"TRY_CAST(v_input_tokens - ({_included(layout)}) AS BIGINT)"
    if name == "output_tokens" and layout.reasoning_beside and layout.named("reasoning_tokens"):
        either = "v_output_tokens IS NOT NULL OR v_reasoning_tokens IS NOT NULL"
        return f"CASE WHEN {either} THEN TRY_CAST({_sum(layout, ('output_tokens', 'reasoning_tokens'))} AS BIGINT) END"
    return f"v_{name}"


def _included(layout: Layout) -> str:
    return _sum(layout, layout.input_includes)


def _sum(layout: Layout, names: Iterable[str]) -> str:
    """In HUGEINT: a row may hold the largest BIGINT before it is refused for it, and an overflow would end the whole file."""
    return " + ".join(f"CAST(coalesce(v_{name}, 0) AS HUGEINT)" for name in names if layout.named(name)) or "0"


def _stated(layout: Layout) -> str:
    """All tokens that the row states, each once, as far as its own total holds them."""
    beside = {"cached_input_tokens", "cache_write_tokens"} - set(layout.input_includes)
    reasoning = ("reasoning_tokens",) if layout.reasoning_beside else ()
    return _sum(layout, ("input_tokens", "output_tokens", *sorted(beside), *reasoning))


def _column_checks(layout: Layout, context: Context) -> Iterable[Check]:
    told: set[tuple[str, str, str]] = set()
    for found in layout.fields:
        kind = KINDS[found.name]
        text, value = f"t_{found.name}", f"v_{found.name}"
        if (found.shown, found.text, kind) in told:
            continue  # one column that fills two of ours is wrong once
        told.add((found.shown, found.text, kind))
        lacks_record = literal(NO_RECORD) in found.text or not layout.suspect.isdisjoint(re.findall(r"\w+", found.text))
        if kind == "text" and not context.control and not lacks_record:
            continue
        bad = f"({text} IS NOT NULL AND {value} IS NULL)"
        if kind == "count" and context.written and not found.value:
            bad = f"({bad} OR (contains({text}, '.') AND regexp_full_match({text}, '{_THOUSANDS}')))"  # few have a point
        if kind in ("count", "quantity"):
            bad = f"({bad} OR {value} < 0)"
        if lacks_record:
            lost = f"coalesce(starts_with({text}, {literal(NO_RECORD)}), false)"
            bad = f"({bad} AND NOT {lost})"
            yield Check(
                lost, found.shown, f"replace({text}, {literal(NO_RECORD)}, '')", "is no JSON object with fields in it"
            )
        yield Check(bad, found.shown, text, found.reason or REASONS[kind])
        if kind in ("count", "quantity"):
            reason = "is larger than any count: a mark that means nothing was measured"
            yield Check(f"({value} >= {_SENTINEL})", found.shown, text, reason)


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
        if has(cost) and not (cost == "effective_cost" and shown(cost) == shown("billed_cost")):
            bad = f"(v_{cost} IS NOT NULL AND {text('billed_currency')} IS NULL)"
            yield Check(bad, shown(cost), text(cost), "has no currency")
    if has("billed_currency"):
        bad = f"(NOT {one_of(text('billed_currency'), _currencies())})"
        yield Check(bad, shown("billed_currency"), text("billed_currency"), "is not an ISO 4217 currency")
    if has("workload_type"):
        reason = f"is not one of {', '.join(usage.WORKLOAD_TYPES)}"
        others = " AND ".join(f"{text('workload_type')} <> {literal(word)}" for word in usage.WORKLOAD_TYPES)
        bad = f"({others})"
        yield Check(bad, shown("workload_type"), text("workload_type"), reason)
    if has("reasoning_tokens") and has("output_tokens") and not layout.reasoning_beside:
        reason = "is more than the output tokens that include it (M5)"
        bad = "(v_reasoning_tokens > coalesce(v_output_tokens, 0))"
        yield Check(bad, shown("reasoning_tokens"), text("reasoning_tokens"), reason)
    if layout.input_includes and has("input_tokens"):
        reason = "is less than the cached and cache-write tokens that it includes (M5)"
        bad = f"(coalesce(v_input_tokens, 0) < {_included(layout)})"
        yield Check(bad, shown("input_tokens"), text("input_tokens"), reason)
    if layout.total is not None:
        for sign, reason in (
            ("<", "is less than the parts that it is the sum of (M5)"),
            (">", "is more than its parts that are read: the rest would be lost (M5)"),
        ):
            yield Check(f"(v_total {sign} {_stated(layout)})", layout.total.shown, "t_total", reason)
    if context.month is not None:
        start, end = (f"{moment:%Y-%m-%d %H:%M:%S}" for moment in context.month.bounds(context.timezone))
        bad = f"(v_ts < TIMESTAMP '{start}' OR v_ts >= TIMESTAMP '{end}')"
        yield Check(bad, shown("ts"), text("ts"), f"is outside the month expected, {context.month}: held for review")


def _listed(words: Iterable[str]) -> str:
    return ", ".join(literal(word) for word in words)


def one_of(text: str, words: Iterable[str]) -> str:
    """Whether the text is one of many words, which hold no marks. After IN, more than a few are a join, which reads on one core."""
    return f"regexp_full_match({text}, '{'|'.join(words)}')"


def _currencies() -> list[str]:
    codes = ("".join(letters) for letters in itertools.product(string.ascii_uppercase, repeat=3))
    return [code for code in codes if is_currency(code)]
