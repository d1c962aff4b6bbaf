"""Running a command: the group that finds command files, and the one place where a failure becomes an exit code.

    0 done · 1 the data, a gate or a law says no · 2 wrong usage · 3 the books are busy · 4 input or output failed
    130 interrupted · 141 whoever read the output went away

Anything else is a bug of ours: it raises, with its traceback.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import typer
from typer.core import TyperGroup

from finledger.cli import command_names, nobody_reads, overview
from finledger.core.problem import Busy, Misused, Refused, Unavailable

_REMEDY = "see that the path can be read and written, then run the command again"
_CONTEXT = {"help_option_names": ["--help", "-h"], "max_content_width": 100}


@dataclass(slots=True)
class Session:
    """What the shared options learn and the handling of failures needs: where the books are, and how much to say."""

    books: Path | None = None
    quiet: bool = False


class Commands(TyperGroup):
    """The commands of this folder, each imported when it is called for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(command_names())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in command_names():
            return None
        return command(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        # typer looks for a mistyped name among the commands it holds: it holds none of ours, so lend it the names
        self.commands = cast(Any, dict.fromkeys(command_names()))
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: Any) -> str:
        return overview()


def command(name: str) -> Any:
    """The click command of a command file."""
    module = import_module(f"finledger.cli.{name.replace('-', '_')}")
    app: typer.Typer | None = getattr(module, "app", None)
    if app is None:
        function = getattr(module, name.replace("-", "_"))
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name, context_settings=_CONTEXT, help=function.__doc__ or module.__doc__)(function)
        return typer.main.get_command(app)
    app.rich_markup_mode = None
    group = typer.main.get_group(app)
    group.name = name
    group.help = group.help or module.__doc__
    group.no_args_is_help = True
    group.context_settings = _CONTEXT
    for each in group.commands.values():
        each.context_settings = _CONTEXT
        each.short_help = (each.help or "").split("\n\n")[0]  # whole: typer would cut it
    return group


def run(words: Sequence[str]) -> int:
    """Run the command that `words` say, and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    gc.set_threshold(200_000, 50, 50)  # a command makes many records and few cycles: looking for them took a third of it
    session = Session()
    program = _program()
    if "_FINLEDGER_COMPLETE" in os.environ:
        program.main(prog_name="finledger")  # the shell asks for completions: typer answers and exits
    try:
        with program.make_context("finledger", list(words), obj=session) as context:
            program.invoke(context)
        sys.stdout.flush()
        return 0
    except typer.Exit as ended:
        return ended.exit_code
    except Refused as refused:
        _show(refused, session)
        return 1
    except Unavailable as failed:
        _show(failed, session)
        return 4
    except Misused as misused:
        return _say(str(misused), 2)
    except typer.TyperException as misuse:
        _show_misuse(misuse)
        return 2
    except Busy as busy:
        return _say(f"{busy}; wait for it to end, then try again", 3)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", 130)
    except BrokenPipeError:
        return nobody_reads()
    except OSError as failed:
        return _say(_failure(failed), 4)
    except Exception as failed:
        if not _of_a_file(failed):
            raise
        return _say(f"{str(failed).removeprefix('IO Error: ')}\n  → {_REMEDY}; nothing was left half-written", 4)


def _of_a_file(failed: Exception) -> bool:
    """DuckDB has an exception of its own where a file cannot be read or written; it names the path."""
    duckdb = sys.modules.get("duckdb")
    return duckdb is not None and isinstance(failed, duckdb.IOException)


def _program() -> Any:
    app = typer.Typer(cls=Commands, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback(context_settings=_CONTEXT)(_top)
    return typer.main.get_command(app)


def _top(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    return None


def _show(refused: Refused | Unavailable, session: Session) -> None:
    from finledger.cli import screen

    file = None if session.books is None else session.books / "out" / "problems.txt"
    screen.problems(refused.problems, quiet=session.quiet, file=file)


def _show_misuse(misuse: typer.TyperException) -> None:
    """With the command's usage where typer knows it: `show` is not on its public base class."""
    show = getattr(misuse, "show", None)
    if show is not None:
        show()
    else:
        _say(misuse.format_message(), 2)


def _say(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


def _failure(failed: OSError) -> str:
    """What failed, on which path, and what to do about it."""
    import errno

    remedies = {
        errno.ENOENT: "check the path",
        errno.EACCES: "check who may read and write there",
        errno.EPERM: "check who may read and write there",
        errno.EROFS: "the file system can only be read: choose another place",
        errno.ENOSPC: "make room on the disk, then run the command again",
        errno.EFBIG: "allow larger files (ulimit -f), then run the command again",
        errno.EDQUOT: "make room in the quota, then run the command again",
        errno.EISDIR: "name a file, not a folder",
        errno.ENOTDIR: "name a folder, not a file",
        errno.EEXIST: "choose another name, or move what is there",
        errno.EMFILE: "allow more open files (ulimit -n), then run the command again",
        errno.EIO: "check the disk, then run the command again",
        errno.ENETUNREACH: "see that the network is there and the address is right, then run the command again",
    }
    where = "" if failed.filename is None else f"{failed.filename}: "
    what = failed.strerror or str(failed)
    remedy = remedies.get(failed.errno or 0, _REMEDY)
    return f"{where}{what}\n  → {remedy}; nothing was left half-written"
