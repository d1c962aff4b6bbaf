"""What the postings of a journal entry are sums of: charge lines, metered SKUs, invoice lines, what a quarter settles (rule L1).

    posting = the sum of its parts, exactly and in the ledger's minor units; a debit's parts are positive, a credit's negative

Nothing is worked out anew here. The parts are the very lines, accruals and comparisons that the entry was made from, so a
posting that is not their sum is a ledger that does not hold together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from finledger.core.accounts import accounts_of
from finledger.core.explain import Fact, SourceRows, terminating
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
from finledger.core.money import Money, rounded_parts, total, zero
from finledger.core.period import Month
from finledger.core.post import ACCOUNTS_OF, CREDIT, RECOVERIES, RELEASES, entry_id
from finledger.core.post_pairs import OPERATED, why_not
from finledger.core.post_provider import components_of
from finledger.core.problem import Problem
from finledger.core.provider import DIFFERENCES, Metered, ProviderLine, SkuReconciliation
from finledger.core.quarter import Reserve, TrueUp
from finledger.core.reconcile import Terms, line_amounts
from finledger.core.repost import base_id

VIA = "/via/"
CHANGES = frozenset({"invoice", "costs", "usage"})
PROVIDER_KINDS = CHANGES | {"accrual", "reversal"}
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
            Fact(line.line_id, _signed(part, sign), None, _line_facts(line))
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


def _signed(amount: Money, sign: int) -> Money:
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
            Fact(line.line_id, _signed(part.amount, sign), None, (*_line_facts(line), Fact("operator", part.team)))
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
            _signed(each.released, sign),
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
                str(each.month), _signed(each.amount, sign), None, (Fact("drawn", each.old), Fact("on_final_data", each.new))
            )
            for each in end.true_ups
            if each.team == team
        )
    rebate = end.rebates.get(team)
    if rebate is None:
        return ()
    everybodys = total((amount for amount in end.paid.values() if amount.minor > 0), rebate.currency)
    paid = (Fact("surcharges_paid", end.paid.get(team, zero(rebate.currency))), Fact("paid_by_all", everybodys))
    return (Fact("rebate", _signed(-rebate, sign), None, paid),)


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


# ── the provider's side ─────────────────────────────────────────────────────────────────────────────────────────────────


def provider_rule(posting: Posting, kind: str, accounts: Mapping[str, Account]) -> Fact:
    """The row of rule L1 for a provider's accrual (X2), its invoice, or a class of variance (X1, X3; currency M6)."""
    expense, name = accounts["provider_expense"].name, posting.component
    if kind in ("accrual", "reversal"):
        sides = (Fact("debit", f"{expense} @platform"), Fact("credit", accounts["accrued_provider_cost"].name))
        turned = (Fact("turned_round", "the accrual is taken back"),) if kind == "reversal" else ()
        return Fact("rule", "L1, X2", None, (Fact("component", name), *sides, *turned))
    is_class = name in DIFFERENCES or name == "unclassified"
    debit = f"{posting.account.name} @platform" if is_class else f"{expense} @platform"
    by = {"currency": "L1, M6"}.get(name, "L1, X1, X3") if is_class else "L1, X2"
    return Fact(
        "rule",
        by,
        None,
        (Fact("component", name), Fact("debit", debit), Fact("credit", accounts["provider_payable"].name)),
    )


def accrual_postings(
    entry: JournalEntry, metered: Iterable[Metered], terms: Terms, accounts: Mapping[str, Account]
) -> tuple[PostingExplained, ...]:
    """An accrual by SKU: quantity x contracted rate, exact, all of them rounded once and taken apart again."""
    by_sku: dict[str, list[Metered]] = {}
    for each in metered:
        by_sku.setdefault(each.sku, []).append(each)
    exact = {sku: sum((Fraction(each.cost) for each in found), Fraction(0)) for sku, found in by_sku.items()}
    amounts = rounded_parts(exact, terms.currency, terms.rounding) if exact else {}
    found = []
    for number, posting in enumerate(entry.postings, 1):
        sign = 1 if posting.component == "provider_expense" else -1
        parts = tuple(
            Fact(sku, _signed(amount, sign), None, tuple(_metered_facts(by_sku[sku], exact[sku])))
            for sku, amount in sorted(amounts.items())
            if amount or exact[sku]
        )
        found.append(PostingExplained(number, posting, provider_rule(posting, "accrual", accounts), parts))
    return tuple(found)


def _metered_facts(metered: Sequence[Metered], exact: Fraction) -> Iterable[Fact]:
    first = metered[0]
    if len(metered) == 1 and first.quantity:
        yield Fact("quantity", first.quantity)
        yield Fact("unit", first.unit)
        yield Fact("contracted_rate", terminating(Fraction(exact) / Fraction(first.quantity)))
    yield Fact("exact", terminating(exact))


def reversal_postings(
    entry: JournalEntry, accrual: JournalEntry, accounts: Mapping[str, Account]
) -> tuple[PostingExplained, ...]:
    """A reversal: the accrual's posting of the same component with its sign turned round."""
    return tuple(
        PostingExplained(
            number,
            posting,
            provider_rule(posting, "reversal", accounts),
            tuple(
                Fact(accrual.entry_id, -each.amount, None, (Fact("accrued_on", accrual.posting_date.isoformat()),))
                for each in accrual.postings
                if each.component == posting.component
            ),
        )
        for number, posting in enumerate(entry.postings, 1)
    )


@dataclass(frozen=True, slots=True)
class Change:
    """What changed a provider's service month: its comparison before and after, the other entries that posted a part of the
    change, and the lines of the invoice that this entry is of: whole, all its service months.
    """

    before: Sequence[SkuReconciliation]
    after: Sequence[SkuReconciliation]
    others: Sequence[JournalEntry]
    invoice: Sequence[ProviderLine]
    is_newest: bool


class ProviderEntry(NamedTuple):
    """What the id of a provider's entry says: `number` of an invoice, "" of the others."""

    provider: str
    service_month: Month
    kind: str
    number: str


def provider_entry(entry_id: str) -> ProviderEntry | None:
    """The id taken apart; None of an entry that is not of a provider's side. Versions of later closes are of the same.

    >>> provider_entry("2026-08/provider/a%2Fb/2026-07/invoice/INV-7/v2")
    ProviderEntry(provider='a/b', service_month=Month(year=2026, number=7), kind='invoice', number='INV-7')
    """
    words = base_id(entry_id).split("/")
    if words[1] != "provider" or len(words) < 5 or words[4] not in PROVIDER_KINDS:
        return None
    return ProviderEntry(name_of(words[2]), Month.parse(words[3]), words[4], name_of("/".join(words[5:])))


def change_of(
    entry: JournalEntry,
    entries: Iterable[JournalEntry],
    before: Iterable[SkuReconciliation],
    after: Iterable[SkuReconciliation],
    lines: Iterable[ProviderLine],
    terms: Terms,
) -> Change:
    """What made an entry of an invoice, of costs or of late usage. `entries`: those that stand of the month that posted it;
    `before` and `after`: the comparisons as the two closes kept them; `lines`: of every invoice.
    """
    own = provider_entry(entry.entry_id)
    assert own is not None and own.kind in CHANGES, "only these are posted for a comparison that changes"
    name, month, kind, number = own

    def rows(state: Iterable[SkuReconciliation]) -> tuple[SkuReconciliation, ...]:
        return tuple(row for row in state if (terms.provider(row.provider).name, row.service_month) == (name, month))

    beside = []
    for each in entries:
        said = provider_entry(each.entry_id)
        if said is not None and said.kind in CHANGES and said[:2] == own[:2]:
            beside.append(each)
    invoice = (
        ()
        if kind == "usage"
        else tuple(line for line in lines if (terms.provider(line.provider).name, line.invoice) == (name, number))
    )
    others = [each for each in beside if each.entry_id != entry.entry_id]
    return Change(rows(before), rows(after), others, invoice, _newest(beside).entry_id == entry.entry_id)


def _newest(entries: Sequence[JournalEntry]) -> JournalEntry:
    """The entry that holds what differs from metering; where nothing does, the last of them."""
    plain = {"provider_expense", "provider_payable"}
    return max(
        entries,
        key=lambda each: (any(one.component not in plain for one in each.postings), each.posting_date, each.entry_id),
    )


def change_postings(
    entry: JournalEntry, change: Change, terms: Terms, accounts: Mapping[str, Account]
) -> tuple[PostingExplained, ...]:
    """An invoice's entry, or that of late usage: by SKU what each component of the comparison changed by (X1, X2).

    The payable is the invoice's own lines, where they come to it. Of several invoices that came together, what another
    entry posted is taken off; all but the newest are their own lines on both sides.
    """
    billed = tuple(invoice_line_facts(change.invoice, entry.service_month, terms))
    found = []
    for number, posting in enumerate(entry.postings, 1):
        sign = -1 if posting.component == "provider_payable" else 1
        by_lines = tuple(Fact(each.name, _money(each, sign), each.where, each.parts) for each in billed)
        parts = tuple(_sku_changes(posting.component, change))
        if (posting.component == "provider_payable" or not change.is_newest) and _comes_to(by_lines, posting):
            parts = by_lines
        found.append(PostingExplained(number, posting, provider_rule(posting, "invoice", accounts), parts))
    return tuple(found)


def _money(fact: Fact, sign: int) -> Money:
    assert isinstance(fact.value, Money), "a part of a posting is an amount"
    return _signed(fact.value, sign)


def _comes_to(parts: Iterable[Fact], posting: Posting) -> bool:
    return sum(_money(part, 1).minor for part in parts) == posting.amount.minor


def _sku_changes(component: str, change: Change) -> Iterable[Fact]:
    old, new = (_by_sku(rows, component) for rows in (change.before, change.after))
    for sku, either in sorted({**old, **new}.items()):
        none = zero(either.currency)
        was, now = old.get(sku, none), new.get(sku, none)
        if was != now:
            yield Fact(sku, now - was, None, (Fact("before", was), Fact("after", now)))
    for other in change.others:
        for posting in other.postings:
            if posting.component == component:
                yield Fact(other.entry_id, -posting.amount, None, (Fact("is", "posted with that entry"),))


def _by_sku(rows: Iterable[SkuReconciliation], component: str) -> dict[str, Money]:
    return {row.sku: amount for row in rows for name, amount in components_of(row) if name == component}


def invoice_line_facts(lines: Sequence[ProviderLine], service_month: Month, terms: Terms) -> Iterable[Fact]:
    """The lines of an invoice that are for the service month, each in the books' currency, with its file and line."""
    for line, amount in zip(lines, line_amounts(lines, terms), strict=True):
        if line.service_month != service_month:
            continue
        stated = [Fact("description", line.description)] if line.description not in ("", line.sku) else []
        if line.quantity is not None:
            stated += [Fact("quantity", line.quantity), Fact("unit", line.unit)]
        if line.category != "usage":
            stated.append(Fact("category", line.category))
        stated.append(Fact("stated", line.amount))
        if line.currency != terms.currency:
            stated.append(Fact("currency", line.currency))
        yield Fact(line.sku or "(all)", amount, line.source, tuple(stated))
