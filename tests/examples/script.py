"""An example's `commands`: a script for the shell in which each line does one thing, and `#` begins a line that explains.

    finledger …          is run, and has to succeed
    ! finledger …        has to be refused
    … > NAME             what it prints is expected/NAME
    mkdir -p DIR, cp FILE… DIR

`run` does in this process what `sh -eu commands` does in the example's folder.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from tests.support import finledger

NAME = "commands"


def run(expected: Path, capsys: pytest.CaptureFixture[str] | None, before: str = "") -> None:
    """Run the commands of the books that are the working directory. Every file in `expected` that they print is compared.

    `before`: a line that is not run any more, and none that follows it.
    """
    for line in Path(NAME).read_text(encoding="utf-8").splitlines():
        words = shlex.split(line, comments=True)
        if before and line == before:
            break
        if words:
            _run(words, line, expected, capsys)


def printed() -> set[str]:
    """The files of expected/ that the commands print."""
    return {words[-1] for words in _lines() if ">" in words}


def asked() -> list[list[str]]:
    """The words after `finledger` of each line that runs it."""
    found = [words[1:] if words[0] == "!" else words for words in _lines()]
    return [words[1:-2] if ">" in words else words[1:] for words in found if words[0] == "finledger"]


def _lines() -> list[list[str]]:
    lines = Path(NAME).read_text(encoding="utf-8").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def _run(words: list[str], line: str, expected: Path, capsys: pytest.CaptureFixture[str] | None) -> None:
    refused = words[0] == "!"
    words = words[1:] if refused else words
    if words[0] == "finledger":
        if capsys is not None:
            capsys.readouterr()
        compared = ">" in words
        finledger(*(words[1:-2] if compared else words[1:]), expect=1 if refused else 0)
        if compared:
            assert capsys is not None, "nothing is kept of what is printed"
            assert capsys.readouterr().out == (expected / words[-1]).read_text(encoding="utf-8"), line
    elif words[:2] == ["mkdir", "-p"]:
        Path(words[2]).mkdir(parents=True, exist_ok=True)
    elif words[0] == "cp":
        for name in words[1:-1]:
            shutil.copy(name, words[-1])
    else:
        raise AssertionError(f"{line}: a line is finledger, mkdir -p or cp")
