"""Groups of parts that were summed apart, kept and read again, add up to the groups of all rows, to the last digit (rule M1)."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finledger import engines
from finledger.books.kept_groups import KeptGroups
from finledger.core.grouping import merged
from finledger.core.model import UsageQuery
from finledger.core.period import Month
from tests.test_contracts import ALL, queries, rows, store_part


def figures(groups: Any) -> dict[Any, Any]:
    found = {(group.interval, *group.keys.items(), *group.labels.items()): dict(group.sums) for group in groups}
    assert len(found) == len(groups)
    return found


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
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
