"""What a person asks to have explained, told apart by its name: a document's line, a journal entry, a provider's SKU.

    INV-2026-0001 L458c, CN-2026-0001 L458c, PRO-2026-07-search L458c, 2026-07/search L458c     a line
    2026-07/search/cc-4815 [overhead], 2026-07/provider/openai/2026-07/accrual, 2026-Q3/…       a journal entry
    2026-07/openai gpt-large, 2026-07/provider/openai gpt-large                                 a provider's SKU

A team comes before a provider of the same name, which the longer form means in any case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from finledger.core.explain import Explanation
from finledger.core.explain_entries import EntryExplanation
from finledger.core.explain_variance import VarianceExplanation
from finledger.core.model import UNALLOCATED
from finledger.core.period import Month
from finledger.core.problem import Misused
from finledger.core.provider import provider_named
from finledger.workbench import Workbench
from finledger.workbench.explain import FIRST_ROWS, explain
from finledger.workbench.explain_entries import explain_entry
from finledger.workbench.explain_variance import explain_variance, known_providers

Explained = Explanation | EntryExplanation | VarianceExplanation
_OF_A_PERIOD = re.compile(r"([0-9]{4}-(?:[0-9]{2}|Q[0-9]))/(.+)")
_PROVIDER = "provider/"


def explain_what(bench: Workbench, what: str, part: str = "", *, limit: int = FIRST_ROWS) -> Explained:
    """Explain `what`, and of it `part`: a line's id, a component, a SKU, or the beginning of an id or SKU.

    `limit`: how many source rows are named. Raises Misused and Refused as the three do; writes nothing.
    """
    found = _OF_A_PERIOD.fullmatch(what)
    if found is None:
        return explain(bench, what, part, limit=limit)
    period, rest = found[1], found[2]
    if "Q" in period or _is_entry(rest):
        return explain_entry(bench, what, part, limit=limit)
    provider = _provider(bench, rest.removeprefix(_PROVIDER)) if _names_provider(bench, rest) else ""
    if not provider:
        return explain(bench, what, part, limit=limit)
    return explain_variance(bench, _month(period), provider, part, limit=limit)


def _is_entry(rest: str) -> bool:
    return "/" in rest and not (rest.startswith(_PROVIDER) and rest.count("/") == 1)


def _names_provider(bench: Workbench, rest: str) -> bool:
    if rest.startswith(_PROVIDER):
        return True
    teams = (*bench.organisation.teams, UNALLOCATED)
    if rest in teams:
        return False
    return bool(_known_as(bench, rest)) or (not _near(rest, teams) and bool(_near(rest, known_providers(bench))))


def _near(name: str, known: Sequence[str]) -> list[str]:
    return get_close_matches(name, known, n=3, cutoff=0.6)


def _provider(bench: Workbench, name: str) -> str:
    found = _known_as(bench, name)
    if not found:
        known = known_providers(bench)
        near = _near(name, known)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known) or 'none'}"
        raise Misused(f"no provider {name!r}: {hint}")
    return found


def _known_as(bench: Workbench, name: str) -> str:
    """The name that a provider is compared under; "" where nobody knows it."""
    declared = provider_named(bench.organisation.providers.values(), name)
    if declared is not None:
        return declared.name
    return name if name in known_providers(bench) else ""


def _month(text: str) -> Month:
    try:
        return Month.parse(text)
    except ValueError as wrong:
        raise Misused(str(wrong)) from None
