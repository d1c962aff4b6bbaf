"""Lines that are made flat part by part are those that are made flat in one go, wherever the parts begin."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.read.documents import unfold, unfold_part
from finledger.read.usage import formats

SPAN = '{"traceId": "%032x", "spanId": "00000000000000a1", "startTimeUnixNano": "1782898200000000000", "attributes": []}'
NUMBERED = st.integers(min_value=1, max_value=99)
LINE = st.one_of(
    NUMBERED.map(lambda number: SPAN % number),
    NUMBERED.map(lambda number: f'{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{SPAN % number}, {SPAN % 7}]}}]}}]}}'),
    st.sampled_from(["", "  ", "{", '{"traceId": 1}', '{"a": NaN}', "\ufeff{}", "é", "[]"]),
)


@settings(max_examples=60)
@given(
    lines=st.lists(LINE, max_size=12), end=st.sampled_from(["\n", "\r\n"]), last=st.booleans(),
    at=st.lists(st.floats(min_value=0, max_value=1), max_size=6),
)  # fmt: skip
def test_parts__are_the_whole(lines: list[str], end: str, last: bool, at: list[float]) -> None:
    places = formats()["otel_spans"].places
    path = places.paths[0]
    with tempfile.TemporaryDirectory() as folder:
        source, whole = Path(folder) / "spans.jsonl", Path(folder) / "whole"
        source.write_bytes((end.join(lines) + (end if last else "")).encode())
        assert unfold(source, False, path, places, whole, "spans.jsonl") is None
        size = source.stat().st_size
        borders = [0, *sorted(int(each * size) for each in at), size]
        parts = b""
        for start, stop in pairwise(borders):
            unfold_part(source, start, stop, path, places, Path(folder) / "part")
            parts += (Path(folder) / "part").read_bytes()
        assert parts == whole.read_bytes()
