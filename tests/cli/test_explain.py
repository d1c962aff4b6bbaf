"""explain, as a controller meets it: from a line to its price, its rules and its rows, on the worked examples' figures."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finledger.core.model import ChargeLine
from finledger.core.period import Month
from finledger.workbench import Workbench
from tests.support import ROOT, copy_books, finledger, finledger_json, prepared

EXAMPLES = ROOT / "tests" / "examples"


class Books:
    """An example, loaded and charged, and what `explain` says of its lines."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def line(self, month: str, team: str, **key: str) -> ChargeLine:
        """The only line of the team's month that has these words in its key."""
        wanted = {"team": team, **key}
        lines = Workbench(self.folder).ledger.charge_rows(Month.parse(month))
        found = [line for line in lines if all(getattr(line.key, name) == word for name, word in wanted.items())]
        assert len(found) == 1, f"{len(found)} lines are {wanted}"
        return found[0]

    def explained(self, month: str, team: str, *options: object, **key: str) -> Any:
        line = self.line(month, team, **key)
        said = finledger_json(self.capsys, "explain", f"{month}/{team}", line.line_id, "--books", self.folder, *options)
        assert (said["line"]["line_id"], said["line"]["amount"]) == (line.line_id, str(line.amount))
        assert (said["recorded"], said["fresh"], said["same"]) == (True, str(line.amount), True)
        return said


@pytest.fixture
def books(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Books]:
    def charged(name: str, *months: str) -> Books:
        folder = copy_books(EXAMPLES / name, tmp_path / name)
        allocated = (("allocate", "--month", month, "--quiet") for month in months)
        return Books(prepared(folder, ("load", "--quiet"), *allocated), capsys)

    return charged


def where(said: Any, *path: str) -> str:
    """The place of a fact, down its parts."""
    for name in path:
        said = said[name]
    return str(said["where"])


def named(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in items}


# ── lines of usage ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_action__rules_price_and_rows(books: Callable[..., Books]) -> None:
    """Example 23: k5 and k12 are 300 + 800 calls at 0.011123, 12.2353 exactly. k5 got its class from rule 3, its team from
    rule 4; k12 its feature from rule 9.
    """
    said = books("23-classification", "2026-07").explained("2026-07", "search", feature="autosuggest")
    facts = said["facts"]
    assert (facts["quantity"], facts["unit_price"], facts["exact"], said["line"]["amount"]) == (
        "1100",
        "0.011123",
        "12.2353",
        "12.24",
    )
    assert [(rule["name"], rule["field"], rule["value"], rule["rows"], rule["where"]) for rule in facts["rules"]] == [
        ("rule 3", "action", "chat_call", 1, "finledger.yaml:18"),
        ("rule 3", "workload_type", "inference", 1, "finledger.yaml:18"),
        ("rule 4", "team", "search", 1, "finledger.yaml:19"),
        ("rule 9", "feature", "autosuggest", 1, "finledger.yaml:24"),
    ]
    assert where(facts, "price") == "pricebooks/2026-Q3.yaml:13"
    assert (facts["price"]["pricing"], facts["price"]["base"]) == ("published", "0.0093")
    components = {part["name"]: (part["weight"], part["amount"]) for part in facts["components"]}
    assert components["base"] == ("0.0093", "10.24")
    assert components["registry"] == ("0.000048825", "0.05")  # 0.0093 x 0.15 x 0.035
    assert where(facts, "owner") == "finledger.yaml:8"
    assert said["rows"]["count"] == 2
    assert said["rows"]["checks"] == [{"measure": "calls", "rows": "1100", "must_be": "1100", "holds": True}]
    first = [(row["where"], row["usage_id"], row["requests"]) for row in said["rows"]["first"]]
    assert first == [("usage/july.csv:6", "k5", 300), ("usage/july.csv:13", "k12", 800)]


def test_action__rows_are_limited_and_counted(books: Callable[..., Books]) -> None:
    found = books("23-classification", "2026-07")
    said = found.explained("2026-07", "search", "--rows", "1", feature="autosuggest")
    assert (said["rows"]["count"], [row["usage_id"] for row in said["rows"]["first"]]) == (2, ["k5"])
    assert said["rows"]["checks"][0]["holds"]
    none = found.explained("2026-07", "search", "--rows", "0", feature="autosuggest")
    assert (none["rows"]["count"], none["rows"]["first"]) == (2, [])


def test_action__shared_with_the_platform(books: Callable[..., Books]) -> None:
    """Example 07 in July: 49 runs are 0.545027, rounded to 0.55; 30 % of it is the platform's: 0.39 and 0.16."""
    said = books("07-eval-shares-other", "2026-07").explained("2026-07", "search", feature="a")
    facts = said["facts"]
    assert (facts["exact"], facts["gross"]) == ("0.545027", "0.55")
    share = facts["platform_share"]
    assert (share["value"], share["team"], share["platform"], share["split"]) == ("0.3", "0.39", "0.16", "line")
    assert share["where"] == "pricebooks/2026-Q3.yaml:14"


def test_action__metered_less_what_seats_include(books: Callable[..., Books]) -> None:
    """Example 38: of 12 + 16 agent steps two seats include 20; 8 are left, with 800,002 input and 40,001 output tokens."""
    said = books("38-seats-include-actions", "2026-07").explained("2026-07", "search", item="agent_step")
    facts = said["facts"]
    assert facts["included_in_seats"]["value"] == "20"
    assert named(facts["included_in_seats"]["parts"])["assistant"]["seats"] == 2
    rates = named(facts["price"]["rates"])
    assert rates["input_tokens"] == {
        "name": "input_tokens",
        "where": "pricebooks/2026-Q3.yaml:10",
        "tokens": 800002,
        "rate": "3",
        "cost": "2.400006",
    }
    assert (facts["exact"], said["line"]["amount"]) == ("3.3120207", "3.31")
    assert [row["usage_id"] for row in said["rows"]["first"]] == ["s2", "s1"]
    checks = {check["measure"]: (check["rows"], check["holds"]) for check in said["rows"]["checks"]}
    assert checks == {"calls": ("8", True), "input_tokens": ("800002", True), "output_tokens": ("40001", True)}


def test_pass_through__with_a_credit(books: Callable[..., Books]) -> None:
    """Example 05: 120.005 and a credit of 20.00."""
    said = books("05-credits-below-zero", "2026-07").explained("2026-07", "search")
    assert said["facts"]["provider_cost"] == {"value": "100.005", "parts": [{"name": "USD", "cost": "100.005"}]}
    assert [row["effective_cost"] for row in said["rows"]["first"]] == ["120.005", "-20"]
    assert said["rows"]["checks"][0]["holds"]


def test_pass_through__in_two_currencies(books: Callable[..., Books]) -> None:
    """Example 26: 1.004 at 1.10, 1.0037 at 1.20, and 0.0044 in dollars."""
    said = books("26-currencies", "2026-07").explained("2026-07", "search")
    parts = said["facts"]["provider_cost"]["parts"]
    converted = [(part["name"], part["cost"], part.get("rate"), part.get("converted")) for part in parts]
    assert converted == [
        ("EUR", "1.004", "1.1", "1.1044"),
        ("EUR", "1.0037", "1.2", "1.20444"),
        ("USD", "0.0044", None, None),
    ]
    assert said["facts"]["provider_cost"]["value"] == "2.31324"


def test_unallocated__says_why(books: Callable[..., Books]) -> None:
    """Example 10: four rows of one line, each nobody's for another reason."""
    said = books("10-unallocated", "2026-07").explained("2026-07", "(unallocated)", item="chat_call")
    reasons = [(part["name"], part["team"], part["cost_center"], part["rows"]) for part in said["facts"]["unallocated"]]
    assert reasons == [
        ("another team's cost centre", "search", "cc-4822", 1),
        ("no team", "", "cc-4815", 1),
        ("unknown team", "Search", "cc-4815", 1),
        ("unknown team", "marketing", "cc-4815", 1),
    ]


def test_seat(books: Callable[..., Books]) -> None:
    """Example 44: 6 x 37.00."""
    facts = books("44-burst", "2026-07").explained("2026-07", "search", kind="seat")["facts"]
    assert (facts["seats"]["value"], facts["seats"]["where"]) == (6, "finledger.yaml:11")
    assert (facts["price"]["value"], facts["price"]["where"], facts["exact"]) == ("37", "pricebooks/2026-Q3.yaml:11", "222")


# ── lines that follow from others ───────────────────────────────────────────────────────────────────────────────────────


def test_coverage_premium__down_to_the_rows(books: Callable[..., Books]) -> None:
    """Example 40: 1 + 0.50 x (0.80 - 0.35) / 0.60 = 1.375, that is 3/8 of a base of 10.00."""
    found = books("40-coverage-premium", "2026-07")
    said = found.explained("2026-07", "search", kind="coverage_premium", feature="third", model="gpt-large")
    facts = said["facts"]
    below = found.line("2026-07", "search", kind="action", feature="third", model="gpt-large")
    assert (facts["stands_on"]["value"], facts["stands_on"]["amount"]) == (below.line_id, "12.60")
    assert (facts["base"], facts["factor"], facts["exact"]) == ("10.00", "3/8", "3.75")
    assert (facts["coverage"]["value"], facts["coverage"]["multiplier"]) == ("0.35", "11/8")
    assert facts["coverage"]["where"] == "evals/2026-Q3.csv:4"
    assert facts["coverage"]["floor"] == {"value": "0.2", "where": "pricebooks/2026-Q3.yaml:20"}
    assert [row["where"] for row in said["rows"]["first"]] == ["usage/july.csv:5"]


def test_coverage_premium__not_tracked(books: Callable[..., Books]) -> None:
    said = books("40-coverage-premium", "2026-07").explained("2026-07", "search", kind="coverage_premium", feature="unknown")
    assert (said["facts"]["coverage"]["value"], said["facts"]["factor"]) == ("not tracked", "1/2")


def test_coverage_credit__names_the_premiums(books: Callable[..., Books]) -> None:
    """Example 41: in August search has the two premiums of July on `answers` back, 2.50 each."""
    found = books("41-premium-recovered", "2026-07", "2026-08")
    facts = found.explained("2026-08", "search", kind="coverage_credit")["facts"]
    assert facts["gives_back"]["value"] == "5.00"
    (july,) = facts["gives_back"]["parts"]
    assert (july["name"], july["value"]) == ("2026-07", "5.00")
    premiums = [
        found.line("2026-07", "search", kind="coverage_premium", feature="answers", model=model).line_id
        for model in ("gpt-large", "gpt-small")
    ]
    assert sorted((line["name"], line["value"]) for line in july["lines"]) == sorted((name, "2.50") for name in premiums)
    assert where(facts, "coverage") == "evals/2026.csv:4"


def test_shared__pool_and_driver(books: Callable[..., Books]) -> None:
    """Example 21: 600.00 by tokens, 3 : 1 : 2 million, the last two the platform's."""
    said = books("21-pools", "2026-07").explained("2026-07", "search", item="context")
    facts = said["facts"]
    assert (facts["pool"]["value"], facts["pool"]["where"], facts["driver"]) == ("context", "finledger.yaml:14", "tokens")
    parts = {part["name"]: (part["weight"], part["part"]) for part in facts["targets"]}
    assert parts == {"ai-platform": ("2000000", "200.00"), "search": ("3000000", "300.00"), "support": ("1000000", "100.00")}
    assert (facts["pool_amount"], facts["stays_with_the_platform"], said["rows"]) == ("600.00", "200.00", None)


def test_shared__of_a_pool_of_rows(books: Callable[..., Books]) -> None:
    said = books("22-pool-of-rows", "2026-07").explained("2026-07", "research", item="credits")
    assert [row["usage_id"] for row in said["rows"]["first"]] == ["o9", "o10"]


def test_idle__reservation_and_users(books: Callable[..., Books]) -> None:
    """Example 34: 100 hours of a10g for all, 25 used: 75 x 1.35 = 101.25; research used 5 of the 25."""
    said = books("34-idle-capacity", "2026-07").explained("2026-07", "research", kind="gpu_idle")
    facts = said["facts"]
    assert facts["reserved"] == {"value": "100", "where": "capacity.csv:7", "holder": ""}
    assert (facts["used"], facts["idle"], facts["cost"]) == ("25", "75", "101.25")
    assert named(facts["borne_by"])["research"] == {"name": "research", "hours": "5", "part": "20.25"}
    assert (said["rows"]["count"], said["rows"]["checks"][0]["holds"]) == (6, True)


@pytest.mark.parametrize(
    ("month", "team", "limited_by", "figures"),
    [
        ("2026-07", "ads", "forecast", {"allowed": "252.00", "left": "400.005", "requested": None}),
        ("2026-07", "research", "requested", {"allowed": "150.00", "left": "400.005", "requested": "150"}),
        ("2026-08", "ads", "cap", {"allowed": "148.00", "left": "148.005", "requested": None}),
    ],
)
def test_draw__what_limited_it(
    books: Callable[..., Books], month: str, team: str, limited_by: str, figures: dict[str, str | None]
) -> None:
    """Example 44: ads draws 378.00 - 126.00 in July; in August what its cap of 400.005 has left."""
    facts = books("44-burst", "2026-07", "2026-08").explained(month, team, kind="buffer_draw")["facts"]
    assert facts["limited_by"] == limited_by
    assert (facts["allowed"], facts["granted"], facts["cap"]["left"]) == (figures["allowed"],) * 2 + (figures["left"],)
    assert facts["request"].get("requested") == figures["requested"]
    assert where(facts, "request").startswith("decisions/draws.csv:")
    assert (facts["trigger"]["value"], where(facts, "trigger")) == ("3", "pricebooks/2026-Q3.yaml:15")


def test_draw__limited_by_the_fund(books: Callable[..., Books]) -> None:
    """Example 45: the fund is short, and teams share what it holds."""
    found = books("45-short-fund", "2026-07")
    lines = Workbench(found.folder).ledger.charge_rows(Month.parse("2026-07"))
    team = next(line.key.team for line in lines if line.key.kind == "buffer_draw")
    facts = found.explained("2026-07", team, kind="buffer_draw")["facts"]
    assert facts["limited_by"] == "fund"
    assert facts["allowed"] != facts["granted"]


def test_repayment__of_the_draw(books: Callable[..., Books]) -> None:
    """Example 50: July's draw of 100.00 was a loan."""
    found = books("50-loan", "2026-07", "2026-10")
    facts = found.explained("2026-10", "search", kind="buffer_repayment")["facts"]
    draw = found.line("2026-07", "search", kind="buffer_draw")
    (july,) = facts["repays"]["parts"]
    assert (july["name"], july["value"], july["drawn"], july["line"]) == ("2026-07", "100.00", "100.00", draw.line_id)
    assert (july["loan_share"]["value"], facts["instalments"]) == ("1", 3)


# ── which line ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_names__of_an_invoice_and_a_statement(books: Callable[..., Books]) -> None:
    found = books("40-coverage-premium", "2026-07")
    finledger("invoice", "--month", "2026-07", "--to", "json", "--books", found.folder, "--quiet")
    line = found.line("2026-07", "search", kind="gpu")
    said = finledger_json(found.capsys, "explain", "INV-2026-0001", line.line_id[:6], "--books", found.folder)
    assert said["document"] == {"name": "INV-2026-0001", "kind": "invoice"}
    assert said["line"]["line_id"] == line.line_id
    statements = books("23-classification", "2026-07")
    line = statements.line("2026-07", "growth")
    said = finledger_json(statements.capsys, "explain", "PRO-2026-07-growth", line.line_id, "--books", statements.folder)
    assert said["document"]["kind"] == "statement"


@pytest.mark.parametrize(
    ("document", "line", "said"),
    [
        ("PRO-2026-07-growht", "L1", "did you mean PRO-2026-07-growth"),
        ("INV-2026-0001", "L1", "no document 'INV-2026-0001'"),
        ("2026-08/search", "L1", "2026-08 has no usage and no charges: there are 2026-07"),
        ("2026-13/search", "L1", "'2026-13' is not a month"),
        ("2026-07/serach", "L1", "no team 'serach' in finledger.yaml: did you mean search"),
        ("2026-07/search", "L", "'L' begins 6 lines of 2026-07/search: L"),
        ("2026-07/growth", "chat_call", "no line 'chat_call' in 2026-07/growth: there are L"),
        ("2026-07/growth", "", "no line '' in 2026-07/growth"),
    ],
)
def test_names__that_are_wrong(books: Callable[..., Books], document: str, line: str, said: str) -> None:
    found = books("23-classification", "2026-07")
    found.capsys.readouterr()
    finledger("explain", document, line, "--books", found.folder, expect=2)
    assert said in found.capsys.readouterr().err


def test_names__a_line_of_another_team(books: Callable[..., Books]) -> None:
    found = books("23-classification", "2026-07")
    line = found.line("2026-07", "growth")
    found.capsys.readouterr()
    finledger("explain", "2026-07/search", line.line_id, "--books", found.folder, expect=2)
    assert f"{line.line_id!r} is no line of 2026-07/search, but of 2026-07/growth" in found.capsys.readouterr().err


# ── what is there now ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_not_recorded__is_explained_as_it_would_be(books: Callable[..., Books], capsys: pytest.CaptureFixture[str]) -> None:
    """Before any allocate the lines are worked out; nothing is recorded by asking."""
    charged = books("23-classification", "2026-07")
    line = charged.line("2026-07", "growth")
    shutil.rmtree(charged.folder)
    found = books("23-classification")
    said = finledger_json(capsys, "explain", "2026-07/growth", line.line_id, "--books", found.folder)
    assert (said["recorded"], said["line"]["amount"], said["fresh"]) == (False, "6.67", "6.67")
    assert Workbench(found.folder).ledger.months() == ()


def test_changed__shows_what_was_recorded_and_what_is_now(books: Callable[..., Books]) -> None:
    """Rule 9 is taken out after July was charged: k12 is no longer on the line, 300 x 0.011123 = 3.3369."""
    found = books("23-classification", "2026-07")
    settings = found.folder / "finledger.yaml"
    settings.write_text("".join(settings.read_text().splitlines(keepends=True)[:-1]))
    line = found.line("2026-07", "search", feature="autosuggest")
    said = finledger_json(found.capsys, "explain", "2026-07/search", line.line_id, "--books", found.folder)
    assert (said["line"]["amount"], said["fresh"], said["same"]) == ("12.24", "3.34", False)
    assert said["rows"]["checks"] == [{"measure": "calls", "rows": "300", "must_be": "1100", "holds": False}]
    finledger("explain", "2026-07/search", line.line_id, "--books", found.folder)
    shown = found.capsys.readouterr()
    assert "by the books as they are now  3.34" in " ".join(shown.out.split("\n")).replace("   ", "  ")
    assert "warning[line-changed]" in shown.err


def test_export_that_is_gone__names_records(books: Callable[..., Books]) -> None:
    found = books("23-classification", "2026-07")
    (found.folder / "usage" / "july.csv").unlink()
    said = found.explained("2026-07", "growth")
    assert [row["where"] for row in said["rows"]["first"]] == ["usage/july.csv record 8"]


def test_unpriced__says_what_the_book_lacks(books: Callable[..., Books]) -> None:
    """Charged with --allow-unpriced: the provider's cost of what has no price is a line of nobody's, with the reason."""
    found = books("09-price-missing")
    rows = "usage_id,ts,team,model,action,requests,billed_cost,billed_currency\n"
    (found.folder / "usage" / "poems.csv").write_text(
        f"{rows}y1,2026-07-02T12:00:00Z,search,gpt-large,poem_call,3,4.25,USD\n"
    )
    finledger("load", "--books", found.folder, "--quiet")
    finledger("allocate", "--month", "2026-07", "--allow-unpriced", "--books", found.folder, "--quiet")
    said = found.explained("2026-07", "(unallocated)", item="(unpriced)")
    (missing,) = said["facts"]["unpriced"]
    assert (missing["name"], missing["where"]) == ("action-unpriced", "pricebooks/2026-Q3.yaml:16")
    assert [row["where"] for row in said["rows"]["first"]] == ["usage/poems.csv:2"]
    assert said["rows"]["checks"] == [{"measure": "effective_cost", "rows": "4.25", "must_be": "4.25", "holds": True}]


def test_table__for_people(books: Callable[..., Books]) -> None:
    found = books("23-classification", "2026-07")
    line = found.line("2026-07", "search", feature="autosuggest")
    found.capsys.readouterr()
    finledger("explain", "2026-07/search", line.line_id, "--books", found.folder)
    shown = found.capsys.readouterr().out
    assert f"Line {line.line_id} of 2026-07/search" in shown
    lines = [" ".join(row.split()) for row in shown.splitlines()]
    assert "exact 12.2353" in lines
    assert "rule 9 autosuggest (field feature, rows 1) finledger.yaml:24" in lines
    assert "calls 1,100 1,100 equal" in lines
    assert any(row.startswith("usage/july.csv:13 2026-07-01T12:00:00Z k12") for row in lines)
