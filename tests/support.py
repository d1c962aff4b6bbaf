"""What several tests need: the reference material beside the project, and the command line run in this process."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("FINLEDGER_SHARED", ROOT.parent / "shared"))
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the reference data beside the project (../shared)")


def finledger(*words: object, expect: int = 0) -> None:
    """Run a command in this process, and hold it to its exit code."""
    from finledger.cli._run import run

    code = run([str(word) for word in words])
    assert code == expect, f"finledger {' '.join(str(word) for word in words)} exited {code}"


def finledger_json(capsys: pytest.CaptureFixture[str], *words: object, expect: int = 0) -> Any:
    """Run a command with --format json and hand back what it printed: nothing else may be on standard output."""
    capsys.readouterr()
    finledger(*words, "--format", "json", expect=expect)
    return json.loads(capsys.readouterr().out)


def copy_books(source: Path, target: Path) -> Path:
    """A writable copy of a set of books."""
    shutil.copytree(source, target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target
