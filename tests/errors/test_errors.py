"""The catalogue of what can go wrong: every folder here is a set of books with a mistake in it, and what is said about it.

A case is named after its problem's code, with `--` and a word more where there are several. `command` holds the commands,
one a line, and what happens to the files before and between them (made.py); the last one's standard error is `expected.txt`,
whose first line is its exit code. A case without a finledger.yaml or pricebooks/ takes those of `_books/`.
`pytest --update-goldens tests/errors` writes what is said anew.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from finledger.cli._run import run
from tests.errors.made import MAKERS
from tests.support import finledger, once

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "finledger"
BASE = HERE / "_books"
CASES = sorted(path.name for path in HERE.iterdir() if (path / "command").is_file())
NOT_BOOKS = ("command", "expected.txt")
# every file of the package is searched; the first word in a call of these names is a problem's code
CALLS = r"(?:Problem|WrongValue|Gap|refuse|report|problem|_problem|_warning)\(\s*(?:code=)?|code(?:: str)? ?= ?"
CODE = re.compile(rf'(?:{CALLS})f?"([a-z{{][a-z0-9{{}}-]+-[a-z0-9{{}}]+)"')
# hashes of what DuckDB writes, and of what names these: they change with its version, and ours
HASH = re.compile(
    r"(?<=SHA-256 )[0-9a-f]{12}…|(?<=recorded as )[0-9a-f]{12}…|(?<=with root )[0-9a-f]{12}…|\b[0-9a-f]{64}(?=\.parquet)"
)
SECOND = re.compile(r'_problem\(second, folder, "([a-z-]+)"')
NAMED_AT_RUN_TIME = {
    "{kind}-changed": ("part-changed", "export-changed", "sealed-text-changed", "document-changed"),
    "{kind}-missing": ("part-missing", "sealed-text-missing", "document-missing"),
    "{section}-unpriced": ("gpu-unpriced", "egress-unpriced"),
    "lint-{name}": ("lint-overhead", "lint-registry", "lint-buffer"),
}
NOT_IN_BOOKS = {
    "law-broken": "no data breaks a law of conservation: it would be a fault of the program; tests/laws/ breaks them by hand",
    "too-many-groups": "needs a month of more groups than a test should make; tests/test_contracts.py lowers the limit",
    "template-missing": "every template comes with the program; tests/formats/invoice/test_templates.py takes the folder away",
    "spark-no-executor": "needs a cluster without workers, and a minute; tests/test_spark.py starts one",
    "spark-not-started": "needs Java; tests/test_spark.py gives it settings that it does not take",
    "spark-failed": "needs a cluster whose last worker dies; tests/test_spark.py starts one",
    "spark-file-unseen": "needs a worker that does not see a file; tests/test_spark.py names one that is not there",
    "spark-python": "needs workers with another Python; tests/test_spark.py names one that is not there, and another version",
    "spark-store-unseen": "needs a cluster that does not see the store; tests/test_spark.py takes the files away from it",
    "workload-type-unknown": "both places that name one are checked when they are read: exports, and rules (rule-workload-type)",
}


@pytest.mark.parametrize("case", CASES)
def test_case(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], request
) -> None:
    if case.startswith("seal-") and shutil.which("ssh-keygen") is None:
        pytest.skip("install OpenSSH to look at signatures: apt-get install openssh-client")
    books = lay_out(HERE / case, tmp_path / "books")
    monkeypatch.chdir(books)
    monkeypatch.setenv("NO_COLOR", "1")
    commands = [shlex.split(line) for line in (HERE / case / "command").read_text(encoding="utf-8").splitlines() if line]
    for words in commands:
        surround(words, monkeypatch)
    for words in commands[:-1]:
        prepare(words, books)
    capsys.readouterr()
    before = dict(contents(books))
    code = run(commands[-1][1:])
    said = HASH.sub("…", capsys.readouterr().err.replace(str(books), "."))
    if code != 0:
        assert dict(contents(books)) == before, "a command that fails writes nothing outside store/"
    got = f"exit {code}\n{said}"
    expected = HERE / case / "expected.txt"
    if request.config.getoption("--update-goldens"):
        expected.write_text(got, encoding="utf-8")
    assert got == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_case__is_what_it_is_called(case: str) -> None:
    """The folder's code is in what is printed, with a place, and every error says what to do."""
    said = (HERE / case / "expected.txt").read_text(encoding="utf-8")
    assert f"[{case.partition('--')[0]}] " in said
    assert str(HERE) not in said and "/tmp" not in said
    for problem in re.split(r"^(?=error\[)", said, flags=re.MULTILINE)[1:]:
        assert "\n  → " in problem, f"no remedy: {problem}"


def test_catalogue__has_every_code() -> None:
    known = {case.partition("--")[0] for case in CASES}
    used = {code: path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") for code in codes(path)}
    assert {code: name for code, name in used.items() if code not in {*known, *NOT_IN_BOOKS}} == {}
    assert known - used.keys() == set(), "a case of a problem that no longer exists"
    assert NOT_IN_BOOKS.keys() - used.keys() == set(), "excused, and no longer there"


def surround(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`NAME=value finledger …` sets the environment; `without NAME` is an installation that has no such package."""
    while "=" in words[0]:
        monkeypatch.setenv(*words.pop(0).split("=", 1))
    if words[0] == "without":
        monkeypatch.setitem(sys.modules, words[1], None)


def prepare(words: list[str], books: Path) -> None:
    """A command or a change of the case's books, which are the working directory."""
    if words[0] == "without":
        return
    if words[0] == "finledger":
        once(books, shlex.join(words), lambda: finledger(*words[1:]))
    else:
        MAKERS[words[0]](*words[1:])


def lay_out(case: Path, books: Path) -> Path:
    """A writable copy of the case's files, over those of `_books/` that it does not have itself."""
    shutil.copytree(case, books, ignore=shutil.ignore_patterns(*NOT_BOOKS))
    for path in BASE.iterdir():
        if not (books / path.name).exists():
            (shutil.copytree if path.is_dir() else shutil.copy)(path, books / path.name)
    return books


def contents(books: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(books.rglob("*")):
        inside = path.relative_to(books)
        if inside.parts[0] != "store":
            yield inside.as_posix(), path.read_bytes() if path.is_file() else b""


def codes(source: Path) -> set[str]:
    text = source.read_text(encoding="utf-8")
    found = {*CODE.findall(text), *SECOND.findall(text)}
    return {code for name in found for code in NAMED_AT_RUN_TIME.get(name, (name,))}
