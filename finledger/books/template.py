"""A new set of books: commented text files that can be read as they are, for somebody to change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from finledger.core.money import minor_digits

_SETTINGS = """\
# The organisation: who uses the AI platform, who pays for it, and how.
# Dates are written 2026-07-01, months 2026-07, shares as parts of one (15 % is 0.15).
books: {name}
currency: {currency}
timezone: UTC                    # months begin and end here, for instance Europe/Berlin
# fiscal_year_start: 7           # the month (1 to 12) in which the fiscal year begins; quarters follow it
operating_model: platform_led    # or finops_led, it_led: `finledger advise` says which fits

# The team that runs the platform. What it uses itself is its own cost.
platform: {{team: ai-platform, cost_center: cc-1000}}

# Usage that nobody owns stays with the platform (hold), or the teams bear it (proportional, even).
unallocated: hold

# One entry for each team, by the name that its usage carries.
teams:
  search:
    cost_center: cc-2000         # where it changes: [{{code: cc-2000, from: {first_day}}}, {{code: cc-2100, from: …}}]
    stage: showback              # showback, allocation, chargeback, optimisation: money moves from chargeback on
    owner: search-leads@example.com
    features: [semantic-search]
    # seats: {{assistant: 40}}     # seats held, by the price book's kinds
    # early_adoption: true       # still to experiment: not promoted to chargeback (`finledger stage status`)
    # targets: {{semantic-search: {{per_1k_inferences: 9.00}}, "*": {{per_useful_gpu_hour: 40.00}}}}   # at most; "*": the whole team
    budget: {{{month}: {budget}}}
    forecast: {{{month}: {forecast}}}
  support:
    cost_center: cc-3000
    stage: showback
    owner: support-leads@example.com
    features: [ticket-summary]
    budget: {{{month}: {budget}}}

# Cost that teams share, split in this order, by even, requests, tokens, gpu_hours, charges, fixed shares or a file.
# pools:
#   network: {{amount: {{{month}: {pool}}}, driver: even, to: ["pool:gpu-shared", search]}}   # a pool may feed later ones
#   notebooks: {{amount: {{{month}: {pool}}}, driver: requests, to: teams}}
#   gpu-shared: {{rows: "pool:gpu-shared", driver: {{shares: {{search: 0.6, support: 0.4}}}}, to: [search, support]}}

# What the bursting buffer holds when the books begin. priced: true keeps its surcharge under finops_led and it_led.
# buffer: {{opening: {pool}}}

# The providers whose invoices (provider-invoices/) are held against what was metered, what they may differ by, and what they
# call our models and SKUs.
# providers:
#   some-provider:
#     invoice: expected            # or none
#     tolerance: {{absolute: 0.50, relative: 0.001}}
#     skus: {{"lm-large *input*": {{model: large-model, bucket: input}}}}

# What a source of usage is for. A provider's own view of usage that another source charges is only compared: reconcile.
# sources:
#   litellm: {{role: charge}}
#   focus: {{role: reconcile}}
#   otel: {{traces: own}}          # its traces come without their roots: each row keeps its own labels

# Loaded usage is kept in store/, or in a folder of a bucket: s3://, gs://, abfss:// (docs/object-storage.md).
# store: s3://acme-finops/ai-usage

# Rules label usage that comes without team, feature or action. * stands for any text; the first rule that fits wins.
# rules:
#   - {{when: {{source: litellm, call_type: "*embedding*"}}, set: {{action: retrieval_call, workload_type: inference}}}}
#   - {{when: {{source: litellm, api_key_alias: "search-*"}}, set: {{team: search, feature: semantic-search}}}}

# The controller's own accounts, by name or by number and name; the keys are listed in the JSON Schema (finledger schema).
# Teams with `entity: OTHER-COMPANY` are charged between companies once these three are named, and the platform's entity too.
# accounts:
#   ai_service_expense: {{number: "6340", name: AI services}}
#   intercompany_receivable: Receivables from group companies
#   intercompany_payable: Payables to group companies
#   intercompany_income: Income from group companies

# Where the bursting buffer and the reserves stand: among the liabilities (liability), or as contra income (pnl_contra).
# fund_presentation: pnl_contra

# Who is charged for a call that one team caused and another operated (operator_team, or a row of its own inside a trace that
# another team began): root_pays, with the operator's part passed on in the journal, owner_pays, or split, where the operator bears
# operator_share of what it operated.
# compound_calls: root_pays
# operator_share: 0.5

# The format in which the finance system takes journals, or a list: csv, beancount, hledger.
# journal: csv

# What a team's next stage asks for, where it is not what `finledger stage status` shows.
# gates:
#   allocation: {{dispute_rate: 0.02, months: 2}}
#   chargeback: {{unallocated: 0.05, months: 3, baseline: 3, sign_off: CFO}}
#   optimisation: {{acknowledged: 0.80, months: 12}}

# Calendar days from a dispute's opening until somebody has looked at it, and until it is resolved.
# disputes: {{respond_days: 5, resolve_days: 20}}

# What groups the usage of a month: duckdb on this machine or, where one is not enough, Spark. Both give the same cents.
# engine: {{kind: spark, master: "spark://host:7077"}}   # or "local[4]"; needs `pip install "finledger[spark]"` and Java 17

# What the review is alerted to: a team over its budget by more than the larger of this part of it and this amount; and a cost
# per correct task that rose by this part of the last quarter's opens a review.
# review: {{variance_share: 0.10, variance_amount: 1000, cost_rise: 0.30}}
"""

_PRICEBOOK = """\
# The prices of one quarter. A published book is frozen: change prices by a later version with a later effective_from.
# These figures are examples. Replace them by your own before you publish.
pricebook: {quarter}
version: 1
effective_from: {first_day}
effective_until: {end}    # the first day after these prices
# published: {first_day}        # set the day when the book is agreed on; without it, it is a draft
currency: {currency}
price_digits: 6
rounding: half_up

# What tokens cost, per 1,000,000. A bucket that a model never bills can be left out.
models:
  large-model: {{provider: some-provider, input: 3.00, cached_input: 0.30, cache_write: 3.75, output: 12.00}}
  small-model: {{provider: self-hosted, input: 0.50, output: 2.00}}

gpu: {{h100: {{rate: 24.00}}}}                   # per accelerator-hour
egress: {{cross-zone: {{rate: 0.08, unit: GB}}}} # GB or GiB
seats: {{assistant: {{rate: 30.00}}}}            # per seat and month

# On the base cost of an action come the platform's overhead and the buffer's surcharge; the registry is paid out of the
# overhead. price = base x (1 + overhead) x (1 + buffer), rounded to price_digits.
uplift: {{overhead: 0.15, registry: 0.035, registry_basis: carved, buffer: 0.04, applies_to: [actions]}}

# The billable actions. funding: consumer (the team pays), shared (both), platform. pricing: published, or metered by tokens.
# planned: 120000 is how many of them the quarter's overhead was set by; the quarter's end compares.
actions:
  chat_call:      {{funding: consumer, pricing: published, base: 0.0093, price: 0.011123}}
  retrieval_call: {{funding: consumer, pricing: published, base: 0.0004, price: 0.000478}}
  agent_step:     {{funding: consumer, pricing: metered}}
  eval_run:       {{funding: shared, pricing: published, base: 0.0093, price: 0.011123}}
  judge_call:     {{funding: platform, pricing: metered}}

# The platform's part of shared actions. split: line, pooled, or by_component, by each class's `scope` (domain, baseline).
eval: {{platform_share: 0.50}}

# What unmeasured quality costs: a premium below the coverage target, and one for evaluation sets that fell behind.
quality:
  coverage: {{target: 0.80, floor: 0.20, max_multiplier: 1.50}}
  freshness: {{slo: 0.90, step: 0.05, cap: 0.25}}

# The fund for bursts: a draw needs charges of `trigger` times the forecast. settlement: grant (kept), loan (paid back in the
# next quarter), mixed with loan_share: 0.50. above_threshold: true covers only what exceeds the trigger.
buffer: {{trigger: 3.0, cap_per_team_per_quarter: {cap}, size: [0.05, 0.10], settlement: grant}}
"""


def new_books(name: str, currency: str, day: date = date(2026, 7, 1)) -> Mapping[str, str]:
    """The files of new books by their path in the folder. The price book is that of the calendar quarter of `day`.

    An unknown currency raises ValueError. What `name` holds that cannot be printed is left out.
    """
    printable = "".join(character for character in name if character.isprintable()).strip()[:100].strip()
    first_day = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    quarter_number = (first_day.month + 2) // 3
    end = date(first_day.year + quarter_number // 4, first_day.month % 12 + 3 if quarter_number < 4 else 1, 1)
    quarter = f"{first_day.year}-Q{quarter_number}"
    words = {
        "name": json.dumps(printable or "AI platform", ensure_ascii=False),
        "currency": currency,
        "quarter": quarter,
        "first_day": first_day.isoformat(),
        "end": end.isoformat(),
        "month": f"{first_day:%Y-%m}",
        "budget": _amount(20_000, currency),
        "forecast": _amount(18_000, currency),
        "pool": _amount(12_000, currency),
        "cap": _amount(5_000, currency),
    }
    return {
        "finledger.yaml": _SETTINGS.format_map(words),
        f"pricebooks/{quarter}.yaml": _PRICEBOOK.format_map(words),
        f"evals/{quarter}.csv": "month,feature,coverage,in_distribution,tasks,graded,correct\n",
        "rates.csv": "date,from,to,rate,source\n",
        "decisions/draws.csv": "month,team,cause,disclosure,requested\n",
        "capacity.csv": "month,gpu_sku,reserved_hours,holder\n",
        "platform-costs.csv": "month,component,amount,account\n",
        "eval-budgets.csv": "month,feature,runs,amount\n",
        "revenue.csv": "month,feature,cohort,revenue\n",
        "usage/.gitkeep": "",
        "provider-invoices/.gitkeep": "",
        ".gitignore": "/out/\n/store/\n",
    }


def new_pricebook(quarter: str, first_day: date, end: date, currency: str) -> str:
    """A first price book with example figures, for a quarter whose last day is before `end`."""
    words = {"quarter": quarter, "first_day": first_day, "end": end, "currency": currency, "cap": _amount(5_000, currency)}
    return _PRICEBOOK.format_map(words)


def _amount(whole: int, currency: str) -> str:
    """A round amount as the currency writes it: 20000.00 USD, 20000 JPY."""
    return f"{Decimal(whole):.{minor_digits(currency)}f}"
