"""What the generated parts of the documents say. `make docs` writes them, by cog; `make lint` checks that they still hold.

The sources are the program itself (the help of each command), its folders (the formats) and the tests (each error that a
person can get), so that a document cannot say what is not so.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ERRORS = ROOT / "tests" / "errors"
_WIDTH = 100


def cli() -> str:
    """Every command's help, as `--help` prints it."""
    from finledger.cli import command_names, overview
    from finledger.cli._run import command

    sections = ["\n", _block(overview())]
    for name in command_names():
        found = command(name)
        sections += [f"\n## {name}\n\n", _block(_help(found, f"finledger {name}"))]
        for sub, each in sorted(getattr(found, "commands", {}).items()):
            sections += [f"\n### {name} {sub}\n\n", _block(_help(each, f"finledger {name} {sub}"))]
    return "".join(sections)


def _help(found: Any, path: str) -> str:
    context = found.context_class(found, info_name=path, terminal_width=_WIDTH, max_content_width=_WIDTH)
    return str(found.get_help(context))


def errors() -> str:
    """Every message a person can get, from the cases in tests/errors/: how it is come by, and what is printed."""
    sections = []
    headed = ""
    for folder in sorted(path for path in ERRORS.glob("*") if (path / "expected.txt").is_file()):
        code = folder.name.partition("--")[0]  # unknown-team, and its variants unknown-team--in-a-pool
        sections.append("" if code == headed else f"\n## {code}\n")
        headed = code
        called = (folder / "command").read_text().strip()
        sections.append("\n" + _block(f"$ {called}\n{(folder / 'expected.txt').read_text()}"))
    return "".join(sections) + "\n"


def formats() -> str:
    """A table of the formats, as `finledger formats` lists them."""
    from finledger.cli.formats import FOLDERS, found

    rows = [row for kind in FOLDERS for row in found(kind)]
    return (
        "\n| kind | name | |\n|---|---|---|\n"
        + "".join(f"| {kind} | `{name}` | {about} |\n" for kind, name, about in rows)
        + "\n"
    )


def usage_formats() -> str:
    """A table of the export formats, by what their readers declare: what a row is, and what the token counts include (M5)."""
    from finledger.read.usage import formats as export_formats

    rows = [(name, each.title, each.grain, each.m5) for name, each in export_formats().items() if each.needs]
    return (
        "\n| format | export | a row is a | its counts |\n|---|---|---|---|\n"
        + "".join(f"| `{name}` | {title} | {grain} | {m5} |\n" for name, title, grain, m5 in rows)
        + "\n"
    )


def screen() -> str:
    """What the sample company's July looks like from its charges to its close, run now."""
    import shutil
    import subprocess
    import sys
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        books = Path(folder) / "books"
        shutil.copytree(ROOT / "samples" / "kestrel-freight", books, ignore=shutil.ignore_patterns("store", "out"))
        shown = []
        steps = (
            "allocate --month 2026-07",
            "invoice --month 2026-07 --to pdf",
            "reconcile --month 2026-07",
            "close --month 2026-07",
        )
        for words in ("load --quiet", *steps):
            call = [sys.executable, "-m", "finledger", *words.split(), "--books", str(books)]
            done = subprocess.run(call, capture_output=True, text=True, check=True)
            shown.append(f"$ finledger {words}\n{done.stdout}")
    return "\n" + _block("\n".join(shown[1:]))


def dependencies() -> list[str]:
    """The names of the packages that pyproject.toml asks for, extras left out."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [re.split(r"[><=\[]", wanted)[0] for wanted in project["dependencies"]]


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"
