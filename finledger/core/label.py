"""Who caused the usage: classification rules (A9), then the owner by the organisation of that day (A1, A7, C8).

A rule looks at the row as it was exported, never at what an earlier rule set, so that the order of rules decides only
which of two matching rules wins. The first matching rule sets a field that is empty. A glob matches a field that has a
value; the empty glob matches an empty field; `tag` matches when one of the row's tags does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache

from finledger.core.model import OWN_PART, POOL_PREFIX, UNALLOCATED, Operator, Organisation, OwnedGroup, Rule, UsageGroup
from finledger.core.period import Interval
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.usage import GROUP_KEYS, WORKLOAD_TYPES

SETTABLE = ("team", "cost_center", "feature", "action", "workload_type", "model")
OPERATOR = "operator_team"


def rule_labels(rules: Iterable[Rule]) -> tuple[str, ...]:
    """The fields beyond the ordinary group keys that the rules look at: an engine must group by them too."""
    return tuple(sorted({name for rule in rules for name in rule.when} - set(GROUP_KEYS)))


def own(
    groups: Iterable[UsageGroup], organisation: Organisation, intervals: Sequence[Interval]
) -> Outcome[tuple[OwnedGroup, ...]]:
    """Complete the labels of every group and settle whose it is on its day. Sources to `reconcile` are left out (A9)."""
    owned = []
    problems = []
    for group in groups:
        if organisation.role(group.keys["source"]) == "reconcile":
            continue
        result = _own_one(group, organisation, intervals[group.interval].day)
        owned.append(result)
        if result.workload_type and result.workload_type not in WORKLOAD_TYPES:
            problems.append(
                Problem(
                    "workload-type-unknown",
                    f"workload type {result.workload_type!r} is not one of {', '.join(WORKLOAD_TYPES)}",
                    SourceRef("finledger.yaml"),
                )
            )
    return Outcome(tuple(owned), tuple(problems))


def _own_one(group: UsageGroup, organisation: Organisation, day: date) -> OwnedGroup:
    fields = {name: group.keys[name] for name in SETTABLE}
    used: list[tuple[str, int]] = []
    for rule in organisation.rules:
        wanted = [name for name in rule.set if not fields[name]]
        if wanted and _in_force(rule, day) and _matches(rule, group):
            for name in wanted:
                fields[name] = rule.set[name]
                used.append((name, rule.number))
    team, cost_center, reason = settle_owner(organisation, fields["team"], fields["cost_center"], day)
    operator = settle_operator(organisation, team, group.labels.get(OPERATOR, ""), day)
    if operator.cost_center and organisation.compound_calls == "owner_pays":
        (team, cost_center), reason, operator = operator, "", OWN_PART
    return OwnedGroup(
        group=group,
        day=day,
        team=team,
        cost_center=cost_center,
        feature=fields["feature"],
        action=fields["action"],
        workload_type=fields["workload_type"],
        model=fields["model"],
        rules=tuple(used),
        reason=reason,
        operator=operator.team,
        operator_cost_center=operator.cost_center,
    )


def settle_owner(organisation: Organisation, team: str, cost_center: str, day: date) -> tuple[str, str, str]:
    """Team, cost centre and, for unallocated usage, the reason (rules A1, C8)."""
    if not team:
        return UNALLOCATED, "", "no team"
    if team == organisation.platform_team:
        return team, cost_center or organisation.platform_cost_center, ""
    if team.startswith(POOL_PREFIX) and any(pool.rows == team for pool in organisation.pools):
        return team, "", ""
    known = organisation.teams.get(team)
    expected = known.cost_center.at(day) if known is not None else None
    if expected is None:
        return UNALLOCATED, "", "unknown team"
    if cost_center and cost_center != expected:
        return UNALLOCATED, "", "another team's cost centre"
    return team, expected, ""


def settle_operator(organisation: Organisation, team: str, operator: str, day: date) -> Operator:
    """Who else than the consumer `team` operated a call, with its cost centre on that day (rule A5); `OWN_PART` for nobody.

    What the platform operates is its service as ever, and what it uses itself is nobody's charge; a pool's rows are shared
    out whole.
    """
    platform = organisation.platform_team
    if operator in ("", team, platform) or team == platform or team.startswith(POOL_PREFIX):
        return OWN_PART
    known = organisation.teams.get(operator)
    return Operator(operator, (known.cost_center.at(day) if known is not None else None) or "")


def _in_force(rule: Rule, day: date) -> bool:
    return (rule.start is None or rule.start <= day) and (rule.until is None or day < rule.until)


def _matches(rule: Rule, group: UsageGroup) -> bool:
    return all(_field_matches(name, globs, group) for name, globs in rule.when.items())


def _field_matches(name: str, globs: tuple[str, ...], group: UsageGroup) -> bool:
    value = group.keys[name] if name in group.keys else group.labels[name]
    values = _tags(value) if name == "tag" else (value,)
    return any(_glob(pattern).fullmatch(each) is not None for pattern in globs for each in values if each or not pattern)


@lru_cache(maxsize=65536)
def _tags(value: str) -> tuple[str, ...]:
    return tuple(json.loads(value)) if value else ("",)


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    """`*` stands for any text and `?` for one character; everything else is itself."""
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(char, re.escape(char)) for char in pattern), re.DOTALL)
