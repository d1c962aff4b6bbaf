"""The conservation laws that every run is held to (rule X4). A broken law stops the run, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from finledger.core.history import FUND_COMPONENTS
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
from finledger.core.problem import Problem, SourceRef

METER_OF = {"calls": "action", "gpu_hours": "gpu", "egress_gb": "egress"}


def rows_read(files: Iterable[LoadedFile]) -> Check:
    """Records read = accepted + duplicate + aggregate + rejected."""
    read = kept = 0
    for file in files:
        read += file.read
        kept += file.accepted + file.duplicate + file.aggregate + file.rejected
    return Check("rows read = accepted + duplicate + aggregate + rejected", Decimal(read), Decimal(kept))


def usage_owned(groups: Iterable[UsageGroup], owned: Iterable[OwnedGroup], organisation: Organisation) -> Check:
    """Every row that is charged has one owner: a team, a pool, the platform or (unallocated)."""
    charged = sum(int(g.sums["rows"]) for g in groups if organisation.role(g.keys["source"]) == "charge")
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
    """What the documents disclose as paid is what the shared lines charge."""
    paid = sum((d.paid.amount for d in disclosures), Decimal(0))
    charged = [line.amount.amount for line in lines if line.funding != "consumer" and _is_team(line.key.team)]
    return Check("disclosed as paid = charged on shared lines", paid, sum(charged, Decimal(0)))


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


def _sums(amounts: Iterable[tuple[str, Money]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
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
    """Lines = invoices + pro-forma statements + unallocated."""
    left = sum((line.amount.amount for line in lines), Decimal(0))
    documented = sum((invoice.total.amount for invoice in invoices), Decimal(0))
    unallocated = sum((line.amount.amount for line in lines if line.key.team == UNALLOCATED), Decimal(0))
    return Check("charge lines = invoices + statements + unallocated", left, documented + unallocated)


def journal(invoices: Iterable[Invoice], entries: Sequence[JournalEntry], organisation: Organisation) -> tuple[Check, ...]:
    """Each team's invoice = what the journal debits, net, to its cost centres; and debits = credits."""
    checks = []
    for invoice in invoices:
        if invoice.stage in MONEY_MOVES and invoice.entity in ("", organisation.platform_entity):
            own = [p.amount for e in entries if e.team == invoice.team for p in e.postings if p.account.type == "Expenses"]
            posted = total(own, invoice.currency).amount
            checks.append(Check(f"invoice of {invoice.team} = journal to its cost centres", invoice.total.amount, posted))
    signed = [posting.amount.amount for entry in entries for posting in entry.postings]
    debits = sum((amount for amount in signed if amount > 0), Decimal(0))
    credits = sum((-amount for amount in signed if amount < 0), Decimal(0))
    return (*checks, Check("debits = credits", debits, credits))


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
