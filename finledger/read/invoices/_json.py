"""JSON reports as records: the pages of a provider's API, or one object a line, with every number as its text.

    {"data": [{"start_time": …, "results": [{"amount": {"value": 0.06}}]}]}     a record for each result:
                                                                                bucket.start_time, amount.value
    {"cost": 0.06, "sku": {"id": …}, "credits": […]}                            a record: cost, sku.id, and the list beside

A key that stands twice in an object is refused: which of the two counts, nobody can say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read.invoices._export import Export, Record
from finledger.read.values import WrongValue
from finledger.read.yaml_lines import excerpt_of, path_of

_LINE_ENDS = re.compile("\r\n|\n|\r")
_DEEPEST = 8  # no report nests its figures deeper
_RESULTS = ("results", "result")  # older reports of OpenAI write the second
_REMEDY = "fetch the report again, and save what the API answered as it is"


class Number(str):
    """A number exactly as it was written."""


@dataclass(frozen=True, slots=True)
class _Found:
    """An object with the steps to it. `line` is None in a document of several lines."""

    value: dict[str, Any]
    steps: tuple[str | int, ...]
    line: int | None


def parsed(text: str) -> Any:
    """The value, numbers as text. Raises WrongValue (not-json)."""
    try:
        return json.loads(
            text, parse_int=Number, parse_float=Number, parse_constant=_refuse_constant, object_pairs_hook=_single_keys
        )
    except json.JSONDecodeError as error:
        message = (
            f"the text is not JSON: {error.msg[0].lower()}{error.msg[1:]} at line {error.lineno}, character {error.colno}"
        )
        raise WrongValue("not-json", message, _REMEDY) from None
    except RecursionError:
        raise WrongValue("not-json", "the text is nested too deeply", _REMEDY) from None
    except ValueError as error:
        raise WrongValue("not-json", f"the text is not JSON: {error}", _REMEDY) from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"it holds {name}")


def _single_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in an object")
    return found


def json_export(text: str, shown_as: str) -> Outcome[Export | None]:
    """The records of a document, of a list, or of one object a line."""
    problems: list[Problem] = []
    tops = list(_tops(text, shown_as, problems))
    lines = tuple(_LINE_ENDS.split(text))
    records: list[Record] = []
    unfinished = False
    for top in tops:
        if "has_more" in top.value:
            unfinished = top.value["has_more"] is True
        for found, bucket in _results(top):
            records.append(_record(found, bucket, shown_as, lines))
    if problems and not records:
        return Outcome(None, tuple(problems))
    names = dict.fromkeys(name for record in records for name in (*record.cells, *record.nested))
    header = Record({}, SourceRef(shown_as, 1), excerpt_of(lines, 1))
    keys = {name: name for name in names}
    return Outcome(Export(shown_as, tuple(names), keys, tuple(records), header, unfinished), tuple(problems))


def _tops(text: str, shown_as: str, problems: list[Problem]) -> Iterator[_Found]:
    """The objects at the top of the file."""
    lines = tuple(_LINE_ENDS.split(text))
    filled = [number for number, line in enumerate(lines, 1) if line.strip()]
    if len(filled) > 1 and all(lines[number - 1].lstrip().startswith("{") for number in filled):
        for number in filled:
            try:
                value = parsed(lines[number - 1])
            except WrongValue as wrong:
                problems.append(_refused(wrong, shown_as, number, lines))
                continue
            yield from _objects(value, number, shown_as, lines, problems)
        return
    try:
        value = parsed(text)
    except WrongValue as wrong:
        place = re.search(r"at line ([0-9]+),", wrong.message)
        problems.append(_refused(wrong, shown_as, int(place[1]) if place else 1, lines))
        return
    yield from _objects(value, None, shown_as, lines, problems)


def _refused(wrong: WrongValue, shown_as: str, line: int, lines: tuple[str, ...]) -> Problem:
    return Problem(wrong.code, wrong.message, SourceRef(shown_as, line), excerpt_of(lines, line), wrong.remedy)


def _objects(
    value: Any, line: int | None, shown_as: str, lines: tuple[str, ...], problems: list[Problem]
) -> Iterator[_Found]:
    if isinstance(value, dict):
        yield _Found(value, (), line)
        return
    for number, item in enumerate(value if isinstance(value, list) else [value]):
        if isinstance(item, dict):
            yield _Found(item, (number,), line)
            continue
        message = f"{path_of((number,))} is no object: a report holds objects"
        problems.append(_refused(WrongValue("not-json", message, _REMEDY), shown_as, line or 1, lines))


def _results(top: _Found) -> Iterator[tuple[_Found, dict[str, Any]]]:
    """The objects that hold figures, each with the bucket that it lies in."""
    inner = top.value.get("data")
    buckets = [top]
    if isinstance(inner, list):
        buckets = [
            _Found(item, (*top.steps, "data", number), top.line)
            for number, item in enumerate(inner)
            if isinstance(item, dict)
        ]
    for bucket in buckets:
        name = next((name for name in _RESULTS if isinstance(bucket.value.get(name), list)), "")
        if not name:
            yield bucket, {}
            continue
        for number, item in enumerate(bucket.value[name]):
            if isinstance(item, dict):
                yield _Found(item, (*bucket.steps, name, number), bucket.line), bucket.value


def _record(found: _Found, bucket: dict[str, Any], shown_as: str, lines: tuple[str, ...]) -> Record:
    cells: dict[str, str] = {}
    nested: dict[str, Any] = {}
    for name, value in bucket.items():
        if not isinstance(value, dict | list):
            _flatten(f"bucket.{name}", value, cells, nested, 0)
    _flatten("", found.value, cells, nested, 0)
    excerpt = excerpt_of(lines, found.line) if found.line else excerpt_of((shown(found.value),), 1)
    return Record(cells, SourceRef(shown_as, found.line), excerpt, path_of(found.steps), nested)


def _flatten(name: str, value: Any, cells: dict[str, str], nested: dict[str, Any], depth: int) -> None:
    if isinstance(value, dict):
        for key, inner in value.items() if depth < _DEEPEST else ():
            _flatten(f"{name}.{key}" if name else key, inner, cells, nested, depth + 1)
    elif isinstance(value, list):
        nested[name] = value
    elif isinstance(value, bool):
        cells[name] = "true" if value else "false"
    else:
        cells[name] = "" if value is None else str(value).strip()


def items_of(record: Record, name: str) -> list[Record]:
    """The objects of a list inside a record, also where a table holds the list as text. Raises WrongValue (not-json)."""
    listed = record.nested.get(name)
    if listed is None:
        written = record.cells.get(name, "")
        listed = parsed(written) if written else []
    if not isinstance(listed, list):
        raise WrongValue("not-json", f"{name} is not a list", _REMEDY)
    found = []
    for number, item in enumerate(listed):
        if not isinstance(item, dict):
            raise WrongValue("not-json", f"{name}/#{number + 1} is not an object", _REMEDY)
        cells: dict[str, str] = {}
        _flatten("", item, cells, {}, 0)
        place = "/".join(part for part in (record.place, f"{name}/#{number + 1}") if part)
        found.append(Record(cells, record.source, record.excerpt, place))
    return found


def shown(value: Any, depth: int = 0) -> str:
    """The value as it was written, on one line."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict | list) and depth > _DEEPEST:
        return "…"
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key, ensure_ascii=False)}: {shown(inner, depth + 1)}" for key, inner in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(shown(inner, depth + 1) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=False)
