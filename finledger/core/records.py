"""Where the records of a text export begin: from a record's ordinal to a line, the way a person opens the file (L, lineage).

The store keeps ordinals because parallel readers know no lines. A CSV record may span lines (quotes), and blank lines hold
no record, so the line is found by walking the file once; only what is shown to somebody is looked up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

# By these names a JSON object holds records, instead of being one: of such a file no line is a record.
HOLDERS = frozenset(
    {"data", "resourceSpans", "batches", "trace", "result", "results", "usage_data", "logs", "items", "model_breakdown"}
)


def lines_are_records(first: str) -> bool:
    """Whether a JSON text whose first line this is has one record a line: not a page, a list or a document over many lines.

    >>> lines_are_records('{"id": 1}'), lines_are_records('{"data": [{"id": 1}]}'), lines_are_records("[")
    (True, False, False)
    >>> lines_are_records('{"metric": {"gpu": "0"}, "values": [73, 74], "timestamps": [1720000000000, 1720000060000]}')
    False
    """
    try:
        value = json.loads(first.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict) or any(isinstance(value.get(name), dict | list) for name in HOLDERS):
        return False
    return not (isinstance(value.get("metric"), dict) and isinstance(value.get("values"), list))


_METRICS = re.compile(
    r"# (HELP|TYPE|UNIT|EOF)\b|([A-Za-z_:][A-Za-z0-9_:]*\{[^{}]*=\"|\{__name__=\").*\}[ \t]+([0-9.eE+-]+|[+-]?Inf|NaN)([ \t]|$)"
)


def is_metrics(first: str) -> bool:
    """Whether a text whose first line this is has samples of metrics, as a scrape or a dump of Prometheus does: no line is a record.

    >>> is_metrics("# TYPE DCGM_FI_DEV_GPU_UTIL gauge"), is_metrics('up{job="a"} 1 1720000000'), is_metrics("ts,team,requests")
    (True, True, False)
    >>> is_metrics('{__name__="up", job="a"} 1 1720000000000'), is_metrics('{"data": {"result": []}}')
    (True, False)
    """
    return _METRICS.match(first.lstrip("\ufeff").strip()) is not None


def csv_record_lines(lines: Iterable[str], delimiter: str = ",") -> Iterator[tuple[int, str]]:
    """The line on which each record begins, header first, with the record's first line. Lines count from 1.

    >>> list(csv_record_lines(['a,b\\n', '1,"x\\n', 'y"\\n', '\\n', '2,z\\n']))
    [(1, 'a,b'), (2, '1,"x'), (5, '2,z')]
    """
    quoted = False
    for number, line in enumerate(lines, 1):
        if not quoted:
            if not line.strip("\r\n"):
                continue
            yield number, line.rstrip("\r\n")
        if '"' in line:
            quoted = _ends_quoted(line, delimiter, quoted)


def jsonl_record_lines(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The line of each record of a JSON-lines file: every line that is not blank."""
    for number, line in enumerate(lines, 1):
        if line.strip("\r\n"):
            yield number, line.rstrip("\r\n")


def open_quote(lines: Iterable[str], delimiter: str = ",") -> tuple[int, str] | None:
    """The line on which the quote opens that the file never closes, or None."""
    quoted = False
    opened = (0, "")
    for number, line in enumerate(lines, 1):
        if '"' not in line:
            continue
        was = quoted
        quoted = _ends_quoted(line, delimiter, quoted)
        if quoted and (not was or _reopens(line, delimiter)):
            opened = (number, line.rstrip("\r\n"))
    return opened if quoted else None


def _reopens(line: str, delimiter: str) -> bool:
    """Whether a line that begins inside quotes closes them and opens others that stay open."""
    return _ends_quoted(line, delimiter, False) and _quote_count(line) % 2 == 0


def _quote_count(line: str) -> int:
    return line.count('"')


def _ends_quoted(line: str, delimiter: str, quoted: bool) -> bool:
    """Whether the line ends inside quotes. A quote opens only at the start of a field; doubled quotes are text."""
    at = 0
    if quoted:
        closed = _CLOSED.match(line)
        if closed is None:
            return True
        at = closed.end()
    return any(not field[1] for field in _quoted_fields(delimiter).finditer(line, at))


_QUOTED = r'(?:[^"]++|"")*+'
_CLOSED = re.compile(rf'{_QUOTED}"')


@lru_cache
def _quoted_fields(delimiter: str) -> re.Pattern[str]:
    """Each quoted field of a line; the last one may lack the quote that closes it."""
    return re.compile(rf'(?:^|{re.escape(delimiter)}) *"{_QUOTED}("?)')
