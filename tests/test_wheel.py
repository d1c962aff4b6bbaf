"""The wheel holds everything: built, installed into an environment of its own, and used away from the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

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
    (packages,) = environment.glob("lib/python*/site-packages")
    for there in needed(wheel):
        lend(there, packages)
    uv = (sys.executable, "-m", "uv", "--quiet", "--no-cache", "pip")
    run(*uv, "install", "--offline", "--no-deps", "--python", python, wheel, cwd=tmp_path)
    run(*uv, "check", "--python", python, cwd=tmp_path)  # nothing is asked for that is not there
    finledger = environment / "bin" / "finledger"
    assert run(finledger, "--version", cwd=tmp_path).startswith("finledger 0.1.0")
    assert "Commands:" in run(finledger, "--help", cwd=tmp_path)
    run(finledger, "init", "books", cwd=tmp_path)
    run(finledger, "status", "--books", "books", cwd=tmp_path)
    run(finledger, "demo", "demo", cwd=tmp_path)
    made = {path.suffix for path in (tmp_path / "demo" / "out").rglob("*") if path.is_file()}
    assert {".pdf", ".html", ".xlsx", ".json", ".md", ".csv", ".beancount", ".journal"} <= made


def needed(wheel: Path) -> list[Distribution]:
    """What the wheel asks for, and what that asks for, as it is installed here: nothing that only the tests need."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    left = [(PathDistribution(zipfile.Path(wheel, metadata).parent), "")]
    found: dict[tuple[str, str], Distribution] = {}
    for asking, extra in left:
        for asked in map(Requirement, asking.requires or ()):
            if asked.marker is None or asked.marker.evaluate({"extra": extra}):
                there = Distribution.from_name(asked.name)
                new = {(there.name, wanted): there for wanted in ("", *asked.extras) if (there.name, wanted) not in found}
                found |= new
                left += [(there, wanted) for _, wanted in new]
    return [there for (_, extra), there in found.items() if not extra]


def lend(there: Distribution, packages: Path) -> None:
    """Links to what is installed here, for a copy of all of it would be half a gigabyte; its description as a copy."""
    for name in {path.parts[0] for path in there.files or ()} - {"..", "__pycache__"}:
        place, installed = packages / name, Path(str(there.locate_file(name)))
        if name.endswith(".dist-info"):
            shutil.copytree(installed, place)
        elif not place.exists():
            place.symlink_to(installed.resolve())
