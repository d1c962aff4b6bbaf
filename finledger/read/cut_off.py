"""Whether a text export ends in the middle of a record: then it was cut off on its way, and nothing of it is taken.

Only a last line without a line end can be what is left of a longer one. If it is a whole record, so be it: many programs write
no line end after the last one.
"""

from __future__ import annotations

import json

from finledger.core.problem import Problem, SourceRef
from finledger.read.csv_repair import Walked
from finledger.read.opened import Opened, last_line

_EXCERPT = 160


def cut_off(opened: Opened, shown_as: str, container: str, width: int, walked: Walked | None) -> tuple[Problem, ...]:
    """The problem of an export whose last record is not whole. `width`: the fields of a CSV's header; `walked`: if it was."""
    if opened.ended or not opened.text:
        return ()
    where = SourceRef(shown_as, opened.lines or None)
    if container == "csv" and walked is not None and 0 < walked.last_width < width:
        message = f"the file ends in the middle of a record: {walked.last_width} fields of {width}, and no line end"
        return (_problem(message, where, last_line(opened.path)),)
    if container == "jsonl" and not _is_json(last_line(opened.path)):
        return (_problem("the file ends in the middle of a record: its last line is no whole JSON", where, b""),)
    return ()


def _is_json(line: bytes) -> bool:
    if not line.strip():
        return True
    try:
        json.loads(line)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def _problem(message: str, where: SourceRef, line: bytes) -> Problem:
    excerpt = line.decode("utf-8-sig", "replace")[:_EXCERPT]
    remedy = "fetch the export again: it was cut off on its way; nothing of it was taken"
    return Problem("truncated-file", message, where, excerpt, remedy)
