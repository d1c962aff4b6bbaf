"""`require_feature: true`: calls of models that no feature label reaches are refused when they are loaded (A6)."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from finledger.core.label import own
from finledger.core.label_coverage import needs_feature
from finledger.engines import reference
from finledger.pipeline import MonthInputs, query
from finledger.workbench import Workbench
from tests.support import finledger

SETTINGS = """\
books: Features
currency: USD
timezone: Europe/Berlin
platform: {team: ai-platform, cost_center: cc-1000}
REQUIRED
teams:
  search: {cost_center: cc-4815}
pools:
  shared: {rows: "pool:shared", driver: even}
sources:
  bill: {role: reconcile}
"""
RULES = """\
rules:
  - {when: {user: "svc-*"}, set: {feature: f}, until: 2026-07-16}
  - {when: {user: "plat-*"}, set: {team: ai-platform}}
  - {when: {user: "plat-*"}, set: {team: search}}
  - {when: {project: p}, set: {team: "pool:shared"}}
  - {when: {environment: chat}, set: {action: chat_call}}
"""
HEADER = (
    "usage_id,ts,team,feature,user,project,environment,source,requests,input_tokens,gpu_sku,gpu_hours,"
    "billed_cost,billed_currency,action"
)
ROWS = """\
ok1,2026-07-15T21:59:00Z,search,,svc-a,,,,1,10,,,,,
no1,2026-07-15T22:00:00Z,search,,svc-a,,,,1,10,,,,,
ok2,2026-07-01T22:00:00Z,,g,,,,,1,10,,,,,
no2,2026-07-01T22:00:00Z,search,,plat-a,,,,1,10,,,,,
ok3,2026-07-01T22:00:00Z,,,plat-a,,,,1,10,,,,,
ok4,2026-07-01T22:00:00Z,,,,p,,,1,10,,,,,
ok5,2026-07-01T22:00:00Z,,,,,,bill,1,10,,,,,
ok6,2026-07-01T22:00:00Z,search,,,,,,,,h100,3,,,
ok7,2026-07-01T22:00:00Z,search,,,,,,,,,,3.5,USD,
no3,2026-07-01T22:00:00Z,search,,,,chat,,,,,,,,
no4,2026-07-01T22:00:00Z,search,,,,,,,,,,,,eval_run
no4,2026-07-01T22:00:00Z,search,,,,,,,,,,,,eval_run
ok8,2026-07-01T22:00:00Z,ai-platform,,,,,,,,,,,,eval_run
"""


def made(folder: Path, rows: str, rules: str = RULES, required: str = "require_feature: true") -> Path:
    (folder / "usage").mkdir(parents=True)
    (folder / "finledger.yaml").write_text(SETTINGS.replace("REQUIRED", required) + rules, encoding="utf-8")
    (folder / "usage/july.csv").write_text(f"{HEADER}\n{rows}", encoding="utf-8")
    finledger("load", "--books", folder)
    return folder


def test_refused__calls_that_no_label_reaches(tmp_path: Path) -> None:
    """The duplicate of a refused row stays a duplicate, so that read = accepted + duplicate + aggregate + rejected."""
    bench = Workbench(made(tmp_path, ROWS))
    (file,) = bench.ledger.files()
    assert (file.read, file.accepted, file.duplicate, file.rejected) == (13, 8, 1, 4)
    found = bench.quarantine()
    assert [row["where"] for row in found] == [f"usage/july.csv:{line}" for line in (3, 5, 11, 12)]
    assert {row["column"] for row in found} == {"feature"}
    assert all("no rule in force on that day sets it (require_feature)" in str(row["reason"]) for row in found)


def test_refused__a_span_that_holds_more_than_its_children(tmp_path: Path) -> None:
    """What it holds more would be charged; refused, it counts once, and not at all."""
    header = "usage_id,ts,team,feature,input_tokens,trace_id,span_id,parent_span_id\n"
    run = "1,2026-07-02T10:00:00Z,search,,100,t,run,\n"
    made(tmp_path, ROWS).joinpath("usage/spans.csv").write_text(f"{header}{run}2,2026-07-02T10:00:00Z,search,f,60,t,a,run\n")
    settings = tmp_path / "finledger.yaml"
    settings.write_text(settings.read_text().replace("sources:\n", "sources:\n  native: {inclusive: true}\n"))
    finledger("load", tmp_path / "usage/spans.csv", "--books", tmp_path)
    (file,) = (file for file in Workbench(tmp_path).ledger.files() if file.name == "usage/spans.csv")
    assert (file.read, file.accepted, file.aggregate, file.rejected) == (2, 1, 0, 1)


def test_not_asked_for__nothing_is_refused(tmp_path: Path) -> None:
    (file,) = Workbench(made(tmp_path, ROWS, required="")).ledger.files()
    assert (file.accepted, file.duplicate, file.rejected) == (12, 1, 0)


def test_a_rule_and_a_new_file__take_what_was_refused(tmp_path: Path) -> None:
    books = made(tmp_path, ROWS)
    settings = books / "finledger.yaml"
    settings.write_text(
        settings.read_text() + "  - {when: {team: search}, set: {feature: semantic-search}}\n", encoding="utf-8"
    )
    (books / "usage/again.csv").write_text(f"{HEADER}\n{ROWS}\n", encoding="utf-8")
    finledger("load", "--books", books)
    again = next(file for file in Workbench(books).ledger.files() if file.name == "usage/again.csv")
    assert (again.accepted, again.duplicate, again.rejected) == (4, 9, 0)


def test_source_of_load_counts(tmp_path: Path) -> None:
    """`--source bill` makes a whole file one that is only compared."""
    books = made(tmp_path, ROWS)
    row = "z1,2026-07-02T10:00:00Z,search,,,,,,1,10,,,,,\nz2,2026-07-02T10:00:00Z,search,g,,,,,1,10,,,,,\n"
    (books / "other.csv").write_text(f"{HEADER}\n{row}", encoding="utf-8")
    finledger("load", "--books", books, books / "other.csv", "--source", "bill", "--dry-run")
    (books / "other.csv").rename(books / "usage/other.csv")
    finledger("load", "--books", books)
    rejected = {file.name: file.rejected for file in Workbench(books).ledger.files()}
    assert rejected["usage/other.csv"] == 1


@pytest.mark.parametrize("seed", range(3))
def test_refused__is_what_charging_would_find(tmp_path: Path, seed: int) -> None:
    """Random rows and dated rules: what load refuses is what has no feature and needs one when the month is charged."""
    chance = random.Random(seed)
    rules = ["rules:"]
    for _ in range(40):
        when = {
            name: chance.choice(["a*", "*b", "a?b", "ab", "*", '""'])
            for name in chance.sample(["user", "project", "environment"], chance.choice([1, 2]))
        }
        given = chance.choice(
            ["{feature: f}", "{action: chat_call}", "{team: ai-platform}", "{team: search}", '{team: "pool:shared"}']
        )
        dates = chance.choice(["", ", from: 2026-07-10", ", until: 2026-07-20", ", from: 2026-07-05, until: 2026-07-06"])
        listed = ", ".join(f'{name}: "{glob}"' if glob != '""' else f'{name}: ""' for name, glob in when.items())
        rules.append(f"  - {{when: {{{listed}}}, set: {given}{dates}}}")
    text = ["a", "ab", "axb", "b", "zzz", ""]
    pick = chance.choice
    rows = [
        f"r{number},2026-07-{chance.randrange(1, 31):02}T{chance.randrange(24):02}:30:00Z,"
        f"{pick(['search', '', '', 'ai-platform'])},{pick(['', '', '', 'g'])},{pick(text)},{pick(text)},{pick(text)},"
        f"{pick(['bill', '', ''])},{pick(['', '', '2'])},{pick(['', '5', '0'])},,,,,"
        for number in range(600)
    ]
    chosen = "\n".join([rules[0], *chance.sample(rules[1:], 12)]) + "\n"
    body = "\n".join(rows) + "\n"
    strict, open_books = made(tmp_path / "strict", body, chosen), made(tmp_path / "open", body, chosen, required="")
    bench = Workbench(open_books)
    expected = set()
    for month in bench.months():
        paths = bench.store.paths(bench.ledger.parts(month))
        inputs = MonthInputs(month, bench.organisation, (), lambda asked, paths=paths: reference.group(paths, asked))
        asked = query(inputs)
        groups = inputs.group(replace(asked, labels=(*asked.labels, "usage_id"))).rows
        for owned in own(groups, bench.organisation, asked.intervals).rows:
            if not owned.feature and needs_feature(owned, bench.organisation):
                expected.add(int(owned.group.labels["usage_id"][1:]) + 1)
    refused = {int(str(row["record"])) for row in Workbench(strict).quarantine()}
    assert refused == expected
    assert refused, "a case that refuses nothing shows nothing"
