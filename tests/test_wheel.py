"""The wheel holds everything: built, installed into an empty environment, and used away from the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


def run(*words: object, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "FINLEDGER_BOOKS")}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return next(folder.glob("finledger-*.whl"))


def test_wheel__holds_the_shipped_files_and_no_more(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {name.split("/")[2] for name in names if name.startswith("finledger/_shipped/")}
    assert shipped == {"templates", "samples"}
    assert {name.split("/")[0] for name in names} == {"finledger", "finledger-0.1.0.dist-info"}
    strays = [name for name in names if name.endswith(".pyc") or "/out/" in name or "/store/" in name]
    assert not strays


def test_wheel__installed_alone_runs_a_quarter(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=tmp_path)
    python = environment / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "install", "--quiet")
    # what the program itself needs, in the versions of the lock: nothing that only the tests need
    run(*pip, "--constraint", unhashed(tmp_path), wheel, cwd=tmp_path)
    finledger = environment / "bin" / "finledger"
    assert run(finledger, "--version", cwd=tmp_path).startswith("finledger 0.1.0")
    assert "Commands:" in run(finledger, "--help", cwd=tmp_path)
    run(finledger, "init", "books", cwd=tmp_path)
    run(finledger, "status", "--books", "books", cwd=tmp_path)
    run(finledger, "demo", "demo", cwd=tmp_path)
    made = {path.suffix for path in (tmp_path / "demo" / "out").rglob("*") if path.is_file()}
    assert {".pdf", ".html", ".xlsx", ".json", ".md", ".csv", ".beancount", ".journal"} <= made


def unhashed(folder: Path) -> Path:
    """The lock as constraints: pip takes hashes for all of what it installs or for none, and the wheel has none."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    path = folder / "constraints.txt"
    path.write_text("".join(line.rstrip(" \\") + "\n" for line in lines if not line.startswith(" ")))
    return path
