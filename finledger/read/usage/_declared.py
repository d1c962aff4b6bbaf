"""A format as a declaration: which column of the export is which of ours, in what unit, and what its counts include.

Names are found whatever their case and marks (`lineItem/UsageType` is `line_item_usage_type`); `a|b` is the first of them that
the row fills; `a.b` is the field b inside a. A column that the export lacks is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from finledger.core.problem import Outcome
from finledger.core.usage import GRAINS, Grain
from finledger.read.columns import Field, Layout, literal
from finledger.read.documents import Places, Shape
from finledger.read.header import Header
from finledger.read.row_hash import hashed, row_hash
from finledger.read.tags import bound_tag_list
from finledger.read.usage._texts import Texts

__all__ = [
    "GRAINS",
    "Column",
    "Grain",
    "Reader",
    "Shape",
    "added",
    "blocks",
    "cents",
    "fixed",
    "moment",
    "output",
    "sql",
    "unix",
]
NULLS = ("NULL", "null")
_AT_TOP = Places()
_DIGITS = {"s": 6, "ms": 3, "us": 0, "ns": -3}


@dataclass(frozen=True, slots=True)
class Column:
    """`template` is SQL over the texts of `names`, which stand in it as {0}, {1}, …; `value` as in `Field`."""

    names: tuple[str, ...]
    template: str = "{0}"
    value: str = ""
    reason: str = ""

    def field(self, name: str, texts: Texts) -> Field | None:
        """Where the text comes from in this export; None where the export has none of the columns."""
        if self.names and not any(texts.has(names) for names in self.names):
            return None
        text = self.template.format(*map(texts.of, self.names)) if self.names else self.template
        if name == "tag":
            text = texts.never_empty(bound_tag_list(text, texts.bind))
        return Field(name, text, texts.shown(self.names) or name, self.value, self.reason)


def fixed(text: str) -> Column:
    return Column((), literal(text))


def sql(template: str, *names: str) -> Column:
    return Column(names, template)


def unix(name: str, unit: Literal["s", "ms", "us", "ns"] = "s") -> Column:
    """A time as whole units since 1970, with or without decimals that are all 0; an RFC 3339 text is taken as it is."""
    digits = _DIGITS[unit]
    whole = "regexp_extract({0}, '^([0-9]{{9,19}})(\\.0*)?$', 1)"
    scaled = f"{whole} || '{'0' * digits}'" if digits >= 0 else f"left({whole}, greatest(length({whole}) - 3, 0))"
    moment = f"strftime(make_timestamp(TRY(CAST(nullif({scaled}, '') AS BIGINT))), '%Y-%m-%dT%H:%M:%S.%fZ')"
    return Column((name,), f"CASE WHEN regexp_full_match({{0}}, '[0-9]{{{{9,19}}}}(\\.0*)?') THEN {moment} ELSE {{0}} END")


def moment(name: str) -> Column:
    """A time as a program says it: a number since 1970, of seconds with or without decimals, or by its length of milliseconds,
    microseconds or nanoseconds; any other text is taken as it is."""
    seconds = "regexp_extract({0}, '^[0-9]+') || rpad(left(regexp_extract({0}, '\\.([0-9]*)', 1), 6), 6, '0')"
    micros = (
        f"CASE length(regexp_extract({{0}}, '^[0-9]+')) WHEN 13 THEN {{0}} || '000' WHEN 16 THEN {{0}} "
        f"WHEN 19 THEN left({{0}}, 16) ELSE {seconds} END"
    )
    written = f"strftime(make_timestamp(TRY(CAST({micros} AS BIGINT))), '%Y-%m-%dT%H:%M:%S.%fZ')"
    number = "'[0-9]{{9,10}}(\\.[0-9]*)?|[0-9]{{13}}|[0-9]{{16}}|[0-9]{{19}}'"
    return Column((name,), f"CASE WHEN regexp_full_match({{0}}, {number}) THEN {written} ELSE {{0}} END")


def added(*names: str) -> Column:
    """The sum of whole numbers, empty ones left out; where one is no whole number, a text that is none either."""
    whole = " AND ".join(
        f"regexp_full_match(coalesce({{{index}}}, '0'), '[0-9]{{{{1,17}}}}')" for index in range(len(names))
    )
    total = " + ".join(f"CAST(coalesce({{{index}}}, '0') AS BIGINT)" for index in range(len(names)))
    every = ", ".join(f"{{{index}}}" for index in range(len(names)))
    return Column(
        names,
        f"CASE WHEN coalesce({every}) IS NULL THEN NULL WHEN {whole} THEN CAST({total} AS VARCHAR) ELSE concat_ws(' + ', {every}) END",
    )


def output(answered: str, asked: str, total: str, thought: str) -> Column:
    """The output of an answer. Reasoning is part of it, unless the row's own total says that it stands beside (xAI), as 31 of output
    and 736 of reasoning with 2,341 of input and a total of 3,108 do."""
    said, before, whole, beside = (f"TRY_CAST({{{number}}} AS BIGINT)" for number in range(4))
    adds = f"{beside} > 0 AND {whole} = TRY({before} + {said} + {beside})"
    return Column(
        (answered, asked, total, thought), f"CASE WHEN {adds} THEN CAST({said} + {beside} AS VARCHAR) ELSE {{0}} END"
    )


def cents(name: str) -> Column:
    """An amount in hundredths of the currency; an empty one is refused, never taken as 0."""
    mantissa, exponent = (
        "regexp_extract({0}, '^[^eE]+')",
        "CAST(regexp_extract({0}, '[eE]([+-]?[0-9]{{1,3}})$', 1) AS INTEGER)",
    )
    written = f"TRY({mantissa} || 'e' || ({exponent} - 2))"  # 1.5e-05 is 1.5e-7
    return Column(
        (name,),
        f"CASE WHEN contains(lower({{0}}), 'e') THEN coalesce({written}, {{0}} || ' cents') "
        "ELSE coalesce({0} || 'e-2', '(blank)') END",
    )


def blocks(quantity: str, unit: str) -> Column:
    """A count in blocks of a power of ten that the unit says (`1K tokens`, `10 M`, `100`): 0.123 of `1K` is 123.

    What a float is written as comes to a whole number but for its last digits: 0.30000000000000004 of `1K` is 300.
    """
    power = (
        "length(regexp_extract({1}, '^1(0*)', 1)) + CASE upper(regexp_extract({1}, '^10* ?([KkMmBb])?', 1)) "
        "WHEN 'K' THEN 3 WHEN 'M' THEN 6 WHEN 'B' THEN 9 ELSE 0 END"
    )
    mantissa, exponent = "regexp_extract({0}, '^[^eE]+')", "CAST(regexp_extract({0}, '[eE]([+-]?[0-9]+)$', 1) AS INTEGER)"
    written = f"TRY({mantissa} || 'e' || ({exponent} + {power}))"  # 1.0E7 of 1K is 10,000,000,000
    exact = f"CASE WHEN contains(lower({{0}}), 'e') THEN coalesce({written}, {{0}}) ELSE {{0}} || 'e' || ({power}) END"
    near = "CASE WHEN abs(d - round(d, 0)) < 0.000001 THEN CAST(CAST(round(d, 0) AS BIGINT) AS VARCHAR) END"
    whole = f"list_transform([TRY_CAST({exact} AS DECIMAL(38,12))], lambda d: TRY({near}))[1]"
    return Column((quantity, unit), f"CASE WHEN length({{0}}) > 15 THEN coalesce({whole}, {exact}) ELSE {exact} END")


@dataclass(frozen=True, slots=True)
class Reader:
    """`needs`: by which columns the format is known. `places`: where JSON holds its records; `bucket`: by which field of what holds
    them pages are known whose buckets are all empty.

    `key`: the columns that make a row's id, for rows that are sums and have none of their own; otherwise `usage_id` is among
    the columns, or the id is the hash of the row (C9). `includes`: which buckets the input count includes, and `reasoning`,
    whether the output count includes the reasoning (M5); `total` is the column of the source's own sum. `steps`: what several
    columns are made of, worked out once a row; they name it as they name a column of the export. `told`: columns of counts that are
    parts or sums of those that are read: of any other that is not read a load says so.
    """

    title: str
    grain: Grain
    needs: tuple[str, ...]
    columns: Mapping[str, Column | str]
    places: Places = _AT_TOP
    lacks: tuple[str, ...] = ()
    bucket: str = ""
    key: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    reasoning: Literal["inside", "beside", "unknown"] = "inside"
    total: Column | str = ""
    nulls: tuple[str, ...] = NULLS
    m5: str = ""
    steps: Mapping[str, Column] = field(default_factory=dict)
    told: tuple[str, ...] = ()

    def layout(self, header: Header, shown_as: str, map_file: Path | None = None) -> Outcome[Layout | None]:
        texts = Texts(header, self.nulls, self.steps)
        fields = tuple(self.fields(texts))
        summed = self.total if isinstance(self.total, Column) else Column((self.total,))
        total = summed.field("total", texts) if self.total else None
        of_row = "" if self.key or "usage_id" in self.columns else row_hash(header, self.nulls, texts.column)
        return Outcome(
            Layout(
                fields, self.nulls, of_row, input_includes=self.includes, reasoning_beside=self.reasoning == "beside",
                total=total, bound=texts.bound(), clean=texts.clean, suspect=frozenset(texts.suspect),
            )
        )  # fmt: skip

    def fields(self, texts: Texts) -> Iterator[Field]:
        """Each of our columns that the export has something for."""
        if self.key:
            made = texts.bind(hashed({self.title: "''", **{name: texts.of(name) for name in self.key}}))
            yield Field("usage_id", texts.never_empty(made), "usage_id")
        for name, column in self.columns.items():
            found = (column if isinstance(column, Column) else Column((column,))).field(name, texts)
            if found is not None:
                yield found
