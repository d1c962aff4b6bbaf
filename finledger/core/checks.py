"""The conservation laws that every run is held to (rule X4). A broken law stops the run, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from finledger.core.accounts import missing_between_entities
from finledger.core.compound import COMPOUND
from finledger.core.history import FUND_COMPONENTS
from finledger.core.label import REPEATS
from finledger.core.model import (
    MONEY_MOVES,
    POOL_PREFIX,
    UNALLOCATED,
    Allocation,
    BufferState,
    ChargeLine,
    Check,
    Disclosure,
    IdleCost,
    Invoice,
    JournalEntry,
    LoadedFile,
    Organisation,
    OwnedGroup,
    PoolSplit,
    RatedLine,
    UsageGroup,
)
from finledger.core.money import EXACT, Money, total
from finledger.core.post_pairs import operated_parts, why_not
from finledger.core.problem import Problem, SourceRef

K = TypeVar("K")
METER_OF = {"calls": "action", "gpu_hours": "gpu", "egress_gb": "egress"}


def rows_read(files: Iterable[LoadedFile]) -> Check:
    """Records read = accepted + duplicate + aggregate + rejected."""
    read = kept = 0
    for file in files:
        read += file.read
        kept += file.accepted + file.duplicate + file.aggregate + file.rejected
    return Check("rows read = accepted + duplicate + aggregate + rejected", Decimal(read), Decimal(kept))


def usage_owned(groups: Iterable[UsageGroup], owned: Iterable[OwnedGroup], organisation: Organisation) -> Check:
    """Every row that is charged has one owner: a team, a pool, the platform or (unallocated). One that repeats others is none."""
    charged = sum(
        int(g.sums["rows"]) for g in groups if organisation.role(g.keys["source"]) == "charge" and not g.labels.get(REPEATS)
    )
    return Check("usage rows = rows with an owner", Decimal(charged), Decimal(sum(int(o.group.sums["rows"]) for o in owned)))


def usage_rated(owned: Sequence[OwnedGroup], rated: Sequence[RatedLine], organisation: Organisation) -> tuple[Check, ...]:
    """Metered usage of everybody but the platform = rated quantities, meter by meter; only where nothing was unpriced."""
    checks = []
    for meter, kind in METER_OF.items():
        used = Decimal(0)
        for group in owned:
            item = {"action": group.action, "gpu": group.group.keys["gpu_sku"], "egress": group.group.keys["egress_sku"]}[
                kind
            ]
            if item and group.team != organisation.platform_team:
                used += group.group.sums[meter]
        priced = sum((line.quantity for line in rated if line.key.kind == kind), Decimal(0))
        checks.append(Check(f"{meter} used = {meter} rated", used, priced))
    return tuple(checks)


def allocated(allocations: Iterable[Allocation]) -> Check:
    """The shares of every line are one whole."""
    weights = [allocation.consumer + allocation.platform for allocation in allocations]
    return Check("shares of rated lines = rated lines", sum(weights, Decimal(0)), Decimal(len(weights)))


def disclosed(lines: Iterable[ChargeLine], disclosures: Sequence[Disclosure]) -> Check:
    """What the documents disclose as paid is what the shared lines charge, credits of disputes left out."""
    paid = sum((d.paid.amount for d in disclosures), Decimal(0))
    shared = (line for line in lines if line.funding != "consumer" and line.key.kind != "adjustment")
    charged = [line.amount.amount for line in shared if _is_team(line.key.team)]
    return Check("disclosed as paid = charged on shared lines", paid, sum(charged, Decimal(0)))


def compound(lines: Sequence[ChargeLine]) -> tuple[Check, ...]:
    """What operators bear of calls that others caused = what it takes off these (A5)."""
    if not lines:
        return ()
    taken, borne = (sum((ln.amount.amount for ln in lines if ln.key.kind == kind), Decimal(0)) for kind in COMPOUND)
    return (Check("borne by operators = taken off who caused it", borne, EXACT.minus(taken)),)


def pools(splits: Sequence[PoolSplit], amounts: Mapping[str, Money], lines: Iterable[ChargeLine]) -> tuple[Check, ...]:
    """Each pool = its lines + what it fed on + what stayed with the platform; a pool that was fed = its own + that."""
    charged = _sums((line.key.item, line.amount) for line in lines if line.key.kind == "shared")
    received = _sums(part for pool in splits for part in pool.fed.items())
    split = {pool.name: pool.amount.amount for pool in splits}
    out = []
    for pool in splits:
        fed = sum((part.amount for part in pool.fed.values()), Decimal(0))
        law = f"pool {pool.name} = its lines + {'what it feeds on + ' if pool.fed else ''}the platform's part"
        out.append(Check(law, pool.amount.amount, charged.get(pool.name, Decimal(0)) + fed + pool.residual.amount))
    for name, part in sorted(received.items()):
        own = amounts[name].amount if name in amounts else Decimal(0)
        out.append(Check(f"pool {name} = its own + what other pools feed it", split.get(name, Decimal(0)), own + part))
    return tuple(out)


def idle(costs: Iterable[IdleCost], lines: Iterable[ChargeLine]) -> tuple[Check, ...]:
    """Idle hours of each SKU at their rate = their lines + what stayed with the platform (C6)."""
    billed = _sums((line.key.item, line.amount) for line in lines if line.key.kind == "gpu_idle")
    costs = tuple(costs)
    whole = _sums((each.gpu_sku, each.amount) for each in costs)
    kept = _sums((each.gpu_sku, each.residual) for each in costs)
    return tuple(
        Check(f"idle {sku} = its lines + the platform's part", whole[sku], billed.get(sku, Decimal(0)) + kept[sku])
        for sku in sorted(whole)
    )


def _sums(amounts: Iterable[tuple[K, Money]]) -> dict[K, Decimal]:
    sums: dict[K, Decimal] = {}
    for name, amount in amounts:
        sums[name] = sums.get(name, Decimal(0)) + amount.amount
    return sums


def fund(buffer: BufferState, lines: Iterable[ChargeLine]) -> Check:
    """What the lines of teams whose stage moves money bring the fund = what it closes with less what it opened with."""
    posted = [
        part for line in lines if line.stage in MONEY_MOVES for name, part in line.components if name in FUND_COMPONENTS
    ]
    moved = total(posted, buffer.opening.currency).amount
    return Check("buffer lines = the fund's closing - its opening", moved, (buffer.closing - buffer.opening).amount)


def documents(lines: Sequence[ChargeLine], invoices: Sequence[Invoice]) -> Check:
    """Lines = invoices + credit and debit notes + pro-forma statements + unallocated."""
    left = sum((line.amount.amount for line in lines), Decimal(0))
    documented = sum((invoice.total.amount for invoice in invoices), Decimal(0))
    unallocated = sum((line.amount.amount for line in lines if line.key.team == UNALLOCATED), Decimal(0))
    kinds = "invoices + notes" if any(invoice.is_note for invoice in invoices) else "invoices"
    return Check(f"charge lines = {kinds} + statements + unallocated", left, documented + unallocated)


def journal(invoices: Iterable[Invoice], entries: Sequence[JournalEntry], organisation: Organisation) -> tuple[Check, ...]:
    """Each team's invoice and notes = what the journal debits, net, to its cost centres; the journal balances (L1, L6)."""
    between_entities = not missing_between_entities(organisation)
    by_team: dict[str, list[Invoice]] = {}
    for invoice in invoices:
        own_entity = invoice.entity in ("", organisation.platform_entity)
        if invoice.stage in MONEY_MOVES and (own_entity or between_entities):
            by_team.setdefault(invoice.team, []).append(invoice)
    posted = _sums((e.team, p.amount) for e in entries for p in e.postings if p.account.type == "Expenses")
    checks = []
    for team, issued in by_team.items():
        whole = sum((each.total.amount for each in issued), Decimal(0))
        papers = "invoice and notes" if any(each.is_note for each in issued) else "invoice"
        checks.append(Check(f"{papers} of {team} = journal to its cost centres", whole, posted.get(team, Decimal(0))))
    return (*checks, *balanced(entries))


def passed_on(lines: Iterable[ChargeLine], pairs: Sequence[JournalEntry], organisation: Organisation) -> tuple[Check, ...]:
    """What others operated = what is passed on; no cost centre is left with anything by it; the pairs balance (A5)."""
    parts = [part.amount.amount for line, part in operated_parts(lines) if not why_not(line, part, organisation)]
    if not parts and not pairs:
        return ()
    net: dict[str, Decimal] = {}
    handed_on = Decimal(0)
    for entry in pairs:
        for posting in entry.postings:
            net[posting.cost_center] = net.get(posting.cost_center, Decimal(0)) + posting.amount.amount
            if posting.account.key == "recovery_of_passthrough":
                handed_on -= posting.amount.amount
    return (
        Check("operated by others = passed on", sum(parts, Decimal(0)), handed_on),
        *(Check(f"pass-through nets to nothing at {name}", left, Decimal(0)) for name, left in sorted(net.items())),
        *(check for check in balanced(pairs) if not check.holds),
    )


def balanced(entries: Iterable[JournalEntry]) -> tuple[Check, ...]:
    """Debits = credits by legal entity and currency; of an entry by itself too, which is said only where it does not hold.

    Between two entities, what one is owed = what the other owes, so that both vanish on consolidation (L6).
    """
    entries, zero = tuple(entries), Decimal(0)
    debits, credits = _sides(entries)
    names = sorted(debits.keys() | credits.keys()) or [("", "")]
    found = []
    for entity, currency in names:
        law = "debits = credits" if len(names) == 1 else f"debits = credits of {entity or 'the platform'} in {currency}"
        found.append(Check(law, debits.get((entity, currency), zero), credits.get((entity, currency), zero)))
    postings = [(entry.entity_of(posting), posting) for entry in entries for posting in entry.postings]
    receivable = _sums(((of, p.cost_center), p.amount) for of, p in postings if p.account.key == "intercompany_receivable")
    payable = _sums(((p.cost_center, of), -p.amount) for of, p in postings if p.account.key == "intercompany_payable")
    for owner, owing in sorted(receivable.keys() | payable.keys()):
        both = (side.get((owner, owing), zero) for side in (receivable, payable))
        found.append(Check(f"what {owner} is owed by {owing} = what {owing} owes", *both))
    for entry in entries:
        debits, credits = _sides((entry,))
        for side in sorted(debits.keys() | credits.keys()):
            one = Check(f"debits = credits of entry {entry.entry_id}", debits.get(side, zero), credits.get(side, zero))
            found += [] if one.holds else [one]
    return tuple(found)


def _sides(entries: Iterable[JournalEntry]) -> tuple[dict[tuple[str, str], Decimal], dict[tuple[str, str], Decimal]]:
    """Debits and credits by legal entity and currency, both positive."""
    signed = [
        ((entry.entity_of(posting), posting.amount.currency), posting.amount)
        for entry in entries
        for posting in entry.postings
    ]
    debits = _sums((side, amount) for side, amount in signed if amount.minor > 0)
    return debits, _sums((side, -amount) for side, amount in signed if amount.minor < 0)


def broken(checks: Iterable[Check]) -> tuple[Problem, ...]:
    """The laws that do not hold, as problems. One is a fault of finledger, not of the data: it says so."""
    return tuple(
        Problem(
            "law-broken",
            f"{check.law}: {check.left} is not {check.right} (difference {EXACT.subtract(check.left, check.right)})",
            SourceRef("finledger.yaml"),
            remedy="nothing was written; this is a fault of finledger: please report it with these figures",
        )
        for check in checks
        if not check.holds
    )


def _is_team(team: str) -> bool:
    return team != UNALLOCATED and not team.startswith(POOL_PREFIX)
