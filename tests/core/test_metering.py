"""What was metered of each provider, from exports loaded into books: every engine gives the same (rules X1, M6)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from finledger.core.metering import meter, metering_query
from finledger.core.period import Month, Quarter
from finledger.core.problem import Outcome
from finledger.core.provider import Metered
from finledger.core.reconcile import Terms, reconcile
from finledger.engines import engine, names
from finledger.read.invoices import read_invoice
from finledger.workbench import Workbench
from finledger.workbench.quarters import settle
from tests.support import SHARED, finledger, needs_shared

JULY = Month(2026, 7)
SETTINGS = """\
books: B
currency: USD
platform: {team: ai-platform, cost_center: cc-1}
teams: {search: {cost_center: cc-2}, support: {cost_center: cc-3}}
pools: {cluster: {rows: "pool:cluster", driver: even}}
sources: {openai-costs: {role: reconcile}}
rules:
  - {when: {source: gateway, route: "/small*"}, set: {model: gpt-small}}
  - {when: {source: gateway}, set: {team: search}}
"""
PROVIDERS = """\
providers:
  openai:
    sources: [openai-costs]
    skus:
      "gpt-4o-mini*, input": {model: gpt-small, bucket: input}
  google: {names: [Google Cloud, GCP]}
  coreweave: {sources: [cluster]}
  self-hosted: {invoice: none}
"""
BOOK = """\
pricebook: 2026-Q3
version: VERSION
effective_from: FROM
effective_until: 2026-10-01
currency: USD
price_digits: 6
rounding: half_up
models:
  gpt-small: {provider: openai, input: INPUT, cached_input: 0.05, output: 2.00}
  llama: {provider: self-hosted, input: 0.10, output: 0.10}
gpu: {h100: {rate: 24.00}}
egress: {zone: {rate: 0.08, unit: GiB}}
actions:
  chat_call: {funding: consumer, pricing: metered}
uplift: {overhead: 0.15, registry: 0.035, registry_basis: carved, buffer: 0.04, applies_to: [actions]}
"""
HEAD = (
    "usage_id,ts,source,team,action,model,provider,input_tokens,cached_input_tokens,output_tokens,gpu_sku,gpu_hours,"
    "egress_sku,egress_gb,billed_cost,effective_cost,billed_currency,sku,charge_category,route\n"
)


def books(folder: Path, rows: str, settings: str = SETTINGS + PROVIDERS, rates: str = "") -> Workbench:
    (folder / "pricebooks").mkdir()
    (folder / "finledger.yaml").write_text(settings)
    for version, start, rate in ((1, "2026-07-01", "0.50"), (2, "2026-07-16", "0.40")):
        text = BOOK.replace("VERSION", str(version)).replace("FROM", start).replace("INPUT", rate)
        (folder / "pricebooks" / f"v{version}.yaml").write_text(text)
    (folder / "rates.csv").write_text("date,from,to,rate,source\n" + rates)
    header = HEAD.strip().split(",")
    lines = []
    for number, row in enumerate(rows.strip().splitlines()):
        said = dict(part.strip().split("=", 1) for part in row.split("|"))
        said = {"billed_currency": "USD", "effective_cost": said["billed_cost"], **said} if "billed_cost" in said else said
        cells = {"usage_id": f"u{number}", "ts": "2026-07-10T12:00:00Z", "source": "gateway", **said}
        lines.append(",".join(f'"{cells.get(name, "")}"' for name in header))
    (folder / "usage.csv").write_text(HEAD + "\n".join(lines) + "\n")
    (folder / "map.yaml").write_text("columns:\n" + "".join(f"  {name}: {name}\n" for name in header))
    finledger("load", folder / "usage.csv", "--map", folder / "map.yaml", "--books", folder)
    return Workbench(folder)


def metered(work: Workbench) -> Outcome[tuple[Metered, ...]]:
    """As the first engine groups it; the others are held to the same."""
    paths = work.store.paths(work.ledger.parts(JULY))
    asked = metering_query(JULY, work.organisation, work.pricebooks)
    found = []
    for name in set(names()) - {"spark"}:  # tests/test_spark.py
        groups = engine(name).group(paths, asked)
        assert groups.problems == ()
        found.append(meter(JULY, groups.rows, work.organisation, work.pricebooks, work.rates))
    assert len(found) > 1 and all(each.rows == found[0].rows for each in found)
    return found[0]


def shown(outcome: Outcome[tuple[Metered, ...]]) -> list[tuple[str, str, str, str, str]]:
    assert outcome.problems == ()
    found = []
    for each in outcome.rows:
        quantity = "" if each.quantity is None else f"{each.quantity.normalize():f} {each.unit}"
        billed = "" if each.as_billed is None else f"{each.as_billed.normalize():f}"
        found.append((each.provider, each.sku, quantity, f"{each.cost.normalize():f}", billed))
    return found


def test_meter__tokens_are_everybodys_at_the_rates_of_their_day(tmp_path: Path) -> None:
    """3 M input on 10 July at 0.50 = 1.50, 1 M on the 20th at 0.40 = 0.40; 2 M cached at 0.05 = 0.10; 1 M output = 2.00.

    Search's, unallocated, the platform's own and a pool's rows: all are on OpenAI's bill, whatever the gateway thinks it costs.
    """
    work = books(
        tmp_path,
        """
        team=search | action=chat_call | model=gpt-small | input_tokens=1000000 | cached_input_tokens=2000000 | billed_cost=77
        team=nobody | action=chat_call | model=gpt-small | input_tokens=1000000
        team=ai-platform | action=chat_call | model=gpt-small | input_tokens=1000000 | output_tokens=1000000
        team=pool:cluster | model=gpt-small | input_tokens=1000000 | ts=2026-07-20T00:00:00Z | billed_cost=1
        team=search | action=chat_call | route=/small/x | output_tokens=500000
        team=search | action=chat_call | model=llama | input_tokens=9000000
        """,
    )
    assert shown(metered(work)) == [
        ("openai", "gpt-small cached_input", "2000000 tokens", "0.1", ""),
        ("openai", "gpt-small input", "4000000 tokens", "1.9", ""),
        ("openai", "gpt-small output", "1500000 tokens", "3", ""),
        ("self-hosted", "llama input", "9000000 tokens", "0.9", ""),
    ]


def test_meter__the_providers_own_rows_say_what_was_billed(tmp_path: Path) -> None:
    """Rows of a source to reconcile meter nothing; their SKU is named as invoices name it. One of them nobody metered."""
    work = books(
        tmp_path,
        """
        team=search | action=chat_call | model=gpt-small | input_tokens=1000000
        source=openai-costs | sku=gpt-4o-mini-2024-07-18, input | billed_cost=0.52
        source=openai-costs | sku=web search | billed_cost=7
        """,
    )
    assert shown(metered(work)) == [
        ("openai", "gpt-small input", "1000000 tokens", "0.5", "0.52"),
        ("openai", "web search", "0 ", "0", "7"),
    ]


def test_quarter__the_rate_variance_is_by_what_the_provider_billed(tmp_path: Path) -> None:
    """chat_call takes 1 M in = 0.50 and 1 M out = 2.00 at the book's rates; the cost report bills 0.52 and 1.96: -0.02."""
    work = books(
        tmp_path,
        """
        team=search | action=chat_call | model=gpt-small | input_tokens=1000000 | output_tokens=1000000
        source=openai-costs | sku=gpt-4o-mini-2024-07-18, input | billed_cost=0.52
        source=openai-costs | sku=gpt-small output | billed_cost=1.96
        """,
    )
    settled = settle(work, Quarter(2026, 3))
    (variance,) = settled.end.variances
    assert (variance.item, variance.provider_cost, variance.rate) == ("chat_call", Decimal("2.48"), Decimal("-0.02"))


def test_meter__what_is_passed_through_is_metered_as_it_was_billed(tmp_path: Path) -> None:
    """100.00 EUR and 11.00 USD of one SKU, at July's last rate of 1.10: 121.00. Taxes and credits stand beside. (M6)"""
    work = books(
        tmp_path,
        """
        source=focus | provider=Google Cloud | sku=A1 | billed_cost=60 | effective_cost=1 | billed_currency=EUR
        source=focus | provider=Google Cloud | sku=A1 | billed_cost=40 | effective_cost=1 | billed_currency=EUR
        source=focus | provider=gcp | sku=A1 | billed_cost=11 | effective_cost=1
        source=focus | provider=gcp | charge_category=Tax | sku=A1 | billed_cost=20 | effective_cost=1 | billed_currency=EUR
        source=focus | provider=gcp | charge_category=Credit | billed_cost=-5 | effective_cost=1
        source=focus | provider=Acme | billed_cost=3 | effective_cost=1
        """,
        rates="2026-07-01,EUR,USD,1.05,ECB\n2026-07-31,EUR,USD,1.10,ECB\n2026-08-01,EUR,USD,1.20,ECB\n",
    )
    assert shown(metered(work)) == [
        ("Acme", "(no SKU)", "", "3", "3"),
        ("google", "(credit)", "", "-5", "-5"),
        ("google", "(tax)", "", "22", "22"),
        ("google", "A1", "", "121", "121"),
    ]
    assert {each.category for each in metered(work).rows if each.sku.startswith("(t")} == {"tax"}


def test_meter__accelerators_and_egress(tmp_path: Path) -> None:
    """10 h that cost 230.00, by the row; 2 h without a cost at the book's 24.00; 5 GiB = 5.36870912 GB x 0.08 a GiB = 0.40.

    Hours of nobody's are our own hardware: no invoice will come for them.
    """
    work = books(
        tmp_path,
        """
        provider=GCP | gpu_sku=a100 | gpu_hours=10 | billed_cost=230
        source=cluster | gpu_sku=h100 | gpu_hours=2
        source=cluster | egress_sku=zone | egress_gb=5
        gpu_sku=h100 | gpu_hours=100
        provider=self-hosted | gpu_sku=unknown | gpu_hours=100
        """,
    )
    assert shown(metered(work)) == [
        ("coreweave", "h100", "2 hours", "48", ""),
        ("coreweave", "zone", "5.36870912 GB", "0.4", ""),
        ("google", "a100", "10 hours", "230", "230"),
    ]


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        ("model=gpt-9 | input_tokens=5 | provider=openai | action=chat_call", ["model-unpriced"]),
        ("model=gpt-small | output_tokens=0 | input_tokens=0", []),
        ("model=llama | cached_input_tokens=7", []),  # no invoice comes for it, so no rate is needed
        ("model=unknown | input_tokens=5", ["provider-unknown"]),
        ("source=focus | billed_cost=5", ["provider-unknown"]),
        ("source=focus | billed_cost=5 | provider=GCP | billed_currency=CHF", ["currency-rate-missing"]),
        ("source=cluster | gpu_sku=b200 | gpu_hours=5", ["gpu-unpriced"]),
        ("source=cluster | egress_sku=moon | egress_gb=5", ["egress-unpriced"]),
    ],
)
def test_meter__what_it_cannot_meter_is_an_error(rows: str, codes: list[str], tmp_path: Path) -> None:
    outcome = metered(books(tmp_path, rows))
    assert [problem.code for problem in outcome.errors] == codes
    for problem in outcome.errors:
        assert problem.remedy and problem.source and dict(problem.rows)["source"] in ("gateway", "focus", "cluster")


def test_meter__a_bucket_without_a_rate_names_the_line_to_add(tmp_path: Path) -> None:
    settings = SETTINGS + PROVIDERS.replace("self-hosted: {invoice: none}", "self-hosted: {}")
    (problem,) = metered(books(tmp_path, "model=llama | cached_input_tokens=7", settings)).errors
    assert problem.code == "bucket-unpriced" and "cached_input" in problem.message and "(tokens: 7)" in problem.message


def test_meter__without_providers_in_the_settings(tmp_path: Path) -> None:
    """Names that rows and the price book state are providers, and are expected to send invoices."""
    work = books(tmp_path, "model=gpt-small | input_tokens=1000000\nprovider=Acme | billed_cost=3", SETTINGS)
    assert [each[:2] for each in shown(metered(work))] == [("Acme", "(no SKU)"), ("openai", "gpt-small input")]


def test_meter__costs_are_exact(tmp_path: Path) -> None:
    """One token at 0.50 a million, three times: 0.0000015, and not a digit more."""
    row = "model=gpt-small | input_tokens=1"
    (found,) = metered(books(tmp_path, "\n".join([row] * 3))).rows
    assert found.cost == Decimal("0.0000015")


@needs_shared
def test_meter__a_focus_invoice_is_its_own_cost_and_usage(tmp_path: Path) -> None:
    """5,000 rows of cost and usage against the six lines of the two invoices made of them, which name no SKU: nothing is left.

    The generator's sums by category: usage 31,098.2825…, purchases 81,702.291, taxes 420.0451….
    """
    files = SHARED / "data" / "focus_toolkit_generated" / "gcp-1.4"
    (tmp_path / "finledger.yaml").write_text(SETTINGS + 'providers: {google: {names: "Google*"}}\n')
    finledger("load", files / "synthetic_focus_1_4_cost_and_usage.csv", "--books", tmp_path)
    work, may = Workbench(tmp_path), Month(2026, 5)
    groups = engine("duckdb").group(work.store.paths(work.ledger.parts(may)), metering_query(may, work.organisation, ()))
    usage = meter(may, groups.rows, work.organisation, ())
    lines = read_invoice(files / "synthetic_focus_1_4_invoice_detail.csv", "invoice.csv")
    assert (usage.problems, lines.problems, len(lines.rows)) == ((), (), 6)
    rows = reconcile(may, usage.rows, lines.rows, Terms.of(work.organisation, ())).rows
    assert [(row.provider, row.sku, len(row.invoices)) for row in rows] == [
        ("google", "(fee)", 2),
        ("google", "(tax)", 2),
        ("google", "(usage)", 2),
    ]
    assert not any(row.unclassified for row in rows) and {name for row in rows for name in row.classes} <= {"rounding"}
    assert sum(row.invoiced.minor for row in rows) == sum(row.metered.minor for row in rows) == 11322062
