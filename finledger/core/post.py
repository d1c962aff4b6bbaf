"""Double entry: charge lines to balanced journal entries (rules L1, L5, L6).

A line of 11.12 with components base 9.30, overhead 1.35, registry 0.05 and buffer 0.42 becomes four pairs: the consumer's
cost centre is debited 11.12 in all, the platform's credited 9.30 as recovery of usage, 1.35 as recovery of overhead, 0.05
to the registry reserve and 0.42 to the buffer fund. A negative component (a credit, a draw) is the same pair with the signs
turned round. Only teams whose stage moves money post (rule A3); what nobody owns stays with the platform.

Between legal entities each pair becomes two, one in the books of each (rule L6): the consumer's expense is owed to the
platform's entity, which has it as a receivable, and its recovery as intercompany income. One entry holds both, and balances
in each entity; over both of them receivable and payable cancel out. The reserves and the fund stay what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from finledger.core.accounts import accounts_of, missing_between_entities
from finledger.core.model import (
    MONEY_MOVES,
    UNALLOCATED,
    Account,
    ChargeLine,
    Component,
    JournalEntry,
    Organisation,
    Posting,
    Team,
)
from finledger.core.money import Money
from finledger.core.period import Month, Quarter
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.core.quarter import QuarterEnd

# Rule L1: component → (account debited at the consumer's cost centre, account credited at the platform's). The order here
# is the order of an entry's postings.
ACCOUNTS_OF: dict[Component, tuple[str, str]] = {
    "base": ("ai_service_expense", "recovery_of_usage"),
    "gpu": ("ai_service_expense", "recovery_of_usage"),
    "egress": ("ai_service_expense", "recovery_of_usage"),
    "passthrough": ("ai_service_expense", "recovery_of_usage"),
    "seat": ("ai_service_expense", "recovery_of_usage"),
    "shared": ("ai_service_expense", "recovery_of_usage"),
    "gpu_idle": ("idle_capacity_expense", "recovery_of_usage"),
    "overhead": ("ai_service_expense", "recovery_of_overhead"),
    "registry": ("ai_service_expense", "registry_reserve"),
    "buffer": ("ai_service_expense", "buffer_fund"),
    "coverage_premium": ("quality_premium_expense", "eval_reserve"),
    "freshness_premium": ("quality_premium_expense", "recovery_of_overhead"),
    "coverage_credit": ("quality_premium_expense", "eval_reserve"),
    "buffer_draw": ("ai_service_expense", "buffer_fund"),
    "buffer_true_up": ("ai_service_expense", "buffer_fund"),
    "buffer_rebate": ("ai_service_expense", "buffer_fund"),
}

# Rule L6: credited to another entity, these are intercompany income.
RECOVERIES = frozenset({"recovery_of_usage", "recovery_of_overhead"})

CREDIT = "credit"
EntryKey = tuple[Month, str, str, str]  # service month, team, cost centre, and what it is about: "" or CREDIT


def post(lines: Sequence[ChargeLine], organisation: Organisation, month: Month) -> Outcome[tuple[JournalEntry, ...]]:
    """One entry for each service month, team and cost centre of the month's lines that move money, sorted by these.

    Lines of kind "adjustment", which credit a disputed line (L4), have an entry beside that. Teams of another legal entity
    than the platform's are `intercompany-accounts-missing`, all at once, while the accounts are not configured (rule L6). A
    line of another posting month, a team the organisation does not know or a component without accounts is a bug and raises.
    """
    sums: dict[EntryKey, dict[Component, Money]] = {}
    for line in lines:
        if not _moves_money(line):
            continue
        key = line.key
        if key.posting_month != month:
            raise ValueError(f"{line.line_id} belongs to {key.posting_month}, not to {month}")
        about = CREDIT if key.kind == "adjustment" else ""
        entry = sums.setdefault((key.service_month, key.team, key.cost_center, about), {})
        for component, amount in line.components:
            if component not in ACCOUNTS_OF:
                raise KeyError(f"rule L1 names no accounts for component {component!r}")
            entry[component] = entry[component] + amount if component in entry else amount
    strangers = _refused_strangers({key[1] for key in sums}, organisation)
    accounts = accounts_of(organisation)
    entries = tuple(
        _entry(key, postings, organisation, month)
        for key in sorted(sums)
        if key[1] not in strangers and (postings := _postings(sums[key], key[1], key[2], organisation, accounts))
    )
    return Outcome(entries, tuple(_intercompany_problem(strangers[name], organisation) for name in sorted(strangers)))


RELEASES = {"eval_reserve": "recovery_of_eval", "registry_reserve": "recovery_of_registry"}


def post_quarter(end: QuarterEnd, organisation: Organisation) -> Outcome[tuple[JournalEntry, ...]]:
    """The quarter's own entries, dated its last day: true-ups and rebates by team, and what the reserves release (L1, L2).

    Instalments of loans are not among them: they are charged with their months. A team that drew and that the organisation
    does not name any more is `quarter-unknown-team`: there is no cost centre to settle with.
    """
    last = end.quarter.months(organisation.fiscal_year_start)[-1]
    accounts = accounts_of(organisation)
    sums: dict[str, dict[Component, Money]] = {}
    for component, team, amount in (
        *(("buffer_true_up", each.team, each.amount) for each in end.true_ups),
        *(("buffer_rebate", team, -amount) for team, amount in end.size.rebates.items()),
    ):
        entry = sums.setdefault(team, {})
        entry[component] = entry[component] + amount if component in entry else amount
    gone = sorted(set(sums) - organisation.teams.keys())
    strangers = _refused_strangers(set(sums) - set(gone), organisation)
    entries = []
    for team in sorted(set(sums) - set(strangers) - set(gone)):
        cost_center = organisation.teams[team].cost_center.at(last.last_day) or ""
        postings = _postings(sums[team], team, cost_center, organisation, accounts)
        if postings:
            memo = f"Bursting buffer of {team}, settled for {end.quarter}"
            entries.append(_quarter_entry(end.quarter, last, team, cost_center, memo, postings, organisation))
    for reserve in end.reserves:
        if reserve.released:
            debit, credit = accounts[reserve.name], accounts[RELEASES[reserve.name]]
            home = organisation.platform_cost_center
            postings = (
                Posting(debit, home, reserve.released, reserve.name),
                Posting(credit, home, -reserve.released, reserve.name),
            )
            memo = f"{debit.name} released for {end.quarter}"
            entries.append(_quarter_entry(end.quarter, last, reserve.name, home, memo, postings, organisation))
    problems = (
        *(_unknown_team(name, end.quarter, organisation) for name in gone),
        *(_intercompany_problem(strangers[name], organisation) for name in sorted(strangers)),
    )
    return Outcome(tuple(sorted(entries, key=lambda entry: entry.entry_id)), problems)


def _quarter_entry(
    quarter: Quarter,
    last: Month,
    about: str,
    cost_center: str,
    memo: str,
    postings: tuple[Posting, ...],
    organisation: Organisation,
) -> JournalEntry:
    named = organisation.platform_team if about in RELEASES else about
    return JournalEntry(
        entry_id="/".join((str(quarter), _id_part(about), _id_part(cost_center))),
        posting_date=last.last_day,
        posting_month=last,
        service_month=last,
        team=named,
        entity=organisation.platform_entity,
        memo=memo,
        postings=postings,
    )


def entry_id(month: Month, service_month: Month, team: str, cost_center: str, about: str = "") -> str:
    """A name made of what the entry is for, the same in every run (rule L5).

    >>> entry_id(Month(2026, 7), Month(2026, 7), "search", "cc-4815")
    '2026-07/search/cc-4815'
    >>> entry_id(Month(2026, 8), Month(2026, 7), "search", "cc-4815")
    '2026-08/search/cc-4815/2026-07'
    >>> entry_id(Month(2026, 8), Month(2026, 7), "search", "cc-4815", "credit")
    '2026-08/search/cc-4815/2026-07/credit'
    """
    parts = [str(month), _id_part(team), _id_part(cost_center)]
    if service_month != month:
        parts.append(str(service_month))
    if about:
        parts.append(about)
    return "/".join(parts)


def _id_part(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")  # a slash in a name must not make two ids the same


def _moves_money(line: ChargeLine) -> bool:
    return line.stage in MONEY_MOVES and line.key.team != UNALLOCATED


def other_entity(team: Team, organisation: Organisation) -> str:
    """The team's legal entity where it is another than the platform's, else ""."""
    return team.entity if team.entity != organisation.platform_entity else ""


def _refused_strangers(names: set[str], organisation: Organisation) -> dict[str, Team]:
    """Teams that cannot be posted: of another entity, with no accounts to post between entities (rule L6)."""
    if not missing_between_entities(organisation):
        return {}
    teams = {name: organisation.teams[name] for name in names}
    return {name: team for name, team in teams.items() if other_entity(team, organisation)}


def _unknown_team(name: str, quarter: Quarter, organisation: Organisation) -> Problem:
    return Problem(
        code="quarter-unknown-team",
        message=f"the fund has to settle {quarter} with team {name}, which the organisation does not name any more",
        source=organisation.source or SourceRef("finledger.yaml"),
        remedy=f"put {name} back among the teams: what was posted for it is settled with its cost centre",
    )


def _intercompany_problem(team: Team, organisation: Organisation) -> Problem:
    home, missing = organisation.platform_entity or "none", missing_between_entities(organisation)
    return Problem(
        code="intercompany-accounts-missing",
        message=(
            f"team {team.name} is of entity {team.entity}, the platform of {home}: to post between them, "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
        ),
        source=team.source,
        excerpt=f"entity: {team.entity}",
        remedy=(
            f"add {'it' if len(missing) == 1 else 'them'} to finledger.yaml; or take `entity` off "
            "the team if it belongs to the platform's entity; or keep the team at showback or allocation until then"
        ),
    )


def _postings(
    sums: Mapping[Component, Money],
    team: str,
    cost_center: str,
    organisation: Organisation,
    accounts: Mapping[str, Account],
) -> tuple[Posting, ...]:
    """A pair for each component; two where the team is of another entity, whose name stands at what it owes and is owed."""
    entity, home = other_entity(organisation.teams[team], organisation), organisation.platform_cost_center
    postings: list[Posting] = []
    for component, (debit, credit) in ACCOUNTS_OF.items():
        amount = sums.get(component)
        if not amount:
            continue
        postings.append(Posting(accounts[debit], cost_center, amount, component, entity))
        if entity:
            owed_to = organisation.platform_entity
            postings.append(Posting(accounts["intercompany_payable"], owed_to, -amount, component, entity))
            postings.append(Posting(accounts["intercompany_receivable"], entity, amount, component))
            credit = "intercompany_income" if credit in RECOVERIES else credit
        postings.append(Posting(accounts[credit], home, -amount, component))
    return tuple(postings)


def _entry(key: EntryKey, postings: tuple[Posting, ...], organisation: Organisation, month: Month) -> JournalEntry:
    service_month, team, cost_center, about = key
    memo = f"AI services of {team} in {service_month}"
    if about == CREDIT:
        memo = f"AI services of {team}, credit for {service_month}"
    elif service_month != month:
        memo = f"AI services of {team}, correction of {service_month}"
    return JournalEntry(
        entry_id=entry_id(month, service_month, team, cost_center, about),
        posting_date=month.last_day,
        posting_month=month,
        service_month=service_month,
        team=team,
        entity=organisation.platform_entity,
        memo=memo,
        postings=postings,
    )
