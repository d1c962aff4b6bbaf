"""What the bills of clouds have in common: sums of exact texts, times that are UTC without saying so, tags in columns."""

from __future__ import annotations

from collections.abc import Sequence

from finledger.read.columns import decimal_sql, literal
from finledger.read.header import Header
from finledger.read.tags import tag_list
from finledger.read.usage._declared import Column

NO_COST = "is no amount with at most 20 digits before and 18 after the point"
_MOMENT = "[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ][0-9]{{2}}:[0-9]{{2}}"


def plus(*texts: str) -> str:
    """SQL: the exact sum of texts, empty ones left out, as text; where one is no number, a text that is none either."""
    filled = f"list_filter([{', '.join(texts)}], lambda each: each IS NOT NULL)"
    return plus_list(filled)


def plus_list(filled: str) -> str:
    """SQL: the exact sum of a list of texts, as text; NULL for an empty list."""
    summed = f"list_sum(list_transform(texts, lambda each: {decimal_sql('each')}))"
    whole = f"len(list_filter(texts, lambda each: {decimal_sql('each')} IS NULL)) = 0"
    written = "array_to_string(texts, ' + ')"  # also of a sum beyond what DuckDB adds, which would end the whole file
    return (
        f"list_transform([{filled}], lambda texts: CASE WHEN len(texts) = 0 THEN NULL WHEN {whole} "
        f"THEN coalesce(TRY(CAST({summed} AS VARCHAR)), {written}) ELSE {written} END)[1]"
    )


def minus(text: str) -> str:
    """SQL: the text of a number with the other sign."""
    return f"CASE WHEN starts_with({text}, '-') THEN substr({text}, 2) ELSE '-' || {text} END"


def takes_back(quantity: str, cost: str) -> str:
    """SQL: whether a row is a correction that takes back usage with its money: no count can say that, none is below 0."""
    return f"coalesce(starts_with({quantity}, '-') AND starts_with({cost}, '-'), false)"


def in_template(sql: str) -> str:
    """SQL that holds braces, for a `Column.template`; «0» in it is the text of its first name."""
    braced = sql.replace("{", "{{").replace("}", "}}")
    return braced.replace("«", "{").replace("»", "}")


def needed(names: str) -> Column:
    """An amount without which a row of a bill says nothing: an empty one is refused, never taken as 0."""
    return Column((names,), "coalesce({0}, '(blank)')", reason=NO_COST)


def utc(names: str) -> Column:
    """A time in UTC, whether it says so (Z, UTC, an offset) or not; without seconds too; a day is its first instant."""
    plain = "regexp_replace({0}, ' ?UTC$', '')"
    return Column(
        (names,),
        "CASE WHEN length({0}) > 17 AND ends_with({0}, 'Z') THEN {0} WHEN length({0}) = 10 AND {0}[5] = '-' THEN {0} || 'T00:00:00Z' "
        f"WHEN regexp_full_match({{0}}, '{_MOMENT}:[0-9]{{{{2}}}}( ?UTC)?') THEN left({{0}}, 19) || 'Z' "
        f"WHEN regexp_full_match({{0}}, '{_MOMENT}Z?') THEN left({{0}}, 16) || ':00Z' "
        f"WHEN regexp_full_match({plain}, '{_MOMENT}:[0-9]{{{{2}}}}(\\.[0-9]*)?') THEN {plain} || 'Z' ELSE {{0}} END",
    )


def both_tags(first: str, second: str) -> Column:
    """Tags of one column; where the other has some too, those of both."""
    lists = ", ".join(f"CAST(CAST({tag_list(each)} AS JSON) AS VARCHAR[])" for each in ("«0»", "«1»"))
    both = f"CAST(to_json(list_sort(list_distinct(list_concat({lists})))) AS VARCHAR)"
    text = f"CASE WHEN coalesce(«1», '{{}}') = '{{}}' THEN «0» WHEN coalesce(«0», '{{}}') = '{{}}' THEN «1» ELSE {both} END"
    return Column((first, second), in_template(text))


def tag_columns(header: Header, starts: Sequence[str]) -> str:
    """SQL of the JSON list of key=value over the columns `resourceTags/KEY`; NULL where the export has none of them."""
    found = {}
    for name in header.names:
        start = next((each for each in starts if name.lower().startswith(each)), "")
        if start and len(name) > len(start):
            found[name[len(start) :]] = header.ref(name)
    if not found:
        return ""
    listed = ", ".join(
        f"CASE WHEN nullif({text}, '') IS NOT NULL THEN {literal(key + '=')} || {text} END"
        for key, text in sorted(found.items())
    )
    return f"CAST(to_json(list_filter([{listed}], lambda each: each IS NOT NULL)) AS VARCHAR)"
