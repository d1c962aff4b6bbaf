"""Shared pools as finledger.yaml declares them: what fills them, over whom they are split, by what (rule A8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from finledger.core.model import POOL_PREFIX
from finledger.core.problem import Problem
from finledger.read import values
from finledger.read.fields import Checked, check_places
from finledger.read.settings_text import METERS, PoolText, SettingsText
from finledger.read.tables import read_table
from finledger.read.values import WrongValue, quoted, suggestion

Found = Checked[SettingsText]
Weights = Mapping[str, Decimal]


def check_pools(found: Found, settings: SettingsText, teams: Sequence[str], weights: Mapping[str, Weights]) -> None:
    """Report what is wrong with the pools. `teams`: the declared teams; `weights`: what `read_weights` gave, by pool."""
    filled: dict[str, str] = {}
    fed = {target for pool in settings.pools.values() for target in pool.to}
    declared = _declared(found)
    for name, pool in settings.pools.items():
        _check_source(found, settings.currency, name, pool, POOL_PREFIX + name in fed)
        first = filled.setdefault(pool.rows, name) if pool.rows else name
        if first != name:
            message = f"the rows of {quoted(pool.rows)} fill the pool {quoted(first)} already"
            found.report("pool-rows-twice", message, "give each pool rows of its own", "pools", name, "rows")
        sound = _check_targets(found, name, pool, teams, declared)
        targets = tuple(teams) if pool.to == ["teams"] else tuple(pool.to)
        given = [key for key in ("meter", "shares", "weights") if getattr(pool.driver, key) is not None]
        if not found.sound("pools", name, "driver"):
            continue
        if len(given) != 1:
            message = "the pool has no driver" if not given else f"the pool has {len(given)} drivers: {' and '.join(given)}"
            remedy = f"write one of {', '.join(METERS)}, {{shares: …}} or {{weights: FILE}}"
            found.report("pool-driver", message, remedy, "pools", name, "driver")
        elif pool.driver.shares is not None:
            _check_shares(found, name, pool.driver.shares, targets if sound else None)
        elif name in weights and sound:
            _check_weights(found, name, pool, weights[name], targets)
    _check_order(found, settings, declared)


def _declared(found: Found) -> tuple[str, ...]:
    """The names of all pools in their order, also of those whose entries are wrong, so that one mistake is reported once."""
    pools = found.document.root.plain().get("pools", {})
    return tuple(pools) if isinstance(pools, dict) else ()


def _check_source(found: Found, currency: str, name: str, pool: PoolText, fed: bool) -> None:
    whole = found.sound("pools", name, "amount") and found.sound("pools", name, "rows")
    nothing = pool.amount is None and pool.rows is None
    if whole and (pool.amount is None) == (pool.rows is None) and not (nothing and fed):
        how = "neither an amount nor rows, and no pool feeds it" if nothing else "both an amount and rows"
        remedy = 'write either `amount: {2026-07: 12000.00}` or `rows: "pool:NAME"`'
        found.report("pool-source", f"the pool has {how}", remedy, "pools", name)
    if pool.rows is not None and (not pool.rows.startswith(POOL_PREFIX) or pool.rows == POOL_PREFIX):
        message = f"{quoted(pool.rows)} is not the name of a pool's rows"
        found.report("pool-rows", message, f'write `rows: "{POOL_PREFIX}{name}"`', "pools", name, "rows")
    for month, amount in (pool.amount or {}).items():
        check_places(found, currency, amount, "pools", name, "amount", str(month))


def _check_targets(found: Found, name: str, pool: PoolText, teams: Sequence[str], pools: Sequence[str]) -> bool:
    """Whether the pool's targets are all teams or pools that are declared."""
    before = len(found.problems)
    if not pool.to and found.sound("pools", name, "to"):
        message = "the pool is split over nobody"
        found.report("pool-targets", message, "write `to: teams`, or list the teams", "pools", name, "to")
    for number, target in enumerate(pool.to):
        steps = ("pools", name, "to", number)
        if pool.to == ["teams"]:
            break
        if target in pool.to[:number]:
            kind = "pool" if target.startswith(POOL_PREFIX) else "team"
            found.report("pool-target-twice", f"the {kind} {quoted(target)} is listed twice", "keep one of the two", *steps)
        elif target.startswith(POOL_PREFIX):
            fed = target.removeprefix(POOL_PREFIX)
            if fed not in pools:
                message = f"the pool feeds a pool that is not declared: {quoted(fed)}"
                remedy = f"{suggestion(fed, pools)}add it under pools, behind this one, or take it out here"
                found.report("pool-unknown-pool", message, remedy, *steps)
        elif target not in teams:
            message = f"the pool is split over a team that is not declared: {quoted(target)}"
            remedy = f"{suggestion(target, teams)}add the team under teams, or take it out here"
            found.report("pool-unknown-team", message, remedy, *steps)
    return len(found.problems) == before


# ── pools that feed pools ───────────────────────────────────────────────────────────────────────────────────────────────


def _check_order(found: Found, settings: SettingsText, declared: Sequence[str]) -> None:
    """A pool feeds later ones only: a circle is refused with its path, and what is only out of order with what to move."""
    feeds = {
        name: [target.removeprefix(POOL_PREFIX) for target in pool.to if target.startswith(POOL_PREFIX)]
        for name, pool in settings.pools.items()
    }
    place = {name: number for number, name in enumerate(declared)}
    circles: set[tuple[str, ...]] = set()
    for name, pool in settings.pools.items():
        for number, target in enumerate(pool.to):
            fed = target.removeprefix(POOL_PREFIX)
            if fed == target or fed not in place or place[fed] > place[name] or target in pool.to[:number]:
                continue
            steps = ("pools", name, "to", number)
            circle = _path(feeds, fed, name)
            if not circle:
                message = f"the pool feeds {quoted(fed)}, which is declared before it and is split by then"
                found.report("pool-order", message, f"declare {quoted(fed)} behind {quoted(name)}", *steps)
            elif _turned(circle, place) not in circles:
                circles.add(_turned(circle, place))
                message = f"the pools feed one another in a circle: {' → '.join((*circle, fed))}"
                remedy = f"take {quoted(target)} out of the `to` of {name}, or break the circle elsewhere"
                found.report("pool-cycle", message, remedy, *steps)


def _path(feeds: Mapping[str, Sequence[str]], start: str, end: str) -> tuple[str, ...]:
    """The pools on a shortest way from `start` to `end`, both included; none where there is no way."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    for way in ways:
        if way[-1] == end:
            return way
        for after in feeds.get(way[-1], ()):
            if after not in seen:
                seen.add(after)
                ways.append((*way, after))
    return ()


def _turned(circle: tuple[str, ...], place: Mapping[str, int]) -> tuple[str, ...]:
    """The circle from its first declared pool on, so that it is the same from wherever it was found."""
    first = circle.index(min(circle, key=place.__getitem__))
    return (*circle[first:], *circle[:first])


def _check_shares(found: Found, name: str, shares: Weights, targets: Sequence[str] | None) -> None:
    steps = ("pools", name, "driver", "shares")
    if targets is not None:
        for team in shares:
            if team not in targets:
                message = f"{quoted(team)} has a share, and the pool is not split over it"
                remedy = f"{suggestion(team, targets)}give the share to a team that the pool is split over"
                found.report("pool-share-stranger", message, remedy, *steps, team)
    total = sum(shares.values(), Decimal(0))
    if total != 1:
        message = f"the shares add up to {total}, not to 1"
        found.report("unbalanced-shares", message, "correct the shares, so that they add up to exactly 1", *steps)


def _check_weights(found: Found, name: str, pool: PoolText, weights: Weights, targets: Sequence[str]) -> None:
    missing = [team for team in targets if team not in weights]
    if missing:
        message = f"{pool.driver.weights} has no weight for {', '.join(missing)}"
        found.report(
            "weights-team-missing", message, f"add a line for each: `{missing[0]},0`", "pools", name, "driver", "weights"
        )
    strangers = [team for team in weights if team not in targets]
    if strangers:
        message = f"{pool.driver.weights} has a weight for {', '.join(strangers)}, over which the pool is not split"
        found.report(
            "weights-stranger", message, "remove these lines, or list the teams in `to`", "pools", name, "driver", "weights"
        )


def read_weights(found: Found, settings: SettingsText, folder: Path) -> dict[str, Weights]:
    """The weights of every pool that has them in a file beside finledger.yaml (columns team,weight)."""
    read: dict[str, Weights] = {}
    for name, pool in settings.pools.items():
        file = pool.driver.weights
        if file is None:
            continue
        steps = ("pools", name, "driver", "weights")
        if file.startswith("/") or "\\" in file or ".." in file.split("/") or ":" in file:
            message = f"{quoted(file)} does not lie in the books"
            found.report("weights-outside", message, "put the file beside finledger.yaml and name it without a path", *steps)
        elif not (folder / file).is_file():
            found.report(
                "weights-missing",
                f"there is no file {quoted(file)} in the books",
                "add the file, or correct its name",
                *steps,
            )
        else:
            table, problems = _weights(folder / file, file)
            found.problems += problems
            if not problems:
                read[name] = table
    return read


def _weights(path: Path, shown_as: str) -> tuple[Weights, list[Problem]]:
    table = read_table(path, shown_as, ("team", "weight"))
    problems = list(table.problems)
    weights: dict[str, Decimal] = {}
    for row in table.rows:
        team = row.needed("team", values.text, problems)
        weight = row.needed("weight", values.amount, problems)
        if team is None or weight is None:
            continue
        if team in weights:
            message = f"the team {quoted(team)} has a weight already"
            problems.append(row.problem(WrongValue("weights-twice", message, "keep one of the two"), "team"))
        weights[team] = weight
    return weights, problems
