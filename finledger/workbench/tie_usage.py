"""What was loaded and what was charged: records and rows file by file, requests and tokens of a month (rules X4, C1, C8).

Requests and tokens are added up once more, straight from the stored rows, and held against the charge lines in the ledger,
with what is on no line beside them: the platform's own use, actions that seats include, spans that repeat others, pools' rows
that are shared out as amounts, evaluation that the platform pays whole, lines that come to less than half a cent. What ought to
be on a line and is not makes the sums differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import partial

from finledger.books import rows
from finledger.books.events import in_force
from finledger.core.history import History
from finledger.core.included import take_included
from finledger.core.label import REPEATS, own
from finledger.core.model import POOL_PREFIX, UNALLOCATED, Check, Organisation, OwnedGroup, RatedLine, UsageGroup
from finledger.core.money import minor_digits
from finledger.core.period import Month
from finledger.core.rate import Pricing, brought_by, rate
from finledger.core.tie_out import Finding
from finledger.core.usage import TOKEN_BUCKETS
from finledger.pipeline import MonthInputs, query
from finledger.workbench import Workbench

METERED = ("calls", *TOKEN_BUCKETS)
Sums = dict[str, Decimal]


def usage_ties(bench: Workbench, month: Month, inputs: MonthInputs | None = None) -> tuple[Finding, ...]:
    """The checks of an open month; none of a closed one, whose later rows wait for the month that corrects it (L3).

    `inputs`: the month's, where somebody has them: its usage is then not grouped again.
    """
    found: list[Finding] = list(_files(bench, month))
    if str(month) in in_force(bench.ledger.events()):
        return tuple(found)
    stored = rows.metered(bench.store.paths(bench.ledger.parts(month)))
    charged = [row for row in stored if bench.organisation.role(str(row["source"])) == "charge"]
    used = {name: sum((Decimal(row[name]) for row in charged), Decimal(0)) for name in METERED}
    own_inputs = inputs or bench.month_inputs(month, history=History(bench.organisation.currency))
    grouped = own_inputs.group(query(own_inputs))
    if grouped.problems:
        return (*found, *grouped.problems)
    owned = own(grouped.rows, own_inputs.organisation, query(own_inputs).intervals).rows
    on_lines, beside = _on_lines(bench, month), _beside(owned, own_inputs, bench)
    repeated = _summed(
        group
        for group in grouped.rows
        if group.labels.get(REPEATS) and bench.organisation.role(group.keys["source"]) == "charge"
    )
    for name in METERED:
        what = words(name)
        beside[name] += repeated[name]
        if not used[name] and not on_lines[name] + beside[name]:
            continue
        law = f"{what} stored of {month} = {what} on charge lines + on none"
        found.append(Check(law, used[name], on_lines[name] + beside[name]))
    return tuple(found)


def words(name: str) -> str:
    return "requests" if name == "calls" else name.replace("_", " ")


def _files(bench: Workbench, month: Month) -> Iterator[Check]:
    """Each of the month's files: records read = what became of them; rows accepted = rows of its parts; rows stored = those."""
    parts = bench.ledger.parts()
    of_month = {part.file_sha256 for part in parts if part.month == month}
    for file in bench.ledger.files():
        if file.sha256 in of_month:
            kept = file.accepted + file.duplicate + file.aggregate + file.rejected
            law = f"records of {file.name} = accepted + duplicate + aggregate + rejected"
            yield Check(law, Decimal(file.read), Decimal(kept))
            own = [part for part in parts if part.file_sha256 == file.sha256]
            held = sum(part.rows for part in own) - (rows.unclear(bench.store.paths(own)) if file.rejected else 0)
            yield Check(
                f"rows kept of {file.name} = rows of its parts", Decimal(file.accepted + file.aggregate), Decimal(held)
            )
    stored = sum(int(row["rows"]) for row in rows.summary(bench.store.paths(bench.ledger.parts(month))))
    listed = sum(part.rows for part in parts if part.month == month)
    yield Check(f"rows stored of {month} = rows that the ledger lists", Decimal(stored), Decimal(listed))


def _on_lines(bench: Workbench, month: Month) -> Sums:
    sums = dict.fromkeys(METERED, Decimal(0))
    for line in bench.ledger.charge_rows(month):
        if line.key.kind == "action" and line.key.service_month == month:
            sums["calls"] += line.quantity
            for bucket in TOKEN_BUCKETS:
                sums[bucket] += line.tokens.get(bucket, 0)
    return sums


def _beside(owned: tuple[OwnedGroup, ...], inputs: MonthInputs, bench: Workbench) -> Sums:
    """What is on no action line of the ledger: groups that bring none, or one that is not there, and what seats include."""
    pricing = Pricing(inputs.month, inputs.organisation, inputs.books, inputs.rates, inputs.allow_unpriced)
    first = None if inputs.first_calls is None else partial(inputs.first_calls, query(inputs))
    billed = take_included(owned, pricing, first).rows
    known = {line.key for line in bench.ledger.charge_rows(inputs.month)}
    keys = [{each.key for each in brought_by(group, pricing)[0] if each.key.kind == "action"} for group in billed]
    loose = [group for group, own_keys in zip(billed, keys, strict=True) if not own_keys & known]
    forgotten = {line.key for line in rate(loose, pricing).rows if _is_owed(line, inputs.organisation)}
    free = [group for group, own_keys in zip(billed, keys, strict=True) if not own_keys & (known | forgotten)]
    whole, left, none = _sums(owned), _sums(billed), _sums(free)
    return {name: whole[name] - left[name] + none[name] for name in METERED}


def _is_owed(line: RatedLine, organisation: Organisation) -> bool:
    """Whether a line has to be among the charges: it is its consumer's alone, shared with nobody, and more than half a cent."""
    team = line.key.team
    if line.funding != "consumer" or team.startswith(POOL_PREFIX) or line.key.kind != "action":
        return False
    if team == UNALLOCATED and organisation.unallocated != "hold":
        return False
    half = Fraction(5, 10 ** (minor_digits(organisation.currency) + 1))
    return abs(Fraction(line.exact)) > half


def _sums(groups: Iterable[OwnedGroup]) -> Sums:
    return _summed(each.group for each in groups)


def _summed(groups: Iterable[UsageGroup]) -> Sums:
    sums = dict.fromkeys(METERED, Decimal(0))
    for each in groups:
        for name in METERED:
            sums[name] += each.sums[name]
    return sums
