"""What was grouped is kept, so that a month after a small load costs the new rows: and no figure can tell (rule M1)."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from finledger.books import kept_groups
from finledger.core.model import UsageQuery
from finledger.core.problem import Unavailable
from finledger.pipeline import query
from finledger.workbench import Workbench, grouping, months
from finledger.workbench.verify import verify
from tests.close.small_books import JULY, PRICEBOOK, close, daily, load_late, make_books, row
from tests.support import ROOT, copy_books, finledger

TRACES = ROOT / "tests" / "examples" / "70-traces"
BOTH = pytest.mark.parametrize("engine", ["duckdb", "reference"])


@pytest.fixture(autouse=True)
def keeps_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small months are kept too, and what the reference sums."""
    monkeypatch.setattr(grouping, "LEAST_ROWS", 0)
    monkeypatch.setattr(months, "REFERENCE", "")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten days of search, 1,000 calls each, then twenty-one of support, 300 each: two parts."""
    return make_books(
        tmp_path_factory.mktemp("kept") / "books",
        {"1.csv": daily(JULY, without=range(11, 32)), "2.csv": daily(JULY, "support", 300, without=range(1, 11))},
    )


@pytest.fixture
def books(loaded: Path, tmp_path: Path) -> Path:
    return shutil.copytree(loaded, tmp_path / "books")


def charges(books: Path, engine: str = "duckdb") -> bytes:
    """The month, allocated: its charges.csv."""
    bench = Workbench(books)
    found, _ = bench.allocate(JULY, engine_name=engine)
    return bench.charge_contents(found)[books / "out/2026-07/charges.csv"]


def totals(found: bytes) -> dict[str, Decimal]:
    """What each team is charged."""
    amounts = {each["line_id"]: each for each in csv.DictReader(io.StringIO(found.decode()))}
    teams = dict.fromkeys((each["team"] for each in amounts.values()), Decimal(0))
    return {
        team: sum((Decimal(each["line_amount"]) for each in amounts.values() if each["team"] == team), Decimal(0))
        for team in teams
    }


def teams(search: str, support: str) -> dict[str, Decimal]:
    return {"search": Decimal(search), "support": Decimal(support)}


# 10 x 1,000 calls at 0.0126; 21 x 300 = 6,300
BY_HAND = teams("126.00", "79.38")


def entries(books: Path) -> list[Path]:
    return sorted((books / "store/grouped/month=2026-07").glob("*"))


def spoil(books: Path, *parts: Path) -> None:
    """Bytes of the rows of parts, none of their statistics: whoever reads the rows cannot, and the size is the same."""
    for path in parts or (books / "store/usage/month=2026-07").iterdir():
        with path.open("r+b") as stream:
            stream.seek(4)
            stream.write(bytes(200))


def spoil_footers(books: Path) -> None:
    """All bytes of all parts but for how many they are: nobody can read anything of them."""
    for path in (books / "store/usage/month=2026-07").iterdir():
        path.write_bytes(bytes(path.stat().st_size))


def part_of(books: Path, file: str) -> Path:
    bench = Workbench(books)
    (sha256,) = [each.sha256 for each in bench.ledger.files() if each.name.endswith(file)]
    return next(books / "store" / part.path for part in bench.ledger.parts() if part.file_sha256 == sha256)


@BOTH
def test_second_run__reads_no_row_and_comes_to_the_same_bytes(books: Path, engine: str) -> None:
    cold = charges(books, engine)
    assert totals(cold) == BY_HAND
    (entry,) = entries(books)
    spoil(books)
    assert charges(books, engine) == cold
    assert entries(books) == [entry]


def test_second_run__reads_no_footer(books: Path, tmp_path: Path) -> None:
    """What says whether rows lie in traces is kept of each part, also where they do."""
    traced = copy_books(TRACES, tmp_path / "traced")
    finledger("load", "--books", traced, "--quiet")
    for each in (books, traced):
        cold = charges(each)
        spoil_footers(each)
        assert charges(each) == cold
        (kept,) = (each / "store/grouped").glob("*.parts")
        kept.write_bytes(kept.read_bytes().replace(b"[]", b'["trace_id"]').replace(b'"', b"'"))
        with pytest.raises(Unavailable, match=r"month=2026-07"):
            charges(each)


@BOTH
def test_new_rows__are_all_that_is_read(books: Path, engine: str) -> None:
    """A day more of search: 126.00 + 12.60. The same bytes come of the whole month, read anew."""
    charges(books, engine)
    old = list((books / "store/usage/month=2026-07").iterdir())
    load_late(books, "3.csv", [row("late", "2026-07-31", "search", 1000)])
    anew = shutil.copytree(books, books.parent / "anew")
    shutil.rmtree(anew / "store/grouped")
    spoil(books, *old)
    found = charges(books, engine)
    assert totals(found) == teams("138.60", "79.38")
    assert found == charges(anew, engine)


def test_what_one_engine_kept__serves_the_other(books: Path) -> None:
    cold = charges(books, "reference")
    spoil(books)
    assert charges(books, "duckdb") == cold


def test_export_replaced__costs_no_more_than_its_own_rows(books: Path) -> None:
    """What was kept before the export came still holds, and serves the month with another in its place."""
    charges(books)
    old = list((books / "store/usage/month=2026-07").iterdir())
    load_late(books, "3.csv", [row("x", "2026-07-31", "search", 1000)])
    charges(books)
    (books / "usage/4.csv").write_text((books / "usage/3.csv").read_text().replace(",1000,", ",2000,"))
    finledger("load", books / "usage/4.csv", "--books", books, "--quiet", "--replaces", "usage/3.csv")
    spoil(books, *old)
    assert totals(charges(books)) == teams("151.20", "79.38")


def flipped(at: int) -> Callable[[Path], object]:
    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)

    return flip


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "first byte": flipped(0),
    "hash of a part": flipped(50),
    "groups": flipped(-20),
    "other content": lambda path: path.write_bytes(path.read_bytes().replace(b'"rows": 31', b'"rows": 32')),
    "no entry at all": lambda path: path.write_bytes(b"null\nnull"),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "gone": lambda path: path.unlink(),
}


def test_damaged_entry__is_as_if_it_were_not_there(books: Path) -> None:
    cold = charges(books)
    (name,) = entries(books)
    entry, (asked, sizes) = name.read_bytes(), question(books)
    kept = kept_groups.KeptGroups(books / "store/grouped", JULY)
    assert kept.best(asked, sizes) is not None
    for what, damage in DAMAGE.items():
        damage(name)
        assert kept.best(asked, sizes) is None, what
        if what in ("folder", "groups"):
            assert charges(books) == cold
            shutil.rmtree(name.parent)
            name.parent.mkdir()
        name.write_bytes(entry)


def question(books: Path) -> tuple[UsageQuery, dict[str, int]]:
    """What July is asked, and the sizes of its parts."""
    bench = Workbench(books)
    sizes = {part.sha256: (books / "store" / part.path).stat().st_size for part in bench.ledger.parts()}
    return query(bench.month_inputs(JULY)), sizes


def test_entry_of_another_question__is_no_answer(books: Path) -> None:
    """A price from the 16th: 5 x 300 calls of support at 0.0126, 16 x 300 at 0.01 x 1.20 x 1.10 = 0.0132: 18.90 + 63.36."""
    charges(books)
    (before,) = entries(books)
    later = PRICEBOOK.replace("version: 1", "version: 2").replace("2026-07-01", "2026-07-16").replace("0.0126", "0.0132")
    later = later.replace("registry: 0.05, buffer: 0.05", "registry: 0.05, buffer: 0.10")
    (books / "pricebooks/2026-Q3.v2.yaml").write_text(later)
    assert totals(charges(books)) == teams("126.00", "82.26")
    assert len(entries(books)) == 2
    for path in entries(books):
        if path != before:
            # the other's groups, under the name of this question
            before.replace(before.with_name(f"{path.name[:32]}{before.name[32:]}"))
            path.unlink()
    assert totals(charges(books)) == teams("126.00", "82.26")


def test_part_that_is_gone_or_cut__is_named_although_its_groups_are_kept(books: Path) -> None:
    charges(books)
    part = part_of(books, "1.csv")
    part.write_bytes(part.read_bytes()[:-7])
    for code in ("part-changed", "part-missing"):
        with pytest.raises(Unavailable) as failed:
            charges(books)
        (problem,) = failed.value.problems
        assert (problem.code, problem.source.file) == (code, part.relative_to(books).as_posix())
        part.unlink(missing_ok=True)


def test_close_and_verify__read_the_rows(books: Path) -> None:
    """Groups that lie, under a name that fits: an open month is charged from them, but no close, nor what verifies it."""
    assert totals(charges(books)) == BY_HAND
    entry, (asked, sizes) = kept_groups.KeptGroups(books / "store/grouped", JULY), question(books)
    kept = entry.best(asked, sizes)
    assert kept is not None
    shutil.rmtree(books / "store/grouped")
    entry.keep(asked, kept.parts, kept.rows, kept.groups[:1])
    assert totals(charges(books)) != BY_HAND
    close(books, JULY)
    assert totals((books / "out/2026-07/charges.csv").read_bytes()) == BY_HAND
    assert verify(Workbench(books)).problems == ()


def test_kept_groups__are_nothing_that_a_close_needs(books: Path) -> None:
    charges(books)
    close(books, JULY)
    shutil.rmtree(books / "store/grouped")
    assert verify(Workbench(books)).problems == ()


def test_explain__finds_the_rows_of_a_line_from_kept_groups(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    charges(books)
    found = next(csv.DictReader(io.StringIO(charges(books).decode())))
    capsys.readouterr()
    finledger("explain", "2026-07/search", found["line_id"], "--books", books)
    assert "usage/1.csv:2" in capsys.readouterr().out


def test_dry_run_and_looking__keep_nothing(books: Path) -> None:
    Workbench(books).allocate(JULY, record=False)
    Workbench(books).charge(JULY)
    assert entries(books) == []


def test_place_that_cannot_be_written__keeps_nothing_and_charges_the_same(books: Path) -> None:
    (books / "store/grouped").write_text("in the way")
    assert totals(charges(books)) == BY_HAND


def test_entries__are_few(books: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load a day: what was used last stays, and what a killed command left goes."""
    monkeypatch.setattr(kept_groups, "MOST", 2)
    (books / "store/grouped/month=2026-07").mkdir(parents=True)
    (books / "store/grouped/month=2026-07/left.groups.1.new").write_text("half")
    for day in (29, 30, 31):
        load_late(books, f"{day}.csv", [row(f"d{day}", f"2026-07-{day}", "search", 1000)])
        found = charges(books)
    assert totals(found) == teams("163.80", "79.38")
    assert [path.suffix for path in entries(books)] == [".groups"] * 2
    spoil(books)
    assert charges(books) == found


@BOTH
def test_traces__are_grouped_again_when_a_root_may_have_come(tmp_path: Path, engine: str) -> None:
    """Without the agents' file the roots of two of the tools' spans are unknown, and 0.50 is nobody's; with it, 0.13."""
    traced = copy_books(TRACES, tmp_path / "traced")
    for name, nobodys in (("1-tools.csv", "0.50"), ("2-agents.csv", "0.13")):
        finledger("load", traced / "usage" / name, "--books", traced, "--quiet")
        found = charges(traced, engine)
        assert totals(found)["(unallocated)"] == Decimal(nobodys)
    spoil(traced)
    assert charges(traced, engine) == found
    shutil.rmtree(traced / "store/grouped")
    with pytest.raises(Unavailable):
        charges(traced, engine)


@BOTH
def test_new_traces__are_all_that_is_read(tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what was there before, no more than which traces it has; the same bytes come of the whole month, read anew."""
    monkeypatch.setattr(grouping, "FEW", 0)
    traced = copy_books(TRACES, tmp_path / "traced")
    finledger("load", "--books", traced, "--quiet")
    before = charges(traced, engine)
    old = [*(traced / "store/usage/month=2026-07").iterdir()]
    header = (traced / "usage/1-tools.csv").read_text().splitlines()[0]
    root = "n1,2026-07-15T09:00:00Z,insights,feedback-summary,inference,agent_run,1,new,n1,"
    call = "n2,2026-07-15T09:00:01Z,retrieval,,inference,retrieval_call,1,new,n2,n1"
    (traced / "usage/3-more.csv").write_text("\n".join((header, root, call, "")))
    finledger("load", traced / "usage/3-more.csv", "--books", traced, "--quiet")
    anew = shutil.copytree(traced, tmp_path / "anew")
    shutil.rmtree(anew / "store/grouped")
    spoil(traced, *old)
    found = charges(traced, engine)
    assert found != before
    assert found == charges(anew, engine)


@BOTH
def test_root__that_another_export_turns_out_to_repeat(tmp_path: Path, engine: str) -> None:
    """A root alone is charged 1,000 calls, 12.60, and kept; then its calls come in an export of their own: 2,000, 25.20 (C2)."""
    books = make_books(tmp_path / "traced", {})
    header = "usage_id,ts,team,workload_type,action,model,requests,input_tokens,trace_id,span_id,parent_span_id\n"
    spans = {
        "agents.csv": ("r1,2026-07-10T11:59:59Z,search,inference,chat_call,gpt-large,1000,700,t1,r1,", "12.60"),
        "tools.csv": ("c1,2026-07-10T12:00:00Z,support,inference,chat_call,gpt-large,2000,700,t1,c1,r1", "25.20"),
    }
    for name, (span, amount) in spans.items():
        (books / "usage" / name).parent.mkdir(exist_ok=True)
        (books / "usage" / name).write_text(f"{header}{span}\n")
        finledger("load", books / "usage" / name, "--books", books, "--quiet")
        assert totals(charges(books, engine)) == {"search": Decimal(amount)}
        assert totals(charges(books, engine)) == {"search": Decimal(amount)}
