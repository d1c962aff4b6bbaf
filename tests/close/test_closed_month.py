"""A closed month is what it was closed as, whatever is edited or loaded afterwards (rules L2, A7, P1)."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from finledger.workbench import Workbench
from finledger.workbench.sealed import as_of
from finledger.workbench.verify import verify
from tests.close.small_books import (
    AUGUST,
    HEADER,
    JULY,
    PRICEBOOK,
    SETTINGS,
    bill,
    close,
    daily,
    edit,
    load,
    load_late,
    make_books,
    row,
    snapshot,
    write,
)
from tests.support import finledger, finledger_json

QUALITY = """\
quality:
  coverage: {target: 0.80, floor: 0.20, max_multiplier: 1.50}
  freshness: {slo: 0.90, step: 0.05, cap: 0.25}
buffer: {trigger: 3.0, cap_per_team_per_quarter: 400.00, size: [0.05, 1.00], settlement: grant}
"""
EVALS = "month,feature,coverage,in_distribution,tasks,graded,correct\n2026-07,ask,0.50,0.95,1000,200,150\n"
DRAWS = "month,team,cause,disclosure,requested\n2026-07,support,backfill,Every ticket was read again,20.00\n"
RATES = "date,from,to,rate,source\n2026-06-28,EUR,USD,1.10,central bank\n"
WAYS = ("allocate", "invoice", "journal")
MADE = ("charges.csv", "focus-1.3.csv", "focus.csv")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """July closed, with a premium for quality, a draw, a bill in EUR, a pool and a rule in its figures; August is open."""
    root = tmp_path_factory.mktemp("closed") / "books"
    settings = SETTINGS.replace("cc-4822,", "cc-4822, forecast: {2026-07: 10.00},")
    settings += "buffer: {opening: 100.00}\npools: {lines: {amount: {2026-07: 90.00}, driver: requests, to: teams}}\n"
    rows = [
        *daily(JULY),
        row("s1", "2026-07-03", "support", 4000),
        row("r1", "2026-07-04", "research", 2000),
        row("ask", "2026-07-05", "search", 1000).replace(",search,,", ",search,ask,"),
        bill("b1", "2026-07-06", "search", "10.00").replace("USD", "EUR"),
        row("e1", "2026-07-07", "search", 100, "eval_run"),
    ]
    texts = {
        "finledger.yaml": settings,
        "pricebooks/2026-Q3.yaml": PRICEBOOK + QUALITY,
        "evals/2026.csv": EVALS,
        "decisions/draws.csv": DRAWS,
        "rates.csv": RATES,
    }
    make_books(root, {"july.csv": rows, "august.csv": daily(AUGUST)}, texts)
    finledger("invoice", "--month", "2026-07", "--to", "html,md,json", "-q", "--books", root)
    close(root, JULY)
    return root


@pytest.fixture
def books(closed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(closed, tmp_path / "books")


def _reorganised(root: Path) -> None:
    """Support is gone, search has another cost centre and stage, research pays, and the books have another name."""
    edit(root / "finledger.yaml", "cc-4815, stage: chargeback", "cc-9999, stage: showback")
    edit(root / "finledger.yaml", "cc-4829, stage: showback", "cc-4829, stage: chargeback")
    text = (root / "finledger.yaml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("  support:")]
    write(root / "finledger.yaml", "\n".join((*lines, "")).replace("books: Close", "books: Renamed"))


def _ruled(root: Path) -> None:
    text = 'rules: [{when: {model: "gpt-*"}, set: {feature: chat}}]\naccounts: {ai_service_expense: Artificial costs}\n'
    with (root / "finledger.yaml").open("a") as file:
        file.write(text)


def _late(root: Path) -> None:
    load_late(root, "late.csv", [row("l1", "2026-07-20", "search", 5000), row("l2", "2026-07-20", "", 9000)])


def _second_version(root: Path) -> None:
    text = (
        (PRICEBOOK + QUALITY)
        .replace("version: 1", "version: 2")
        .replace("effective_from: 2026-07-01", "effective_from: 2026-07-16")
    )
    write(root / "pricebooks/2026-Q3-v2.yaml", text.replace("base: 0.01, price: 0.0126", "base: 0.02, price: 0.0252"))


def _template(root: Path) -> None:
    write(root / "templates/invoice.html", "<p>Pay!</p>\n")


EDITS: dict[str, Callable[[Path], object]] = {
    "reorganised": _reorganised,
    "a rule and an account": _ruled,
    "evals": lambda root: edit(root / "evals/2026.csv", "0.50,", "0.20,"),
    "draws": lambda root: edit(root / "decisions/draws.csv", "20.00", "80.00"),
    "a draw more": lambda root: edit(root / "decisions/draws.csv", DRAWS, f"{DRAWS}2026-07,search,backfill,All of it,\n"),
    "a second version of the prices": _second_version,
    "rates": lambda root: edit(root / "rates.csv", "1.10", "2.20"),
    "late usage": _late,
    "a pool": lambda root: edit(root / "finledger.yaml", "90.00", "990.00"),
    "a forecast": lambda root: edit(root / "finledger.yaml", "2026-07: 10.00", "2026-07: 99.00"),
    "the fund": lambda root: edit(root / "finledger.yaml", "opening: 100.00", "opening: 0.00"),
    "a template": _template,
}


@pytest.mark.parametrize("what", EDITS)
def test_closed__every_figure_stays(what: str, books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`allocate`, `invoice` and `journal` of July show what they did, and write the same bytes."""
    before = [finledger_json(capsys, way, "--month", "2026-07", "--books", books) for way in WAYS]
    files = snapshot(books / "out/2026-07")
    EDITS[what](books)
    after = [finledger_json(capsys, way, "--month", "2026-07", "--books", books) for way in WAYS]
    assert [figures(each) for each in after] == [figures(each) for each in before]
    assert snapshot(books / "out/2026-07") == files
    assert verify(Workbench(books)).problems == ()


def figures(shown: dict[str, object]) -> dict[str, object]:
    """All that a command prints but what it says about people's texts of today."""
    return {name: value for name, value in shown.items() if name not in ("notices", "problems")}


@pytest.mark.parametrize("what", ["reorganised", "evals", "a template", "a second version of the prices", "late usage"])
def test_closed__a_document_that_was_deleted_comes_back(what: str, books: Path) -> None:
    before = snapshot(books / "out/2026-07")
    EDITS[what](books)
    shutil.rmtree(books / "out/2026-07/invoices")
    shutil.rmtree(books / "out/2026-07/journal")
    for name in MADE:
        (books / "out/2026-07" / name).unlink()
    finledger("allocate", "--month", "2026-07", "-q", "--books", books)
    finledger("invoice", "--month", "2026-07", "--to", "html,md,json", "-q", "--books", books)
    finledger("journal", "--month", "2026-07", "-q", "--books", books)
    assert snapshot(books / "out/2026-07") == before


def test_closed__with_the_other_engine(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, other = (
        finledger_json(capsys, "allocate", "--month", "2026-07", "--engine", engine, "--books", books)
        for engine in ("duckdb", "reference")
    )
    assert figures(first) == figures(other)


def test_closed__with_the_engine_of_today(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The settings that were sealed named none. Today's name a cluster that is gone: then the closed month is told so, too."""
    edit(books / "finledger.yaml", "currency: USD", "currency: USD\nengine: reference")
    assert Workbench(books).engine() is as_of(Workbench(books), Workbench(books).ledger.events("close")[0]).engine()
    edit(books / "finledger.yaml", "engine: reference", 'engine: {kind: spark, master: "spark://127.0.0.1:1"}')
    capsys.readouterr()
    finledger("allocate", "--month", "2026-07", "--books", books, expect=4)
    assert "[spark-unreachable]" in capsys.readouterr().err
    finledger("allocate", "--month", "2026-07", "--engine", "duckdb", "--books", books)


def test_closed__the_open_month_goes_by_the_books_of_today(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that the edits above are ones that count: August is charged at the new cost centre."""
    edit(books / "finledger.yaml", "cc-4815", "cc-9999")
    shown = finledger_json(capsys, "allocate", "--month", "2026-08", "--books", books)
    assert {line["cost_center"] for line in shown["charges"] if line["team"] == "search"} == {"cc-9999"}


def test_closed__another_format_is_put_into_the_log(books: Path) -> None:
    before = len(Workbench(books).ledger.events())
    finledger("invoice", "--month", "2026-07", "--to", "xlsx", "-q", "--books", books)
    finledger("invoice", "--month", "2026-07", "--to", "xlsx,html", "-q", "--books", books)
    (event,) = Workbench(books).ledger.events()[before:]
    assert event.kind == "documents" and event.content["close"] == 1
    assert {Path(name).suffix for name, _ in event.content["files"]} == {".xlsx"}
    edit_byte(next((books / "out/2026-07/invoices").glob("*.xlsx")))
    assert [problem.code for problem in verify(Workbench(books)).problems] == ["document-changed"]


def edit_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_closed__names_its_root_on_each_document(books: Path) -> None:
    """In JSON, and in groups of characters on what people read."""
    seal = json.loads((books / "out/2026-07/seal.json").read_bytes())
    root = Workbench(books).closed(JULY).hash
    assert seal["hash"] == root
    documents = [path for kind in ("invoices", "statements") for path in (books / "out/2026-07" / kind).iterdir()]
    assert len(documents) == 3 * 3
    for path in documents:
        assert root in "".join(path.read_text(encoding="utf-8").split()), path.name


def test_close_again__says_so_and_does_nothing(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(books)
    capsys.readouterr()
    finledger("close", "--month", "2026-07", "--books", books)
    event = Workbench(books).closed(JULY)
    assert f"2026-07 was closed before: close {event.number}, root {event.hash}" in " ".join(capsys.readouterr().err.split())
    assert finledger_json(capsys, "close", "--month", "2026-07", "--books", books)["seal"]["already"] is True
    finledger("close", "--month", "2026-07", "--dry-run", "--books", books)
    assert snapshot(books) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE charge_lines SET amount_minor = amount_minor + 1",
        "UPDATE postings SET amount_minor = 0",
        "DELETE FROM components",
        "UPDATE runs SET digest = ''",
        "DELETE FROM events",
        "UPDATE events SET content = '{}'",
        "INSERT OR REPLACE INTO events SELECT * FROM events WHERE number = 1",
        "UPDATE invoices SET team = 'research'",
        "DELETE FROM parts",
        "INSERT INTO runs (month, digest, currency, provisional, pricebooks, supersedes) "
        "SELECT month, 'x', currency, 0, pricebooks, max(run) FROM runs WHERE month = '2026-07'",
        "INSERT INTO team_totals (run, team, stage, total_minor) SELECT run, 'nobody', stage, 0 FROM team_totals LIMIT 1",
    ],
)
def test_closed__rows_cannot_be_changed_through_sql(statement: str, books: Path) -> None:
    with closing(sqlite3.connect(books / "store/ledger.sqlite")) as ledger, pytest.raises(sqlite3.IntegrityError):
        ledger.execute(statement)
    assert verify(Workbench(books)).problems == ()


def test_closed__nothing_is_late_of_a_file_that_is_known(books: Path) -> None:
    """The same export under another name brings nothing, and corrects nothing."""
    shutil.copy(books / "usage/july.csv", books / "usage/july-again.csv")
    load(books)
    charges, _ = Workbench(books).charge(AUGUST)
    assert {str(line.key.service_month) for line in charges.lines} == {"2026-08"}
    assert HEADER in (books / "usage/july-again.csv").read_text()
