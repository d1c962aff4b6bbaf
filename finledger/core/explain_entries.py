"""What the postings of a journal entry are sums of: charge lines, metered SKUs, invoice lines, what a quarter settles (rule L1).

    posting = the sum of its parts, exactly and in the ledger's minor units; a debit's parts are positive, a credit's negative

Nothing is worked out anew here. The parts are the very lines, accruals and comparisons that the entry was made from, so a
posting that is not their sum is a ledger that does not hold together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from finledger.core.accounts import accounts_of
from finledger.core.explain import Fact, SourceRows
from finledger.core.model import (
    MONEY_MOVES,
    UNALLOCATED,
    Account,
    ChargeLine,
    Check,
    JournalEntry,
    Organisation,
    Posting,
    Seal,
)
from finledger.core.money import Money, total, zero
from finledger.core.post import ACCOUNTS_OF, CREDIT, RECOVERIES, RELEASES, entry_id
from finledger.core.post_pairs import OPERATED, why_not
from finledger.core.problem import Problem
from finledger.core.quarter import Reserve, TrueUp

VIA = "/via/"
_BETWEEN = {"intercompany_receivable", "intercompany_payable"}


@dataclass(frozen=True, slots=True)
class PostingExplained:
    """A posting by its place in the entry, from 1; the row of rule L1 that it follows; and its parts, amounts by name."""

    number: int
    posting: Posting
    rule: Fact
    parts: tuple[Fact, ...]

    @property
    def check(self) -> Check:
        """The sum of the parts beside the posting."""
        amounts = (part.value for part in self.parts if isinstance(part.value, Money))
        whole = total(amounts, self.posting.amount.currency)
        return Check(f"posting {self.number}", whole.amount, self.posting.amount.amount)


@dataclass(frozen=True, slots=True)
class EntryExplanation:
    """A journal entry, or those of its postings that are of one component. `run` recorded it, `seal` closed its period.

    `facts` are of the entry as a whole. `see`: the commands that explain what its postings are made of.
    """

    entry: JournalEntry
    run: int
    postings: tuple[PostingExplained, ...]
    facts: tuple[Fact, ...] = ()
    rows: SourceRows | None = None
    seal: Seal | None = None
    see: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


# ── charges ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def entry_of(line: ChargeLine) -> str:
    """The id of the entry that a line is posted in; "" of one that moves no money (A3)."""
    key = line.key
    if line.stage not in MONEY_MOVES or key.team == UNALLOCATED:
        return ""
    about = CREDIT if key.kind == "adjustment" else ""
    return entry_id(key.posting_month, key.service_month, key.team, key.cost_center, about)


def charge_postings(
    entry: JournalEntry, lines: Iterable[ChargeLine], organisation: Organisation
) -> tuple[PostingExplained, ...]:
    """The postings of an entry of charges: each is the sum of its component over the lines that the entry is made of."""
    own = [line for line in lines if entry_of(line) == entry.entry_id]
    accounts = accounts_of(organisation)
    found = []
    for number, posting in enumerate(entry.postings, 1):
        sign = _side(posting)
        parts = tuple(
            Fact(line.line_id, signed(part, sign), None, _line_facts(line))
            for line in own
            for name, part in line.components
            if name == posting.component
        )
        found.append(PostingExplained(number, posting, charge_rule(entry, posting, accounts), parts))
    return tuple(found)


def _side(posting: Posting) -> int:
    """1 on the account that the component debits, -1 on the one that it credits."""
    debit, _ = ACCOUNTS_OF[posting.component]
    return 1 if posting.account.key in (debit, "intercompany_receivable") else -1


def signed(amount: Money, sign: int) -> Money:
    """The amount as it stands on a side: 1 for the one that is debited, -1 for the other."""
    return amount if sign > 0 else -amount


def _line_facts(line: ChargeLine) -> tuple[Fact, ...]:
    key = line.key
    named = (("kind", key.kind), ("feature", key.feature), ("item", key.item), ("model", key.model), ("credit", key.credit))
    return (*(Fact(name, text) for name, text in named if text), Fact("line_amount", line.amount))


def charge_rule(entry: JournalEntry, posting: Posting, accounts: Mapping[str, Account]) -> Fact:
    """The row of rule L1; across legal entities in the four lines of rule L6."""
    debit, credit = (accounts[key] for key in ACCOUNTS_OF[posting.component])
    between = any(
        each.account.key in _BETWEEN or entry.entity_of(each) != entry.entity
        for each in entry.postings
        if each.component == posting.component
    )
    sides = [Fact("component", posting.component), Fact("debit", f"{debit.name} @consumer")]
    if between:
        if credit.key in RECOVERIES:
            credit = accounts["intercompany_income"]
        owed = (("payable", "intercompany_payable"), ("receivable", "intercompany_receivable"))
        sides += [Fact(name, accounts[key].name) for name, key in owed if key in accounts]
    sides.append(Fact("credit", f"{credit.name} @platform"))
    if _side(posting) * posting.amount.minor < 0:
        sides.append(Fact("signs", "turned round"))
    return Fact("rule", "L1, between entities L6" if between else "L1", None, tuple(sides))


# ── compound calls ──────────────────────────────────────────────────────────────────────────────────────────────────────


def pair_postings(
    entry: JournalEntry, lines: Iterable[ChargeLine], organisation: Organisation
) -> tuple[PostingExplained, ...]:
    """The pairs of a compound call's entry: what of each line the operator did, by its cost centre (A5)."""
    consumer, _, operator = entry.entry_id.rpartition(VIA)
    operator = name_of(operator)
    own = [line for line in lines if entry_of(line) and _consumer_id(line) == consumer]
    found = []
    for number, posting in enumerate(entry.postings, 1):
        operating = entry.postings[(number - 1) // 4 * 4].cost_center
        sign = 1 if number % 2 else -1
        parts = tuple(
            Fact(line.line_id, signed(part.amount, sign), None, (*_line_facts(line), Fact("operator", part.team)))
            for line in own
            for part in line.operators
            if (part.team, part.cost_center) == (operator, operating) and why_not(line, part, organisation) is None
        )
        does = "who operated" if posting.component == OPERATED else "who caused"
        sides = (Fact("component", posting.component), Fact("says", does))
        found.append(PostingExplained(number, posting, Fact("rule", "L1, compound calls A5", None, sides), parts))
    return tuple(found)


def name_of(id_part: str) -> str:
    """A name as it was before it became a part of an entry's id."""
    return id_part.replace("%2F", "/").replace("%25", "%")


def _consumer_id(line: ChargeLine) -> str:
    """What the id of a compound call's entry begins with: the same for charges and their credits."""
    key = line.key
    return entry_id(key.posting_month, key.service_month, key.team, key.cost_center)


# ── what a quarter's end settles ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class QuarterFigures:
    """What a quarter's entries are made from: the fund before rebates, its limit, who paid surcharges, the reserves (B4, B5).

    `high` is None where no price book limits the fund.
    """

    opening: Money
    contributions: Money
    draws: Money
    repayments: Money
    true_ups: tuple[TrueUp, ...]
    low: Money | None
    high: Money | None
    paid: Mapping[str, Money]
    rebates: Mapping[str, Money]
    reserves: tuple[Reserve, ...]

    @property
    def before_rebates(self) -> Money:
        trued = total((each.amount for each in self.true_ups), self.opening.currency)
        return self.opening + self.contributions + self.repayments - self.draws + trued


def quarter_postings(entry: JournalEntry, end: QuarterFigures, organisation: Organisation) -> tuple[PostingExplained, ...]:
    """True-ups by month, a team's rebate, or what a reserve releases."""
    accounts = accounts_of(organisation)
    found = []
    for number, posting in enumerate(entry.postings, 1):
        if posting.component in RELEASES:
            parts, rule = _release(posting, end, accounts)
        else:
            parts = _settled(entry.team, posting, end)
            rule = charge_rule(entry, posting, accounts)
        found.append(PostingExplained(number, posting, rule, parts))
    return tuple(found)


def _release(posting: Posting, end: QuarterFigures, accounts: Mapping[str, Account]) -> tuple[tuple[Fact, ...], Fact]:
    name = posting.component
    debit, credit = accounts[name], accounts[RELEASES[name]]
    sign = 1 if posting.account.key == debit.key else -1
    parts = tuple(
        Fact(
            "released",
            signed(each.released, sign),
            None,
            (
                Fact("opening", each.opening),
                Fact("added", each.added),
                Fact("cost", each.cost),
                Fact("is", "the smaller of both"),
            ),
        )
        for each in end.reserves
        if each.name == name
    )
    sides = (Fact("component", name), Fact("debit", f"{debit.name} @platform"), Fact("credit", f"{credit.name} @platform"))
    return parts, Fact("rule", "L1", None, sides)


def _settled(team: str, posting: Posting, end: QuarterFigures) -> tuple[Fact, ...]:
    sign = _side(posting)
    if posting.component == "buffer_true_up":
        return tuple(
            Fact(
                str(each.month), signed(each.amount, sign), None, (Fact("drawn", each.old), Fact("on_final_data", each.new))
            )
            for each in end.true_ups
            if each.team == team
        )
    rebate = end.rebates.get(team)
    if rebate is None:
        return ()
    everybodys = total((amount for amount in end.paid.values() if amount.minor > 0), rebate.currency)
    paid = (Fact("surcharges_paid", end.paid.get(team, zero(rebate.currency))), Fact("paid_by_all", everybodys))
    return (Fact("rebate", signed(-rebate, sign), None, paid),)


def quarter_facts(components: Collection[str], end: QuarterFigures) -> tuple[Fact, ...]:
    """The fund's quarter as far as true-ups and rebates follow from it."""
    facts: list[Fact] = []
    if {*components} & {"buffer_true_up", "buffer_rebate"}:
        rolled = [("opening", end.opening), ("surcharges", end.contributions), ("draws", -end.draws)]
        rolled += [("instalments", end.repayments)] if end.repayments else []
        rolled.append(("true_ups", total((each.amount for each in end.true_ups), end.opening.currency)))
        facts.append(Fact("fund_before_rebates", end.before_rebates, None, tuple(Fact(*each) for each in rolled)))
    if "buffer_rebate" in components and end.high is not None:
        facts.append(Fact("upper_limit", end.high))
        shares = [
            Fact(team, part, None, (Fact("surcharges_paid", end.paid.get(team, zero(part.currency))),))
            for team, part in sorted(end.rebates.items())
        ]
        facts.append(Fact("excess", end.before_rebates - end.high, None, tuple(shares), alike=True))
    return tuple(facts)
