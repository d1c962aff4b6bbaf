"""Closed books changed by somebody who knows how they are kept: who puts an older ledger back, writes rows with a new fingerprint,
or makes the whole chain anew. `verify` finds it (rule L2).
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from finledger.books.events import event_hash
from tests.close.small_books import AUGUST, JULY, PRICEBOOK, close, daily, edit, make_books, snapshot, write
from tests.close.tampered import BESIDE, LEDGER, closed_quarter, verified
from tests.errors.made import forge
from tests.support import finledger, finledger_json


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return closed_quarter(tmp_path_factory.mktemp("forgery") / "books")


@pytest.fixture
def books(closed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(closed, tmp_path / "books")


def test_an_older_ledger__with_what_stands_beside_it(tmp_path: Path) -> None:
    """Whoever puts back the ledger of before a close has documents of a close that never was."""
    root = make_books(tmp_path / "books", {"all.csv": [*daily(JULY), *daily(AUGUST)]})
    close(root, JULY)
    older = {name: (root / name).read_bytes() for name in (LEDGER, BESIDE)}
    close(root, AUGUST)
    newer = {name: (root / name).read_bytes() for name in snapshot(root) if name.startswith("out/2026-08/")}
    for name, content in older.items():
        (root / name).write_bytes(content)
    found = verified(root, quick=False)
    assert {problem.code for problem in found} == {"root-unknown"}
    assert all(problem.source.file.startswith("out/2026-08/") for problem in found)
    edit(root / "finledger.yaml", "books: Close", "books: Closed")
    close(root, AUGUST)  # August again, with another name on it: another root
    invoices = {name: content for name, content in newer.items() if "/invoices/" in name}
    for name, content in invoices.items():
        (root / name).write_bytes(content)
    assert {(problem.code, problem.source.file) for problem in verified(root)} == {
        *(("document-changed", name) for name in invoices),
        *(("root-unknown", name) for name in invoices if name.endswith(".json")),
    }


# ── a row, by somebody who knows how the ledger's file is fingerprinted ─────────────────────────────────────────────────


def rewritten(root: Path, *statements: str) -> None:
    forge(str(root / LEDGER), *statements)


LAST_RUN = "(SELECT max(run) FROM runs WHERE month = '2026-07')"
ROWS = {
    "a line": (f"UPDATE charge_lines SET amount_minor = amount_minor + 1 WHERE run = {LAST_RUN}", "run-changed"),
    "a component": (f"UPDATE components SET amount_minor = amount_minor - 1 WHERE run = {LAST_RUN}", "run-changed"),
    "a posting": (f"UPDATE postings SET cost_center = 'cc-0' WHERE run = {LAST_RUN}", "run-changed"),
    "an entry": (f"UPDATE entries SET memo = 'x' WHERE run = {LAST_RUN}", "run-changed"),
    "a total": (f"UPDATE team_totals SET budget_minor = 1 WHERE run = {LAST_RUN}", "run-changed"),
    "a line gone": (f"DELETE FROM charge_lines WHERE run = {LAST_RUN}", "run-changed"),
    "a run in its place": (
        "INSERT INTO runs (run, month, digest, currency, provisional, pricebooks, supersedes) "
        "SELECT 99, month, digest, currency, provisional, pricebooks, run FROM runs WHERE month = '2026-07' ORDER BY run DESC LIMIT 1",
        "run-changed",
    ),
    "a number": ("UPDATE invoices SET team = 'research' WHERE team = 'search'", "lists-changed"),
    "a note's number": ("DELETE FROM notes", "lists-changed"),
    "a frozen book": ("UPDATE frozen_books SET file = 'elsewhere.yaml'", "lists-changed"),
    "a forecast": ('UPDATE frozen_forecasts SET forecasts = \'{"search":"1"}\'', "lists-changed"),
    "an export": ("UPDATE files SET name = 'usage/other.csv' WHERE number = 1", "lists-changed"),
    "a part": ("UPDATE parts SET rows = rows + 1 WHERE number = 1", "lists-changed"),
    "an event": ("UPDATE events SET content = replace(content, 'Ada', 'Bob')", "event-changed"),
    "an event gone": (
        "DELETE FROM events WHERE number = (SELECT max(number) FROM events WHERE kind = 'reopen')",
        "event-changed",
    ),
}


@pytest.mark.parametrize("what", ROWS)
def test_row__with_a_new_fingerprint(what: str, books: Path) -> None:
    statement, code = ROWS[what]
    rewritten(books, statement)
    found = verified(books, quick=False)
    assert code in {problem.code for problem in found}, found
    assert not [problem for problem in found if problem.code == "ledger-tampered"]


def test_row__the_first_difference_is_named(books: Path) -> None:
    """31,000 calls at 0.0126 are 390.60; the ledger was made to say 390.61."""
    line = f"run = {LAST_RUN} AND team = 'search'"
    part = f"run = {LAST_RUN} AND component = 'base' AND line_id IN (SELECT line_id FROM charge_lines WHERE {line})"
    rewritten(
        books,
        f"UPDATE charge_lines SET amount_minor = amount_minor + 1 WHERE {line}",
        f"UPDATE components SET amount_minor = amount_minor + 1 WHERE {part}",
    )
    first = next(problem for problem in verified(books, quick=False) if problem.code == "period-differs")
    assert first.message.startswith("2026-07, worked out again from what close 1 sealed, differs: ")
    assert first.message.endswith("(search chat_call gpt-large) base was 310.01, is 310.00")


# ── all of it, by somebody who makes the whole chain anew ───────────────────────────────────────────────────────────────


@pytest.fixture
def forged(tmp_path: Path) -> tuple[Path, Path]:
    """Signed books; and other ones in their place, made by finledger from other usage, with the signature of the first."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("install OpenSSH to sign: apt-get install openssh-client")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    write(tmp_path / "signers", f"ada@example.com {(tmp_path / 'key.pub').read_text()}")
    true = make_books(tmp_path / "true", {"july.csv": daily(JULY)}, {"pricebooks/2026-Q3.yaml": PRICEBOOK})
    finledger("close", "--month", "2026-07", "--sign", tmp_path / "key", "-q", "--books", true)
    finledger("verify", "--signers", tmp_path / "signers", "-q", "--books", true)
    other = make_books(tmp_path / "other", {"july.csv": daily(JULY, requests=900)})
    close(other, JULY)
    shutil.copy(true / "out/2026-07/seal.json.sig", other / "out/2026-07/seal.json.sig")
    return true, other


def codes(capsys: pytest.CaptureFixture[str], root: Path, signers: Path) -> list[str]:
    shown = finledger_json(capsys, "verify", "--signers", signers, "--books", root, expect=1)
    return [problem["code"] for problem in shown["problems"]]


def test_forged__is_found_by_the_signature(forged: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    _, other = forged
    assert verified(other, quick=False) == ()
    assert codes(capsys, other, other.parent / "signers") == ["seal-signature"]


def test_forged__with_the_seal_that_was_signed(forged: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """The true seal lies there with its signature, and the log was made to list it: but its root is of no close."""
    true, other = forged
    old, new = ((root / "out/2026-07/seal.json").read_bytes() for root in (other, true))
    (other / "out/2026-07/seal.json").write_bytes(new)
    with closing(sqlite3.connect(other / LEDGER)) as ledger:
        number, kind, period, subject, content, previous, _ = ledger.execute(
            "SELECT number, kind, period, subject, content, previous, hash FROM events WHERE kind = 'documents'"
        ).fetchone()
    listed = content.replace(hashlib.sha256(old).hexdigest(), hashlib.sha256(new).hexdigest())
    assert listed != content
    sha256 = event_hash(number, kind, period, subject, listed, previous)
    rewritten(other, f"UPDATE events SET content = '{listed}', hash = '{sha256}' WHERE number = {number}")
    assert codes(capsys, other, other.parent / "signers") == ["root-unknown"]
