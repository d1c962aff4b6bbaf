"""Files that only save work: each is written whole or not at all, and where it cannot be written nothing is said."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def keep(path: Path, content: bytes, *, most: int) -> None:
    """Write an entry, and leave no more than the `most` of its kind (its suffix) in its folder that were used last.

    A full disk, or a folder that may only be read, keeps nothing. Another process may write and tidy up meanwhile; what a killed
    one left goes.
    """
    made = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(content)
        made.replace(path)
        used: list[tuple[int, Path]] = []
        for entry in path.parent.glob(f"*{path.suffix}"):
            with suppress(FileNotFoundError):
                used.append((entry.stat().st_mtime_ns, entry))
        for old in (*(entry for _, entry in sorted(used)[:-most]), *path.parent.glob(f"*{path.suffix}.*.new")):
            old.unlink(missing_ok=True)
    except OSError:
        with suppress(OSError):
            made.unlink(missing_ok=True)
