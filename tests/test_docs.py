"""The documents say what is so: generated parts are current, worked numbers compute, paths and rules exist, examples run."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from finledger.cli import command_names, first_line, overview
from finledger.cli._run import command
from tools import docs

ROOT = Path(__file__).resolve().parent.parent
RULEBOOK = ROOT / "docs" / "rulebook.md"
GENERATED = ("README.md", "docs/cli.md", "docs/errors.md", "docs/formats.md")
RULE = re.compile(r"\b([MPCQBAXLU])([1-9]\d?)\b")


def commands() -> list[tuple[str, object]]:
    """Every command that does something, by the words it is called with."""
    found: list[tuple[str, object]] = []
    for name in command_names():
        made = command(name)
        subs = getattr(made, "commands", None)
        found += [(name, made)] if subs is None else [(f"{name} {sub}", each) for sub, each in subs.items()]
    return found


COMMANDS = commands()


@pytest.mark.parametrize(("words", "made"), COMMANDS, ids=[words for words, _ in COMMANDS])
def test_command__has_help_with_an_example_of_itself(words: str, made: object) -> None:
    text = getattr(made, "help", "") or ""
    assert re.search(rf"Example: finledger {words}\b", text), f"`finledger {words}`: add `Example: finledger {words} …`"
    for option in getattr(made, "params"):  # noqa: B009
        assert option.name == "help" or option.help, f"`finledger {words}`: {option.name} needs a help text"


@pytest.mark.parametrize("name", command_names())
def test_command__short_help_fits_and_is_in_the_overview(name: str) -> None:
    short = first_line(ROOT / "finledger" / "cli" / f"{name.replace('-', '_')}.py")
    assert short.endswith("."), f"cli/{name}.py: the first line of the docstring is the short help: a sentence"
    assert len(short) <= 120
    assert f"\n  {name} " in overview()


def test_generated_parts_are_current() -> None:
    """All pages in one process: each would import the whole program again."""
    done = subprocess.run(
        [sys.executable, "-m", "cogapp", "-I", ".", "--markers=<<cog cog>> <<end>>", "--check", *GENERATED],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"a page no longer holds, run `make docs`\n{done.stdout}{done.stderr}"


def test_cli_page__has_every_command() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    for words, _ in COMMANDS:
        assert f"Usage: finledger {words}" in page


def test_rulebook__worked_numbers_compute() -> None:
    failed, tried = doctest.testfile(str(RULEBOOK), module_relative=False)
    assert (failed, tried > 20) == (0, True)


def test_rulebook__has_every_rule_that_is_cited() -> None:
    stated = {
        "".join(match) for match in RULE.findall("\n".join(re.findall(r"^(?:### |- \*\*)(.+)$", RULEBOOK.read_text(), re.M)))
    }
    missing = []
    for path in sorted((ROOT / "finledger").rglob("*.py")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for letter, figure in RULE.findall(re.sub(r"\d{4}-Q[1-4]|CC[0-9]-|L[0-9]+ \+|PDF/[A-Z]+-\w+", "", line)):
                cited = "rule" in line.lower() or f"({letter}{figure}" in line
                if cited and f"{letter}{figure}" not in stated:
                    missing.append(f"{path.relative_to(ROOT)}:{number}: rule {letter}{figure} is not in docs/rulebook.md")
    assert not missing, "\n" + "\n".join(missing)


@pytest.mark.parametrize(
    "page", sorted(path.relative_to(ROOT).as_posix() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
)
def test_page__names_only_what_exists(page: str) -> None:
    """Links between pages, and paths of the project in backticks."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.S)
    links = [(ROOT / page).parent / link.split("#")[0] for link in re.findall(r"\]\((?!https?:)([^)#][^)]*)\)", text)]
    paths = [
        ROOT / path for path in re.findall(r"`((?:finledger|tests|docs|templates|samples|tools|bench)/[^`*\s]*)`", text)
    ]
    if page == "docs/errors.md":
        paths = []  # it speaks of other people's files
    paths = [path for path in paths if "_shipped" not in path.parts]  # only a wheel has them
    missing = [str(path) for path in (*links, *paths) if not path.exists()]
    assert not missing, f"{page} names {missing}, which is not there"


def test_dependencies__have_a_reason_each() -> None:
    page = next((ROOT / "docs" / "decisions").glob("*-dependencies.md")).read_text()
    reasoned = set(re.findall(r"^\| (\S+) \|", page, re.M)) - {"package", "---"}
    assert reasoned == set(docs.dependencies())


def console(page: Path) -> str:
    """The commands of a page's console blocks, as one script."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), flags=re.S)
    return "".join(line[2:] + "\n" for block in blocks for line in block.splitlines() if line.startswith(("$ ", "> ")))


def test_readme__commands_run(tmp_path: Path) -> None:
    script = console(ROOT / "README.md")
    assert "finledger invoice" in script
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    made = sorted(found.name for found in tmp_path.rglob("out/**/*") if found.is_file())
    assert any(name.endswith(".pdf") for name in made), made
    assert "seal.json" in made and "everything is as it was closed" in done.stderr
    lines = (tmp_path / "acme" / "out" / "2026-07" / "charges.csv").read_text()
    assert ",search," in lines and ",1334.76," in lines
    first, second = done.stdout.split("Charges of 2026-07, USD")[1:3]
    assert re.search(r"search +showback +1,892\.77 ", first), "1,334.76 and a premium of 558.01"
    assert re.search(r"semantic-search +1,334\.76 +0\.85 +0\.93 +1 +0\.0120902", second)
    prose = (ROOT / "README.md").read_text()
    assert all(figure in prose for figure in ("1,334.76", "558.01", "0.0120902"))
