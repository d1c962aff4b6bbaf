"""finledger.yaml to the organisation."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from finledger.core.accounts import DEFAULT_ACCOUNTS, INTERCOMPANY
from finledger.core.model import Account, Dated, Organisation
from finledger.core.period import Month
from finledger.core.problem import Outcome
from finledger.read.settings import read_settings, settings_schema
from tests.support import SHARED, needs_shared

HEAD = "books: Northwind\ncurrency: USD\nplatform: {team: ai-platform, cost_center: cc-1000}\n"
WHOLE = (
    HEAD
    + """\
timezone: Europe/Berlin
fiscal_year_start: 7
unallocated: even
passthrough_basis: billed
buffer: {opening: 250.00}
teams:
  search:
    cost_center: [{code: cc-1, from: 2026-01-01}, {code: cc-2, from: 2026-09-01}]
    stage: [{stage: showback}, {stage: chargeback, from: 2026-07-01}]
    owner: search-leads
    features: [semantic-search]
    seats: {assistant: 40}
    budget: {2026-07: 20000.00}
    forecast: {2026-07: 18000.5}
    entity: northwind-eu
  support: {cost_center: 4822}
pools:
  notebooks: {amount: {2026-07: -12000.00}, driver: requests, to: teams}
  gpu: {rows: "pool:gpu", driver: {shares: {search: 0.6, support: 0.4}}, to: [search, support]}
  rest: {rows: "pool:rest", driver: {weights: weights.csv}}
sources:
  litellm: {role: charge, inclusive: true}
  openai-costs: {role: reconcile}
rules:
  - {when: {source: litellm, tag: ["eval:*", "test:*"]}, set: {team: search}}
  - {when: {team: ""}, set: {team: "pool:gpu"}, from: 2026-07-01, until: 2026-08-01}
  - {when: {call_type: x}, set: {team: ai-platform, workload_type: evaluation}}
accounts:
  buffer_fund: Burst reserve
  ai_service_expense: {number: "6340", name: AI services}
"""
)


def read(folder: Path, text: str, **files: str) -> Outcome[Organisation | None]:
    (folder / "finledger.yaml").write_text(text, encoding="utf-8")
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return read_settings(folder / "finledger.yaml", "finledger.yaml")


def organisation(folder: Path, text: str, **files: str) -> Organisation:
    outcome = read(folder, text, **files)
    assert outcome.problems == ()
    assert outcome.rows is not None
    return outcome.rows


def codes(outcome: Outcome[Organisation | None]) -> list[tuple[str, int | None]]:
    assert outcome.rows is None
    return [(problem.code, problem.source.line if problem.source else None) for problem in outcome.problems]


def test_read_settings__every_key(tmp_path: Path) -> None:
    got = organisation(tmp_path, WHOLE, weights="weight,team\n2.5,support\n0,search\n")
    assert (got.books, got.currency, got.timezone) == ("Northwind", "USD", "Europe/Berlin")
    assert (got.platform_team, got.platform_cost_center, got.unallocated) == ("ai-platform", "cc-1000", "even")
    assert (got.fiscal_year_start, str(Month(2026, 7).quarter(got.fiscal_year_start))) == (7, "2027-Q1")
    assert organisation(tmp_path, HEAD).fiscal_year_start == 1
    assert (got.passthrough_basis, got.buffer_opening) == ("billed", Decimal("250.00"))
    search, support = got.teams["search"], got.teams["support"]
    assert search.cost_center == Dated(((date(2026, 1, 1), "cc-1"), (date(2026, 9, 1), "cc-2")))
    assert search.stage == Dated(((None, "showback"), (date(2026, 7, 1), "chargeback")))
    assert (search.features, search.seats, search.entity) == (("semantic-search",), {"assistant": 40}, "northwind-eu")
    assert search.budget == {Month(2026, 7): Decimal("20000.00")}
    assert search.forecast == {Month(2026, 7): Decimal("18000.5")}
    assert search.owner == Dated.always("search-leads")
    assert str(search.source) == "finledger.yaml:10"
    assert (support.cost_center, support.stage) == (Dated.always("4822"), Dated.always("showback"))


def test_read_settings__pools_rules_sources_accounts(tmp_path: Path) -> None:
    got = organisation(tmp_path, WHOLE, weights="weight,team\n2.5,support\n0,search\n")
    notebooks, gpu, rest = got.pools
    assert (notebooks.amount, notebooks.driver, notebooks.targets) == ({Month(2026, 7): Decimal(-12000)}, "requests", ())
    assert (gpu.rows, gpu.driver, gpu.targets) == ("pool:gpu", "shares", ("search", "support"))
    assert gpu.shares == {"search": Decimal("0.6"), "support": Decimal("0.4")}
    assert (rest.driver, rest.shares) == ("weights", {"search": Decimal(0), "support": Decimal("2.5")})
    first, second, third = got.rules
    assert (first.number, first.when) == (1, {"source": ("litellm",), "tag": ("eval:*", "test:*")})
    assert (second.when, second.start, second.until) == ({"team": ("",)}, date(2026, 7, 1), date(2026, 8, 1))
    assert third.set == {"team": "ai-platform", "workload_type": "evaluation"}
    assert str(third.source) == "finledger.yaml:30"
    assert (got.role("litellm"), got.role("openai-costs"), got.role("focus")) == ("charge", "reconcile", "charge")
    assert got.sources["litellm"].inclusive and not got.sources["openai-costs"].inclusive
    assert got.accounts["buffer_fund"] == Account("buffer_fund", "Burst reserve", "Liabilities")
    assert got.accounts["ai_service_expense"] == Account("ai_service_expense", "AI services", "Expenses", "6340")
    assert got.accounts["eval_reserve"] == DEFAULT_ACCOUNTS["eval_reserve"]


def test_read_settings__intercompany_accounts_have_no_default_and_a_type_of_their_own(tmp_path: Path) -> None:
    assert not set(INTERCOMPANY) & set(organisation(tmp_path, HEAD).accounts)
    names = (
        'accounts: {intercompany_receivable: {number: "1460", name: Due from}, intercompany_payable: Due to,'
        " intercompany_income: Group}\n"
    )
    got = organisation(tmp_path, HEAD + names).accounts
    assert [got[key] for key in INTERCOMPANY] == [
        Account("intercompany_receivable", "Due from", "Assets", "1460"),
        Account("intercompany_payable", "Due to", "Liabilities"),
        Account("intercompany_income", "Group", "Income"),
    ]


def test_read_settings__funds_as_contra_income_whatever_they_are_called(tmp_path: Path) -> None:
    assert organisation(tmp_path, HEAD).accounts["buffer_fund"].type == "Liabilities"
    text = HEAD + "fund_presentation: pnl_contra\naccounts: {buffer_fund: Burst reserve}\n"
    got = organisation(tmp_path, text)
    assert got.accounts["buffer_fund"] == Account("buffer_fund", "Burst reserve", "Income")
    assert got.accounts["eval_reserve"] == Account("eval_reserve", "Eval reserve", "Income")
    assert got.accounts["provider_payable"] == DEFAULT_ACCOUNTS["provider_payable"]
    assert codes(read(tmp_path, HEAD + "fund_presentation: equity\n")) == [("not-one-of", 4)]


def test_read_settings__everything_wrong_at_once(tmp_path: Path) -> None:
    """A wrong field does not hide what is wrong elsewhere, and is not reported a second time by what depends on it."""
    text = HEAD.replace("USD", "usd") + (
        "teams:\n"
        "  search: {cost_center: cc-1, stage: chargback}\n"
        "  support: {cost_center: cc-2, budget: {2026-07: x}}\n"
        "pools:\n"
        "  gpu: {amount: 12, driver: {shares: {search: 0.6, support: 0.3}}}\n"
        "rules:\n"
        "  - {when: {sourc: a}, set: {team: search}}\n"
        "  - nothing\n"
        "  - {when: {source: a}, set: {team: serch}}\n"
        "colour: red\n"
    )
    assert codes(read(tmp_path, text)) == [
        ("currency-unknown", 2),
        ("not-one-of", 5),
        ("not-a-number", 6),
        ("wrong-shape", 8),
        ("unbalanced-shares", 8),
        ("not-one-of", 10),
        ("wrong-shape", 11),
        ("rule-unknown-team", 12),
        ("unknown-key", 13),
    ]


@pytest.mark.parametrize("start", ["0", "13", "2026-07", "July", "1.0", "07"])
def test_read_settings__a_fiscal_year_starts_in_a_month(tmp_path: Path, start: str) -> None:
    assert codes(read(tmp_path, HEAD + f"fiscal_year_start: {start}\n")) == [("not-a-month-number", 4)]


def test_read_settings__lines_behind_a_wrong_rule_are_right(tmp_path: Path) -> None:
    """Rules that cannot be read are left out; what is wrong with the ones behind them is still shown where it stands."""
    wrong = "  - {when: {}}\n" * 12
    text = HEAD + "rules:\n" + wrong + "  - {when: {source: a}, set: {team: nobody}}\n"
    found = codes(read(tmp_path, text))
    assert found[-1] == ("rule-unknown-team", 17)
    assert found.count(("missing-key", 5)) == 1


@pytest.mark.parametrize("root", ["hello\n", "- a\n- b\n", "[]\n", '""\n'])
def test_read_settings__not_a_mapping(tmp_path: Path, root: str) -> None:
    outcome = read(tmp_path, root)
    assert outcome.rows is None
    assert [problem.code for problem in outcome.problems] in (["wrong-shape"], ["yaml-empty"])


def test_read_settings__three_thirds_are_not_one(tmp_path: Path) -> None:
    """0.333 + 0.333 + 0.334 is exactly one, 3 x 0.3333333333 is not: shares are compared exactly."""
    teams = "teams: {a: {cost_center: c}, b: {cost_center: c}, c: {cost_center: c}}\n"
    pool = 'pools: {{gpu: {{rows: "pool:gpu", driver: {{shares: {{a: {0}, b: {0}, c: {1}}}}}}}}}\n'
    assert organisation(tmp_path, HEAD + teams + pool.format("0.333", "0.334")).pools[0].shares["c"] == Decimal("0.334")
    assert codes(read(tmp_path, HEAD + teams + pool.format("0.3333333333", "0.3333333333"))) == [("unbalanced-shares", 5)]


@needs_shared
def test_read_settings__the_golden_books() -> None:
    outcome = read_settings(SHARED / "golden" / "northwind-2026-Q3" / "finledger.yaml", "finledger.yaml")
    assert outcome.problems == () and outcome.rows is not None
    assert list(outcome.rows.teams) == ["search", "support", "research", "growth"]


def test_settings_schema__names_every_key_with_a_description() -> None:
    schema = settings_schema()
    parts = [schema, *schema["$defs"].values()]
    described = [(name, value) for part in parts for name, value in part["properties"].items()]
    assert all(value.get("description") for _, value in described), [
        name for name, value in described if not value.get("description")
    ]
    assert schema["required"] == ["books", "currency", "platform"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["RuleText"]["properties"].keys() == {"when", "set", "from", "until"}
    start = schema["properties"]["fiscal_year_start"]
    assert (start["type"], start["minimum"], start["maximum"]) == ("integer", 1, 12)
    assert json.loads(json.dumps(schema)) == schema
