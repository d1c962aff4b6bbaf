"""Facts of lines that come after others: credits of a dispute (L4), and corrections for usage that was loaded late (L3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from finledger.core.credit import Credit, Credited
from finledger.core.disputes import Dispute
from finledger.core.explain import Fact, terminating
from finledger.core.model import ChargeLine
from finledger.core.money import Money, total, zero
from finledger.core.problem import SourceRef

LEDGER = SourceRef("store/ledger.sqlite")
NONE = Decimal(0)


def adjustment_facts(credit: Credit, credited: Credited, dispute: Dispute | None) -> Iterator[Fact]:
    """The credit, the line that it gives back or charges to another team, and which share of what was left of it (L4)."""
    said = (("on", credit.on), ("by", credit.by), ("reason", credit.reason), ("dispute", credit.dispute_id))
    parts = tuple(Fact(name, text) for name, text in said if text)
    yield Fact("credit", credit.credit_id, LEDGER, parts)
    if dispute is not None:
        yield dispute_fact(dispute)
    charged = credited.line.key.team != credit.team
    does = f"charges it to {credited.line.key.team}" if charged else f"gives it back to {credit.team}"
    yield Fact("of", credited.of, None, (Fact("document", credit.document), Fact("does", does)))
    left = credited.left
    parts = tuple(Fact(name, part) for name, part in sorted(left.components.items()) if part)
    yield Fact(
        "left", left.amount, None, (Fact("quantity", left.quantity), Fact("components", None, None, parts, alike=True))
    )
    yield Fact("share", credit.share)
    yield Fact("exact", terminating(Fraction(left.amount.amount) * credit.share))
    yield Fact("rounding", credit.rounding)


def dispute_fact(dispute: Dispute) -> Fact:
    """Who raised it, why, and what came of it."""
    resolved = "" if dispute.resolved is None else dispute.resolved.isoformat()
    said = (
        ("line", dispute.line_id),
        ("document", dispute.document),
        ("raised_by", dispute.raised_by),
        ("opened", dispute.opened.isoformat()),
        ("reason", dispute.reason),
        ("state", dispute.state),
        ("resolved", resolved),
        ("resolved_by", dispute.resolved_by),
        ("note", dispute.note),
    )
    return Fact("dispute", dispute.dispute_id, LEDGER, tuple(Fact(name, text) for name, text in said if text))


def correction_facts(
    line: ChargeLine,
    restated: ChargeLine | None,
    facts: Sequence[Fact],
    posted: Sequence[tuple[ChargeLine, str]],
    close: int,
) -> Iterator[Fact]:
    """Restated - posted so far = the correction, in all and by component (L3).

    `facts` are those of the line as it is restated, None where all its usage is gone. `posted`: each line with the number of
    the document that it stands on, or "". `close`: the number of the close whose prices, rules and multipliers hold.
    """
    key, none = line.key, zero(line.amount.currency)
    yield Fact("corrects", str(key.service_month), None, (Fact("priced_as_at_close", close),))
    after = none if restated is None else restated.amount
    before = total((each.amount for each, _ in posted), none.currency)
    yield Fact("restated", after, None, tuple(facts))
    parts = [Fact(each.line_id, each.amount, None, _posted_facts(each, document)) for each, document in posted]
    yield Fact("posted", before, None, tuple(parts), alike=True)
    yield Fact("difference", after - before)
    yield from _quantities(restated, posted)
    yield Fact("components", None, None, tuple(_components(restated, posted, none)), alike=True)


def _posted_facts(line: ChargeLine, document: str) -> tuple[Fact, ...]:
    said = (Fact("posted_in", str(line.key.posting_month)), Fact("quantity", line.quantity))
    return (*said, Fact("document", document)) if document else said


def _quantities(restated: ChargeLine | None, posted: Sequence[tuple[ChargeLine, str]]) -> Iterator[Fact]:
    """Of what is counted: a cost of a month has no quantity."""
    lines = [each for each, _ in posted] + ([] if restated is None else [restated])
    if all(each.unit != "month" for each in lines):
        after = NONE if restated is None else restated.quantity
        before = sum((each.quantity for each, _ in posted), NONE)
        yield Fact("quantity", after - before, None, (Fact("restated", after), Fact("posted", before)))


def _components(restated: ChargeLine | None, posted: Sequence[tuple[ChargeLine, str]], none: Money) -> Iterator[Fact]:
    after = {} if restated is None else dict(restated.components)
    before: dict[str, Money] = {}
    for each, _ in posted:
        for name, part in each.components:
            before[name] = before.get(name, none) + part
    for name in sorted({*after, *before}):
        new, old = after.get(name, none), before.get(name, none)
        yield Fact(name, new - old, None, (Fact("restated", new), Fact("posted", old)))
