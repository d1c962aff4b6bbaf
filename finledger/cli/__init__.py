"""The command line. A command is a file of this folder: the folder is the registry.

A command file begins with a docstring whose first line is the command's short help. It holds either one function named
like the file, or `app`, a `typer.Typer` of subcommands (`usage.py` gives `usage summary`). Underscores in the file's name
become hyphens. Files that begin with an underscore, and `screen`, are not commands.

This module imports next to nothing: the help of the whole program is read from the first lines of the command files, so
that `finledger --help` needs neither typer nor a single command. A command is imported when it is called.
"""

from __future__ import annotations

import atexit
import os
import sys

_NOT_COMMANDS = frozenset({"screen"})
_ABOUT = "finledger: from usage exports to invoices and journal entries that tie to the cent."
_WIDTH = 100


def main() -> None:
    """The console script."""
    words = sys.argv[1:]
    completing = "_FINLEDGER_COMPLETE" in os.environ
    if words == ["--version"]:
        from importlib.metadata import version

        sys.exit(_said(f"finledger {version('finledger')}", 0))
    elif not completing and (not words or words[0] in ("--help", "-h")):
        sys.exit(_said(overview(), 0 if words else 2))
    else:
        from finledger.cli._run import run

        ended: list[int] = []
        atexit.register(_leave, ended)  # before all others, so that it runs after them
        ended.append(run(words))
        sys.exit(ended[0])


def _said(text: str, code: int) -> int:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        return nobody_reads()
    return code


def nobody_reads() -> int:
    """Who read standard output has gone (`finledger --help | head -1`): the exit code for that, and nothing more is said."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again when it flushes at exit
    return 141


def _leave(ended: list[int]) -> None:
    """End without taking every object apart, which takes a seventh of a command. `ended`: the exit code, if there is one.

    Nothing of ours waits for that: files, transactions and child processes are closed where they are used.
    """
    if not ended:
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return  # Python says what is wrong
    os._exit(ended[0])


def command_names() -> tuple[str, ...]:
    """The commands as they are typed, sorted."""
    files = (name[:-3] for name in os.listdir(__path__[0]) if name.endswith(".py"))
    return tuple(sorted(name.replace("_", "-") for name in files if name[0] != "_" and name not in _NOT_COMMANDS))


def short_help(command: str) -> str:
    return first_line(os.path.join(__path__[0], command.replace("-", "_") + ".py"))


def first_line(path: str | os.PathLike[str]) -> str:
    """The first line of a module's docstring, without importing the module."""
    with open(path, encoding="utf-8") as source:
        return source.readline().strip().removeprefix("r").strip('"')


def overview() -> str:
    """What `finledger --help` prints."""
    names = command_names()
    column = max(map(len, names), default=0) + 2
    lines = [
        "Usage: finledger [OPTIONS] COMMAND [ARGS]...",
        "",
        f"  {_ABOUT}",
        "",
        "  A set of books is the folder that holds finledger.yaml: the one named by --books, by FINLEDGER_BOOKS,",
        "  or the nearest folder above this one.",
        "",
        "  Example: finledger init books && finledger demo",
        "",
        "Options:",
        "  --version             Show the version and exit.",
        "  --install-completion  Install completion for the current shell.",
        "  --show-completion     Show completion for the current shell, to copy it or customize the installation.",
        "  -h, --help            Show this message and exit.",
        "",
        "Commands:",
    ]
    for name in names:
        lines += _folded(f"  {name:<{column}}", short_help(name))
    lines += ["", "Exit codes: 0 done; 1 the data, a gate or a law says no; 2 wrong usage; 3 the books are busy;"]
    lines += ["4 input or output failed. Help on a command: finledger COMMAND --help"]
    return "\n".join(lines)


def _folded(start: str, text: str) -> list[str]:
    """The text behind `start`, folded so that no line is wider than the page; further lines align with the first."""
    lines = [start]
    for word in text.split():
        if len(lines[-1]) + 1 + len(word) > _WIDTH and len(lines[-1]) > len(start):
            lines.append(" " * len(start))
        lines[-1] += word if len(lines[-1]) == len(start) else f" {word}"
    return lines
