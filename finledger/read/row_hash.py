"""An id for exports that have none: the hash of what the row says, whatever the order of its columns."""

from __future__ import annotations

from finledger.read.columns import literal
from finledger.read.header import Header


def row_hash(header: Header, nulls: tuple[str, ...] = ()) -> str:
    """SQL of 32 hexadecimal digits over `name=value` of every column that is not empty, sorted by name.

    A column that is added empty, or moved, changes no id. The ordinal among identical rows follows when the file is staged.
    """
    parts = []
    for name in sorted(header.names):
        text = header.ref(name)
        for word in ("", *nulls):
            text = f"nullif({text}, {literal(word)})"
        parts.append(f"{literal(name + '=')} || {text}")
    return f"left(sha256(concat_ws(chr(31), {', '.join(parts)})), 32)"
