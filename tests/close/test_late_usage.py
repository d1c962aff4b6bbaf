"""Usage that comes after its month was closed: corrections in the open month, each to the cent, and no cent twice (rule L3)."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from finledger.core.model import ChargeLine
from finledger.core.money import total
from finledger.core.period import Month
from finledger.workbench import Workbench
from finledger.workbench.verify import verify
from tests.close.small_books import (
    AUGUST,
    JULY,
    PRICEBOOK,
    SEPTEMBER,
    SETTINGS,
    bill,
    charged,
    close,
    closed_already,
    daily,
    edit,
    load_late,
    make_books,
    row,
    write,
)
from tests.support import finledger

QUALITY = """\
quality:
  coverage: {target: 0.80, floor: 0.20, max_multiplier: 1.50}
  freshness: {slo: 0.90, step: 0.05, cap: 0.25}
"""


def closed_july(root: Path, *rows: str, settings: str = "", prices: str = "", texts: dict[str, str] | None = None) -> Path:
    """31,000 calls of search and these rows, closed. August has usage of search on each day."""
    all_texts = {"finledger.yaml": SETTINGS + settings, "pricebooks/2026-Q3.yaml": PRICEBOOK + prices, **(texts or {})}
    make_books(root, {"july.csv": [*daily(JULY), *rows], "august.csv": daily(AUGUST)}, all_texts)
    return closed_already(root, JULY)


def posted_late(root: Path, *rows: str, month: Month = AUGUST) -> dict[tuple[str, str, str], str]:
    """What the month posts for July once these rows are loaded: (team, item or kind, component) → amount."""
    if rows:
        load_late(root, f"late-{len(Workbench(root).ledger.files())}.csv", rows)
    charges, _ = Workbench(root).allocate(month)
    late = [line for line in charges.lines if line.key.service_month == JULY]
    assert all(line.key.posting_month == month for line in late)
    return {
        (line.key.team, line.key.item or line.key.kind, component): str(amount)
        for line in late
        for component, amount in line.components
    }


def test_one_row(tmp_path: Path) -> None:
    """32,000 calls are 403.20; 390.60 (31 x 12.60) were charged: 12.60, in the parts of a thousand calls."""
    root = closed_july(tmp_path)
    assert posted_late(root, row("l1", "2026-07-20", "search", 1000)) == {
        ("search", "chat_call", "base"): "10.00",
        ("search", "chat_call", "overhead"): "1.90",
        ("search", "chat_call", "registry"): "0.10",
        ("search", "chat_call", "buffer"): "0.60",
    }
    (line,) = [line for line in Workbench(root).ledger.charge_rows(AUGUST) if line.key.service_month == JULY]
    assert (str(line.quantity), str(line.unit_price)) == ("1000", "0.0126")
    entries = [entry for entry in Workbench(root).ledger.entries(AUGUST) if entry.service_month == JULY]
    expense = [each.amount for entry in entries for each in entry.postings if each.account.key == "ai_service_expense"]
    assert str(total(expense, "USD")) == "12.60"
    assert {entry.posting_date.isoformat() for entry in entries} == {"2026-08-31"}


def test_one_row__on_a_note_that_names_the_invoice(tmp_path: Path) -> None:
    root = closed_july(tmp_path)
    load_late(root, "late.csv", [row("l1", "2026-07-20", "search", 1000)])
    finledger("invoice", "--month", "2026-08", "--to", "json", "-q", "--books", root)
    (path,) = (root / "out/2026-08/notes").glob("*.json")
    note = json.loads(path.read_bytes())
    assert (note["kind"], note["number"], note["original"], note["total"]) == (
        "debit_note",
        "DN-2026-0001",
        "INV-2026-0001",
        "12.60",
    )
    (invoice,) = (root / "out/2026-08/invoices").glob("*-search.json")
    assert json.loads(invoice.read_bytes())["total"] == "390.60"


def test_rounding__of_the_whole_not_of_the_rest(tmp_path: Path) -> None:
    """One call is 0.0126: 0.01. Two are 0.0252: 0.03. So the second, which would be 0.01 by itself, is 0.02."""
    root = closed_july(tmp_path, row("s1", "2026-07-02", "support", 1))
    found = posted_late(root, row("l1", "2026-07-20", "support", 1))
    assert {(team, item) for team, item, _ in found} == {("support", "chat_call")}
    assert charged(root, AUGUST)["support", "2026-07", "chat_call"] == "0.02"


def test_shared_class(tmp_path: Path) -> None:
    """1,001 runs are 12.61 (12.6126), halved with the odd cent to the team: 6.31 and 6.30. 2,001 are 25.21 (25.2126): 12.61 and
    12.60. So 6.30 each are added.
    """
    root = closed_july(tmp_path, row("e1", "2026-07-02", "search", 1001, "eval_run"))
    posted_late(root, row("l1", "2026-07-20", "search", 1000, "eval_run"))
    assert charged(root, JULY)["search", "2026-07", "eval_run"] == "6.31"
    assert charged(root, AUGUST)["search", "2026-07", "eval_run"] == "6.30"
    charges, _ = Workbench(root).charge(AUGUST)
    (shown,) = [each for each in charges.disclosures if each.key.service_month == JULY]
    assert (str(shown.gross), str(shown.platform_share), str(shown.paid)) == ("12.60", "6.30", "6.30")


def test_pool__other_teams_shares_move(tmp_path: Path) -> None:
    """90.00 by requests: 31,000 each of three teams are 30.00 each. With 31,000 more of support's it is a quarter, a half and a
    quarter: 22.50, 45.00, 22.50.
    """
    pool = "pools: {lines: {amount: {2026-07: 90.00}, driver: requests, to: teams}}\n"
    even = [*daily(JULY, "support"), *daily(JULY, "research")]
    root = closed_july(tmp_path, *even, settings=pool)
    found = posted_late(root, row("l1", "2026-07-20", "support", 31000))
    assert {key: amount for key, amount in found.items() if key[1] == "lines"} == {
        ("search", "lines", "shared"): "-7.50",
        ("support", "lines", "shared"): "15.00",
        ("research", "lines", "shared"): "-7.50",
    }
    assert charged(root, AUGUST)["support", "2026-07", "chat_call"] == "390.60"


def test_team_without_a_line_before__and_pro_forma(tmp_path: Path) -> None:
    """Research pays nothing: its 500 calls, 6.30, stand on August's statement, and nothing of them is posted."""
    root = closed_july(tmp_path)
    posted_late(root, row("l1", "2026-07-20", "research", 500))
    assert charged(root, AUGUST)["research", "2026-07", "chat_call"] == "6.30"
    assert {entry.team for entry in Workbench(root).ledger.entries(AUGUST)} == {"search"}
    finledger("invoice", "--month", "2026-08", "--to", "json", "-q", "--books", root)
    assert not (root / "out/2026-08/notes").exists()
    statement = json.loads((root / "out/2026-08/statements/research.json").read_bytes())
    assert statement["total"] == "6.30"


def test_nobodys_row(tmp_path: Path) -> None:
    """1,000 calls of nobody are unallocated in August, for July; nothing is posted of them."""
    root = closed_july(tmp_path)
    posted_late(root, row("l1", "2026-07-20", "", 1000))
    assert charged(root, AUGUST)["(unallocated)", "2026-07", "chat_call"] == "12.60"
    assert {entry.team for entry in Workbench(root).ledger.entries(AUGUST)} == {"search"}


def test_negative_bill(tmp_path: Path) -> None:
    """A refund of 15.00 that comes late on a bill of 10.00: a credit of 15.00, a credit note below it."""
    root = closed_july(tmp_path, bill("b1", "2026-07-06", "search", "10.00"))
    assert posted_late(root, bill("b2", "2026-07-07", "search", "-15.00")) == {
        ("search", "passthrough", "passthrough"): "-15.00"
    }
    finledger("invoice", "--month", "2026-08", "--to", "json", "-q", "--books", root)
    (path,) = (root / "out/2026-08/notes").glob("*.json")
    assert json.loads(path.read_bytes())["kind"] == "credit_note"


def test_premium__by_the_multiplier_of_the_close(tmp_path: Path) -> None:
    """Coverage of 0.50 between 0.80 and 0.20 multiplies by 1.25: a base of 10.00 bears 2.50 more. So do 1,000 later calls,
    although the coverage was written down to 0.20 meanwhile, which would be 1.50.
    """
    evals = "month,feature,coverage,in_distribution,tasks,graded,correct\n2026-07,ask,0.50,0.95,,,\n"
    asked = [row(each, "2026-07-05", "search", 1000).replace(",search,,", ",search,ask,") for each in ("a1", "a2")]
    root = closed_july(tmp_path, asked[0], prices=QUALITY, texts={"evals/2026.csv": evals})
    edit(root / "evals/2026.csv", "0.50", "0.20")
    found = posted_late(root, asked[1])
    premiums = {key[2]: amount for key, amount in found.items() if "premium" in key[2]}
    assert premiums == {"coverage_premium": "2.50"}


def test_sealed_terms__price_and_cost_centre(tmp_path: Path) -> None:
    """A new price from the 16th, and a reorganisation: the late row of the 20th is July's as July was closed."""
    root = closed_july(tmp_path)
    edit(root / "finledger.yaml", "cc-4815", "cc-9999")
    second = PRICEBOOK.replace("version: 1", "version: 2").replace(
        "effective_from: 2026-07-01", "effective_from: 2026-07-16"
    )
    write(root / "pricebooks/2026-Q3-v2.yaml", second.replace("base: 0.01, price: 0.0126", "base: 0.02, price: 0.0252"))
    found = posted_late(root, row("l1", "2026-07-20", "search", 1000))
    assert sum(float(amount) for amount in found.values()) == pytest.approx(12.60)
    rows = Workbench(root).ledger.charge_rows(AUGUST)
    assert {(str(line.key.service_month), line.key.cost_center, str(line.unit_price)) for line in rows} == {
        ("2026-07", "cc-4815", "0.0126"),
        ("2026-08", "cc-9999", "0.0252"),
    }


def test_twice__while_the_month_is_open_and_after_it_was_closed(tmp_path: Path) -> None:
    """1,000 calls, then 2,000 more while August is open: 37.80 of it. After its close 500 more: 6.30 in September. July came to
    34,500 calls, 434.70 = 390.60 + 37.80 + 6.30.
    """
    root = closed_july(tmp_path)
    posted_late(root, row("l1", "2026-07-20", "search", 1000))
    assert charged(root, AUGUST)["search", "2026-07", "chat_call"] == "12.60"
    posted_late(root, row("l2", "2026-07-21", "search", 2000))
    assert charged(root, AUGUST)["search", "2026-07", "chat_call"] == "37.80"
    close(root, AUGUST)
    load_late(root, "september.csv", daily(SEPTEMBER))
    assert posted_late(root, month=SEPTEMBER) == {}
    posted_late(root, row("l3", "2026-07-22", "search", 500), month=SEPTEMBER)
    assert charged(root, SEPTEMBER)["search", "2026-07", "chat_call"] == "6.30"
    close(root, SEPTEMBER)
    assert charged(root, AUGUST)["search", "2026-07", "chat_call"] == "37.80"
    assert verify(Workbench(root)).problems == ()


def test_late_rows_of_two_months(tmp_path: Path) -> None:
    """Of July and of August, after both were closed: September posts both, each for its own month."""
    root = closed_july(tmp_path)
    close(root, AUGUST)
    load_late(root, "september.csv", daily(SEPTEMBER))
    load_late(root, "late.csv", [row("l1", "2026-07-20", "search", 1000), row("l2", "2026-08-20", "search", 2000)])
    Workbench(root).allocate(SEPTEMBER)
    found = charged(root, SEPTEMBER)
    assert (found["search", "2026-07", "chat_call"], found["search", "2026-08", "chat_call"]) == ("12.60", "25.20")


def test_corrected_and_corrected_back(tmp_path: Path) -> None:
    """A late bill of 4.00, and after August's close one of -4.00: the second takes the first back."""
    root = closed_july(tmp_path)
    posted_late(root, bill("b1", "2026-07-20", "search", "4.00"))
    close(root, AUGUST)
    load_late(root, "september.csv", daily(SEPTEMBER))
    assert posted_late(root, bill("b2", "2026-07-20", "search", "-4.00"), month=SEPTEMBER) == {
        ("search", "passthrough", "passthrough"): "-4.00"
    }


def test_only_the_first_open_month_posts_them(tmp_path: Path) -> None:
    root = closed_july(tmp_path)
    load_late(root, "september.csv", daily(SEPTEMBER))
    assert posted_late(root, row("l1", "2026-07-20", "search", 1000), month=SEPTEMBER) == {}
    assert len(posted_late(root)) == 4


def test_stray_month_before_the_books__is_charged_if_it_can_be(tmp_path: Path) -> None:
    """June was never charged: a row of it that comes late is charged in August, at the prices that July's close knew."""
    root = tmp_path
    early = PRICEBOOK.replace("2026-07-01", "2026-06-01").replace("published: 2026-06-24", "published: 2026-05-24")
    make_books(root, {"july.csv": daily(JULY), "august.csv": daily(AUGUST)}, {"pricebooks/2026-Q3.yaml": early})
    close(root, JULY)
    load_late(root, "late.csv", [row("l1", "2026-06-30", "search", 1000)])
    Workbench(root).allocate(AUGUST)
    assert charged(root, AUGUST)["search", "2026-06", "chat_call"] == "12.60"


def test_unpriced_late_row__is_never_left_out_in_silence(tmp_path: Path) -> None:
    """Late usage that cannot be charged stops the open month, and its close."""
    from finledger.core.problem import Refused

    root = closed_july(tmp_path)
    load_late(root, "late.csv", [row("l1", "2026-07-20", "search", 10, "dream")])
    for way in (lambda: Workbench(root).allocate(AUGUST), lambda: close(root, AUGUST)):
        with pytest.raises(Refused) as refused:
            way()
        assert {problem.code for problem in refused.value.problems} == {"action-unpriced"}


# ── the sum law ─────────────────────────────────────────────────────────────────────────────────────────────────────────


POOLS = """\
pools:
  lines: {amount: {2026-07: 100.01}, driver: requests, to: teams}
  gear: {amount: {2026-07: 7.77}, driver: charges, to: teams}
"""
EVALS = "month,feature,coverage,in_distribution,tasks,graded,correct\n2026-07,ask,0.41,0.95,,,\n"
Sums = dict[tuple[object, ...], int]


def july_rows(dice: random.Random) -> list[str]:
    """Some 60 rows of July: calls, shared runs, bills up and down, of every team and of nobody."""
    found = []
    for number in range(60):
        day = f"2026-07-{dice.randint(1, 31):02}"
        team = dice.choice(["search", "support", "research", "", "ai-platform"])
        kind = dice.random()
        if kind < 0.2:
            found.append(bill(f"r{number}", day, team, f"{dice.randint(-900, 1900) / 100:.2f}"))
        else:
            action = "eval_run" if kind < 0.4 else "chat_call"
            calls = dice.choice([1, 3, 79, 1000, 12345])
            feature = dice.choice(["", "ask"])
            found.append(row(f"r{number}", day, team, calls, action).replace(f",{team},,", f",{team},{feature},", 1))
    return found


def summed(lines: Iterable[ChargeLine]) -> Sums:
    """Cents by line, the posting month left out, and by component."""
    found: Sums = defaultdict(int)
    for line in lines:
        if line.key.service_month == JULY:
            for component, amount in line.components:
                found[(*line.key._replace(posting_month=JULY), component)] += amount.minor
    return {key: minor for key, minor in found.items() if minor}


@pytest.mark.parametrize("seed", range(6))
def test_sum_law(seed: int, tmp_path: Path) -> None:
    """However the rows of July come in, on time, while August is open or after its close: all that July, August and September
    post for July is what July would have been charged with every row at once, line by line and component by component.
    """
    dice = random.Random(seed)
    rows = july_rows(dice)
    batches: Sequence[list[str]] = ([], [], [])
    for each in rows:
        batches[dice.choices((0, 1, 2), weights=(dice.random() + 0.1, 1, 1))[0]].append(each)
    texts = {
        "finledger.yaml": SETTINGS + POOLS,
        "pricebooks/2026-Q3.yaml": PRICEBOOK + QUALITY,
        "evals/2026.csv": EVALS,
    }
    always = [row("a1", "2026-07-01", "search", 1)]  # so that July has usage on time
    once = make_books(tmp_path / "once", {"july.csv": [*always, *rows]}, texts)
    split = make_books(tmp_path / "split", {"july.csv": [*always, *batches[0]]}, texts)
    waive = "days-missing unallocated-high month-not-loaded"
    close(split, JULY, waive=waive)
    load_late(split, "late-1.csv", batches[1] or [row("z1", "2026-08-01", "search", 1)])
    close(split, AUGUST, waive=waive)
    load_late(split, "late-2.csv", batches[2] or [row("z2", "2026-09-01", "search", 1)])
    close(split, SEPTEMBER, waive=waive)
    ledger = Workbench(split).ledger
    posted = [line for month in (JULY, AUGUST, SEPTEMBER) for line in ledger.charge_rows(month)]
    charges, _ = Workbench(once).charge(JULY)
    assert summed(posted) == summed(charges.lines)
    gross = sum(each.gross.minor for each in charges.disclosures)
    spread = [each for month in (JULY, AUGUST, SEPTEMBER) for each in disclosed(split, month)]
    assert sum(spread) == gross
    assert verify(Workbench(split)).problems == ()


def disclosed(root: Path, month: Month) -> list[int]:
    """Gross cents of what the month shows as shared for July."""
    charges, _ = Workbench(root).allocate(month)
    return [each.gross.minor for each in charges.disclosures if each.key.service_month == JULY]
