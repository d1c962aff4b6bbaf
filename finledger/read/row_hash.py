"""An id for exports that have none: the hash of what the row says, whatever the order of its columns."""

from __future__ import annotations

from collections.abc import Callable

from finledger.read.columns import literal
from finledger.read.header import Header


def row_hash(header: Header, nulls: tuple[str, ...] = (), text_of: Callable[[str], str] | None = None) -> str:
    """SQL of 32 hexadecimal digits over `name=value` of every column that is not empty, sorted by name.

    A column that is added empty, or moved, changes no id. The ordinal among identical rows follows when the file is staged.
    `text_of`: where a column's text stands already, empty words left out.
    """
    parts = []
    for name in sorted(header.names):
        if text_of is None:
            text, empty = header.ref(name), ", ".join(map(literal, ("", *nulls)))
            text = f"CASE WHEN {text} IN ({empty}) THEN NULL ELSE {text} END"
        else:
            text = text_of(name)
        parts.append(f"{literal(name + '=')} || {text}")
    return f"left(sha256(concat_ws(chr(31), {', '.join(parts)})), 32)"
