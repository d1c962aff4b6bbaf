"""The files of a period as they are to be tied out: those that lie in out/, or those that are about to be put there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from finledger.core.period import Month, Quarter
from finledger.workbench import Workbench

Contents = Mapping[Path, bytes | None]


class Files:
    """The files of a period: those that are about to be written, else those that lie there."""

    def __init__(self, bench: Workbench, period: Month | Quarter, contents: Contents) -> None:
        self.bench, self.period = bench, period
        self.folder = bench.root / "out" / str(period)
        self._contents = contents

    def read(self, path: Path) -> bytes | None:
        if path in self._contents:
            return self._contents[path]
        return path.read_bytes() if path.is_file() else None

    def listed(self, folder: str, suffix: str) -> list[Path]:
        lying = (self.folder / folder).glob(f"*{suffix}")
        coming = (path for path in self._contents if path.parent == self.folder / folder and path.suffix == suffix)
        return sorted({*lying, *coming})

    def shown(self, path: Path) -> str:
        return path.relative_to(self.bench.root).as_posix()


def again(command: str, period: Month | Quarter) -> str:
    """What to do about a file that says something else. The notes of a quarter's end are written by its close alone."""
    if isinstance(period, Quarter) and command == "invoice":
        return "the ledger stands: take the file from a backup, and ask why it was changed before anything is paid by it"
    option = "month" if isinstance(period, Month) else "quarter"
    return (
        f"the ledger stands: `finledger {command} --{option} {period}` writes the file again; where somebody changed it by "
        "hand, ask why before anything is paid or imported from it"
    )
