"""An id for rows that have none: the hash of what the row says, whatever the order of its columns."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from finledger.read.columns import literal
from finledger.read.header import Header

_SHORT = 5


def row_hash(header: Header, nulls: tuple[str, ...] = (), text_of: Callable[[str], str] | None = None) -> str:
    """SQL of 32 hexadecimal digits over the name and text of every column that is not empty, sorted by name.

    A column that is added empty, or moved, changes no id. The ordinal among identical rows follows when the file is staged.
    `text_of`: where a column's text stands already, empty words left out.
    """
    texts = {}
    for name in header.names:
        if text_of is None:
            text, empty = header.ref(name), ", ".join(map(literal, ("", *nulls)))
            texts[name] = f"CASE WHEN {text} IN ({empty}) THEN NULL ELSE {text} END"
        else:
            texts[name] = text_of(name)
    return hashed(texts)


def hashed(texts: Mapping[str, str]) -> str:
    """SQL of the hash of the texts by name, each behind a code of its name: with the names, most of what is hashed would be names."""
    codes = _codes(texts)
    parts = ", ".join(f"{literal(codes[name])} || {texts[name]}" for name in sorted(texts))
    return f"left(sha256(concat_ws(chr(31), {parts})), 32)"


def _codes(names: Iterable[str]) -> dict[str, str]:
    """Five characters of the hash of each name: the same in every export, unless two names of one share them and have the whole."""
    whole = {name: base64.b32encode(hashlib.sha256(name.encode()).digest()).decode().lower() for name in names}
    shared = Counter(code[:_SHORT] for code in whole.values())
    return {name: code if shared[code[:_SHORT]] > 1 else code[:_SHORT] for name, code in whole.items()}
