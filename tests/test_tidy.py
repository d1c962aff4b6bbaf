"""The style rules, as tests over the source. A failure reads `file:line: X is banned, use Y`."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "finledger"
SOURCES = sorted(PACKAGE.rglob("*.py"))
CORE = sorted((PACKAGE / "core").rglob("*.py"))
EVERYWHERE = sorted(path for folder in ("finledger", "tests", "tools", "bench") for path in (ROOT / folder).rglob("*.py"))

# who may import whom, by the first folder or file under finledger/
ALLOWED = {
    "core": {"core"},
    "engines": {"core", "engines"},
    "read": {"core", "read", "objects"},
    "write": {"core", "write", "resources"},
    "books": {"core", "books", "objects", "resources"},
    "objects": {"core"},
    "pipeline": {"core", "pipeline"},
    "resources": set[str](),
}
ROUNDERS = {"core/charge.py", "core/money.py"}  # where an amount becomes money (rule M2)
DIVIDERS = {"core/money.py"}
LONG = {
    "write/bundle_check.py": 560,  # it goes out with every bundle, to be read there: one file
}

Finding = tuple[int, str]


def parts(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Every imported module, by its dotted name, with the line."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import is banned, use the full name"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def called(node: ast.AST) -> str:
    """The last name of what is called: `x.y.rounded(…)` and `rounded(…)` are both "rounded"."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def layers(path: Path) -> Iterator[Finding]:
    here = parts(path).split("/")[0].removesuffix(".py")
    for line, name in imported(tree(path)):
        words = name.split(".")
        if words[0] == "finledger" and here in ALLOWED and len(words) > 1 and words[1] not in ALLOWED[here]:
            yield line, f"{name} in {here}/ is banned, use what the workbench hands over"
        elif here not in ("cli", "__main__", "__init__") and words[:2] == ["finledger", "cli"]:
            yield line, f"{name} outside cli/ is banned, return a value and let the command show it"


def core_imports(path: Path) -> Iterator[Finding]:
    for line, name in imported(tree(path)):
        first = name.split(".")[0]
        if first != "finledger" and first not in sys.stdlib_module_names:
            yield line, f"{name} in core/ is banned, use the standard library"
        if first in (
            "os",
            "pathlib",
            "io",
            "random",
            "secrets",
            "uuid",
            "time",
            "socket",
            "subprocess",
            "tempfile",
            "shutil",
        ):
            yield line, f"{name} in core/ is banned: core knows no files, clock or randomness, take the value as an argument"


def only_screen_draws(path: Path) -> Iterator[Finding]:
    for line, name in imported(tree(path)):
        if name.split(".")[0] == "rich" and parts(path) != "cli/screen.py":
            yield line, "rich is banned here, use finledger.cli.screen"


def light_commands(path: Path) -> Iterator[Finding]:
    """A command file imports at its top only typer, the standard library and the shared options."""
    if path.parent.name != "cli" or path.name in ("screen.py",):
        return
    for node in tree(path).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
            first = module.split(".")[0]
            light = module.startswith(("finledger.cli", "finledger.core")) and module != "finledger.cli.screen"
            if not (light or first == "typer" or first in sys.stdlib_module_names):
                yield node.lineno, f"{module} at the top of a command is banned, use an import inside the function"


def exact_core(path: Path) -> Iterator[Finding]:
    here = parts(path)
    for node in ast.walk(tree(path)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield line, f"the float {node.value} is banned, use Decimal from text"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and here not in DIVIDERS and not _fraction(node):
            yield line, "`/` is banned, use a Fraction on its left, or split()"
        name = called(node)
        if name == "float":
            yield line, "float( is banned, use Decimal or Fraction"
        if name == "round" and isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield line, "round( is banned, use money.rounded in charge.py"
        if name == "quantize":
            yield line, f"{name}( is banned, use money.rounded_places"
        if name in ("now", "utcnow", "today"):
            yield line, f"{name}( is banned, take the date as an argument"
        if name == "print":
            yield line, "print( is banned, return a value"
        if name == "rounded" and here not in ROUNDERS:
            yield line, "rounded( is banned here, round in core/charge.py (rule M2)"


def _fraction(division: ast.BinOp) -> bool:
    return called(division.left) == "Fraction"


def rounding_elsewhere(path: Path) -> Iterator[Finding]:
    """Outside core nobody makes money of an exact amount either."""
    if "core" in path.parts:
        return
    for node in ast.walk(tree(path)):
        if called(node) == "rounded":
            yield node.lineno, "rounded( is banned here, round in core/charge.py (rule M2)"


def lengths(path: Path) -> Iterator[Finding]:
    text = path.read_text(encoding="utf-8")
    if text.count("\n") > LONG.get(parts(path), 500):
        yield 1, f"a file of {text.count(chr(10))} lines is banned, use two files (300 is the aim, 500 the end)"
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > 60:
                yield node.lineno, f"{node.name} of {length} lines is banned, use two functions (60 at most)"


def vain_asserts(path: Path) -> Iterator[Finding]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Assert) and isinstance(node.test, (ast.Constant, ast.Tuple, ast.JoinedStr)):
            yield node.lineno, "an assert that is always true is banned, use `assert condition, message`"
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "a bare except is banned, use the exception that is meant"


def vague_names(path: Path) -> Iterator[Finding]:
    vague = re.compile(r"(^|_)(amt|qty|util|utils|manager|proc|tmp_data|data_utils)(_|$)")
    names = [(1, path.stem)]
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append((node.lineno, node.name.lower()))
        elif isinstance(node, ast.arg):
            names.append((node.lineno, node.arg))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append((node.lineno, node.id.lower()))
    for line, name in names:
        if vague.search(name):
            yield line, f"the name {name} is banned, use the field's word, unabbreviated"


def leftovers(path: Path) -> Iterator[Finding]:
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|HA" + r"CK)\b|breakpoint\(\)")
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if marks.search(text):
            yield line, f"{text.strip()[:40]!r} is banned, use a decision record or do it"


def declared(path: Path) -> Iterator[Finding]:
    """What is imported is asked for in pyproject.toml: nothing that happens to be there because the tests need it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [wanted for name, listed in project["optional-dependencies"].items() if name != "dev" for wanted in listed]
    halves = {"pydantic_core", "markupsafe"}  # of pydantic and of jinja2, which never come without them
    known = (
        halves
        | {"fsspec"}  # every one of the extras for object storage brings it
        | {re.split(r"[><=]", wanted)[0].replace("-", "_") for wanted in (*project["dependencies"], *extras)}
        | {
            "finledger",
            "yaml",
            *sys.stdlib_module_names,
        }
    )
    for line, name in imported(tree(path)):
        if name.split(".")[0] not in known:
            yield line, f"{name} is banned, use a dependency that pyproject.toml declares, or declare it"


def docstrings(path: Path) -> Iterator[Finding]:
    module = tree(path)
    if module.body and ast.get_docstring(module) is None:
        yield 1, "a module without a docstring is banned, use one that states the problem"


def found(files: list[Path], rule: Callable[[Path], Iterator[Finding]]) -> str:
    return "\n".join(f"{path.relative_to(ROOT)}:{line}: {what}" for path in files for line, what in rule(path))


RULES: list[tuple[list[Path], Callable[[Path], Iterator[Finding]]]] = [
    (SOURCES, layers),
    (CORE, core_imports),
    (SOURCES, only_screen_draws),
    (SOURCES, light_commands),
    (CORE, exact_core),
    (SOURCES, rounding_elsewhere),
    (SOURCES, lengths),
    (EVERYWHERE, vain_asserts),
    (SOURCES, vague_names),
    (EVERYWHERE, leftovers),
    (SOURCES, declared),
    (SOURCES, docstrings),
]


@pytest.mark.parametrize(("files", "rule"), RULES, ids=[rule.__name__ for _, rule in RULES])
def test_style(files: list[Path], rule: Callable[[Path], Iterator[Finding]]) -> None:
    assert files, "no files: the rule looks in the wrong place"
    findings = found(files, rule)
    assert not findings, f"\n{findings}"


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (layers, "read/x.py", "from finledger.write import files"),
        (layers, "core/x.py", "import finledger.books.store"),
        (core_imports, "core/x.py", "import pandas"),
        (core_imports, "core/x.py", "from pathlib import Path"),
        (only_screen_draws, "cli/x.py", "def f():\n    from rich.table import Table"),
        (light_commands, "cli/x.py", "import pandas"),
        (exact_core, "core/x.py", "rate = 0.15"),
        (exact_core, "core/x.py", "share = part / whole"),
        (exact_core, "core/x.py", "cents = rounded(exact, currency, mode)"),
        (exact_core, "core/x.py", "today = date.today()"),
        (rounding_elsewhere, "write/x.py", "money.rounded(x, y, z)"),
        (vain_asserts, "core/x.py", "assert 'always'"),
        (vague_names, "core/x.py", "qty = 1"),
        (leftovers, "core/x.py", "# TO" + "DO later"),
        (declared, "read/x.py", "import numpy"),
        (docstrings, "core/x.py", "a = 1"),
        (lengths, "core/x.py", "def f():\n" + "    a = 1\n" * 60),
    ],
)
def test_style__rule_finds_what_it_bans(
    rule: Callable[[Path], Iterator[Finding]], name: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert list(rule(path))


def tracked() -> list[Path]:
    """The files of the repository; of the folder without what is ignored, where there is no git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: which files are kept is not known")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_machine_paths() -> None:
    """A path of somebody's machine, or the address of a package index, has no place in what is kept."""
    private = re.compile(rb"(/home/[a-z]|/Users/[A-Za-z]|/root/|/wor[k]/|C:\\\\Users|--find-links|--index-url|file:///)")
    findings = []
    for path in tracked():
        if path == Path(__file__) or path.stat().st_size > 2_000_000:
            continue
        for line, text in enumerate(path.read_bytes().splitlines(), 1):
            if private.search(text):
                findings.append(
                    f"{path.relative_to(ROOT)}:{line}: an absolute path is banned, use one relative to the project"
                )
    assert not findings, "\n" + "\n".join(findings[:20])


def test_lock_holds_names_versions_and_hashes_only() -> None:
    for number, line in enumerate((ROOT / "requirements.lock").read_text().splitlines(), 1):
        fine = re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[^ ]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line)
        assert fine, f"requirements.lock:{number}: {line!r} is banned, use `make lock`"


def test_no_large_files() -> None:
    large = [str(path.relative_to(ROOT)) for path in tracked() if path.stat().st_size > 5_000_000]
    assert not large, f"{large} are banned, generate them"
