"""Evidence bundles (rule L4): whoever gets one works the line out again with Python alone, and sees when anything was changed.

Sums by hand stand in the README.md of the worked examples that are bundled here.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from finledger.core.model import UNALLOCATED
from finledger.core.period import Month
from finledger.workbench import Workbench
from finledger.workbench.bundle import Bundled, check_bundle, write_bundle
from finledger.workbench.disputes import give_credit, open_dispute
from tests.support import ROOT, copy_books, finledger, prepared

EXAMPLES = ROOT / "tests" / "examples"
DAY = date(2026, 8, 3)
WAIVED = ("--waive", "days-missing", "--by", "Bo Chen", "--reason", "one row a month is all there is")


def charged(name: str, folder: Path, *months: str) -> Path:
    allocated = (("allocate", "--month", month, "--quiet") for month in months)
    return prepared(copy_books(EXAMPLES / name, folder / name), ("load", "--quiet"), *allocated)


def bundled(books: Path, month: str, rows_limit: int = 1_000_000, **key: object) -> Bundled:
    """The evidence of the first line of the month that has these words in its key."""
    bench = Workbench(books)
    lines = (line for line in bench.ledger.charge_rows(Month.parse(month)) if line.key.team != UNALLOCATED)
    line = next(line for line in lines if all(getattr(line.key, name) == word for name, word in key.items()))
    found = open_dispute(bench, f"{month}/{line.key.team}", line.line_id, reason="Why?", by="Ann Lee", on=DAY)
    return write_bundle(bench, found.dispute_id, rows_limit=rows_limit)


def unpacked(bundle: Path, folder: Path) -> Path:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    return folder


def checked(folder: Path) -> tuple[int, str]:
    """check.py in a process of its own, which knows nothing of this project: its exit code, and what it says."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "check.py"], cwd=folder, env={}, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def sign_again(folder: Path) -> None:
    """The manifest of somebody who changed a file and its hash too."""
    manifest = json.loads((folder / "manifest.json").read_text())
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest["files"]}
    text = json.dumps({"schema": 1, "files": hashes}, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    (folder / "manifest.json").write_text(text)


def rewritten(folder: Path, change: Callable[[list[dict[str, str]]], None]) -> None:
    rows = list(csv.DictReader((folder / "rows.csv").open(newline="")))
    change(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / "rows.csv").write_text(text.getvalue())
    sign_again(folder)


def test_check__every_step_of_a_line(tmp_path: Path) -> None:
    """Example 23: 300 + 800 calls at 0.011123 are 12.2353, 12.24 half up: 10.24 + 0.47 + 1.48 + 0.05."""
    made = bundled(charged("23-classification", tmp_path, "2026-07"), "2026-07", team="search", feature="autosuggest")
    folder = unpacked(made.path, tmp_path / "evidence")
    code, said = checked(folder)
    assert code == 0, said
    for step in (
        "rows.csv: 2 source rows",
        "calls: the rows come to 1100",
        "price of chat_call 0.011123 stands in pricebooks/2026-Q3.yaml:13",
        "1100 x 0.011123 = 12.2353",
        "rounded (half_up) to 12.24",
        "component base 10.24",
        "event 1 (dispute-open D-2026-0001) has its hash",
        "all of it holds",
    ):
        assert step in said
    rows = list(csv.DictReader((folder / "rows.csv").open(newline="")))
    assert [(row["where"], row["usage_id"], row["requests"]) for row in rows] == [
        ("usage/july.csv:6", "k5", "300"),
        ("usage/july.csv:13", "k12", "800"),
    ]
    facts = json.loads((folder / "explanation.json").read_text())["facts"]
    assert {rule["where"] for rule in facts["rules"]} >= {"finledger.yaml:18", "finledger.yaml:24"}
    assert "autosuggest" in (folder / "finledger.yaml").read_text().splitlines()[23]


def test_bundle__is_the_same_bytes_every_time(tmp_path: Path) -> None:
    books = charged("23-classification", tmp_path, "2026-07")
    made = bundled(books, "2026-07", team="search")
    first = made.path.read_bytes()
    again = write_bundle(Workbench(books), "D-2026-0001", tmp_path / "elsewhere.zip")
    assert again.path.read_bytes() == first and again.sha256 == hashlib.sha256(first).hexdigest()
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert tuple(sorted(archive.namelist())) == made.members
    made.path.unlink()
    finledger("dispute", "bundle", "D-2026-0001", "--dry-run", "--books", books)
    assert not made.path.exists()


def test_any_byte__is_missed(tmp_path: Path) -> None:
    """One bit of one byte, at the beginning, in the middle and at the end of every file."""
    made = bundled(charged("26-currencies", tmp_path, "2026-07"), "2026-07", kind="passthrough")
    folder = unpacked(made.path, tmp_path / "evidence")
    assert "rates.csv" in made.members and len(made.members) == 9
    for name in made.members:
        whole = (folder / name).read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 1):
            (folder / name).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            if name == "check.py":  # which may not even start then: whoever has finledger uses its own
                with zipfile.ZipFile(tmp_path / "changed.zip", "w") as archive:
                    for each in made.members:
                        archive.write(folder / each, each)
                problems = check_bundle(tmp_path / "changed.zip")
                assert [problem.code for problem in problems] == ["bundle-wrong"] and name in problems[0].message
            else:
                code, said = checked(folder)
                assert code == 1 and "WRONG" in said, f"{name} at {place}"
        (folder / name).write_bytes(whole)
    assert checked(folder)[0] == 0


def test_file__taken_away_or_added(tmp_path: Path) -> None:
    made = bundled(charged("23-classification", tmp_path, "2026-07"), "2026-07", team="search")
    folder = unpacked(made.path, tmp_path / "evidence")
    (folder / "more.csv").write_text("a\n")
    assert "more.csv is not listed" in checked(folder)[1]
    (folder / "more.csv").unlink()
    (folder / "finledger.yaml").unlink()
    code, said = checked(folder)
    assert code == 1 and "finledger.yaml is not what it was" in said


def test_tokens_of_a_row__changed_with_its_hash(tmp_path: Path) -> None:
    """Metered calls: who changes a row and signs again is told which sum does not come out, and what the line would be."""
    made = bundled(charged("28-metered-buckets", tmp_path, "2026-07"), "2026-07", kind="action")
    folder = unpacked(made.path, tmp_path / "evidence")
    assert checked(folder)[0] == 0
    line = json.loads((folder / "explanation.json").read_text())["line"]

    def more(rows: list[dict[str, str]]) -> None:
        rows[0]["output_tokens"] = str(int(rows[0]["output_tokens"] or 0) + 1_000_000)

    rewritten(folder, more)
    code, said = checked(folder)
    assert code == 1 and "has its SHA-256" in said and "is not what it was" not in said
    assert "WRONG  output_tokens: the rows come to" in said
    assert f"WRONG  {line['line_id']} is {line['amount']} USD on the document, and" in said


def test_row__taken_out_with_its_hash(tmp_path: Path) -> None:
    made = bundled(charged("23-classification", tmp_path, "2026-07"), "2026-07", team="search", feature="autosuggest")
    folder = unpacked(made.path, tmp_path / "evidence")
    rewritten(folder, lambda rows: rows.pop(0))
    said = checked(folder)[1]
    assert "WRONG  rows.csv has 1 rows, not 2" in said
    assert "WRONG  calls: the rows come to 800, the line was made of 1100" in said


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("explanation.json", '"0.011123"', '"0.012123"', "price of chat_call 0.012123 does not stand in"),
        ("explanation.json", '"amount": "12.24"', '"amount": "12.25"', "12.25 USD on the document, and 12.24"),
        ("explanation.json", '"half_up"', '"half_even"', ""),  # 12.2353 is the same either way: only the book's hash tells
        ("pricebooks/2026-Q3.yaml", "0.011123", "0.011124", "WRONG  price book 2026-Q3.v1"),
        ("dispute.json", "Why?", "So!?", "event 1 (dispute-open D-2026-0001) is not what its hash says"),
    ],
)
def test_figure__changed_with_its_hash(tmp_path: Path, name: str, old: str, new: str, said: str) -> None:
    made = bundled(charged("23-classification", tmp_path, "2026-07"), "2026-07", team="search", feature="autosuggest")
    folder = unpacked(made.path, tmp_path / "evidence")
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    assert checked(folder)[0] == 1
    sign_again(folder)
    code, shown = checked(folder)
    assert (code, said in shown) == (1 if said else 0, True), shown


KINDS = [
    ("04-half-cents-half-even", "2026-07", {"kind": "action"}),
    ("07-eval-shares-other", "2026-07", {"item": "eval_run"}),
    ("14-yen", "2026-07", {"kind": "action"}),
    ("15-dinar", "2026-07", {"kind": "action"}),
    ("17-registry-additive", "2026-07", {"kind": "action"}),
    ("18-registry-of-price", "2026-07", {"kind": "action"}),
    ("20-uplift-on-gpu-and-egress", "2026-07", {"kind": "gpu"}),
    ("20-uplift-on-gpu-and-egress", "2026-07", {"kind": "egress"}),
    ("21-pools", "2026-07", {"kind": "shared"}),
    ("25-pass-through-billed", "2026-07", {"kind": "passthrough"}),
    ("26-currencies", "2026-07", {"kind": "passthrough"}),
    ("34-idle-capacity", "2026-07", {"kind": "gpu_idle"}),
    ("36-finops-led", "2026-07", {"kind": "action"}),
    ("37-it-led", "2026-07", {"kind": "seat"}),
    ("38-seats-include-actions", "2026-07", {"item": "agent_step"}),
    ("40-coverage-premium", "2026-07", {"kind": "coverage_premium", "feature": "half"}),
    ("43-stale-evals", "2026-08", {"kind": "freshness_premium"}),
    ("41-premium-recovered", "2026-08", {"kind": "coverage_credit"}),
    ("44-burst", "2026-07", {"kind": "buffer_draw"}),
    ("50-loan", "2026-10", {"kind": "buffer_repayment"}),
    ("52-eval-pooled", "2026-07", {"item": "eval_run"}),
]


@pytest.mark.parametrize(("name", "month", "key"), KINDS, ids=[f"{name}-{'-'.join(key.values())}" for name, _, key in KINDS])
def test_kind_of_line(name: str, month: str, key: dict[str, str], tmp_path: Path) -> None:
    """Every kind of line there is, back to its rows or to the facts that it was decided by; another amount is not accepted."""
    months = sorted(path.stem for path in (EXAMPLES / name / "expected").glob("????-[01][0-9].csv") if path.stem <= month)
    made = bundled(charged(name, tmp_path, *months), month, **key)
    assert check_bundle(made.path) == ()
    folder = unpacked(made.path, tmp_path / "evidence")
    said = json.loads((folder / "explanation.json").read_text())
    cent = Decimal(1).scaleb(-said["minor_digits"])
    said["line"]["amount"] = str(Decimal(said["line"]["amount"]) + cent)
    (folder / "explanation.json").write_text(json.dumps(said))
    sign_again(folder)
    assert any("on the document, and" in problem.message for problem in check_bundle(folder))


def test_credit__can_be_disputed_and_is_worked_out(tmp_path: Path) -> None:
    """A third of example 65's 3,182.40: 1,060.80 of what was left, which is the event's own word for it."""
    books = charged("65-dispute-credit-rebill", tmp_path)
    finledger("invoice", "--books", books, "--month", "2026-01", "--quiet")
    bench = Workbench(books)
    line = next(line for line in bench.ledger.charge_rows(Month(2026, 1), "ads"))
    give_credit(
        bench, "INV-2026-0001", line.line_id, reason="r", by="Bo", on=DAY, quantity=Decimal(100_000), rebill="search"
    )
    finledger("invoice", "--books", books, "--month", "2026-01", "--quiet")
    made = bundled(books, "2026-01", team="search", kind="adjustment")
    assert check_bundle(made.path) == ()
    code, said = checked(unpacked(made.path, tmp_path / "evidence"))
    assert code == 0 and "3182.40 x 1/3 = 1060.8, rounded (half_up) to 1060.80" in said


def test_closed_month__is_bundled_as_it_was_sealed(tmp_path: Path) -> None:
    """After the close a rule changes, and 5,000 late calls of January come in: the evidence is that of the close."""
    books = charged("65-dispute-credit-rebill", tmp_path)
    finledger("invoice", "--books", books, "--month", "2026-01", "--quiet")
    finledger("close", "--books", books, "--month", "2026-01", *WAIVED, "--quiet")
    settings = books / "finledger.yaml"
    before = settings.read_bytes()
    settings.write_bytes(before + b"  maps: {cost_center: cc-9}\n")
    late = "usage_id,ts,team,feature,workload_type,model,action,requests\n"
    late += "z1,2026-01-30T12:00:00Z,ads,bidding,inference,gpt-large,chat_call,5000\n"
    (books / "usage" / "late.csv").write_text(late)
    finledger("load", "--books", books, "--quiet")
    made = bundled(books, "2026-01", team="ads")
    folder = unpacked(made.path, tmp_path / "evidence")
    assert (folder / "finledger.yaml").read_bytes() == before
    assert made.rows == 2 and made.problems == ()
    assert checked(folder)[0] == 0
    root = Workbench(books).ledger.events("close")[0].hash
    assert json.loads((folder / "dispute.json").read_text())["close"] == {"number": 1, "root": root}
    assert root in (folder / "README.txt").read_text()


def test_correction__of_a_closed_month(tmp_path: Path) -> None:
    """5,000 late calls of ads: restated 305,000 x 0.010608 = 3,235.44, less the 3,182.40 that were posted: 53.04."""
    books = charged("65-dispute-credit-rebill", tmp_path)
    finledger("invoice", "--books", books, "--month", "2026-01", "--quiet")
    finledger("close", "--books", books, "--month", "2026-01", *WAIVED, "--quiet")
    late = "usage_id,ts,team,feature,workload_type,model,action,requests\n"
    late += "z1,2026-01-30T12:00:00Z,ads,bidding,inference,gpt-large,chat_call,5000\n"
    (books / "usage" / "late.csv").write_text(late)
    finledger("load", "--books", books, "--quiet")
    finledger("invoice", "--books", books, "--month", "2026-02", "--quiet")
    made = bundled(books, "2026-02", team="ads", service_month=Month(2026, 1))
    code, said = checked(unpacked(made.path, tmp_path / "evidence"))
    assert code == 0, said
    assert "calls: the rows come to 5000" in said
    assert "restated 3235.44 - posted 3182.40 = 53.04" in said


def test_many_rows__all_of_them_or_said_so(tmp_path: Path) -> None:
    """45,000 rows of a call each, read in batches; with room for 30,000 the bundle says what is not there."""
    books = charged("65-dispute-credit-rebill", tmp_path)
    lines = [f"n{n},2026-02-{n % 28 + 1:02d}T12:00:00Z,ads,many,inference,gpt-large,chat_call,1" for n in range(45_000)]
    (books / "usage" / "many.csv").write_text(
        "usage_id,ts,team,feature,workload_type,model,action,requests\n" + "\n".join(lines) + "\n"
    )
    finledger("load", "--books", books, "--quiet")
    finledger("allocate", "--books", books, "--month", "2026-02", "--quiet")
    made = bundled(books, "2026-02", feature="many")
    assert (made.rows, made.all_rows) == (45_000, 45_000) and check_bundle(made.path) == ()
    with zipfile.ZipFile(made.path) as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("rows.csv"), "utf-8", newline="")))
    assert [row["usage_id"] for row in rows] == [f"n{n}" for n in range(45_000)]
    assert (rows[0]["where"], rows[-1]["where"]) == ("usage/many.csv:2", "usage/many.csv:45001")
    part = write_bundle(Workbench(books), "D-2026-0001", tmp_path / "part.zip", rows_limit=30_000)
    assert (part.rows, part.all_rows) == (30_000, 45_000)
    code, said = checked(unpacked(part.path, tmp_path / "evidence"))
    assert code == 0 and "rows.csv holds 30000 of 45000 rows: their sums are taken as stated, not added up" in said


def test_formulas__do_not_run_in_a_spreadsheet(tmp_path: Path) -> None:
    books = charged("65-dispute-credit-rebill", tmp_path)
    (books / "usage" / "odd.csv").write_text(
        "usage_id,ts,team,feature,workload_type,model,action,requests,user\n"
        "=1+1,2026-02-03T12:00:00Z,ads,odd,inference,gpt-large,chat_call,1000,@SUM(A1)\n"
    )
    finledger("load", "--books", books, "--quiet")
    finledger("allocate", "--books", books, "--month", "2026-02", "--quiet")
    made = bundled(books, "2026-02", feature="odd")
    folder = unpacked(made.path, tmp_path / "evidence")
    (row,) = csv.DictReader((folder / "rows.csv").open(newline=""))
    assert (row["usage_id"], row["user"]) == ("'=1+1", "'@SUM(A1)")
    assert checked(folder)[0] == 0
