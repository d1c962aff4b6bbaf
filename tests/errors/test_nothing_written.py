"""A load that is refused leaves nothing behind: no usage, no quarantine, no record of a file, no workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from finledger.core.problem import Refused
from finledger.workbench import Workbench
from tests.errors.test_errors import HERE, lay_out
from tests.support import finledger

GOOD = "usage_id,ts,team,action,requests\na1,2026-07-01T09:00:00Z,search,chat_call,1\na2,2026-07-01T09:00:00Z,search,chat_call,many\n"
BAD = {
    "the whole file": "usage_id,ts,team,team\nb1,2026-07-01T09:00:00Z,search,search\n",
    "every row": "usage_id,ts,team\nb1,yesterday,search\n",
    "an id of the file before it": "usage_id,ts,team\na1,2026-07-01T09:00:00Z,support\n",
    "an id of its own": "usage_id,ts,team\nb1,2026-07-01T09:00:00Z,search\nb1,2026-07-02T09:00:00Z,search\n",
}


@pytest.fixture
def books(tmp_path: Path) -> Path:
    books = lay_out(HERE / "no-rows", tmp_path / "books")
    (books / "usage/july.csv").unlink()
    (books / "usage/a-good.csv").write_text(GOOD, encoding="utf-8")
    return books


def stored(books: Path) -> dict[str, bytes]:
    """Every file in store/ but the ledger with its fingerprint and the empty part that tells the columns."""
    found = {path.relative_to(books / "store").as_posix(): path for path in (books / "store").rglob("*") if path.is_file()}
    beside = ("ledger.sqlite", "ledger.sqlite.sha256", "usage/schema.parquet")
    return {name: path.read_bytes() for name, path in found.items() if name not in beside}


@pytest.mark.parametrize("what", BAD)
def test_refused__with_a_good_file_beside_it(books: Path, what: str) -> None:
    (books / "usage/b-bad.csv").write_text(BAD[what], encoding="utf-8")
    with pytest.raises(Refused):
        Workbench(books).load(Workbench(books).inbox())
    assert stored(books) == {}
    ledger = Workbench(books).ledger
    assert (ledger.files(), ledger.parts(), ledger.parts(rejected=True), ledger.meta("timezone")) == ((), (), (), None)


def test_refused__what_was_loaded_before_stays(books: Path) -> None:
    finledger("load", "--books", books)
    before, files = stored(books), Workbench(books).ledger.files()
    assert files and before
    (books / "usage/b-bad.csv").write_text(BAD["an id of the file before it"], encoding="utf-8")
    finledger("load", "--books", books, expect=1)
    assert stored(books) == before
    assert Workbench(books).ledger.files() == files


def test_dry_run__decides_nothing(books: Path) -> None:
    """Neither usage nor the time zone that the first load fixes."""
    finledger("load", "--books", books, "--dry-run")
    assert stored(books) == {}
    settings = books / "finledger.yaml"
    settings.write_text(settings.read_text(encoding="utf-8") + "timezone: Asia/Tokyo\n", encoding="utf-8")
    finledger("load", "--books", books)
    assert Workbench(books).ledger.meta("timezone") == "Asia/Tokyo"
