"""What exports of real programs look like, and is no mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from finledger.workbench import Workbench
from tests.errors.test_errors import HERE, lay_out

ROWS = b"usage_id,ts,team\na1,2026-07-01T09:00:00Z,search\na2,2026-07-01T09:00:00+02:00,support\n"
FORMS = {
    "a byte order mark": b"\xef\xbb\xbf" + ROWS,
    "Windows line ends": ROWS.replace(b"\n", b"\r\n"),
    "old line ends": ROWS.replace(b"\n", b"\r"),
    "mixed line ends": ROWS.replace(b"\n", b"\r\n", 1),
    "no last line end": ROWS.rstrip(b"\n"),
    "blank lines": b"\n" + ROWS.replace(b"\n", b"\n\n"),
    "semicolons": ROWS.replace(b",", b";"),
    "everything quoted": b"\n".join(b'"' + line.replace(b",", b'","') + b'"' for line in ROWS.splitlines()),
}


@pytest.mark.parametrize("form", FORMS)
def test_accepted(tmp_path: Path, form: str) -> None:
    books = lay_out(HERE / "no-rows", tmp_path / "books")
    (books / "usage/july.csv").write_bytes(FORMS[form])
    (loaded,) = Workbench(books).load(Workbench(books).inbox())
    assert (loaded.file.read, loaded.file.accepted, loaded.problems) == (2, 2, ())
