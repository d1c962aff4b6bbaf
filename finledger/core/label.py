"""Who caused the usage: classification rules (A9), then the owner by the organisation of that day (A1, A7, C8).

A rule looks at the row as it was exported, never at what an earlier rule set, so that the order of rules decides only
which of two matching rules wins. The first matching rule sets a field that is empty. A glob matches a field that has a
value; the empty glob matches an empty field; `tag` matches when one of the row's tags does.

A row inside a trace (it has a parent span) is its root's consumer's: the team, cost centre and feature of the trace's root, by
the same rules on the root's own fields. Whose the row is by its own fields operated it (A5). An engine says of each group what
its root says of itself: `root_state` ("" outside traces, one, none, several), `root_team`, ….
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial

from finledger.core.classify import Rules
from finledger.core.model import OWN_PART, POOL_PREFIX, UNALLOCATED, Operator, Organisation, OwnedGroup, Rule, UsageGroup
from finledger.core.period import Interval
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.usage import GROUP_KEYS, TOKEN_BUCKETS, WORKLOAD_TYPES

SETTABLE = ("team", "cost_center", "feature", "action", "workload_type", "model")
OPERATOR = "operator_team"
REPEATS = "repeats_spans"  # not empty on rows of which nothing is charged for the spans below them in another export (C2):
REPEATED = "yes"  # they hold what those do
PARTLY = "part"  # what a row holds of them, whose remainder is charged as a row beside it
UNCLEAR = "unclear"  # they hold something else, and nobody can say what was used
ROOT = "root_"
ROOT_STATE = "root_state"
CONSUMER = ("team", "cost_center", "feature")  # what a root says for all rows of its trace
NO_ROOT = {"none": "no root of its trace", "several": "roots of its trace differ"}


def rule_labels(rules: Iterable[Rule]) -> tuple[str, ...]:
    """The fields beyond the ordinary group keys that the rules look at: an engine must group by them too."""
    return tuple(sorted({name for rule in rules for name in rule.when} - set(GROUP_KEYS)))


def root_labels(rules: Iterable[Rule]) -> tuple[str, ...]:
    """What an engine has to say of a row's root: its state, whose it is, and what the rules look at that say whose (A5)."""
    looked_at = {name for rule in rules if set(rule.set) & set(CONSUMER) for name in rule.when}
    return (ROOT_STATE, *(ROOT + name for name in sorted({*CONSUMER, *looked_at})))


def own(
    groups: Iterable[UsageGroup], organisation: Organisation, intervals: Sequence[Interval]
) -> Outcome[tuple[OwnedGroup, ...]]:
    """Complete the labels of every group and settle whose it is on its day. Sources to `reconcile` are left out (A9), and so are
    rows that repeat what spans in another export used (C2): these are said.
    """
    owned = []
    problems = []
    repeats = []
    rules = Rules(organisation.rules)
    consumer_rules = Rules([rule for rule in organisation.rules if set(rule.set) & set(CONSUMER)])
    for group in groups:
        if organisation.role(group.keys["source"]) == "reconcile":
            continue
        if group.labels.get(REPEATS):
            repeats.append(group)
            continue
        result = _own_one(group, organisation, rules, consumer_rules, intervals[group.interval].day)
        owned.append(result)
        if result.workload_type and result.workload_type not in WORKLOAD_TYPES:
            problems.append(
                Problem(
                    "workload-type-unknown",
                    f"workload type {result.workload_type!r} is not one of {', '.join(WORKLOAD_TYPES)}",
                    SourceRef("finledger.yaml"),
                )
            )
    return Outcome(tuple(owned), (*problems, *_repeats_problems(repeats)))


def _repeats_problems(groups: Sequence[UsageGroup]) -> Iterator[Problem]:
    """A notice or a warning for each reason for which tokens of spans are not charged."""
    where, nothing = (
        SourceRef("usage"),
        "nothing to do: the spans below are charged, as they are where one export has them all",
    )
    for fate in (REPEATED, PARTLY, UNCLEAR):
        found = [group for group in groups if group.labels[REPEATS] == fate]
        rows = sum(int(group.sums["rows"]) for group in found)
        tokens = sum(int(group.sums[bucket]) for group in found for bucket in TOKEN_BUCKETS)
        one = rows == 1
        if fate == REPEATED and rows:
            message = (
                f"{rows} {'span repeats' if one else 'spans repeat'} what the spans below, in another export, used, and "
                f"{'is' if one else 'are'} not charged (tokens: {tokens:,})"
            )
            yield Problem("aggregate-across-files", message, where, remedy=nothing, severity="notice")
        elif fate == PARTLY and rows:
            message = (
                f"{rows} {'span holds' if one else 'spans hold'} more than the spans below, in another export, used: "
                f"{'its' if one else 'their'} remainder is charged (tokens of the spans below: {tokens:,})"
            )
            yield Problem("aggregate-across-files", message, where, remedy=nothing, severity="notice")
        elif rows:
            sources = ", ".join(sorted({group.keys["source"] for group in found}))
            message = (
                f"{rows} {'span of' if one else 'spans of'} {sources} {'holds' if one else 'hold'} other tokens than the spans below, "
                f"in another export, used, and {'is' if one else 'are'} not charged (tokens: {tokens:,})"
            )
            remedy = (
                "where a parent span holds more because it used some itself, declare its source `inclusive: true` in finledger.yaml "
                "to have the remainder charged; otherwise mend the export (C2)"
            )
            yield Problem("spans-unclear", message, where, remedy=remedy, severity="warning")


def _own_one(group: UsageGroup, organisation: Organisation, rules: Rules, consumer_rules: Rules, day: date) -> OwnedGroup:
    of_row = partial(_of_row, group)
    fields, used = rules.completed({name: of_row(name) for name in SETTABLE}, of_row, day)
    root = group.labels.get(ROOT_STATE, "") if organisation.traces(group.keys["source"]) == "root" else ""
    said = fields
    if root == "one":
        of_root = partial(_of_root, group)
        said, by_root = consumer_rules.completed({name: of_root(name) for name in CONSUMER}, of_root, day)
        used += [rule for rule in by_root if rule not in used]
    team, cost_center, reason = _consumer(root, said, fields, organisation, day)
    own_team = "" if not root or fields["team"].startswith(POOL_PREFIX) else fields["team"]
    operated_by = group.labels.get(OPERATOR, "") or own_team
    operator = settle_operator(organisation, team, operated_by, day)
    if operator.cost_center and organisation.compound_calls == "owner_pays":
        (team, cost_center), reason, operator = operator, "", OWN_PART
    return OwnedGroup(
        group=group,
        day=day,
        team=team,
        cost_center=cost_center,
        feature=said["feature"] or fields["feature"],
        action=fields["action"],
        workload_type=fields["workload_type"],
        model=fields["model"],
        rules=tuple(used),
        reason=reason,
        operator=operator.team,
        operator_cost_center=operator.cost_center,
        root=root,
    )


def _consumer(
    root: str, said: Mapping[str, str], fields: Mapping[str, str], organisation: Organisation, day: date
) -> tuple[str, str, str]:
    """Team, cost centre and reason of a row: its root's, as `said`; its own outside traces and where owners pay (A5).

    What the platform operates is its service as ever, so that it does not pay for others as an owner.
    """
    own_pays = not root
    if organisation.compound_calls == "owner_pays" and root:
        served = root == "one" and fields["team"] == organisation.platform_team
        own_pays = not served and not settle_owner(organisation, fields["team"], fields["cost_center"], day)[2]
    if own_pays:
        return settle_owner(organisation, fields["team"], fields["cost_center"], day)
    if root in NO_ROOT:
        return UNALLOCATED, "", NO_ROOT[root]
    return settle_owner(organisation, said["team"], said["cost_center"], day)


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


def _of_row(group: UsageGroup, name: str) -> str:
    return group.keys[name] if name in group.keys else group.labels[name]


def _of_root(group: UsageGroup, name: str) -> str:
    """What the root of the group's rows says; it is not asked for what no rule that says whose it is looks at."""
    return group.labels[ROOT + name]
