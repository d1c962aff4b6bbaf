"""The entries of a period that is closed again: what was posted stays, and is taken back by name where it changed (rule L1).

An accounting system may have imported the first version. So nothing that was posted is left out or changed: an entry that is
not right any more gets one that cancels it by name, and the right one is posted under a version of its own. All together come
to the new figures; what was imported before is recognised by its id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from finledger.core.model import JournalEntry

CANCELLED = "/cancelled"
_VERSION = re.compile(r"/v([0-9]+)$")


def repost(fresh: Iterable[JournalEntry], posted: Sequence[JournalEntry]) -> tuple[JournalEntry, ...]:
    """All entries of the period by id. `posted`: what the close before posted; `fresh`: what the period comes to now.

    >>> from datetime import date
    >>> from finledger.core.model import Account, Posting
    >>> from finledger.core.money import Money
    >>> from finledger.core.period import Month
    >>> cash, cost = Account("a", "A", "Assets"), Account("b", "B", "Expenses")
    >>> def entry(cents):
    ...     postings = (Posting(cost, "c", Money(cents, "USD"), "base"), Posting(cash, "c", Money(-cents, "USD"), "base"))
    ...     return JournalEntry("2026-07/x", date(2026, 7, 31), Month(2026, 7), Month(2026, 7), "x", "", "memo", postings)
    >>> [(each.entry_id, each.postings[0].amount.minor) for each in repost([entry(70)], [entry(50)])]
    [('2026-07/x', 50), ('2026-07/x/cancelled', -50), ('2026-07/x/v2', 70)]
    """
    named = {each.entry_id for each in posted}
    live = {
        base_id(each.entry_id): each
        for each in posted
        if not each.entry_id.endswith(CANCELLED) and each.entry_id + CANCELLED not in named
    }
    found = list(posted)
    seen = set()
    for entry in fresh:
        seen.add(entry.entry_id)
        before = live.get(entry.entry_id)
        if before is not None and replace(before, entry_id=entry.entry_id) == entry:
            continue
        if before is not None:
            found.append(_cancelled(before))
        found.append(replace(entry, entry_id=_next_id(entry.entry_id, named)))
    found += [_cancelled(each) for base, each in live.items() if base not in seen]
    return tuple(sorted(found, key=lambda each: each.entry_id))


def base_id(entry_id: str) -> str:
    """The id without its version: that of the first.

    >>> base_id("2026-07/search/cc-4815/v2"), base_id("2026-07/search/cc-4815")
    ('2026-07/search/cc-4815', '2026-07/search/cc-4815')
    """
    return _VERSION.sub("", entry_id)


def posted_as(entries: Iterable[JournalEntry]) -> dict[str, str]:
    """Each entry's id without its version → the id under which it stands now; those that were taken back are left out."""
    named = {each.entry_id for each in entries}
    standing = sorted(name for name in named if not name.endswith(CANCELLED) and name + CANCELLED not in named)
    return {base_id(name): name for name in standing}


def _next_id(base: str, named: set[str]) -> str:
    versions = [int(found[1]) for name in named if base_id(name) == base and (found := _VERSION.search(name))]
    if base not in named:
        return base
    return f"{base}/v{max(versions, default=1) + 1}"


def _cancelled(entry: JournalEntry) -> JournalEntry:
    return replace(
        entry,
        entry_id=entry.entry_id + CANCELLED,
        memo=f"Cancels {entry.entry_id}: {entry.memo}",
        postings=tuple(replace(each, amount=-each.amount) for each in entry.postings),
    )
