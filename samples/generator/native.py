"""Native usage: the platform's own meters. A row is an hour of a feature, a job on accelerators, or a span of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from generator.world import BUCKETS, HOSTED, Dice, Meter, Month, stamp, summed

COLUMNS = (
    "usage_id", "ts", "team", "cost_center", "workload_type", "model", "provider", "feature", "action", "requests", *BUCKETS,
    "reasoning_tokens", "gpu_sku", "gpu_hours", "gpu_busy_hours", "egress_sku", "egress_gb", "runs", "runs_completed",
    "status", "environment", "cohort", "user", "trace_id", "span_id", "parent_span_id", "operator_team",
)  # fmt: skip
COST_CENTERS = {
    "route-planning": "cc-2110", "customs-docs": "cc-2130", "pricing-science": "cc-2140", "sales-enablement": "cc-2150",
    "warehouse-vision": "cc-2160", "people-ops": "cc-2170", "ai-platform": "cc-2000",
}  # fmt: skip
AGENT_RUNS = 110
REGISTERED_FROM = (2026, 10)
CARE_MOVED = datetime(2026, 8, 17, tzinfo=UTC)


@dataclass(frozen=True)
class Stream:
    """Rows of one kind: how many a month, requests a row, and the mean tokens of a request by bucket."""

    team: str
    feature: str
    action: str
    model: str
    rows: int
    requests: tuple[int, int]
    tokens: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def workload_type(self) -> str:
        return "evaluation" if self.action in ("eval_run", "judge_call", "baseline_run") else "inference"

    def in_month(self, month: Month) -> Stream:
        """The same requests in fewer rows where they are summed up; and twice the evaluation from then on."""
        rows = summed(month)
        more = 2 * rows if rows > 1 and self.action == "eval_run" else rows
        low, high = self.requests
        return replace(self, rows=self.rows // rows, requests=(low * more, high * more))


STREAMS = (
    Stream("route-planning", "eta-prediction", "chat_call", "chat-small", 330, (1200, 4200), (1200, 600, 60, 300)),
    Stream("route-planning", "route-advisor", "retrieval_call", "embed-small", 150, (800, 3600), (900, 0, 0, 0)),
    Stream("route-planning", "eta-prediction", "eval_run", "chat-small", 30, (300, 900), (1800, 400, 0, 300)),
    Stream("customer-care", "reply-drafts", "chat_call", "chat-large", 420, (400, 1300), (1400, 1000, 100, 380)),
    Stream("customer-care", "case-summaries", "chat_call", "reason-mid", 230, (200, 760), (2000, 1500, 200, 350)),
    Stream("customer-care", "reply-drafts", "retrieval_call", "embed-small", 160, (700, 2400), (900, 0, 0, 0)),
    Stream("customer-care", "reply-drafts", "eval_run", "chat-large", 40, (200, 700), (1800, 400, 0, 300)),
    Stream("customer-care", "reply-drafts", "judge_call", "reason-mid", 24, (100, 400), (1500, 600, 0, 120)),
    Stream("customs-docs", "document-extraction", "chat_call", "chat-small", 290, (700, 2800), (1300, 500, 60, 320)),
    Stream("customs-docs", "tariff-lookup", "tool_call", "", 170, (300, 1500)),
    Stream("customs-docs", "document-extraction", "eval_run", "chat-small", 26, (200, 800), (1800, 400, 0, 300)),
    Stream("pricing-science", "quote-model", "chat_call", "llama-3-70b", 180, (1200, 3800), (1100, 0, 0, 260)),
    Stream("sales-enablement", "proposal-writer", "retrieval_call", "embed-small", 60, (200, 700), (900, 0, 0, 0)),
    Stream("people-ops", "policy-assistant", "chat_call", "chat-small", 90, (60, 300), (1100, 700, 40, 280)),
    Stream("people-ops", "policy-assistant", "retrieval_call", "embed-small", 50, (60, 300), (900, 0, 0, 0)),
    Stream("ai-platform", "", "baseline_run", "chat-large", 60, (300, 900), (1800, 400, 0, 300)),
    Stream("ai-platform", "", "judge_call", "reason-mid", 50, (200, 600), (1500, 600, 0, 120)),
    Stream("ai-platform", "", "chat_call", "chat-small", 20, (50, 200), (1200, 600, 60, 300)),
    # nobody's: no team, or a team the organisation does not know
    Stream("", "", "chat_call", "chat-large", 26, (300, 1100), (1400, 1000, 100, 380)),
    Stream("", "reply-drafts", "chat_call", "reason-mid", 12, (200, 700), (2000, 1500, 200, 350)),
    Stream("growth-lab", "", "chat_call", "chat-large", 14, (200, 600), (1400, 1000, 100, 380)),
)
# What happens in one month only: pricing scores its archive again, customs reads nine years of declarations once more.
BURSTS = {
    8: Stream("pricing-science", "quote-model", "chat_call", "llama-3-70b", 190, (7000, 16000), (1100, 0, 0, 260)),
    11: Stream("customs-docs", "document-extraction", "chat_call", "chat-small", 60, (110000, 230000), (1300, 500, 60, 320)),
}

# team, feature, workload, sku, accelerators, hours of a job, jobs a month, whether jobs are runs
JOBS: tuple[tuple[str, str, str, str, int, tuple[int, int], int, bool], ...] = (
    ("pricing-science", "quote-model", "training", "h100", 8, (5, 9), 10, True),
    ("pricing-science", "quote-model", "notebook", "l40s", 1, (3, 9), 40, False),
    ("customs-docs", "document-extraction", "training", "l40s", 4, (6, 14), 22, True),
    ("warehouse-vision", "damage-detection", "inference", "l40s", 2, (20, 24), 62, False),
    ("warehouse-vision", "damage-detection", "training", "l40s", 8, (5, 12), 9, True),
    ("pool:experiment-cluster", "", "training", "l40s", 2, (12, 22), 60, False),
    ("", "", "notebook", "l40s", 1, (4, 12), 18, False),
)


def columns(month: Month) -> tuple[str, ...]:
    """From October the meters also say which registered prompt was run."""
    return (*COLUMNS, "prompt_id") if month[:2] >= REGISTERED_FROM else COLUMNS


def prompt(stream: Stream, when: datetime) -> dict[str, str]:
    """The prompt of a feature that has one in the registry: those that chat with a provider's model."""
    registered = stream.team and stream.feature and stream.action == "chat_call" and stream.model not in HOSTED
    return {"prompt_id": f"{stream.feature}/3"} if registered and (when.year, when.month) >= REGISTERED_FROM else {}


def cost_center(team: str, when: datetime, dice: Dice) -> str:
    """What the meter writes: usually the team's, often nothing, and for care now and then the one of before it moved."""
    if team == "customer-care":
        expected = "cc-2125" if when >= CARE_MOVED else "cc-2120"
        return "cc-2120" if dice.one_in(120) else dice.pick((expected, ""))
    return dice.pick((COST_CENTERS.get(team, ""), ""))


def action_row(stream: Stream, when: datetime, dice: Dice, meter: Meter) -> dict[str, Any]:
    failed = dice.one_in(70)
    requests = max(1, dice.between(*stream.requests) // (50 if failed else 1))
    tokens = {bucket: requests * dice.around(mean) for bucket, mean in zip(BUCKETS, stream.tokens, strict=True) if mean}
    if failed:
        tokens.pop("output_tokens", None)
    meter.add(when, stream.model, tokens)
    return {
        "ts": stamp(when), "team": stream.team, "cost_center": cost_center(stream.team, when, dice),
        "workload_type": stream.workload_type, "model": stream.model, "feature": stream.feature, "action": stream.action,
        "provider": "self-hosted" if stream.model in HOSTED else "cumulus" if stream.model else "", "requests": requests,
        **tokens, **prompt(stream, when),
        "reasoning_tokens": tokens.get("output_tokens", 0) // 3 if stream.model == "reason-mid" else "",
        "status": dice.pick(("timeout", "error")) if failed else "success",
        "environment": "production" if stream.workload_type == "inference" else "ci",
        "cohort": dice.pick(("eu", "eu", "us", "apac")) if stream.feature else "",
    }  # fmt: skip


def job_rows(month: Month, dice: Dice, scale: int) -> Iterator[dict[str, Any]]:
    for team, feature, workload, sku, accelerators, hours, count, is_run in JOBS:
        migrating = month[1] == 8 and sku == "h100"
        for _ in range(count * scale * (4 if migrating else 1)):
            when = dice.moment(month)
            used = Decimal(accelerators * dice.between(hours[0] * 4, hours[1] * 4)) / 4
            busy = used * dice.between(55, 94) / 100
            completed = 0 if dice.one_in(7) else 1
            row: dict[str, Any] = {
                "ts": stamp(when), "team": team, "cost_center": cost_center(team, when, dice), "workload_type": workload,
                "model": "llama-3-70b" if sku == "h100" else "", "feature": feature, "gpu_sku": sku, "gpu_hours": used,
                "gpu_busy_hours": busy, "environment": "production" if workload == "inference" else "research",
            }  # fmt: skip
            if is_run:
                row |= {"runs": 1, "runs_completed": completed, "status": "success" if completed else "failed"}
            yield row


def egress_rows(month: Month, dice: Dice, scale: int) -> Iterator[dict[str, Any]]:
    for team, feature, sku, thousandths in (
        ("route-planning", "route-advisor", "cross-zone", 90_000),
        ("warehouse-vision", "damage-detection", "cross-zone", 520_000),
        ("customs-docs", "document-extraction", "internet", 44_000),
    ):
        for _ in range(month[2] * scale):
            when = dice.moment(month)
            yield {
                "ts": stamp(when), "team": team, "cost_center": cost_center(team, when, dice), "workload_type": "inference",
                "feature": feature, "egress_sku": sku, "egress_gb": Decimal(dice.around(thousandths)) / 1000,
                "environment": "production",
            }  # fmt: skip


def agent_rows(month: Month, dice: Dice, meter: Meter, runs: int) -> Iterator[dict[str, Any]]:
    """Runs of the route advisor: a root span that repeats its children's tokens, then the steps and calls themselves."""
    for _ in range(runs):
        start, trace, root, user = dice.moment(month), dice.hex(16), dice.hex(8), f"u{dice.between(100, 160)}"
        common = {
            "team": "route-planning", "workload_type": "inference", "feature": "route-advisor", "environment": "production",
            "trace_id": trace, "user": user,
        }  # fmt: skip
        children = []
        for position in range(dice.between(3, 6)):
            when = start + timedelta(seconds=3 * position)
            kind = "agent_step" if position % 2 == 0 else dice.pick(("tool_call", "retrieval_call"))
            row: dict[str, Any] = {
                **common, "ts": stamp(when), "action": kind, "requests": 1, "status": "success", "span_id": dice.hex(8),
                "parent_span_id": root,
            }  # fmt: skip
            if kind == "agent_step":
                tokens = dict(zip(BUCKETS, map(dice.around, (4200, 21000, 1800, 900)), strict=True))
                row |= {"model": "reason-mid", "provider": "cumulus", **tokens}
                row["reasoning_tokens"] = tokens["output_tokens"] // 2
            elif kind == "retrieval_call":
                row |= {"model": "embed-small", "provider": "cumulus", "input_tokens": dice.around(900)}
            else:
                row |= {"operator_team": "customs-docs"}
            meter.add(when, str(row.get("model", "")), {bucket: int(row.get(bucket, 0)) for bucket in BUCKETS})
            children.append(row)
        sums = {bucket: sum(int(child.get(bucket, 0)) for child in children) for bucket in BUCKETS}
        model = {"model": "reason-mid", "provider": "cumulus"}
        yield {**common, "ts": stamp(start), **model, **sums, "status": "success", "span_id": root}
        yield from children


def rows_of(month: Month, seed: int, meter: Meter, scale: int) -> list[dict[str, Any]]:
    dice = Dice(seed, "native", month[1])
    burst = [BURSTS[month[1]]] if month[1] in BURSTS else []
    streams = [*(each.in_month(month) for each in STREAMS), *burst]
    rows = [action_row(stream, dice.moment(month), dice, meter) for stream in streams for _ in range(stream.rows * scale)]
    runs = AGENT_RUNS * scale // (5 if summed(month) > 1 else 1)
    rows += [*job_rows(month, dice, scale), *egress_rows(month, dice, scale), *agent_rows(month, dice, meter, runs)]
    rows.sort(key=lambda row: str(row["ts"]))  # stable: the spans of an agent run stay together
    return [{"usage_id": f"kf-{month[0]}{month[1]:02d}-{n:06d}", **row} for n, row in enumerate(rows, 1)]


def with_blemishes(months: Sequence[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """What exports are like: rows sent twice, rows that come a file late, and a few that no one can read."""
    july, august, september, *later = (list(rows) for rows in months)
    late = _alone(august)[-6:]  # the last of August are only in September's file
    august[:] = [*_alone(july)[-9:], *(row for row in august if row not in late)]  # and the last of July are sent again
    september[:0] = late
    odd = (
        (july, {"requests": "1.5"}),
        (july, {"input_tokens": "-212"}),
        (august, {"ts": "2026-08-32T09:14:00Z"}),
        (september, {"gpu_sku": "l40s", "gpu_hours": "n/a"}),
        (september, {"usage_id": ""}),
    )
    for number, (rows, change) in enumerate(odd, 1):
        place = 300 * number
        rows.insert(place, {**_alone(rows)[place], "usage_id": f"kf-odd-{number}", **change})
    return [july, august, september, *later]


def _alone(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that are no span of an agent run: a run is sent whole."""
    return [row for row in rows if "trace_id" not in row]
