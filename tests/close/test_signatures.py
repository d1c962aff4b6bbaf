"""Seals signed by a key outside the books, as `ssh-keygen` signs (rule L2)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from finledger.core.problem import Misused
from finledger.workbench import Workbench, closing, signing
from tests.close.small_books import AUGUST, JULY, close, daily, make_books
from tests.support import finledger, finledger_json

pytestmark = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="install OpenSSH to sign: apt-get install openssh-client"
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two key pairs, ada and bo, and a list of signers that holds Ada only."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ada", "bo"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name], check=True)
        (folder / f"{name}-signers").write_text(f"{name}@example.com {(folder / f'{name}.pub').read_text()}")
    return folder


@pytest.fixture(scope="module")
def signed(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_books(tmp_path_factory.mktemp("signed") / "books", {"all.csv": [*daily(JULY), *daily(AUGUST)]})
    finledger("close", "--month", "2026-07", "--sign", keys / "ada", "-q", "--books", root)
    return root


@pytest.fixture
def books(signed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(signed, tmp_path / "books")


def test_good(books: Path, keys: Path) -> None:
    assert (books / "out/2026-07/seal.json.sig").read_text().startswith("-----BEGIN SSH SIGNATURE-----")
    finledger("verify", "--signers", keys / "ada-signers", "-q", "--books", books)


def codes(capsys: pytest.CaptureFixture[str], books: Path, signers: Path) -> list[str]:
    shown = finledger_json(capsys, "verify", "--signers", signers, "--books", books, expect=1)
    return [problem["code"] for problem in shown["problems"]]


def test_another_key(books: Path, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert codes(capsys, books, keys / "bo-signers") == ["seal-signature"]
    finledger("close", "--month", "2026-07", "--sign", keys / "bo", "-q", "--books", books)
    assert codes(capsys, books, keys / "ada-signers") == ["seal-signature"]
    finledger("verify", "--signers", keys / "bo-signers", "-q", "--books", books)


def test_a_changed_seal(books: Path, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seal = books / "out/2026-07/seal.json"
    seal.write_text(seal.read_text().replace('"charged":"390.60"', '"charged":"390.61"'))
    assert codes(capsys, books, keys / "ada-signers") == ["document-changed", "seal-signature"]


def test_none(books: Path, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """August was closed and not signed; the signature of July is another text than one."""
    close(books, AUGUST)
    assert codes(capsys, books, keys / "ada-signers") == ["seal-unsigned"]
    finledger("close", "--month", "2026-08", "--sign", keys / "ada", "-q", "--books", books)
    finledger("verify", "--signers", keys / "ada-signers", "-q", "--books", books)
    (books / "out/2026-07/seal.json.sig").write_text("signed, Ada\n")
    assert codes(capsys, books, keys / "ada-signers") == ["seal-signature"]


def test_a_seal_that_is_not_the_logs(books: Path, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody replaced seal.json and signed the new one with a key that may sign: it is not the document that was sealed."""
    seal = books / "out/2026-07/seal.json"
    seal.write_text(seal.read_text().replace('"charged":"390.60"', '"charged":"390.61"'))
    signing.sign(seal, keys / "ada")
    assert codes(capsys, books, keys / "ada-signers") == ["document-changed"]


def test_reopened__the_signature_goes_with_its_seal(books: Path, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (books / "out/2026-07/seal.json.sig").read_bytes()
    closing.reopen(Workbench(books), JULY, "wrong", "Ada")
    close(books, JULY)
    assert (books / "out/2026-07/closed-1/seal.json.sig").read_bytes() == before
    assert codes(capsys, books, keys / "ada-signers") == ["seal-unsigned"]
    finledger("close", "--month", "2026-07", "--sign", keys / "ada", "-q", "--books", books)
    finledger("verify", "--signers", keys / "ada-signers", "-q", "--books", books)


def test_misused(books: Path, keys: Path, tmp_path: Path) -> None:
    """A key in the books, by its own path or by a link; no key; what is none; a list of signers that is not there."""
    seal = books / "out/2026-07/seal.json"
    before = (books / "out/2026-07/seal.json.sig").read_bytes()
    shutil.copy(keys / "ada", books / "key")
    (tmp_path / "link").symlink_to(books / "key")
    for key, said in (
        (books / "key", "lies in the books"),
        (tmp_path / "link", "lies in the books"),
        (tmp_path / "none", "no key"),
        (keys / "ada-signers", "did not sign"),
    ):
        with pytest.raises(Misused, match=said):
            signing.sign(seal, key)
    assert (books / "out/2026-07/seal.json.sig").read_bytes() == before
    finledger("verify", "--signers", tmp_path / "none", "-q", "--books", books, expect=2)


def test_a_key_that_is_refused__closes_nothing(books: Path, tmp_path: Path) -> None:
    """Who asks for a signature and gets none has an open month still."""
    finledger("close", "--month", "2026-08", "--sign", tmp_path / "none", "-q", "--books", books, expect=2)
    assert Workbench(books).closed(AUGUST) is None
