"""Compound calls on the journal: what a team caused and another operated, as pairs of postings (rule A5).

`search` is charged 10.00, of which `retrieval` operated 4.00. Search's own entry debits it 10.00 and the platform recovers 10.00,
as ever. Beside it stands an entry of two pairs:

    operated    AI service expense @retrieval    4.00    who operated: as if the operator had been charged
                AI service expense @search      -4.00
    passed_on   AI service expense @search       4.00    who caused: the operator hands it on
                Recovery of passthrough @retrieval  -4.00

So search bears 10.00, retrieval nothing, the platform recovers 10.00. Without what is passed on, each cost centre's expense is
what it operated: 6.00 and 4.00; with it, each cost centre's net is what it caused. A line's negative part (a credit) makes the
same pairs with the signs turned round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from finledger.core.accounts import accounts_of, missing_between_entities
from finledger.core.model import (
    MONEY_MOVES,
    UNALLOCATED,
    Account,
    ChargeLine,
    JournalEntry,
    Operated,
    Organisation,
    Posting,
)
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.core.post import CREDIT, entry_id, other_entity
from finledger.core.problem import Outcome, Problem, Severity, SourceRef

OPERATED, PASSED_ON = "operated", "passed_on"
K = TypeVar("K")


class _PairKey(NamedTuple):
    """What one entry is of; its postings are by the operator's cost centres, which may change inside the month (A7)."""

    service_month: Month
    team: str
    cost_center: str
    about: str
    operator: str


def post_pairs(lines: Iterable[ChargeLine], organisation: Organisation, month: Month) -> Outcome[tuple[JournalEntry, ...]]:
    """One entry for each service month, consumer, cost centre and operator, sorted by these, of lines that move money; credits
    (L4) have entries beside these.

    What an operator below chargeback, of another legal entity or unknown on the day did is not passed on, and said so, once
    an operator with its amount: the charge stays what it is.
    """
    sums: dict[_PairKey, dict[str, Money]] = {}
    kept: dict[tuple[_Reason, str], Money] = {}
    for line, part in operated_parts(lines):
        why = why_not(line, part, organisation)
        if why:
            _add(kept, (why, part.team), part.amount)
        else:
            key, about = line.key, CREDIT if line.key.kind == "adjustment" else ""
            entry = sums.setdefault(_PairKey(key.service_month, key.team, key.cost_center, about, part.team), {})
            _add(entry, part.cost_center, part.amount)
    accounts = accounts_of(organisation)
    entries = [
        _entry(key, postings, organisation, month)
        for key in sorted(sums)
        if (postings := _postings(key, sums[key], organisation, accounts))
    ]
    problems = (_kept_problem(*found, amount, organisation) for found, amount in sorted(kept.items()) if found[0].code)
    return Outcome(tuple(entries), tuple(problems))


def operated_parts(lines: Iterable[ChargeLine]) -> Iterator[tuple[ChargeLine, Operated]]:
    """What others operated of the lines that move money."""
    for line in lines:
        if line.operators and line.stage in MONEY_MOVES and line.key.team != UNALLOCATED:
            for part in line.operators:
                yield line, part


class _Reason(NamedTuple):
    """Why something is not passed on, and what to do about it; of each, `{operator}` is the operator's name."""

    code: str
    severity: Severity
    why: str
    remedy: str


UNKNOWN = _Reason(
    code="operator-unknown",
    severity="warning",
    why="the organisation did not know {operator} when it ran these calls",
    remedy="add {operator} to the teams, from the first of its calls on, or mend operator_team in the usage",
)
BELOW = _Reason(
    code="operator-below-chargeback",
    severity="notice",
    why="{operator} is below chargeback, where nothing posts",
    remedy="nothing to do: the charge is the consumer's as it stands; both sides post once {operator} is charged back",
)
OTHER_ENTITY = _Reason(
    code="operator-of-other-entity",
    severity="warning",
    why="{operator} is of another legal entity than the teams that caused it",
    remedy="nothing to do: the charge is the consumer's as it stands; what is passed on stays inside one entity",
)
UNPOSTED = _Reason("", "notice", "the line itself does not post, which is said elsewhere (L6)", "")


def why_not(line: ChargeLine, part: Operated, organisation: Organisation) -> _Reason | None:
    """Why a part of a line is not passed on; None where it is."""
    operator = organisation.teams.get(part.team)
    if operator is None or not part.cost_center:
        return UNKNOWN
    if operator.stage_in(line.key.posting_month) not in MONEY_MOVES:
        return BELOW
    entity = other_entity(organisation.teams[line.key.team], organisation)
    if entity != other_entity(operator, organisation):
        return OTHER_ENTITY
    return UNPOSTED if entity and missing_between_entities(organisation) else None


def _add(sums: dict[K, Money], key: K, amount: Money) -> None:
    sums[key] = sums[key] + amount if key in sums else amount


def _postings(
    key: _PairKey, sums: Mapping[str, Money], organisation: Organisation, accounts: Mapping[str, Account]
) -> tuple[Posting, ...]:
    expense, recovery = accounts["ai_service_expense"], accounts["recovery_of_passthrough"]
    entity = other_entity(organisation.teams[key.team], organisation)
    postings: list[Posting] = []
    for operating, amount in sorted(sums.items()):
        if amount:
            postings += (
                Posting(expense, operating, amount, OPERATED, entity),
                Posting(expense, key.cost_center, -amount, OPERATED, entity),
                Posting(expense, key.cost_center, amount, PASSED_ON, entity),
                Posting(recovery, operating, -amount, PASSED_ON, entity),
            )
    return tuple(postings)


def _entry(key: _PairKey, postings: tuple[Posting, ...], organisation: Organisation, month: Month) -> JournalEntry:
    memo = f"AI services that {key.team} caused and {key.operator} operated"
    if key.about == CREDIT:
        memo += f", credit for {key.service_month}"
    else:
        memo += f" in {month}" if key.service_month == month else f", correction of {key.service_month}"
    operator = key.operator.replace("%", "%25").replace("/", "%2F")  # as in every part of an entry's id
    return JournalEntry(
        entry_id=entry_id(
            month, key.service_month, key.team, key.cost_center, "/".join(filter(None, (key.about, "via", operator)))
        ),
        posting_date=month.last_day,
        posting_month=month,
        service_month=key.service_month,
        team=key.team,
        entity=organisation.platform_entity,
        memo=memo,
        postings=postings,
    )


def _kept_problem(reason: _Reason, operator: str, amount: Money, organisation: Organisation) -> Problem:
    team = organisation.teams.get(operator)
    where = team.source if team is not None else None
    return Problem(
        reason.code,
        f"{amount:,} {amount.currency} that {operator} operated for other teams is not passed on: "
        f"{reason.why.format(operator=operator)}",
        where or organisation.source or SourceRef("finledger.yaml"),
        remedy=reason.remedy.format(operator=operator),
        severity=reason.severity,
    )
