"""Reserved GPU-hours that nobody used, and whose they are (rule C6).

A reservation bills its full hours: what was used of it bills as use, the rest is idle. Idle hours are the holder's; those of
a shared pool belong to everybody who used the SKU without a reservation of their own, by used hours. Here they are priced
exactly; charge.py rounds them, once for each reservation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from finledger.core import unpriced
from finledger.core.model import Organisation, OwnedGroup, PriceBook, Reservation, Sku
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.rate import Pricing

NONE = Decimal(0)
ALL = Decimal(1)


@dataclass(frozen=True, slots=True)
class IdleHours:
    """Idle hours of a reservation at the rate of `book`, not yet rounded. `weights` by team; none: nobody used any."""

    gpu_sku: str
    holder: str
    reserved: Decimal
    used: Decimal
    weights: Mapping[str, Decimal]
    sku: Sku
    book: PriceBook

    @property
    def hours(self) -> Decimal:
        return self.reserved - self.used


def idle_hours(
    reservations: Iterable[Reservation], owned: Iterable[OwnedGroup], pricing: Pricing
) -> Outcome[tuple[IdleHours, ...]]:
    """What lay idle of the month's reservations, sorted by SKU and holder; the platform's own are its own cost (C8).

    `reservations`: one for each month, SKU and holder. The rate is that of the book at the month's first instant, since idle
    hours have no event that would date them. A holder that the organisation does not know in the month is an error, as is an
    idle SKU without a rate (P2).
    """
    month, organisation = pricing.month, pricing.organisation
    reserved = [each for each in reservations if each.month == month and each.reserved_hours]
    problems = [_not_yet(each) for each in reserved if not _is_known(each, organisation)]
    held = {(each.gpu_sku, each.holder) for each in reserved}
    used = _used(owned)
    found = []
    for each in sorted(reserved, key=lambda each: (each.gpu_sku, each.holder)):
        by_team = used.get(each.gpu_sku, {})
        if each.holder:
            taken, weights = by_team.get(each.holder, NONE), {each.holder: ALL}
        else:
            weights = {team: hours for team, hours in by_team.items() if (each.gpu_sku, team) not in held}
            taken = sum(weights.values(), NONE)
        idle = each.reserved_hours - taken
        if idle <= 0 or each.holder == organisation.platform_team:
            continue
        book = pricing.terms
        sku = None if book is None else book.gpu.get(each.gpu_sku)
        if book is None or sku is None:
            problems.append(unpriced.no_reserved_sku(book, each, idle, pricing.allow_unpriced))
            continue
        if not weights:
            problems.append(_unused(each))
        found.append(IdleHours(each.gpu_sku, each.holder, each.reserved_hours, taken, weights, sku, book))
    return Outcome(tuple(found), tuple(problems))


def _used(owned: Iterable[OwnedGroup]) -> dict[str, dict[str, Decimal]]:
    """Used hours by SKU and owner: teams, pools, the platform, and what nobody owns."""
    used: dict[str, dict[str, Decimal]] = {}
    for group in owned:
        sku, hours = group.group.keys["gpu_sku"], Decimal(group.group.sums["gpu_hours"])
        if sku and hours:
            by_team = used.setdefault(sku, {})
            by_team[group.team] = by_team.get(group.team, NONE) + hours
    return used


def _is_known(reservation: Reservation, organisation: Organisation) -> bool:
    holder = reservation.holder
    if holder in ("", organisation.platform_team):
        return True
    return holder in organisation.teams and organisation.teams[holder].first_day_in(reservation.month) is not None


def _not_yet(reservation: Reservation) -> Problem:
    hours, sku, holder = reservation.reserved_hours, reservation.gpu_sku, reservation.holder
    return Problem(
        "reservation-unknown-holder",
        f"{hours} GPU-hours of {sku} are held by {holder!r}, a team that has no cost centre yet in {reservation.month}",
        reservation.source,
        remedy="let the platform's team hold them until then, or date the team's cost centre earlier",
    )


def _unused(reservation: Reservation) -> Problem:
    hours, sku = reservation.reserved_hours, reservation.gpu_sku
    return Problem(
        "capacity-unused",
        f"nobody used any of the {hours} GPU-hours of {sku} that all share: their cost stays with the platform",
        reservation.source or SourceRef("capacity.csv"),
        remedy="name a holder, or load the usage that ran on them",
        severity="warning",
    )
