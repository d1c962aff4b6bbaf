"""Random rows of usage for the random books: labelled well and badly, metered in every way, near the edges of a month."""

from __future__ import annotations

import calendar
import random
from decimal import Decimal
from typing import Any

COLUMNS = (
    "usage_id,ts,team,cost_center,workload_type,model,feature,action,requests,input_tokens,cached_input_tokens,"
    "cache_write_tokens,output_tokens,gpu_sku,gpu_hours,egress_sku,egress_gb,billed_cost,effective_cost,billed_currency,"
    "operator_team"
)
ACTIONS = ("chat_call",) * 5 + ("agent_step",) * 3 + ("retrieval_call", "half_cent", "eval_run", "eval_run")
ACTIONS += ("eval_metered", "judge_call", "harness")
ROWS_A_TEAM = 30


def rows_of(
    chance: random.Random,
    month: str,
    months: list[str],
    teams: dict[str, dict[str, Any]],
    features: dict[str, list[str]],
    scale: Decimal,
) -> list[dict[str, str]]:
    """A month's rows in random order, with a few copies; by the books' time zone some are another month's of `months`."""
    rows = []
    everyone = [feature for mine in features.values() for feature in mine]
    for team, terms in teams.items():
        burst = chance.choice((1, 1, 1, 1, 4, 9))
        for _ in range(chance.randint(ROWS_A_TEAM // 2, ROWS_A_TEAM)):
            row = _row(chance, month, burst, scale)
            feature = chance.choice(features[team]) if chance.random() < 0.9 else chance.choice(("", *everyone))
            code = _cost_center(chance, terms)
            rows.append({**row, "team": team, "cost_center": code, "feature": feature})
        if chance.random() < 0.5:  # a cost that makes the sum of the month odd
            cost = f"{chance.randint(1, 9999)}.005"
            rows.append({**_blank(chance, month), "team": team, "feature": "", "effective_cost": cost})
    for _ in range(chance.randint(0, 6)):
        row = _row(chance, month, 1, scale)
        owner = chance.choice(({"team": ""}, {"team": "nobody-knows"}, {"team": next(iter(teams)), "cost_center": "cc-9"}))
        rows.append({**row, "feature": chance.choice(("", *everyone)), **owner})
    for _ in range(chance.randint(0, 5)):
        rows.append({**_row(chance, month, 1, scale), "team": "ai-platform", "cost_center": chance.choice(("", "cc-1"))})
    for row in rows:
        day = int(row["ts"][8:10])
        outside = (month == months[0] and day < 3) or (month == months[-1] and day > 26)
        if not outside:  # no zone puts it before or after the books
            row["ts"] += chance.choice(("", "Z", "+09:00", "-05:30"))
    rows += [dict(chance.choice(rows)) for _ in range(chance.randint(0, 4))]
    chance.shuffle(rows)
    return rows


def operated(rows: list[dict[str, str]], teams: dict[str, dict[str, Any]], seed: int) -> None:
    """Who ran each call of some books (rule A5): a team, the consumer itself, the platform, nobody that is known. Copies of a row
    say the same; a cost that is passed on is left to its consumer.
    """
    others = (*teams, *teams, "ai-platform", "nobody-knows")
    for row in rows:
        chance = random.Random(f"operator {seed} {row['usage_id']}")
        if any(row.get(name) for name in ("action", "gpu_sku", "egress_sku")) and chance.random() < 0.5:
            row["operator_team"] = chance.choice(others)


def pass_through(chance: random.Random, month: str, team: str, cost: str) -> dict[str, str]:
    """A row that is a line of its own, charged at its cost."""
    return {
        **_blank(chance, month),
        "ts": f"{month}-15T12:00:00",
        "model": "of its own",
        "team": team,
        "effective_cost": cost,
    }


def _cost_center(chance: random.Random, terms: dict[str, Any]) -> str:
    """Mostly empty, else one that the team has or had."""
    codes = terms["cost_center"]
    if chance.random() < 0.6:
        return ""
    return codes if isinstance(codes, str) else chance.choice(codes)["code"]


def _blank(chance: random.Random, month: str) -> dict[str, str]:
    year, number = int(month[:4]), int(month[5:])
    last = calendar.monthrange(year, number)[1]
    day = chance.choice((1, last, chance.randint(1, last), chance.randint(1, last), chance.randint(1, last)))
    clock = f"{chance.randint(0, 23):02d}:{chance.randint(0, 59):02d}:{chance.randint(0, 59):02d}"
    workload = chance.choice(("inference", "inference", "inference", "inference", "evaluation", "training", "notebook", ""))
    return {
        "usage_id": f"u-{chance.getrandbits(64):016x}",
        "ts": f"{month}-{day:02d}T{clock}",
        "workload_type": workload,
        "model": chance.choice(("gpt-large", "claude-mid", "llama")),
    }


def _row(chance: random.Random, month: str, burst: int, scale: Decimal) -> dict[str, str]:
    row = _blank(chance, month)
    kind = chance.random()
    if kind < 0.80:
        row |= _action(chance, burst)
    if kind > 0.72 and chance.random() < 0.5:
        hours = Decimal(chance.randint(1, 4000 * burst)).scaleb(-3)
        row |= {"gpu_sku": chance.choice(("h100", "a10g")), "gpu_hours": f"{hours}"}
    if kind > 0.76 and chance.random() < 0.5:
        row |= {
            "egress_sku": "cross-zone",
            "egress_gb": f"{Decimal(chance.randint(1, 10**7)).scaleb(-chance.randint(3, 6))}",
        }
    if not any(name in row for name in ("action", "gpu_sku", "egress_sku")):
        cost = (Decimal(chance.randint(-300, 3000)) * scale).scaleb(-2 - chance.randint(0, 3))
        row |= chance.choice(({"effective_cost": f"{cost:f}"}, {"billed_cost": f"{cost:f}"}))
    elif chance.random() < 0.1:
        row |= {"billed_cost": "12.34", "effective_cost": "11.11"}  # of a row that the book prices: not charged
    return row


def _action(chance: random.Random, burst: int) -> dict[str, str]:
    count = chance.choice((1, 3, chance.randint(1, 400), chance.randint(400, 3000))) * burst
    shown = "" if count == 1 and chance.random() < 0.5 else str(count)
    return {
        "action": chance.choice(ACTIONS),
        "requests": shown,
        "input_tokens": str(count * chance.randint(0, 2600)),
        "cached_input_tokens": chance.choice(("", str(count * chance.randint(0, 900)))),
        "cache_write_tokens": chance.choice(("", "0", str(count * chance.randint(0, 90)))),
        "output_tokens": str(count * chance.randint(0, 700)),
    }
