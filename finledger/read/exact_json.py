r"""JSON numbers by their text: DuckDB's JSON functions pass decimals through floats, which keep 15 digits (rule M1).

A line that may hold such a number gets quotes around its numbers, in SQL. The quick form quotes the long ones only and may hit
a number inside a text, which makes the line no JSON; then every token is looked at. Neither changes a value.
"""

from __future__ import annotations

_LONG = r"\.[0-9]{8}|[0-9]{8}\.[0-9]|[0-9]{20}"
_LONG_VALUE = r"([:,\[]\s*)(-?[0-9]+\.[0-9]{8,}[eE0-9+-]*|-?[0-9]{8,}\.[0-9]+[eE0-9+-]*|-?[0-9]{20,}[.eE0-9+-]*)"
_TOKEN = r'("(?:[^"\\]|\\.)*")|(-?[0-9][-+.0-9eE]*)'


def may_be_long(line: str) -> str:
    """SQL: whether the line may hold a number that a float does not keep."""
    return f"regexp_matches({line}, '{_LONG}')"


def exact_line(line: str) -> str:
    """SQL of the line with its numbers kept; of a line that is no JSON, something that is none either."""
    quick, every = _quick(line), _every(line)
    return (
        f"CASE WHEN NOT {may_be_long(line)} THEN {line} "
        f"WHEN json_valid({quick}) THEN {quick} WHEN json_valid({line}) THEN {every} ELSE {line} END"
    )


def exact_lines(lines: str, where: str) -> str:
    """A query of `line` and `exact`, NULL where the line is no JSON: in it the line is looked for numbers and parsed once."""
    every = f"list_transform([{_every('line')}], lambda each: CASE WHEN json_valid(each) THEN each END)[1]"
    exact = f"CASE WHEN json_valid(quick) THEN quick WHEN json_valid(line) THEN {every} END"
    return f"SELECT line, {exact} AS exact FROM (SELECT line, {_quick('line')} AS quick FROM {lines} WHERE {where})"


def _quick(line: str) -> str:
    return f"regexp_replace({line}, '{_LONG_VALUE}', '\\1\"\\2\"', 'g')"


def _every(line: str) -> str:
    # between a text and the number after it stands chr(2): twice after a text, once on each side of a number
    marked = f"regexp_replace({line}, '{_TOKEN}', '\\1' || chr(2) || '\\2' || chr(2), 'g')"
    return f"replace(replace({marked}, chr(2) || chr(2), ''), chr(2), '\"')"
