"""The command line as a person or a script meets it: exit codes, where output goes, what is imported for help."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from finledger.cli import _run, screen
from finledger.core.problem import Busy, Misused, Problem, Refused, SourceRef
from tests import support

ROOT = Path(__file__).resolve().parents[2]


def finledger(*words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The program as a process of its own, away from the repository."""
    base = {name: value for name, value in os.environ.items() if not name.startswith("FINLEDGER")}
    return subprocess.run(
        [sys.executable, "-c", "from finledger.cli import main; main()", *map(str, words)],
        cwd=cwd,
        env={**base, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def books(tmp_path: Path) -> Path:
    support.once(tmp_path, "init books", lambda: support.finledger("init", tmp_path / "books", "--month", "2026-07"))
    return tmp_path / "books"


# ── help ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


LIGHT = {"typer", "rich", "pydantic", "duckdb", "pandas", "sqlalchemy", "jinja2", "finledger.cli.load"}


@pytest.mark.parametrize(
    ("words", "not_imported"),
    [
        (["--help"], LIGHT),
        (["-h"], LIGHT),
        (["--version"], LIGHT),
        (["invoice", "--help"], {"rich", "duckdb", "pandas", "sqlalchemy", "jinja2", "finledger.workbench"}),
    ],
)
def test_help__imports_nothing_heavy(words: list[str], not_imported: set[str]) -> None:
    code = (
        f"import sys; sys.argv = ['finledger', *{words}]\nfrom finledger.cli import main\n"
        "try: main()\nexcept SystemExit as ended: assert not ended.code\n"
        f"assert not {not_imported} & set(sys.modules), {not_imported} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_words__shows_help_and_is_wrong_usage(tmp_path: Path) -> None:
    done = finledger(cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, finledger("--help", cwd=tmp_path).stdout)


# ── exit codes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["alocate"], "Did you mean 'allocate'?"),
        (["allocate", "--mnth", "2026-07"], "--month"),
        (["allocate", "--books", "BOOKS"], "Missing option '--month'"),
        (["allocate", "--books", "BOOKS", "--month", "2026-13"], "'2026-13' is not a month: write it as 2026-07"),
        (["allocate", "--books", "BOOKS", "--month", "July"], "'July' is not a month: write it as 2026-07"),
        (["status", "--books", "BOOKS", "--format", "xml"], "xml"),
        (["status", "--books", "nowhere"], "nowhere is not a set of books"),
        (["status"], "no finledger.yaml in"),
        (["init", "books"], "books is a set of books already"),
        (["init", "taken"], "taken is not an empty folder"),
        (["init", "new", "--currency", "XAU"], "'XAU' is not an ISO 4217 currency"),
        (["pricebook", "show", "2031-Q1", "--books", "BOOKS"], "there are 2026-Q3.v1"),
        (["invoice", "--month", "2026-07", "--to", "docx", "--books", "BOOKS"], "no document format docx"),
    ],
)
def test_wrong_usage__is_2_and_says_what_is_right(words: list[str], says: str, books: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    done = finledger(*[str(books) if word == "BOOKS" else word for word in words], cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def _raising(error: BaseException) -> Callable[[str], object]:
    import typer

    def fail() -> None:
        raise error

    app = typer.Typer(add_completion=False)
    app.command("fail")(fail)
    return lambda name: typer.main.get_command(app)


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (
            Refused([Problem("some-code", "the data says no", SourceRef("usage/a.csv", 7, "team"))]),
            1,
            "usage/a.csv:7 (team)",
        ),
        (Misused("not like this"), 2, "error: not like this"),
        (Busy("another finledger is loading"), 3, "error: another finledger is loading; wait for it"),
        (PermissionError(13, "Permission denied", "out/x.pdf"), 4, "out/x.pdf: Permission denied\n  → check who may"),
        (OSError(28, "No space left on device", "store/x"), 4, "store/x: No space left on device\n  → make room"),
        (OSError("does not read back the same"), 4, "does not read back the same"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_failure__has_its_exit_code(
    error: BaseException, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_run, "command", _raising(error))
    assert _run.run(["status"]) == code
    printed = capsys.readouterr()
    assert (printed.out, says in printed.err) == ("", True), printed.err


def test_bug__raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_run, "command", _raising(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        _run.run(["status"])


def test_reader_that_goes_away__is_no_traceback(tmp_path: Path) -> None:
    script = f"{sys.executable} -c 'from finledger.cli import main; main()' schema pricebook | head -c 10"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert (len(done.stdout), done.stderr) == (10, "")


# ── where the books are ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_books__are_found_upwards_by_option_and_by_environment(books: Path, tmp_path: Path) -> None:
    for folder, words, environment in (
        (books / "usage", [], {}),
        (tmp_path, ["--books", "books"], {}),
        (tmp_path, [], {"FINLEDGER_BOOKS": str(books)}),
    ):
        done = finledger("pricebook", "show", "--format", "json", *words, cwd=folder, **environment)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["pricebooks"][0]["name"] == "2026-Q3.v1"


def test_books__named_goes_before_the_environment(books: Path, tmp_path: Path) -> None:
    done = finledger("pricebook", "show", "--books", "elsewhere", cwd=tmp_path, FINLEDGER_BOOKS=str(books))
    assert done.returncode == 2


# ── the commands that need no usage ─────────────────────────────────────────────────────────────────────────────────────


def test_init__dry_run_writes_nothing(tmp_path: Path) -> None:
    done = finledger("init", "new", "--dry-run", cwd=tmp_path)
    assert (done.returncode, "finledger.yaml" in done.stderr, list(tmp_path.iterdir())) == (0, True, [])


def test_init__makes_books_of_the_currency_and_quarter(tmp_path: Path) -> None:
    assert finledger("init", "new", "--currency", "JPY", "--month", "2027-02", cwd=tmp_path).returncode == 0
    done = finledger("pricebook", "show", "--books", "new", "--format", "json", cwd=tmp_path)
    head = json.loads(done.stdout)["pricebooks"][0]
    assert (head["quarter"], head["currency"], head["effective_from"]) == ("2027-Q1", "JPY", "2027-01-01")


def test_pricebook_show__a_price_beside_its_parts(books: Path, tmp_path: Path) -> None:
    """The example of rule P3: 15 % overhead, 3.5 % of it for the registry, a surcharge of 4 %."""
    done = finledger("pricebook", "show", "2026-Q3", "--books", books, "--format", "json", cwd=tmp_path)
    row = next(row for row in json.loads(done.stdout)["prices"] if row["item"] == "chat_call")
    assert [row[part] for part in ("base", "overhead", "registry", "buffer", "price")] == [
        "0.0093", "0.001346175", "0.000048825", "0.0004278", "0.011123",
    ]  # fmt: skip


def test_pricebook_lint__warnings_are_0_errors_are_1(books: Path, tmp_path: Path) -> None:
    path = books / "pricebooks" / "2026-Q3.yaml"
    text = path.read_text()
    path.write_text(text.replace("overhead: 0.15", "overhead: 0.25"))
    warned = finledger("pricebook", "lint", "--books", books, cwd=tmp_path)
    assert (warned.returncode, "warning[" in warned.stderr) == (0, True)
    path.write_text(text.replace("version: 1", "version: one"))
    wrong = finledger("pricebook", "lint", "--books", books, cwd=tmp_path)
    assert (wrong.returncode, "pricebooks/2026-Q3.yaml:4" in wrong.stderr) == (1, True), wrong.stderr


def test_formats__are_the_files_of_the_folders(tmp_path: Path) -> None:
    done = finledger("formats", "--kind", "journal", "--format", "json", cwd=tmp_path)
    names = [row["name"] for row in json.loads(done.stdout)["formats"]]
    assert names == sorted(names)
    assert {"beancount", "csv", "hledger"} <= set(names)


@pytest.mark.parametrize("which", ["settings", "pricebook"])
def test_schema__is_json_on_standard_output_and_the_same_in_a_file(which: str, tmp_path: Path) -> None:
    printed = finledger("schema", which, cwd=tmp_path).stdout
    assert finledger("schema", which, "--output", "s.json", cwd=tmp_path).returncode == 0
    assert json.loads(printed) == json.loads((tmp_path / "s.json").read_text())
    assert json.loads(printed)["properties"]


# ── the screen ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_table__piped_is_plain_and_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    screen.table("T", ["team", "total"], [["search " * 20, "1234567890.12"], ["b", None]], right_align=["total"])
    assert capsys.readouterr().out.splitlines() == [
        "T",
        "team" + " " * 136 + "             total",
        "-" * 140 + "  " + "-" * 16,
        "search " * 20 + "  1,234,567,890.12",
        "b",
    ]


def _on_a_terminal(code: str, columns: int, **environment: str) -> str:
    """What a Python program shows on a terminal of that width."""
    own, its = pty.openpty()
    base = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    done = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=its,
        stdout=its,
        stderr=its,
        cwd=ROOT,
        env={**base, "TERM": "xterm-256color", "COLUMNS": str(columns), **environment},
    )
    os.close(its)
    shown = b""
    while True:
        try:
            piece = os.read(own, 65536)
        except OSError:  # how a terminal says that nobody writes to it any more
            break
        if not piece:
            break
        shown += piece
    os.close(own)
    assert done.wait() == 0, shown.decode()
    return shown.decode()


TABLE = (
    "from finledger.cli import screen\n"
    "screen.table('T', ['team', 'memo', 'total'], [['search', 'word ' * 30, '1234567890.12']], right_align=['total'])"
)


def test_table__on_a_narrow_terminal_folds_words_and_never_figures() -> None:
    assert "1,234,567,890.12" in _on_a_terminal(TABLE, 40)


def test_table__wider_than_the_terminal_is_shown_in_parts_that_keep_the_names() -> None:
    """Six figures of 16 do not fit beside a name in 60 columns: three parts, each row with its name, no figure broken."""
    code = (
        "from finledger.cli import screen\n"
        "columns = ['team_name', *(f'figure_{n}' for n in range(6))]\n"
        "rows = [['search', *(f'{n}234567890.12' for n in range(1, 7))]]\n"
        "screen.table('T', columns, rows, right_align=columns[1:])"
    )
    plain = re.sub("\x1b\\[[0-9;]*m", "", _on_a_terminal(code, 60))
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    assert all(len(line) <= 60 for line in lines)
    rows = [line.split() for line in lines if line.startswith("search")]
    assert [figure for row in rows for figure in row[1:]] == [f"{n},234,567,890.12" for n in range(1, 7)]
    headings = [line for line in lines if line.startswith("team name")]
    assert len(rows) == len(headings) > 1 and "figure 5" in headings[-1]


def test_table__below_another_leaves_a_line_between(capsys: pytest.CaptureFixture[str]) -> None:
    screen.table("A", ["cap_left"], [["1"]])
    screen.table("B", ["team"], [["x"]], below=True)
    assert capsys.readouterr().out == "A\ncap left\n--------\n1\n\nB\nteam\n----\nx\n"


def test_problems__a_message_is_broken_between_words_and_a_command_never() -> None:
    code = (
        "from finledger.cli import screen\nfrom finledger.core.problem import Problem\n"
        "screen.problems([Problem('c', 'words of some length ' * 6, remedy='run `finledger ' + 'x' * 60 + '`')])\n"
        "screen.note('next: finledger ' + 'y' * 60)"
    )
    shown = _on_a_terminal(code, 50, NO_COLOR="1").replace("\r", "")
    assert all(len(line) <= 50 for line in shown.splitlines() if "words" in line)
    assert "le\nngth" not in shown and "x" * 60 in shown and "y" * 60 in shown


def test_colour__goes_with_no_color() -> None:
    assert "\x1b[1m" in _on_a_terminal(TABLE, 80)
    problem = (
        "from finledger.cli import screen\nfrom finledger.core.problem import Problem\nscreen.problems([Problem('c', 'm')])"
    )
    assert "\x1b[1;31m" in _on_a_terminal(problem, 80)
    assert "\x1b[1;31m" not in _on_a_terminal(problem, 80, NO_COLOR="1")


PROGRESS = (
    "import time\nfrom finledger.cli import screen\n"
    "with screen.progress('loading', 100, quiet={quiet}) as advance:\n"
    "    for _ in range(10):\n        time.sleep({pause}); advance(10)\n"
)


@pytest.mark.parametrize(("pause", "quiet", "shows"), [("0.16", False, True), ("0.01", False, False), ("0.12", True, False)])
def test_progress__only_after_a_second_and_not_when_quiet(pause: str, quiet: bool, shows: bool) -> None:
    assert ("loading" in _on_a_terminal(PROGRESS.format(pause=pause, quiet=quiet), 80)) is shows


@pytest.mark.parametrize("words", [["--help"], [], ["--version"], ["formats"], ["allocate", "--help"]])
def test_output__that_nobody_reads_ends_the_program_quietly(words: list[str], tmp_path: Path) -> None:
    read, written = os.pipe()
    os.close(read)
    call = [sys.executable, "-c", "from finledger.cli import main; main()", *words]
    with os.fdopen(written, "wb") as pipe:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(call, cwd=tmp_path, env=environment, stdout=pipe, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (141, "")


def test_progress__is_silent_in_a_pipe() -> None:
    code = PROGRESS.format(pause="0.12", quiet=False)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_problems__first_ten_and_all_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = [Problem("late", f"warning {n}", severity="warning") for n in range(3)]
    found += [Problem("bad", f"error {n}", SourceRef("a.csv", n), "x,y", "do this") for n in range(12)]
    screen.problems(found, file=tmp_path / "out" / "problems.txt")
    shown = capsys.readouterr().err
    assert shown.startswith("error[bad] a.csv:0\n  error 0\n    | x,y\n  → do this\nerror[bad] a.csv:1\n")
    assert shown.count("error[bad]") == 10
    assert f"… and 5 more: all of them are in {tmp_path / 'out' / 'problems.txt'}" in shown.replace("\n", " ")
    kept = (tmp_path / "out" / "problems.txt").read_text()
    assert (kept.count("error[bad]"), kept.count("warning[late]")) == (12, 3)


def test_problems__quiet_leaves_warnings_out(capsys: pytest.CaptureFixture[str]) -> None:
    screen.problems([Problem("late", "w", severity="warning"), Problem("bad", "e")], quiet=True)
    assert capsys.readouterr().err == "error[bad]\n  e\n"


def test_problems__cannot_write_to_the_terminal_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    screen.problems([Problem("bad", "a \x1b[2Jteam", SourceRef("\x07.csv"), "[red]x\u202e\x9b", "say [bold]no")])
    shown = capsys.readouterr().err
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(shown)
    assert "[red]x" in shown
    assert "say [bold]no" in shown


def test_json_out__is_text_for_decimals_and_utf8(capsys: pytest.CaptureFixture[str]) -> None:
    screen.json_out({"amount": Decimal("1E+3"), "team": "Müller"})
    assert capsys.readouterr().out == '{\n "amount": "1000",\n "team": "Müller"\n}\n'
    with pytest.raises(TypeError, match="Fraction has no form in JSON"):
        screen.json_out(__import__("fractions").Fraction(1, 3))


def test_command_files__hold_what_they_are_named_after() -> None:
    from finledger.cli import command_names

    for name in command_names():
        module: ModuleType = __import__(f"finledger.cli.{name.replace('-', '_')}", fromlist=["app"])
        assert hasattr(module, "app") or callable(getattr(module, name.replace("-", "_"), None)), name
