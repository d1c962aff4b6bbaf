"""What late usage changed of closed months: posted before, correction, restated, by team and service month (rule L3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from finledger.core.model import ChargeLine
from finledger.core.money import Money, total, zero
from finledger.core.period import Month
from finledger.write.figures import csv_bytes, json_bytes

COLUMNS = ("service_month", "team", "posted_before", "correction", "restated")


class Restated(NamedTuple):
    """A team's service month: what was posted for it before, what is posted now, and what both come to."""

    service_month: Month
    team: str
    posted_before: Money
    correction: Money
    restated: Money


def restatement(lines: Iterable[ChargeLine], posted: Mapping[tuple[Month, str], Money]) -> tuple[Restated, ...]:
    """A row for each service month and team that a correction changes, sorted by these; adjustments are left out (L4).

    `posted`: what was posted so far for a service month and team, nothing where it is missing.
    """
    corrections: dict[tuple[Month, str], Money] = {}
    for line in lines:
        key = line.key
        if key.kind != "adjustment" and key.service_month != key.posting_month:
            of = (key.service_month, key.team)
            corrections[of] = corrections.get(of, zero(line.amount.currency)) + line.amount
    before = {of: posted.get(of, zero(amount.currency)) for of, amount in corrections.items()}
    return tuple(Restated(*of, before[of], amount, before[of] + amount) for of, amount in sorted(corrections.items()))


def restatement_json(month: Month, currency: str, rows: Sequence[Restated]) -> bytes:
    """{schema, month, currency, rows: [{service_month, team, posted_before, correction, restated}], months: [the same, all
    teams together]}: `month` posts the corrections.
    """
    content: dict[str, Any] = {
        "schema": 1,
        "month": str(month),
        "currency": currency,
        "rows": [dict(zip(COLUMNS, map(str, row), strict=True)) for row in rows],
        "months": [_whole(service_month, rows, currency) for service_month in sorted({row.service_month for row in rows})],
    }
    return json_bytes(content)


def restatement_csv(rows: Iterable[Restated]) -> bytes:
    """The rows with their columns' names."""
    return csv_bytes(COLUMNS, (tuple(map(str, row)) for row in rows))


def _whole(service_month: Month, rows: Iterable[Restated], currency: str) -> dict[str, str]:
    own = [row for row in rows if row.service_month == service_month]
    sums = {name: str(total((getattr(row, name) for row in own), currency)) for name in COLUMNS[2:]}
    return {"service_month": str(service_month), **sums}
