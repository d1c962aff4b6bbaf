"""explain, from a posting of the journal or a difference with a provider down to lines, rows and rates, on figures of one's own.

A thousand chat calls are 10.00 of base, 1.90 of overhead, 0.10 of registry and 0.60 of buffer: 12.60.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finledger.workbench import Workbench
from finledger.workbench.closing import reopen
from tests.cli.test_provider_quarter import bill, close_month, quarter, use  # noqa: F401  (the fixture)
from tests.close.small_books import (
    AUGUST,
    JULY,
    PRICEBOOK,
    Q3,
    SEPTEMBER,
    SETTINGS,
    close,
    closed_already,
    daily,
    export,
    load_late,
    make_books,
    row,
    write,
)
from tests.support import ROOT, copy_books, finledger, finledger_json, prepared

Said = Any


class Asking:
    """A set of books, and what `explain` says of it."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = root, capsys

    def __call__(self, *words: object, expect: int = 0) -> Said:
        return finledger_json(self.capsys, "explain", *words, "--books", self.root, expect=expect)

    def refused(self, *words: object) -> str:
        self.capsys.readouterr()
        finledger("explain", *words, "--books", self.root, expect=2)
        return str(self.capsys.readouterr().err)

    def lines(self, month: Any, **key: str) -> list[str]:
        found = Workbench(self.root).ledger.charge_rows(month)
        return [line.line_id for line in found if all(str(getattr(line.key, name)) == word for name, word in key.items())]


def postings(said: Said) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """(role of the account, component) → its parts by name and amount; they add up to the posting."""
    for each in said["postings"]:
        assert each["holds"] and Decimal(each["sum"]) == Decimal(each["amount"])
        assert sum(Decimal(part["amount"]) for part in each["parts"]) == Decimal(each["amount"])
    return {
        (each["role"], each["component"]): [(part["part"], part["amount"]) for part in each["parts"]]
        for each in said["postings"]
    }


def classes(said: Said) -> dict[str, str]:
    return {each["class"]: each["amount"] for each in said["classes"] if each["amount"] != "0.00"}


# ── charges ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def closed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Asking:
    """July closed with 31,000 calls of search in chat and 1,000 in evaluation; 1,000 more chat calls of July came late."""
    usage = {"july.csv": [*daily(JULY), row("e1", "2026-07-02", "search", 1000, "eval_run")], "august.csv": daily(AUGUST)}
    root = make_books(tmp_path / "books", usage)
    closed_already(root, JULY)
    write(root / "usage/late.csv", export([row("l1", "2026-07-20", "search", 1000)]))
    return Asking(prepared(root, ("load",), ("invoice", "--month", "2026-08", "--to", "json", "-q")), capsys)


def test_charges__each_posting_is_the_sum_of_its_lines(closed: Asking) -> None:
    """Half of the evaluation's 12.60 is the team's: 5.00, 0.95, 0.05 and 0.30 of 6.30."""
    (chat,), (evaluation,) = closed.lines(JULY, item="chat_call"), closed.lines(JULY, item="eval_run")
    said = closed("2026-07/search/cc-4815")
    assert said["close"] is not None and said["entry"]["memo"] == "AI services of search in 2026-07"
    found = postings(said)
    assert found["ai_service_expense", "base"] == [(chat, "310.00"), (evaluation, "5.00")]
    assert found["recovery_of_usage", "base"] == [(chat, "-310.00"), (evaluation, "-5.00")]
    assert found["buffer_fund", "buffer"] == [(chat, "-18.60"), (evaluation, "-0.30")]
    assert said["next"] == [f"finledger explain 2026-07/search {line}" for line in (chat, evaluation)]
    only = closed("2026-07/search/cc-4815", "overhead")
    assert [(each["posting"], each["amount"]) for each in only["postings"]] == [(3, "59.85"), (4, "-59.85")]
    assert only["postings"][0]["rule"] == {
        "id": "L1",
        "component": "overhead",
        "debit": "AI service expense @consumer",
        "credit": "Recovery of overhead @platform",
    }


def test_charges__of_a_correction_and_the_line_behind_it(closed: Asking) -> None:
    """32,000 calls are 403.20; 390.60 were posted: 12.60 on a debit note, and its row is the late one."""
    (late,) = closed.lines(AUGUST, service_month="2026-07")
    found = postings(closed("2026-08/search/cc-4815/2026-07"))
    assert found["ai_service_expense", "registry"] == [(late, "0.10")]
    said = closed("DN-2026-0001", late)
    facts = said["facts"]
    (chat,) = closed.lines(JULY, item="chat_call")
    assert (said["document"]["kind"], said["line"]["amount"], said["same"]) == ("note", "12.60", True)
    assert (facts["restated"]["value"], facts["posted"]["value"], facts["difference"]) == ("403.20", "390.60", "12.60")
    assert facts["quantity"] == {"value": "1000", "restated": "32000", "posted": "31000"}
    assert [(each["name"], each["document"]) for each in facts["posted"]["parts"]] == [(chat, "INV-2026-0001")]
    assert said["next"] == [f"finledger explain INV-2026-0001 {chat}"]
    assert [(each["where"], each["requests"]) for each in said["rows"]["first"]] == [("usage/late.csv:2", 1000)]
    assert {each["measure"]: each["holds"] for each in said["rows"]["checks"]} == {"calls": True}


def test_compound_calls__who_operated_what_of_which_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Example 63: retrieval operated 0.13 + 1.51 of what insights caused; nothing is closed yet."""
    asked = Asking(copy_books(ROOT / "tests" / "examples" / "63-compound-call", tmp_path / "books"), capsys)
    finledger("load", "--books", asked.root, "--quiet")
    finledger("allocate", "--month", "2026-07", "--books", asked.root, "--quiet")
    said = asked("2026-07/insights/cc-4815/via/retrieval")
    assert [(each["component"], each["cost_center"], each["amount"]) for each in said["postings"]] == [
        ("operated", "cc-4822", "1.64"), ("operated", "cc-4815", "-1.64"),
        ("passed_on", "cc-4815", "1.64"), ("passed_on", "cc-4822", "-1.64"),
    ]  # fmt: skip
    assert sorted(part["amount"] for part in said["postings"][0]["parts"]) == ["0.13", "1.51"]
    assert postings(said)["recovery_of_passthrough", "passed_on"] and said["close"] is None
    (line, *_) = (part["part"] for part in said["postings"][0]["parts"])
    assert f"finledger explain 2026-07/insights {line}" in said["next"]


def test_correction_of_a_correction__counts_what_was_posted_in_between(closed: Asking) -> None:
    """In September 500 more calls of July come: 32,500 are 409.50; 390.60 + 12.60 were posted; 6.30 are left."""
    close(closed.root, AUGUST)
    load_late(closed.root, "later.csv", [row("l2", "2026-07-21", "search", 500), row("s1", "2026-09-01", "search", 1)])
    Workbench(closed.root).allocate(SEPTEMBER)
    (line,) = closed.lines(SEPTEMBER, service_month="2026-07")
    said = closed("2026-09/search", line)
    assert [each["value"] for each in said["facts"]["posted"]["parts"]] == ["390.60", "12.60"]
    assert (said["facts"]["restated"]["value"], said["line"]["amount"], said["same"]) == ("409.50", "6.30", True)
    assert [each["where"] for each in said["rows"]["first"]] == ["usage/later.csv:2"]


def test_credit__by_its_note_its_entry_and_the_dispute(closed: Asking) -> None:
    """All of July's evaluation is credited: 6.30 go back in the open month, as they were charged."""
    (evaluation,) = closed.lines(JULY, item="eval_run")
    asked = ("--reason", "we ran none", "--by", "Ada Byte", "--on", "2026-08-20", "-q", "--books", closed.root)
    finledger("dispute", "open", "INV-2026-0001", evaluation, *asked)
    decided = ("--outcome", "upheld", "--by", "Bo Chen", "--note", "so it is", "--on", "2026-08-21", "-q")
    finledger("dispute", "resolve", "D-2026-0001", *decided, "--books", closed.root)
    finledger("invoice", "--month", "2026-08", "--to", "json", "-q", "--books", closed.root)
    (credit,) = closed.lines(AUGUST, kind="adjustment")
    found = postings(closed("2026-08/search/cc-4815/2026-07/credit"))
    assert found["ai_service_expense", "base"] == [(credit, "-5.00")]
    said = closed("CN-2026-0001", credit)
    facts = said["facts"]
    assert (facts["credit"]["value"], facts["of"]["value"], facts["share"]) == ("C-2026-0001", evaluation, "1")
    wanted = {
        "value": "D-2026-0001",
        "raised_by": "Ada Byte",
        "reason": "we ran none",
        "state": "upheld",
        "note": "so it is",
    }
    assert {name: facts["dispute"][name] for name in wanted} == wanted
    assert (said["same"], said["next"]) == (True, [f"finledger explain INV-2026-0001 {evaluation}"])
    assert closed("INV-2026-0001", evaluation)["line"]["amount"] == "6.30"


def test_closed__the_texts_of_today_say_nothing_of_it(closed: Asking) -> None:
    """The price book's file and a cost centre change after the close; July is what was sealed, August is what is now."""
    (chat,) = closed.lines(JULY, item="chat_call")
    settings = closed.root / "finledger.yaml"
    settings.write_text(settings.read_text().replace("cc-4815", "cc-9999"))
    said = closed("INV-2026-0001", chat)
    assert (said["same"], said["facts"]["owner"]["cost_center"], said["close"]["number"]) == (True, "cc-4815", 1)
    root = Workbench(closed.root).ledger.events("close")[0].hash
    assert said["close"]["root"] == root
    (open_line,) = closed.lines(AUGUST, item="chat_call", service_month="2026-08")
    assert closed("2026-08/search", open_line)["same"] is False  # the team has another cost centre now
    closed.capsys.readouterr()
    finledger("explain", "INV-2026-0001", chat, "--books", closed.root)
    shown = closed.capsys.readouterr()
    assert f"close 1, root {root}" in shown.out and "line-changed" not in shown.err


def test_as_of__an_entry_and_a_line_as_they_were_believed(closed: Asking) -> None:
    (chat,) = closed.lines(JULY, item="chat_call")
    assert closed("2026-07/search", chat, "--as-of", "2026-07")["line"]["amount"] == "390.60"
    assert postings(closed("2026-07/search/cc-4815", "base", "--as-of", "1"))["ai_service_expense", "base"]
    assert "2026-08 has no entries" in closed.refused("2026-08/search/cc-4815", "--as-of", "2026-07")


def test_closed_again__what_was_posted_is_cancelled_by_name(closed: Asking) -> None:
    """July is reopened, and the 1,000 late calls are its own now: the entry is taken back and posted anew."""
    reopen(Workbench(closed.root), JULY, "late rows", "Ada")
    close(closed.root, JULY)
    (chat,) = closed.lines(JULY, item="chat_call")
    again, first = closed("2026-07/search/cc-4815/v2", "base"), closed("2026-07/search/cc-4815", "base")
    assert postings(again)["ai_service_expense", "base"][0] == (chat, "320.00")
    assert postings(first)["ai_service_expense", "base"][0] == (chat, "310.00")
    assert (first["close"]["number"], first["run"]) == (1, 1) and again["close"]["number"] > 1
    taken = closed("2026-07/search/cc-4815/cancelled")
    assert taken["facts"]["cancels"] == "2026-07/search/cc-4815"
    assert postings(taken)["ai_service_expense", "base"] == [("2026-07/search/cc-4815", "-315.00")]


# ── a quarter's end ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def settled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Asking:
    """Search draws 390.60 - 100.00 in August; 1,000 more calls of August came before the quarter's end. The fund may hold
    0.2 % of a month's base.
    """
    drawing = "search: {cost_center: cc-4815, stage: chargeback, forecast: {2026-08: 100.00}}"
    settings = SETTINGS.replace("search: {cost_center: cc-4815, stage: chargeback}", drawing)
    texts = {
        "finledger.yaml": f"{settings}buffer: {{opening: 900.00}}\n",
        "pricebooks/2026-Q3.yaml": f"{PRICEBOOK}buffer: {{trigger: 3.0, cap_per_team_per_quarter: 500.00, size: [0.001, 0.002]}}\n",
        "decisions/draws.csv": "month,team,cause,disclosure,requested\n2026-08,search,backfill,again,\n",
        "platform-costs.csv": "month,component,amount,account\n2026-07,registry,5.00,\n",
    }
    usage = {
        "july.csv": [*daily(JULY), *daily(JULY, "support", 100)],
        "august.csv": daily(AUGUST),
        "september.csv": [*daily(SEPTEMBER), *daily(SEPTEMBER, "support", 500)],
    }
    root = make_books(tmp_path / "books", usage, texts)
    closed_already(root, JULY, AUGUST)
    write(root / "usage/late.csv", export([row("l1", "2026-08-20", "search", 1000)]))
    closed_already(prepared(root, ("load",)), SEPTEMBER, Q3)
    return Asking(root, capsys)


def test_quarter__true_ups_and_rebates(settled: Asking) -> None:
    """403.20 - 100.00 = 303.20 would be drawn on final data: 12.60 more. The fund holds 900.00 + 66.66 of surcharges - 290.60 -
    12.60 = 663.46, and may hold 0.74: 662.72 go back by 55.80 and 10.86 paid, 554.75 and 107.97.
    """
    said = settled("2026-Q3/search/cc-4815")
    assert postings(said)["ai_service_expense", "buffer_true_up"] == [("2026-08", "-12.60")]
    assert postings(said)["buffer_fund", "buffer_rebate"] == [("rebate", "554.75")]
    (true_up,) = said["postings"][0]["parts"]
    assert (true_up["drawn"], true_up["on_final_data"]) == ("290.60", "303.20")
    assert said["facts"]["fund_before_rebates"]["value"] == "663.46"
    assert said["facts"]["excess"]["value"] == "662.72"
    shares = {each["name"]: (each["surcharges_paid"], each["value"]) for each in said["facts"]["excess"]["parts"]}
    assert shares == {"search": ("55.80", "554.75"), "support": ("10.86", "107.97")}
    (draw,) = settled.lines(AUGUST, kind="buffer_draw")
    assert said["next"] == [f"finledger explain 2026-08/search {draw}"]
    assert settled("2026-08/search", draw)["facts"]["granted"] == "290.60"


def test_quarter__a_reserve_releases_what_it_paid_for(settled: Asking) -> None:
    """11.11 were collected for the registry, which cost 5.00."""
    (debit, credit) = settled("2026-Q3/registry_reserve/cc-1000")["postings"]
    assert (debit["parts"][0]["amount"], credit["parts"][0]["amount"]) == ("5.00", "-5.00")
    assert {name: debit["parts"][0][name] for name in ("opening", "added", "cost")} == {
        "opening": "0.00",
        "added": "11.11",
        "cost": "5.00",
    }


def test_quarter__its_notes_and_the_same_without_the_sealed_file(settled: Asking) -> None:
    number = next((settled.root / "out/2026-Q3/notes").glob("*-search.json")).name.removesuffix("-search.json")
    listed = settled.refused(number, "L").partition(": ")[2]
    lines = [word for word in listed.replace(",", " ").split() if word.startswith("L") and len(word) == 16]
    said = {each["line"]["kind"]: each for each in (settled(number, line) for line in lines)}
    assert said["buffer_true_up"]["facts"]["true_up"] == {"value": "-12.60", "drawn": "290.60", "on_final_data": "303.20"}
    assert said["buffer_rebate"]["facts"]["excess"]["value"] == "662.72"
    sealed = settled("2026-Q3/search/cc-4815")
    (settled.root / "out/2026-Q3/reconciliation.json").write_text("{}")
    assert settled("2026-Q3/search/cc-4815") == sealed  # worked out again from what was sealed


# ── the provider's side ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def billed(quarter: Path, capsys: pytest.CaptureFixture[str]) -> Asking:  # noqa: F811
    return Asking(quarter, capsys)


def test_provider__accrual_and_its_reversal(billed: Asking) -> None:
    """2 M in at 3.00 and 0.5 M out at 12.00 a million are 6.00 each, of one row."""
    accrual = "2026-07/provider/openai/2026-07/accrual"
    said = billed(accrual)
    assert postings(said)["provider_expense", "provider_expense"] == [
        ("gpt-large input", "6.00"),
        ("gpt-large output", "6.00"),
    ]
    (first, _) = said["postings"][0]["parts"]
    assert (first["quantity"], first["unit"], first["contracted_rate"], first["exact"]) == (
        "2000000",
        "tokens",
        "0.000003",
        "6",
    )
    assert [(each["value"], each["where"]) for each in said["facts"]["rates"]] == [
        ("3", "pricebooks/2026-Q3.yaml:8"),
        ("12", "pricebooks/2026-Q3.yaml:8"),
    ]
    assert [row["where"] for row in said["rows"]["first"]] == ["usage/july.csv:2"]
    assert all(check["holds"] for check in said["rows"]["checks"])
    assert said["next"][0] == "finledger explain 2026-07/provider/openai 'gpt-large input'"
    taken = billed("2026-08/provider/openai/2026-07/reversal")
    assert postings(taken)["provider_expense", "provider_expense"] == [(accrual, "-12.00")]
    assert taken["next"] == [f"finledger explain {accrual}"]


def test_provider__an_invoice_and_its_variances(billed: Asking) -> None:
    """INV-7 bills 2.1 M in, 0.1 M more than metered: 0.30 of quantity; and a tax of 1.00."""
    said = billed("2026-08/provider/openai/2026-07/invoice/INV-7")
    found = postings(said)
    assert found["provider_variance", "quantity"] == [("gpt-large input", "0.30")]
    assert found["provider_expense", "credit_tax_fee"] == [("(tax)", "1.00")]
    assert found["provider_payable", "provider_payable"] == [
        ("gpt-large input", "-6.30"), ("gpt-large output", "-6.00"), ("VAT", "-1.00"),
    ]  # fmt: skip
    places = [part["where"] for part in said["postings"][-1]["parts"]]
    assert places == [f"provider-invoices/INV-7.csv:{line}" for line in (2, 3, 4)]
    memo = billed("2026-09/provider/openai/2026-07/invoice/CM-7", "quantity")
    (change,) = memo["postings"][0]["parts"]
    assert (change["amount"], change["before"], change["after"]) == ("-3.30", "0.30", "-3.00")


def test_variance__as_it_was_posted(billed: Asking) -> None:
    """2.0 M invoiced less 0.1 M credited, 3.0 M metered at 3.00 in the end: -3.00 of quantity."""
    said = billed("2026-07/openai", "gpt-large in")
    assert said["variance"] == {
        "month": "2026-07", "provider": "openai", "sku": "gpt-large input", "currency": "USD", "invoiced": True, "posted": True,
    }  # fmt: skip
    assert classes(said) == {"quantity": "-3.00"} and len(said["classes"]) == 9
    quantity = next(each for each in said["classes"] if each["class"] == "quantity")
    assert quantity["formula"] == "(invoiced - metered quantity) x contracted rate - timing"
    assert [quantity[name] for name in ("invoiced_quantity", "metered_quantity", "contracted_rate", "exact")] == [
        "2000000", "3000000", "0.000003", "-3",
    ]  # fmt: skip
    assert [(each["invoice"], each["amount"], each["where"]) for each in said["lines"]] == [
        ("CM-7", "-0.3", "provider-invoices/CM-7.csv:2"),
        ("INV-7", "6.3", "provider-invoices/INV-7.csv:2"),
    ]
    assert [row["where"] for row in said["rows"]["first"]] == ["usage/july.csv:2", "usage/july-late.csv:2"]
    assert {check["measure"]: check["rows"] for check in said["rows"]["checks"]} == {
        "quantity": "3000000", "cost": "9",
    }  # fmt: skip
    assert billed("2026-07/provider/openai", "gpt-large input") == said
    tax = billed("2026-07/openai", "(tax)")
    assert (classes(tax), tax["rows"]) == ({"credit_tax_fee": "1.00"}, None)


def test_variance__that_waits_and_one_that_came_since(billed: Asking) -> None:
    """September waits; then its invoice bills the same at 4.00 a million in: 2.00 of rate, not posted yet."""
    waits = billed("2026-09/openai", "gpt-large input")
    assert (waits["variance"]["invoiced"], waits["row"], waits["variance"]["posted"]) == (False, None, True)
    assert waits["rows"]["count"] == 1
    lines = ("input,2000000,tokens,8.00", "output,500000,tokens,6.00")
    bill(billed.root, "INV-9", *(f"INV-9,2026-10-04,2026-09,gpt-large {line},USD,usage" for line in lines))
    said = billed("2026-09/openai", "gpt-large input")
    assert (said["variance"]["posted"], said["close"], classes(said)) == (False, None, {"rate": "2.00"})
    rate = next(each for each in said["classes"] if each["class"] == "rate")
    assert (rate["invoiced_rate"], rate["contracted_rate"], rate["exact"]) == ("0.000004", "0.000003", "2")
    assert billed("2026-08/openai", "gpt-large input")["variance"]["posted"] is False  # its neighbour is looked at again


def test_table__for_people(billed: Asking) -> None:
    billed.capsys.readouterr()
    finledger("explain", "2026-07/openai", "gpt-large input", "--books", billed.root)
    finledger("explain", "2026-08/provider/openai/2026-07/invoice/INV-7", "--rows", "1", "--books", billed.root)
    shown = billed.capsys.readouterr()
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert "rounding 0.00 what half a minor unit a line explains, and the cents of rounding both sides" in lines
    assert "quantity 3,000,000 3,000,000 equal" in lines
    assert "4 and 2 more -7.00" in lines
    assert any(line.startswith("2 Provider expense cc-1000 credit tax fee 1.00 L1, X1, X3: debit") for line in lines)
    assert "go on with: finledger explain 2026-07/provider/openai '(tax)'" in shown.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("2026-07/search/cc-48",), "did you mean 2026-07/search/cc-4815"),
        (("2026-07/search/cc-4815", "bse"), "has no component 'bse': there are base, buffer, overhead, registry"),
        (("2026-Q2/search/cc-4815",), "2026-Q2 has no entries: run `finledger reconcile --quarter 2026-Q2`"),
        (("2026-09/search/cc-4815",), "2026-09 has no entries: run `finledger allocate --month 2026-09`"),
        (("2026-13/search/cc-4815",), "'2026-13' is not a month"),
    ],
)
def test_entries__that_are_not_there(closed: Asking, words: tuple[str, ...], said: str) -> None:
    assert said in closed.refused(*words)


def test_entries__of_a_month_in_which_nothing_posts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = Asking(make_books(tmp_path / "books", {"july.csv": daily(JULY, "research")}), capsys)
    Workbench(asked.root).allocate(JULY)
    assert "nothing is posted in 2026-07: no charge of it moves money" in asked.refused("2026-07/research/cc-4829")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("2026-07/opena", "x"), "no provider 'opena': did you mean openai?"),
        (("2026-07/provider/opena", "x"), "no provider 'opena': did you mean openai?"),
        (("2026-07/serach", "x"), "no team 'serach' in finledger.yaml: did you mean search"),
        (("2026-07/openai", "gpt-large"), "'gpt-large' begins 2 SKUs of openai in 2026-07"),
        (("2026-07/openai", "gpt-large inpt"), "no SKU 'gpt-large inpt' of openai in 2026-07: did you mean gpt-large input"),
        (("2026-07/openai",), "there are (tax), gpt-large input, gpt-large output"),
        (("2026-05/openai", "gpt-large input"), "nothing of openai was invoiced or metered in 2026-05"),
        (("2026-13/openai", "gpt-large input"), "'2026-13' is not a month"),
    ],
)
def test_skus__that_are_not_there(billed: Asking, words: tuple[str, ...], said: str) -> None:
    assert said in billed.refused(*words)
