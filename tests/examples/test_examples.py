"""The worked examples: books small enough to check by hand, through the command line, with both engines.

An example's expected/ may hold, for a month,

- MONTH.csv: every entry of a charge line, by component, and no other;
- MONTH.json: disclosures, the central funding, idle capacity, what others operated and pools (all of them), and of teams,
  features, stages, buffer, price book and unallocated whatever is named;
- MONTH-focus.csv: of every row of focus.csv, in any order, the columns that it names;
- MONTH-postings.csv: the journal's net by account and cost centre, and by legal entity where it has that column;
- MONTH.commands: what is run before it is allocated, a command a line;
- MONTH.error: `allocate` refuses, writes nothing, and its message holds each line of the file;

for a quarter, looked at when all months were allocated in the order of their names,

- QUARTER.json: of buffer, reserves, variances (by class), teams, eval (by month) and requests whatever is named, and the
  codes of the problems that stand in the way of closing it besides months that are open;
- QUARTER-postings.csv: the net of the quarter's own entries by account and cost centre;

for either, PERIOD-features.json: of the tables of `features`, the rows in order with whatever is named of them; for a month,
MONTH-units.json: the same of `units`, by what it is asked for;

and load.json: what `load` counts. The sums are in each example's README.md; README.md here says how they are done. What any of
them writes as FOCUS is held to that specification's rules.

An example that is closed has `commands`, which are run instead, in order (script.py says what they may be); the periods are
then compared as they were closed. Its expected/ may also hold

- what a command prints, by the name that the command gives it;
- documents.csv: every invoice, note and statement, by the period it was issued in, with its total and what it corrects;
- balances.csv: what is left on each account and cost centre when all journals are added up;
- out/…: a file of out/, byte for byte.
"""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from contextlib import chdir
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finledger.engines import duckdb, reference
from finledger.write.focus import VERSIONS, file_name
from tests.cli.test_provider_quarter import CHECKERS
from tests.examples import script
from tests.formats.focus_rules import violations
from tests.support import copy_books, finledger, finledger_json, once

HERE = Path(__file__).parent
EXAMPLES = sorted(path.parent.name for path in HERE.glob("*/finledger.yaml"))
CLOSED = sorted(path.parent.name for path in HERE.glob(f"*/{script.NAME}"))
IN_A_SHELL = ("67-compound-call-closed", "71-two-sources")  # as real processes; of the others the lines are compared
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
LINE = ("team", "cost_center", "feature", "item", "workload_type", "model", "component", "amount")
DOCUMENT = ("period", "number", "kind", "team", "total", "original")
DISCLOSURE = ("team", "feature", "item", "workload_type", "model", "gross", "platform_share", "paid")
MONTHS, QUARTERS = "????-[01][0-9]", "????-Q[1-4]"
# The lists of a quarter's JSON, by what names their rows.
NAMED_BY = {"variances": "class", "teams": "team", "eval": "month"}
ROW = dict[str, Any]


def test_examples__are_complete_and_named_in_the_table() -> None:
    table = (HERE / "README.md").read_text()
    for name in EXAMPLES:
        assert f"({name}/README.md)" in table
        assert (HERE / name / "README.md").is_file()
        assert list((HERE / name / "expected").glob(f"{MONTHS}.*")), name
    assert len(EXAMPLES) == table.count("/README.md)")


@pytest.mark.parametrize("engine", ["duckdb", "reference"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_example(
    name: str, engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    books = copy_books(HERE / name, tmp_path / name)
    expected = HERE / name / "expected"
    if name in CLOSED:
        if engine == "reference":  # most commands have no --engine: it takes the other one's place in all of them
            monkeypatch.setattr(duckdb, "group", reference.group)
        monkeypatch.chdir(books)
        if engine == "reference":
            script.run(expected, capsys)
        else:
            once(books, script.NAME, lambda: script.run(expected, capsys))
        _compare_closed(books, expected)
    else:
        _load(books, expected, capsys)
    for path in sorted(expected.glob(f"{MONTHS}.error")):
        _refuses(books, path, engine, capsys)
    for path in sorted(expected.glob(f"{MONTHS}.csv")):
        month = path.stem
        _run_before(books, path.with_suffix(".commands"))
        got = finledger_json(capsys, "allocate", "--books", books, "--month", month, "--engine", engine)
        _compare_lines(got, path)
        if path.with_suffix(".json").exists():
            _compare_figures(got, json.loads(path.with_suffix(".json").read_text()))
        focus = expected / f"{month}-focus.csv"
        if focus.exists():
            _compare_focus(books / "out" / month / "focus.csv", focus)
        postings = expected / f"{month}-postings.csv"
        if postings.exists():
            finledger("journal", "--books", books, "--month", month, "--to", "csv")
            entities = _names_entities(postings)
            assert _net(books / "out" / month / "journal", "account", entities) == _net(postings, "account_key", entities)
    for path in sorted(expected.glob(f"{QUARTERS}.json")):
        words = ("reconcile",) if name in CLOSED else ("close", "--dry-run")
        got = finledger_json(capsys, *words, "--quarter", path.stem, "--books", books, expect=0 if name in CLOSED else 1)
        _compare_quarter(got, json.loads(path.read_text()))
        postings = expected / f"{path.stem}-postings.csv"
        if postings.exists():
            entities = _names_entities(postings)
            assert _net_of(got["entries"], entities) == _net(postings, "account_key", entities)
    if engine == "reference":
        monkeypatch.setattr(duckdb, "group", reference.group)
    _compare_tables(books, expected, capsys)
    for version in VERSIONS:
        for path in sorted(books.glob(f"out/{MONTHS}/{file_name(version)}")):
            assert violations(path.read_bytes(), version) == [], path.parent.name


def _load(books: Path, expected: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = finledger_json(capsys, "load", "--books", books)
    assert loaded["rejected"] == 0
    if (expected / "load.json").exists():
        counts = json.loads((expected / "load.json").read_text())
        assert {key: loaded[key] for key in counts} == counts


@pytest.mark.parametrize("name", CLOSED)
def test_commands__are_a_script_for_the_shell(name: str, tmp_path: Path) -> None:
    """A shell reads of each line the words that script.py reads, whatever finledger does with them."""
    books, told = copy_books(HERE / name, tmp_path / name), tmp_path / "told"
    program = tmp_path / "bin" / "finledger"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" '' >>'{told}'\n")
    program.chmod(0o755)
    in_a_shell(books, program.parent)
    with chdir(books):
        assert told.read_text() == "".join("".join(f"{word}\n" for word in (*words, "")) for words in script.asked())


@pytest.mark.parametrize("name", IN_A_SHELL)
def test_commands__post_the_same_in_a_shell(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The installed program, a process a command, writes the journals that the commands write in this process."""
    books, here = (copy_books(HERE / name, tmp_path / place / name) for place in ("there", "here"))
    in_a_shell(books, Path(sys.executable).parent)
    with chdir(here):
        once(here, script.NAME, lambda: script.run(HERE / name / "expected", capsys))
    theirs, ours = (
        {path.relative_to(each): path.read_bytes() for path in each.glob("out/*/journal/*")} for each in (books, here)
    )
    assert ours and theirs == ours


@pytest.mark.parametrize("name", CLOSED)
def test_journals__are_accepted_by_others_and_add_up(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs that are not ours look at each journal, and add them up."""
    books = copy_books(HERE / name, tmp_path / name)
    with chdir(books):
        once(books, script.NAME, lambda: script.run(HERE / name / "expected", capsys))
    here = {checker: found for checker, found in CHECKERS.items() if shutil.which(found[1][0], path=PATH) is not None}
    environment = {**os.environ, "PATH": PATH, "LC_ALL": "C.UTF-8"}
    for suffix, command in here.values():
        journals = sorted(books.glob(f"out/*/journal/*{suffix}"))
        assert journals
        for journal in journals:
            words = [*command, str(journal)]
            checked = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=120)
            assert (checked.returncode, checked.stderr) == (0, ""), words
    if "hledger" not in here:
        pytest.skip("install the checkers: apt-get install hledger ledger")
    files = [word for journal in sorted(books.glob("out/*/journal/*.journal")) for word in ("-f", str(journal))]
    words = ["hledger", *files, "balance", "-N", "--flat", "--layout=bare", "-O", "csv"]
    added = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=120, check=True).stdout
    theirs = sorted(Decimal(row["balance"]) for row in csv.DictReader(added.splitlines()))
    assert theirs == sorted(_net(HERE / name / "expected" / "balances.csv", "account_key", False).values())


def in_a_shell(books: Path, programs: Path) -> None:
    """Run the commands of the books by a shell that finds `finledger` in that folder."""
    environment = {**os.environ, "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["sh", "-eu", script.NAME], cwd=books, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


def test_compound_call__who_caused_and_who_operated_stand_in_the_journals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the exported journals of both months alone, after the provider's second invoice; the sums are in 67's README.md."""
    books = copy_books(HERE / "67-compound-call-closed", tmp_path / "books")
    monkeypatch.chdir(books)
    once(books, script.NAME, lambda: script.run(HERE / "67-compound-call-closed" / "expected", capsys))
    caused: dict[str, Decimal] = defaultdict(Decimal)
    operated: dict[str, Decimal] = defaultdict(Decimal)
    owed: dict[str, Decimal] = defaultdict(Decimal)
    for path in sorted(books.glob("out/*/journal/*.csv")):
        with path.open(newline="") as postings:
            for row in csv.DictReader(postings):
                amount = Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
                if row["cost_center"] != "cc-1000":
                    caused[row["cost_center"]] += amount
                    operated[row["cost_center"]] += amount if row["component"] != "passed_on" else 0
                if row["component"] in ("provider_payable", "accrued_provider_cost"):
                    owed[row["journal_id"].split("/")[2]] -= amount
    assert caused == {"cc-4815": Decimal("5.42"), "cc-4822": 0, "cc-4829": 0}
    assert operated == {"cc-4815": Decimal("2.21"), "cc-4822": Decimal("1.64"), "cc-4829": Decimal("1.57")}
    assert owed == {"openai": Decimal("2.45"), "anthropic": Decimal("1.05")}


def _compare_closed(books: Path, expected: Path) -> None:
    documents = []
    for path in sorted(books.glob("out/*/*/*.json")):
        if path.parent.name in ("invoices", "notes", "statements"):
            document = {"period": path.parts[-3], **json.loads(path.read_text())}
            documents.append(tuple(document[key] for key in DOCUMENT))
    with (expected / "documents.csv").open(newline="") as rows:
        assert sorted(documents) == sorted(tuple(row[key] for key in DOCUMENT) for row in csv.DictReader(rows))
    nets = [_net(folder, "account", False) for folder in sorted(books.glob("out/*/journal"))]
    left = _summed([(*key, amount) for net in nets for key, amount in net.items()])
    assert left == _net(expected / "balances.csv", "account_key", False)
    for path in (path for path in expected.glob("out/**/*") if path.is_file()):
        assert (books / path.relative_to(expected)).read_bytes() == path.read_bytes(), path.name
    known = {"documents.csv", "balances.csv", *script.printed()}
    others = {path.name for path in expected.glob("*.*") if not path.name.startswith("20")}
    assert others == known, "every file of expected/ is compared with something"


def _run_before(books: Path, commands: Path) -> None:
    for line in commands.read_text().splitlines() if commands.exists() else ():
        finledger(*shlex.split(line)[1:], "--books", books)


def _refuses(books: Path, error: Path, engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    finledger("allocate", "--books", books, "--month", error.stem, "--engine", engine, expect=1)
    said = " ".join("".join(capsys.readouterr()).split())
    missing = [fragment for fragment in error.read_text().splitlines() if fragment not in said]
    assert not missing, said
    assert not list((books / "out").rglob("charges.csv"))


def _compare_tables(books: Path, expected: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unit costs and features: every row that a table has, in its order, as far as the example names its fields."""
    for path in sorted(expected.glob(f"{MONTHS}-units.json")):
        for by, tables in json.loads(path.read_text()).items():
            month = path.stem.removesuffix("-units")
            got = finledger_json(capsys, "units", "--books", books, "--month", month, "--by", by)
            assert _named(got, tables) == tables, by
    for path in sorted(expected.glob("*-features.json")):
        period, tables = path.stem.removesuffix("-features"), json.loads(path.read_text())
        words = ("--quarter" if "Q" in period else "--month", period)
        assert _named(finledger_json(capsys, "features", "--books", books, *words), tables) == tables


def _named(got: ROW, tables: dict[str, list[ROW]]) -> dict[str, list[ROW]]:
    """The tables' rows, each with the fields that the wanted row at its place names; rows that nobody wants whole."""
    found = {}
    for name, wanted in tables.items():
        fields = [*wanted, *([{}] * (len(got[name]) - len(wanted)))]
        found[name] = [{key: row[key] for key in want or row} for row, want in zip(got[name], fields, strict=True)]
    return found


def _compare_lines(got: ROW, path: Path) -> None:
    with path.open(newline="") as lines:
        want = [tuple(row[name] for name in LINE) for row in csv.DictReader(lines)]
    charges = got["charges"]
    assert sorted(tuple(row[name] for name in LINE) for row in charges) == sorted(want)
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in charges:
        sums[row["line_id"]] += Decimal(row["amount"])
    assert sums == {row["line_id"]: Decimal(row["line_amount"]) for row in charges}
    assert [check for check in got["checks"] if not check["holds"]] == []


def _compare_focus(got: Path, want: Path) -> None:
    wanted = list(csv.DictReader(want.read_text().splitlines()))
    rows = csv.DictReader(got.read_text().splitlines())
    found = [{name: row[name] for name in wanted[0]} for row in rows]
    assert sorted(found, key=str) == sorted(wanted, key=str)


def _compare_figures(got: ROW, want: ROW) -> None:
    if "disclosures" in want:
        assert _counted(got["disclosures"]) == _counted(want["disclosures"])
    for part in ("teams", "features"):
        for key, figures in want.get(part, {}).items():
            assert {name: _text(got[part][key][name]) for name in figures} == figures, key
    for part in ("central", "idle", "operated", "pools"):
        if part in want:
            assert got[part] == want[part]
    for part in ("unallocated", "buffer", "pricebook"):
        if part in want:
            assert {name: got[part][name] for name in want[part]} == want[part]
    if "stages" in want:
        assert {row["team"]: row["stage"] for row in got["charges"]} == want["stages"]


def _compare_quarter(got: ROW, want: ROW) -> None:
    codes = {problem["code"] for problem in got["problems"]} - {"month-open"}
    assert codes == set(want.get("problems", ()))
    if "buffer" in want:
        assert {name: got["buffer"][name] for name in want["buffer"]} == want["buffer"]
    for part in ("reserves", *NAMED_BY):
        if part in want:
            rows = {row[NAMED_BY[part]]: row for row in got[part]} if part in NAMED_BY else got[part]
            assert rows.keys() == want[part].keys()
            assert {key: {name: rows[key][name] for name in figures} for key, figures in want[part].items()} == want[part]
    if "requests" in want:
        assert [{name: row[name] for name in want["requests"][0]} for row in got["requests"]] == want["requests"]


def _counted(disclosures: list[ROW]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(row[name] for name in DISCLOSURE) for row in disclosures)


def _text(figure: Any) -> str | None:
    return None if figure is None else str(figure)


def _names_entities(postings: Path) -> bool:
    return postings.read_text().startswith("legal_entity,")


Net = dict[tuple[str, str, str], Decimal]


def _net(place: Path, account: str, entities: bool) -> Net:
    """Debits less credits by account and cost centre, of a file or of all CSV files of a folder; zeros left out."""
    found = []
    for path in sorted(place.glob("*.csv")) if place.is_dir() else [place]:
        with path.open(newline="") as postings:
            for row in csv.DictReader(postings):
                entity = row["legal_entity"] if entities else ""
                amount = Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
                found.append((entity, row[account], row["cost_center"], amount))
    return _summed(found)


def _net_of(entries: list[ROW], entities: bool) -> Net:
    """The same of the entries that a quarter's JSON shows."""
    postings = [posting for entry in entries for posting in entry["postings"]]
    return _summed(
        [(row["entity"] if entities else "", row["account"], row["cost_center"], Decimal(row["amount"])) for row in postings]
    )


def _summed(postings: list[tuple[str, str, str, Decimal]]) -> Net:
    net: Net = defaultdict(Decimal)
    for entity, account, cost_center, amount in postings:
        net[entity, account.lower().replace(" ", "_"), cost_center] += amount
    return {key: amount for key, amount in net.items() if amount}
