"""capacity.csv: GPU-hours that are reserved for a month, by a team, by the platform or for everybody (rule C6)."""

from __future__ import annotations

from pathlib import Path

from finledger.core.model import Organisation, Reservation
from finledger.core.period import Month
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read import values
from finledger.read.tables import Row, absent, read_table
from finledger.read.values import WrongValue, quoted, suggestion

COLUMNS = ("month", "gpu_sku", "reserved_hours", "holder")


def read_capacity(path: Path, shown_as: str, organisation: Organisation) -> Outcome[tuple[Reservation, ...]]:
    """Every reservation, sorted by month, SKU and holder; none where there is no file. An empty holder is a shared pool."""
    if absent(path):
        return Outcome(())
    table = read_table(path, shown_as, COLUMNS)
    problems = list(table.problems)
    seen: dict[tuple[Month, str, str], SourceRef] = {}
    reservations = [_reservation(row, organisation, seen, problems) for row in table.rows]
    found = (each for each in reservations if each is not None)
    return Outcome(tuple(sorted(found, key=lambda each: (each.month, each.gpu_sku, each.holder))), tuple(problems))


def _reservation(
    row: Row, organisation: Organisation, seen: dict[tuple[Month, str, str], SourceRef], problems: list[Problem]
) -> Reservation | None:
    before = len(problems)
    month = row.needed("month", values.month, problems)
    gpu_sku = row.needed("gpu_sku", values.text, problems)
    hours = row.needed("reserved_hours", values.amount, problems)
    holder = row.value("holder", lambda name: _holder(name, organisation), problems) or ""
    if month is not None and gpu_sku is not None and len(problems) == before:
        first = seen.setdefault((month, gpu_sku, holder), row.source)
        if first is not row.source:
            message = f"{gpu_sku} is reserved for {holder or 'the shared pool'} in {month} already, at {first}"
            problems.append(row.problem(WrongValue("reservation-twice", message, "add the two up in one row")))
    if month is None or gpu_sku is None or hours is None or len(problems) > before:
        return None
    return Reservation(month, gpu_sku, hours, holder, row.source)


def _holder(name: str, organisation: Organisation) -> str:
    known = (*organisation.teams, organisation.platform_team)
    if name not in known:
        message = f"the hours are held by a team that is not declared: {quoted(name)}"
        remedy = f"{suggestion(name, known)}write a team of finledger.yaml, or nothing for a pool that everybody shares"
        raise WrongValue("reservation-unknown-holder", message, remedy)
    return name
