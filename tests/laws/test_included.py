"""First calls by the store's rows are what plain Python counts, whatever the order of files and rows (rule C5)."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import pytest

from finledger.core.included import TAKEN, Sums
from finledger.core.model import UsageGroup, UsageQuery
from finledger.core.period import Month, intervals
from finledger.core.usage import TOKEN_BUCKETS
from finledger.engines import engine, first_calls
from finledger.workbench import Workbench
from tests.laws.test_load import books

JULY = Month(2026, 7)
COLUMNS = ("usage_id", "ts", "team", "feature", "action", "requests", "status", "project", *TOKEN_BUCKETS)
Row = dict[str, Any]


def rows(seed: int) -> list[Row]:
    """Two hundred rows, many at the same moment, some of no call, some that state none, some that failed."""
    random.seed(seed)
    made = []
    for number in range(200):
        row: Row = {"usage_id": f"id-{number:03d}", "ts": f"2026-07-{random.randint(1, 28):02d}T12:00:00Z", "team": "search"}
        row |= {
            "feature": random.choice(["", "a", "b"]),
            "action": random.choice(["chat", "step"]),
            "project": random.choice(["", "p"]),
        }
        row |= {"requests": random.choice(["", 0, 1, 7, 40]), "status": random.choice(["", "ok", "failed"])}
        made.append(row | {bucket: random.choice(["", random.randint(0, 10**6)]) for bucket in TOKEN_BUCKETS})
    return made


def by_hand(found: list[Row], action: str, limit: int) -> dict[tuple[int, str, str], dict[str, int]]:
    """The same row by row: sums of what is among the first calls, by half of the month, feature and project."""
    sums: dict[tuple[int, str, str], dict[str, int]] = {}
    before = 0
    for row in sorted((row for row in found if row["action"] == action), key=lambda row: (row["ts"], row["usage_id"])):
        calls = 1 if row["requests"] == "" else int(row["requests"])
        if before < limit:
            taken = min(calls, limit - before)
            key = (int(row["ts"] >= "2026-07-16"), row["feature"], row["project"])
            into = sums.setdefault(key, dict.fromkeys(TAKEN, 0))
            into["calls"] += taken
            into["failed_calls"] += taken if row["status"] == "failed" else 0
            for bucket in TOKEN_BUCKETS:
                tokens = int(row[bucket] or 0)
                into[bucket] += tokens if taken == calls else tokens * taken // calls
        before += calls
    return {key: taken for key, taken in sums.items() if any(taken.values())}


def taken_from(bench: Workbench, action: str, limit: int) -> dict[tuple[int, str, str], Sums]:
    paths = bench.store.paths(bench.ledger.parts(JULY))
    cuts = intervals(JULY, "UTC", [Month(2026, 7).first_day.replace(day=16)])
    query = UsageQuery("USD", cuts, ("project",))
    groups = [group for group in engine("duckdb").group(paths, query).rows if group.keys["action"] == action]
    found = first_calls(paths, query, groups, limit)
    return {_key(group): sums for group, sums in zip(groups, found, strict=True) if any(sums.values())}


def _key(group: UsageGroup) -> tuple[int, str, str]:
    return group.interval, group.keys["feature"], group.labels["project"]


@pytest.mark.parametrize("seed", [1, 2])
def test_first_calls__are_what_rows_in_order_say(seed: int, tmp_path: Path) -> None:
    made = rows(seed)
    shuffled = random.Random(seed).sample(made, len(made))
    for name, parts in (("one", [made]), ("three", [shuffled[:50], shuffled[50:60], shuffled[60:]])):
        bench = books(tmp_path / name)
        for number, part in enumerate(parts):
            with (tmp_path / f"{name}-{number}.csv").open("w", newline="") as stream:
                writer = csv.DictWriter(stream, COLUMNS)
                writer.writeheader()
                writer.writerows(part)
        bench.load([tmp_path / f"{name}-{number}.csv" for number in range(len(parts))], source="native")
        for action in ("chat", "step"):
            for limit in (1, 333, 1000):
                assert taken_from(bench, action, limit) == by_hand(made, action, limit)
