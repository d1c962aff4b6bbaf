"""Closed books, one byte or one row changed: `verify` finds it and names the file (rule L2).

By default bytes are drawn; the seed is printed with a failure, and TAMPER_SEED draws them again. TAMPER=all takes every byte
of every file, which takes hours: of the ledger it is one `verify` for each of its bytes.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from finledger.workbench import Workbench
from finledger.workbench.verify import verify
from tests.close.small_books import (
    snapshot,
)
from tests.close.tampered import BESIDE, LEDGER, closed_quarter, named, verified
from tests.support import finledger_json

EVERY = os.environ.get("TAMPER") == "all"
SEED = int(os.environ.get("TAMPER_SEED", random.SystemRandom().randrange(10**9)))
ROUNDS = 30  # flips of each file
PEOPLES = (
    "finledger.yaml",
    "decisions/",
    "evals/",
    "out/problems.txt",
)  # what people may change, and what says what they did
CACHE = "store/figures/"  # no seal rests on it: an entry that is not what its name says is as if it were not there


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return closed_quarter(tmp_path_factory.mktemp("tampering") / "books")


@pytest.fixture
def books(closed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(closed, tmp_path / "books")


def held(root: Path) -> list[str]:
    """Every file of the books that is not people's to change and no cache, but the ledger's own two."""
    return [name for name in snapshot(root) if not name.startswith((*PEOPLES, LEDGER, CACHE))]


def flip(path: Path, offset: int, dice: random.Random) -> bytes:
    """Another bit in one byte; what the file held before."""
    content = path.read_bytes()
    path.write_bytes(content[:offset] + bytes([content[offset] ^ (1 << dice.randrange(8))]) + content[offset + 1 :])
    return content


def offsets(size: int, dice: random.Random, count: int) -> Iterator[int]:
    yield from (range(size) if EVERY else sorted(dice.sample(range(size), min(count, size))))


# ── a flipped bit ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_kind_of_file_is_there(closed: Path) -> None:
    names = held(closed)
    kinds = {Path(name).suffix for name in names if name.startswith("out/")}
    assert kinds >= {".json", ".html", ".md", ".pdf", ".xlsx", ".csv", ".beancount", ".journal"}
    folders = {"/".join(Path(name).parts[:2]) for name in names}
    assert folders >= {"store/usage", "store/quarantine", "store/sealed", "out/2026-07", "out/2026-08", "out/2026-Q3"}
    assert [name for name in names if "/notes/" in name] and [name for name in names if "/closed-" in name]
    assert "store/usage/schema.parquet" in names and "usage/july.csv" in names and "pricebooks/2026-Q3.yaml" in names


def test_flipped__in_every_file_at_once(books: Path) -> None:
    """A bit in one byte of each file: `verify` names each of them, and no other. Then the next byte of each."""
    dice = random.Random(SEED)
    left = {name: offsets((books / name).stat().st_size, dice, ROUNDS) for name in held(books)}
    while left:
        now = {name: next(each, None) for name, each in left.items()}
        left = {name: each for name, each in left.items() if now[name] is not None}
        before = {name: flip(books / name, at, dice) for name, at in now.items() if at is not None}
        found = named(verified(books))
        assert found == before.keys(), (SEED, {name: now[name] for name in found ^ before.keys()})
        for name, content in before.items():
            (books / name).write_bytes(content)
    assert verified(books) == ()


@pytest.mark.parametrize("name", [LEDGER, BESIDE])
def test_flipped__in_the_ledger(name: str, books: Path) -> None:
    """Bytes of the file's header, of its pages and of what stands beside it: found, whatever they make the ledger say, and
    nothing is written by the way.
    """
    dice = random.Random(SEED)
    whole = {each: (books / each).read_bytes() for each in (LEDGER, BESIDE)}
    header = offsets(100, dice, ROUNDS) if name == LEDGER else ()
    for at in sorted({*header, *offsets(len(whole[name]), dice, 2 * ROUNDS if name == LEDGER else 20)}):
        flip(books / name, at, dice)
        flipped = (books / name).read_bytes()
        found = verified(books)
        assert found and any(problem.source.file.startswith(LEDGER) for problem in found), (SEED, name, at)
        assert (books / name).read_bytes() == flipped, (SEED, name, at, "was written to")
        for each, content in whole.items():
            (books / each).write_bytes(content)
    assert verified(books) == ()


def test_flipped__and_worked_out_again(books: Path) -> None:
    """With the periods run again, as `verify` does: of each kind of file one at a time. Nothing but what is wrong is named first."""
    dice = random.Random(SEED)
    kinds = (
        "store/usage/month=2026-07",
        "store/usage/schema",
        "store/quarantine",
        "store/sealed",
        "out/2026-07",
        "usage/july",
    )
    for kind in (*kinds, LEDGER, BESIDE, "pricebooks/"):
        name = dice.choice([each for each in snapshot(books) if each.startswith(kind)])
        at = dice.randrange((books / name).stat().st_size)
        before = flip(books / name, at, dice)
        found = verified(books, quick=False)
        assert found, (SEED, name, at)
        assert (found[0].source.file.partition(" (")[0]).startswith(LEDGER if name.startswith(LEDGER) else name), (
            SEED,
            name,
            at,
        )
        (books / name).write_bytes(before)
    assert verified(books, quick=False) == ()


def test_flipped__through_the_command(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next((books / "out/2026-07/invoices").glob("*.pdf"))
    flip(path, 1000, random.Random(SEED))
    shown = finledger_json(capsys, "verify", "--books", books, expect=1)
    assert [problem["code"] for problem in shown["problems"]] == ["document-changed"]
    assert f"out/2026-07/invoices/{path.name} is not what it was" in capsys.readouterr().err or shown["problems"]


# ── a file that is gone, or an older one ────────────────────────────────────────────────────────────────────────────────


def test_deleted(books: Path) -> None:
    """Each file by itself. An export may be moved away: it is counted, and nobody's fault."""
    for name in (*held(books), BESIDE):
        content = (books / name).read_bytes()
        (books / name).unlink()
        found = verify(Workbench(books), quick=True)
        if name.startswith("usage/"):
            assert found.problems == ()
            assert ("exports that lie elsewhere now", 1) in found.looked_at
        else:
            assert named(found.problems) == {name}, name
        write_bytes(books / name, content)
    assert verified(books) == ()


def write_bytes(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_deleted__the_ledger_itself(books: Path) -> None:
    """A new one is empty: the documents name closes that it does not have."""
    for name in (LEDGER, BESIDE):
        (books / name).unlink()
    found = verified(books)
    assert {problem.code for problem in found} == {"root-unknown"}
