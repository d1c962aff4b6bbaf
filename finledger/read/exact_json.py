"""JSON numbers by their text: DuckDB's JSON reader passes decimals through floats, which keep 15 digits (rule M1)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb

from finledger.read.columns import literal
from finledger.read.opened import Opened, text_lines

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?')


def numbers_as_text(opened: Opened, workspace: Path, connection: duckdb.DuckDBPyConnection) -> Path:
    """The file itself when no number in it has more digits than a float keeps; else a copy with every number as text.

    A long run of digits inside a text is taken for a number too: the copy costs time, and changes no value.
    """
    if opened.tidy and not _has_long_numbers(opened.path, connection):
        return opened.path
    copy = workspace / f"{opened.sha256[:16]}.exact.jsonl"
    with copy.open("w", encoding="utf-8", newline="\n") as stream:
        for line in text_lines(opened.path):
            stream.write(_quoted_numbers(line.strip("\r\n")) + "\n")
    return copy


def _has_long_numbers(path: Path, connection: duckdb.DuckDBPyConnection) -> bool:
    lines = (
        f"read_csv({literal(str(path))}, auto_detect = false, header = false, delim = '{chr(30)}', quote = '', escape = '', "
        f"compression = 'none', max_line_size = {1 << 23}, columns = {{'line': 'VARCHAR'}})"
    )
    try:
        found = connection.execute(
            f"SELECT count(*) FROM {lines} WHERE regexp_matches(line, '[0-9][0-9.]{{15}}')"
        ).fetchone()
    except duckdb.InvalidInputException:
        return True
    return bool(found and found[0])


def _quoted_numbers(line: str) -> str:
    """The line with its numbers in quotes and nothing else changed: a key that stands twice stays twice, in its order."""
    try:
        json.loads(line)
    except ValueError:
        return line
    except RecursionError:
        return "(nested too deeply)"
    return _TOKEN.sub(lambda found: found[0] if found[0].startswith('"') else f'"{found[0]}"', line)
