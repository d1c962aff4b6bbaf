"""Rules over an export's own fields, dated ones too, and shared accounts split by every driver (A9, A8), as commands do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from finledger.core import drivers
from tests.examples.test_examples import HERE
from tests.support import copy_books, finledger, finledger_json

SETTINGS = """\
books: Rules
currency: USD
timezone: Europe/Berlin
platform: {team: ai-platform, cost_center: cc-1000}
teams:
  search: {cost_center: cc-4815}
  support: {cost_center: cc-4822}
"""


def made(folder: Path, settings: str, rows: str) -> Path:
    copy_books(HERE / "22-pool-of-rows" / "pricebooks", folder / "pricebooks")
    (folder / "usage").mkdir()
    (folder / "finledger.yaml").write_text(SETTINGS + settings, encoding="utf-8")
    (folder / "usage/july.csv").write_text(rows, encoding="utf-8")
    finledger("load", "--books", folder)
    return folder


def totals(capsys: pytest.CaptureFixture[str], books: Path) -> dict[str, str]:
    said: Any = finledger_json(capsys, "allocate", "--books", books, "--month", "2026-07")
    found = {name: team["total"] for name, team in said["teams"].items()}
    return {**found, "(unallocated)": said["unallocated"]["amount"]}


@pytest.mark.parametrize("name", ["request_id", "service_tier", "cluster", "agent", "namespace", "project", "workspace"])
def test_rule_over_a_label(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    """100 calls are 1.1123 -> 1.11, 200 are 2.2246 -> 2.22; the row without a value is nobody's: 300 are 3.3369 -> 3.34."""
    rules = (
        f'rules:\n  - {{when: {{{name}: "one-*"}}, set: {{team: search}}}}\n'
        f'  - {{when: {{{name}: [two, "t?o2"]}}, set: {{team: support}}}}\n'
    )
    rows = f"usage_id,ts,model,action,requests,{name}\n" + "".join(
        f"u{number},2026-07-02T10:00:00Z,gpt-large,chat_call,{requests},{value}\n"
        for number, (requests, value) in enumerate([(100, "one-a"), (150, "two"), (50, "two2"), (300, "")])
    )
    books = made(tmp_path, rules, rows)
    assert totals(capsys, books) == {"search": "1.11", "support": "2.22", "(unallocated)": "3.34"}


@pytest.mark.parametrize("name", ["namespace", "project", "workspace"])
def test_dated_rule(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    """It changes hands at midnight of 16 July in Berlin, 22:00 UTC the day before; on the last days it is nobody's."""
    rules = (
        f"rules:\n  - {{when: {{{name}: lab}}, set: {{team: search}}, until: 2026-07-16}}\n"
        f"  - {{when: {{{name}: lab}}, set: {{team: support}}, from: 2026-07-16, until: 2026-07-30}}\n"
    )
    moments = [("2026-07-15T21:59:59Z", 100), ("2026-07-15T22:00:00Z", 200), ("2026-07-29T22:00:00Z", 300)]
    rows = f"usage_id,ts,model,action,requests,{name}\n" + "".join(
        f"u{requests},{ts},gpt-large,chat_call,{requests},lab\n" for ts, requests in moments
    )
    books = made(tmp_path, rules, rows)
    assert totals(capsys, books) == {"search": "1.11", "support": "2.22", "(unallocated)": "3.34"}


# search: 300 calls (3.3369 -> 3.34), 3,000 tokens, 1 GPU-hour (24.00); support: 100 calls (1.11), 5,000 tokens, 3 hours (72.00)
SPLITS = {
    "even": ("even", ("5.00", "5.00")),
    "shares": ("{shares: {search: 0.6, support: 0.4}}", ("6.00", "4.00")),
    "weights": ("{weights: heads.csv}", ("1.00", "9.00")),
    "requests": ("requests", ("7.50", "2.50")),
    "tokens": ("tokens", ("3.75", "6.25")),
    "gpu_hours": ("gpu_hours", ("2.50", "7.50")),
    "charges": ("charges", ("2.72", "7.28")),  # 27.34 and 73.11 of 100.45: 272.17… and 727.82… cents
}


@pytest.mark.parametrize("driver", drivers.names())
@pytest.mark.parametrize("field", ["sub_account_id", "api_key_alias", "project"])
def test_shared_rows_by_every_driver(capsys: pytest.CaptureFixture[str], tmp_path: Path, driver: str, field: str) -> None:
    words, (search, support) = SPLITS[driver]
    settings = (
        f'pools:\n  shared: {{rows: "pool:shared", driver: {words}, to: [search, support]}}\n'
        f'rules:\n  - {{when: {{{field}: common}}, set: {{team: "pool:shared"}}}}\n'
    )
    (tmp_path / "heads.csv").write_text("team,weight\nsearch,1\nsupport,9\n", encoding="utf-8")
    rows = (
        f"usage_id,ts,team,model,action,requests,input_tokens,gpu_sku,gpu_hours,billed_cost,billed_currency,{field}\n"
        "a1,2026-07-02T10:00:00Z,search,gpt-large,chat_call,300,3000,,,,,\n"
        "a2,2026-07-02T10:00:00Z,support,gpt-large,chat_call,100,5000,,,,,\n"
        "a3,2026-07-02T10:00:00Z,search,,,,,h100,1,,,\n"
        "a4,2026-07-02T10:00:00Z,support,,,,,h100,3,,,\n"
        "a5,2026-07-02T10:00:00Z,,gpt-large,,7,900,,,10.00,USD,common\n"
    )
    books = made(tmp_path, settings, rows)
    said: Any = finledger_json(capsys, "allocate", "--books", books, "--month", "2026-07")
    shared = {line["team"]: line["amount"] for line in said["charges"] if line["component"] == "shared"}
    assert shared == {"search": search, "support": support}
