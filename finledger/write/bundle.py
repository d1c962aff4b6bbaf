"""The evidence of a disputed line as one zip archive, the same bytes every time: fixed dates, a fixed order (rule L4)."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from finledger.core.usage import LABELS, NATIVE
from finledger.write import bundle_check
from finledger.write.figures import plain
from finledger.write.text import formula_safe

CHECK, README = "check.py", "README.txt"
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip archive can say
_COLUMNS = (*(column.name for column in NATIVE), *LABELS)
_README = """\
Evidence of {dispute}: line {line_id} of {document}, {amount} {currency}

{team} disputes this line. The files here are what it was charged from, and a program that works it out again from them. It needs
Python 3.11 or later, and nothing else: no network, no finledger, no access to the books.

    python3 -I check.py

It is in plain words and short: read it before you run it. It prints every step, and ends with exit code 1 where one is wrong.

{files}

What it cannot know stands on the document itself. Compare by eye: the SHA-256 of the price book, which the document names{root}.

Cells of rows.csv that begin like a formula have an apostrophe before them, so that a spreadsheet does not run them.
"""
_SAID = {
    "README.txt": "this text",
    "check.py": "the program",
    "dispute.json": "the dispute, its events in the books' log with their hashes, and the exports that the rows came from",
    "explanation.json": "what the line is made of: its price, the rules that labelled its usage, every step with its place",
    "finledger.yaml": "the organisation: teams, cost centres, rules",
    "manifest.json": "the SHA-256 of every file here",
    "rates.csv": "the currency rates",
    "rows.csv": "the source rows, each with its place in the export as file:line",
}


class BundleWriter:
    """A bundle in the making: the rows first, one after another, then everything else; `finish` gives its bytes."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._zip = zipfile.ZipFile(self._buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self._hashes: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted({*self._hashes, bundle_check.MANIFEST}))

    def add(self, name: str, content: bytes) -> None:
        self._zip.writestr(_member(name), content)
        self._hashes[name] = hashlib.sha256(content).hexdigest()

    def add_rows(self, columns: Sequence[str], rows: Iterable[tuple[str, Mapping[str, Any]]]) -> int:
        """rows.csv with these columns behind each row's place; how many rows it has. No more than a row is held."""
        digest, count = hashlib.sha256(), 0
        with self._zip.open(_member(bundle_check.ROWS), "w", force_zip64=True) as stream:
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(("where", *columns))
            for where, row in rows:
                count += 1
                writer.writerow((formula_safe(where), *(_cell(row.get(name)) for name in columns)))
                if text.tell() > 1 << 20:
                    _move(text, stream, digest)
            _move(text, stream, digest)
        self._hashes[bundle_check.ROWS] = digest.hexdigest()
        return count

    def finish(self) -> bytes:
        """The archive, with the manifest of all that was added."""
        manifest = {"schema": 1, "files": self._hashes}
        text = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        self._zip.writestr(_member(bundle_check.MANIFEST), text.encode())
        self._zip.close()
        return self._buffer.getvalue()


def used_columns(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[str, ...]:
    """The columns in which any row holds something, in the order of the store's."""
    used: set[str] = set()
    for _, row in rows:
        used.update(row)
    return tuple(name for name in _COLUMNS if name in used)


def program() -> bytes:
    """check.py, as it lies in the package."""
    return Path(bundle_check.__file__).read_bytes()


def readme(names: Iterable[str], about: Mapping[str, str], root: str) -> bytes:
    """What the bundle is, in words; `about`: dispute, line_id, document, amount, currency, team. `root`: of the close, or ""."""
    listed = [(name, _SAID.get(name, "what people decided, as it stood")) for name in sorted({*names, *_ALWAYS})]
    width = max(len(name) for name, _ in listed)
    files = "\n".join(f"{name:<{width}}  {said}" for name, said in listed)
    close = f", and the\nroot of the close, {root}" if root else ""
    return _README.format(**about, files=files, root=close).encode()


_ALWAYS = (README, CHECK, bundle_check.MANIFEST)


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    info.create_system = 3
    return info


def _move(text: io.StringIO, stream: Any, digest: Any) -> None:
    block = text.getvalue().encode("utf-8", "backslashreplace")
    stream.write(block)
    digest.update(block)
    text.seek(0)
    text.truncate()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="auto") + "Z"
    if isinstance(value, Decimal):
        return plain(value)
    return str(value) if isinstance(value, int) else formula_safe(str(value))
