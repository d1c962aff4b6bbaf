"""Groups of parts that were summed apart, kept and read again, add up to the groups of all rows, to the last digit (rule M1)."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finledger import engines
from finledger.books.kept_groups import KeptGroups
from finledger.books.store import Store
from finledger.core.grouping import merged
from finledger.core.label import REPEATS, root_labels
from finledger.core.model import Part, UsageQuery
from finledger.core.period import Month, intervals
from finledger.workbench import grouping
from finledger.workbench.grouping import MonthGrouping
from tests.test_contracts import ALL, queries, rows, spans, store_part

JULY = Month(2026, 7)


def figures(groups: Any) -> dict[Any, Any]:
    found = {(group.interval, *group.keys.items(), *group.labels.items()): dict(group.sums) for group in groups}
    assert len(found) == len(groups)
    return found


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(
    usage=rows, asked=queries.filter(lambda query: not query.only), cuts=st.tuples(st.integers(0, 30), st.integers(0, 30))
)
def test_sums_of_parts__are_the_sums_of_all_their_rows(
    usage: list[dict[str, Any]], asked: UsageQuery, cuts: tuple[int, int], tmp_path: Path
) -> None:
    """However the rows are dealt among three parts, and whichever engine sums each.

    Roots of traces lie in any part, so that each is told of the others.
    """
    first, second = sorted(cuts)
    dealt = (usage[:first], usage[first:second], usage[second:])
    parts = [store_part(tmp_path / f"{name}.parquet", each) for name, each in zip("abc", dealt, strict=True)]
    kept = KeptGroups(Path(mkdtemp(dir=tmp_path)), Month(2026, 7))  # none of another example
    piles = []
    for number, part in enumerate(parts):
        groups = (
            engines.engine(ALL[number % len(ALL)]).group([part], asked, [other for other in parts if other != part]).rows
        )
        kept.keep(asked, {part.name: number}, len(groups), groups)
        again = kept.best(asked, {part.name: number})
        assert again is not None and figures(again.groups) == figures(groups)
        piles.append(again.groups)
    want = figures(engines.engine("reference").group(parts, asked).rows)
    assert figures(merged(*piles)) == want
    assert figures(merged(merged(piles[2], piles[0]), piles[1])) == want


@pytest.mark.parametrize("engine", ["duckdb", "reference"])
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(
    loads=st.lists(st.tuples(spans, st.one_of(st.none(), spans)), min_size=2, max_size=4),
    reconciled=st.sampled_from([(), ("console",)]),
)
def test_month_after_each_load__is_what_all_its_rows_come_to(
    engine: str,
    loads: list[tuple[list[dict[str, Any]], list[dict[str, Any]] | None]],
    reconciled: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A load may bring the root of spans that are there, children of theirs, what they repeat; in the month or the one before.

    Each state is grouped from what the last one kept, and once more from what it kept itself.
    """
    monkeypatch.setattr(grouping, "LEAST_ROWS", 0)
    monkeypatch.setattr(grouping, "FEW", 0)
    store = Store(Path(mkdtemp(dir=tmp_path)))
    kept = KeptGroups(store.root / "grouped", JULY)
    asked = UsageQuery("USD", intervals(JULY, "UTC", []), (REPEATS, *root_labels(())), reconciled=reconciled)
    parts: list[Part] = []
    before: list[Part] = []
    for number, (usage, earlier) in enumerate(loads):
        for found, each in ((parts, usage), (before, earlier)):
            name = f"{number}{'j' if found is parts else 'b'}"
            if each is not None:
                store_part(store.root / f"{name}.parquet", each, export=f"e{number}", first=1 if found is parts else 100)
                month = JULY if found is parts else JULY.before
                found.append(Part(month, f"{name}.parquet", name, len(each), f"e{number}"))
        run = MonthGrouping(store, parts, before, engines.engine(engine), kept, lambda: True)
        want = figures(engines.engine("reference").group(store.paths(parts), asked, store.paths(before)).rows)
        assert figures(run.group(asked).rows) == want
        assert figures(run.group(asked).rows) == want
