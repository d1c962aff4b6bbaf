"""A row more in a CSV file that a person keeps: everything that stands in it stays to the byte."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from finledger.core.problem import Misused


def with_row(before: bytes, row: Mapping[str, str], columns: Sequence[str]) -> bytes:
    """The file with a row at its end, in the order of its columns and with its own line ends; a header where it has none."""
    text = before.decode("utf-8-sig", errors="replace")
    names = next((cells for cells in csv.reader(io.StringIO(text, newline="")) if any(map(str.strip, cells))), None)
    mark = next((mark for mark in ("\r\n", "\n", "\r") if mark in text), "\n")
    added = io.StringIO()
    written = csv.writer(added, lineterminator=mark)
    if names is None:
        written.writerow(columns)
    written.writerow([row.get(name.strip(), "") for name in names or columns])
    gap = "" if not text or text.endswith(("\n", "\r")) else mark
    try:
        return before + (gap + added.getvalue()).encode()
    except UnicodeEncodeError:
        raise Misused("the request holds bytes that are no text: write it in UTF-8") from None
