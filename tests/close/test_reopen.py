"""The last closed period is opened again: with a name and a reason in the log, its documents kept, its numbers the same (L3, L5)."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from finledger.core.problem import Refused
from finledger.workbench import Workbench, closing
from finledger.workbench.verify import verify
from tests.close.small_books import (
    AUGUST,
    JULY,
    PRICEBOOK,
    Q3,
    SEPTEMBER,
    SETTINGS,
    charged,
    close,
    daily,
    edit,
    load_late,
    make_books,
    row,
    snapshot,
)
from tests.support import finledger, finledger_json

QUALITY = """\
quality:
  coverage: {target: 0.80, floor: 0.20, max_multiplier: 1.50}
  freshness: {slo: 0.90, step: 0.05, cap: 0.25}
"""
EVALS = "month,feature,coverage,in_distribution,tasks,graded,correct\n2026-07,ask,0.50,0.95,,,\n"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """July and August closed. In July 1,000 calls of `ask` bear a premium of 2.50 for their coverage of 0.50."""
    root = tmp_path_factory.mktemp("reopen") / "books"
    texts = {
        "finledger.yaml": SETTINGS,
        "pricebooks/2026-Q3.yaml": PRICEBOOK + QUALITY,
        "evals/2026.csv": EVALS,
    }
    ask = row("a1", "2026-07-05", "search", 1000).replace(",search,,", ",search,ask,")
    make_books(root, {"july.csv": [*daily(JULY), ask], "august.csv": daily(AUGUST)}, texts)
    close(root, JULY, AUGUST)
    return root


@pytest.fixture
def books(closed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(closed, tmp_path / "books")


def reopen(root: Path, *periods: object) -> None:
    for period in periods:
        closing.reopen(Workbench(root), period, "the coverage was wrong", "Ada Fell")  # type: ignore[arg-type]


def premium(root: Path) -> str:
    (line,) = [each for each in Workbench(root).ledger.charge_rows(JULY) if each.key.kind == "coverage_premium"]
    return str(line.amount)


def documents(root: Path, month: str = "2026-07") -> dict[str, str]:
    """The numbers of the month's invoices: team → number."""
    found = {}
    for path in (root / "out" / month / "invoices").glob("*.json"):
        shown = json.loads(path.read_bytes())
        found[shown["team"]] = shown["number"]
    return found


def test_only_the_last(books: Path) -> None:
    before = snapshot(books)
    with pytest.raises(Refused) as refused:
        reopen(books, JULY)
    assert [(each.code, each.message) for each in refused.value.problems] == [
        ("later-closed", "2026-08 was closed after 2026-07 and stands on it")
    ]
    assert snapshot(books) == before
    reopen(books, AUGUST, JULY)
    assert Workbench(books).closed(JULY) is None


def test_not_behind_a_quarter(books: Path) -> None:
    load_late(books, "september.csv", daily(SEPTEMBER))
    close(books, SEPTEMBER, Q3)
    with pytest.raises(Refused):
        reopen(books, SEPTEMBER)
    reopen(books, Q3, SEPTEMBER)
    close(books, SEPTEMBER, Q3)
    assert verify(Workbench(books)).problems == ()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--month", "2026-08", "--by", " ", "--reason", "x"), 2),
        (("--month", "2026-08", "--by", "Ada", "--reason", ""), 2),
        (("--month", "2026-08", "--reason", "x"), 2),
        (("--month", "2026-08", "--by", "Ada"), 2),
        (("--by", "Ada", "--reason", "x"), 2),
        (("--month", "2026-08", "--quarter", "2026-Q3", "--by", "Ada", "--reason", "x"), 2),
        (("--month", "2026-09", "--by", "Ada", "--reason", "x"), 2),
        (("--month", "2026-07", "--by", "Ada", "--reason", "x"), 1),
    ],
)
def test_refused__and_nothing_is_written(words: tuple[str, ...], code: int, books: Path) -> None:
    before = snapshot(books, "out/problems.txt")
    finledger("reopen", *words, "--books", books, expect=code)
    assert snapshot(books, "out/problems.txt") == before


def test_dry_run__writes_nothing(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(books)
    shown = finledger_json(
        capsys, "reopen", "--month", "2026-08", "--by", "Ada", "--reason", "x", "--dry-run", "--books", books
    )
    assert (shown["period"], shown["by"], shown["reason"]) == ("2026-08", "Ada", "x")
    assert snapshot(books) == before


def test_documents__are_kept_as_they_were(books: Path) -> None:
    before = snapshot(books / "out/2026-08")
    number = Workbench(books).closed(AUGUST).number
    reopen(books, AUGUST)
    kept = snapshot(books / f"out/2026-08/closed-{number}")
    assert kept == before
    (event,) = Workbench(books).ledger.events("reopen")
    assert (event.content["by"], event.content["reason"]) == ("Ada Fell", "the coverage was wrong")
    assert event.content["close"] == number
    assert {old for old, _ in event.content["moved"]} == {f"out/2026-08/{name}" for name in before}
    assert verify(Workbench(books)).problems == ()
    load_late(books, "late.csv", [row("l1", "2026-08-20", "search", 1000)])
    finledger("invoice", "--month", "2026-08", "-q", "--to", "html,json", "--books", books)
    assert snapshot(books / f"out/2026-08/closed-{number}") == before
    assert verify(Workbench(books)).problems == ()


def test_closed_again__after_no_edit(books: Path) -> None:
    """The same figures, lines, entries and numbers under a new root."""
    bench = Workbench(books)
    first, lines, entries, numbers = (
        bench.closed(AUGUST),
        bench.ledger.charge_rows(AUGUST),
        bench.ledger.entries(AUGUST),
        documents(books, "2026-08"),
    )
    reopen(books, AUGUST)
    again = close(books, AUGUST).event
    bench = Workbench(books)
    assert first is not None and again is not None and again.hash != first.hash
    assert (again.content["figures"], again.content["digest"]) == (first.content["figures"], first.content["digest"])
    assert (bench.ledger.charge_rows(AUGUST), bench.ledger.entries(AUGUST)) == (lines, entries)
    assert documents(books, "2026-08") == numbers
    assert [event.kind for event in bench.ledger.events(period="2026-08")] == [
        "close", "documents", "reopen", "close", "documents",
    ]  # fmt: skip
    assert verify(bench).problems == ()


def test_closed_again__after_an_edit(books: Path) -> None:
    """The coverage was 0.80, its target: no premium. The invoice keeps its number, 405.70 becomes 403.20; the root is new."""
    numbers = documents(books)
    assert premium(books) == "2.50"
    reopen(books, AUGUST, JULY)
    edit(books / "evals/2026.csv", "0.50,", "0.80,")
    before = {path.name: path.read_bytes() for path in (books / "out/2026-07/closed-1/invoices").glob("*.json")}
    close(books, JULY, AUGUST)
    assert documents(books) == numbers
    assert {key: amount for key, amount in charged(books, JULY).items() if "premium" in key[2]} == {}
    name = f"{numbers['search']}-search.json"
    old, new = json.loads(before[name]), json.loads((books / "out/2026-07/invoices" / name).read_bytes())
    assert (old["total"], new["total"]) == ("405.70", "403.20")
    assert new["seal"]["root"] == Workbench(books).closed(JULY).hash != old["seal"]["root"]
    assert verify(Workbench(books)).problems == ()


def test_entries__that_were_posted_stay(books: Path) -> None:
    """Accounting may have them: each is there under its id, and those that changed are taken back by name. All together come to
    403.20 for July.
    """
    before = {entry.entry_id: entry for entry in Workbench(books).ledger.entries(JULY)}
    reopen(books, AUGUST, JULY)
    edit(books / "evals/2026.csv", "0.50,", "0.80,")
    close(books, JULY)
    after = {entry.entry_id: entry for entry in Workbench(books).ledger.entries(JULY)}
    assert {name: after[name] for name in before} == before
    expense = [
        each.amount.minor for entry in after.values() for each in entry.postings if each.account.key == "ai_service_expense"
    ]
    assert sum(expense) == 40320


def test_late_usage__goes_into_the_month_that_is_open_again(books: Path) -> None:
    """1,000 late calls of August: in August itself once it is reopened, and no correction anywhere."""
    load_late(books, "late.csv", [row("l1", "2026-08-20", "search", 1000), row("s1", "2026-09-01", "search", 1000)])
    Workbench(books).allocate(SEPTEMBER)
    assert charged(books, SEPTEMBER)["search", "2026-08", "chat_call"] == "12.60"
    reopen(books, AUGUST)
    close(books, AUGUST)
    assert charged(books, AUGUST)["search", "2026-08", "chat_call"] == "403.20"
    Workbench(books).allocate(SEPTEMBER)
    assert ("search", "2026-08", "chat_call") not in charged(books, SEPTEMBER)
    assert verify(Workbench(books)).problems == ()


def test_twice(books: Path) -> None:
    """Each version is kept beside the others."""
    firsts = []
    for _ in range(2):
        firsts.append(Workbench(books).closed(AUGUST).number)
        reopen(books, AUGUST)
        close(books, AUGUST)
    assert [(books / f"out/2026-08/closed-{number}/seal.json").is_file() for number in firsts] == [True, True]
    assert verify(Workbench(books)).problems == ()
    path = books / f"out/2026-08/closed-{firsts[0]}/seal.json"
    path.write_bytes(path.read_bytes() + b" ")
    assert [each.code for each in verify(Workbench(books)).problems] == ["document-changed"]


@pytest.mark.parametrize("what", ["changed", "missing"])
def test_refused__while_a_document_is_not_as_it_was_closed(what: str, books: Path) -> None:
    """What is kept has to be what was closed."""
    path = books / "out/2026-08/charges.csv"
    whole = path.read_bytes()
    path.unlink()
    if what == "changed":
        path.write_bytes(whole + b"\n")
    with pytest.raises(Refused) as refused:
        reopen(books, AUGUST)
    assert [each.code for each in refused.value.problems] == [f"document-{what}"]
    path.unlink(missing_ok=True)
    finledger("allocate", "--month", "2026-08", "-q", "--books", books)
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(whole).digest()
    reopen(books, AUGUST)


def test_a_document_that_is_no_more(books: Path) -> None:
    """Research moved nothing and had a statement; closed again without the team, its statement does not lie among the others."""
    assert (books / "out/2026-08/statements/research.json").is_file()
    reopen(books, AUGUST)
    text = (books / "finledger.yaml").read_text()
    (books / "finledger.yaml").write_text("\n".join(line for line in text.splitlines() if "research" not in line) + "\n")
    number = Workbench(books).ledger.events("close", "2026-08")[0].number
    close(books, AUGUST)
    assert not (books / "out/2026-08/statements/research.json").exists()
    assert (books / f"out/2026-08/closed-{number}/statements/research.json").is_file()
    assert verify(Workbench(books)).problems == ()
