"""What the provider's postings are sums of: SKUs as metered, accruals taken back, the lines of an invoice, classes that changed.

The names are those of rule X1's comparison. An accrual is the metered SKUs (X2), a reversal the accrual, an invoice its own
lines and what each SKU's comparison changed by (X1, X3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from finledger.core.explain import Fact, terminating
from finledger.core.explain_entries import PostingExplained, name_of, signed
from finledger.core.model import Account, JournalEntry, Posting
from finledger.core.money import Money, rounded_parts, zero
from finledger.core.period import Month
from finledger.core.post_provider import components_of
from finledger.core.provider import DIFFERENCES, Metered, ProviderLine, SkuReconciliation
from finledger.core.reconcile import Terms, line_amounts
from finledger.core.repost import base_id

CHANGES = frozenset({"invoice", "costs", "usage"})
PROVIDER_KINDS = CHANGES | {"accrual", "reversal"}


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
            Fact(sku, signed(amount, sign), None, tuple(_metered_facts(by_sku[sku], exact[sku])))
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
    return signed(fact.value, sign)


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
