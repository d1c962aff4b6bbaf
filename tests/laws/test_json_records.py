"""Records cut out of a JSON text are those that the standard library's parser finds, wherever the pieces of the text end."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.read import json_records
from finledger.read.json_records import NoJson, Step, split

texts = st.text(st.sampled_from('ab"\\{}[],:é\u2028😀\n\t '), max_size=8)
scalars = (
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | texts | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
records = st.dictionaries(texts.map("f".__add__), values, max_size=4)
pages = st.lists(
    st.fixed_dictionaries({"start_time": st.integers(), "note": texts, "results": st.lists(records, max_size=3)}), max_size=4
)
indents = st.sampled_from([None, 0, 2])
sizes = st.sampled_from([1, 2, 5, 64, 4096])
RESULTS = (Step(("data",), mapping=False), Step(("results", "result"), mapping=False))


@pytest.fixture(autouse=True)
def pieces() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "_PIECE", 1)  # what a test sets is undone after it
        patch.setattr(json_records, "_SMALL", 1)
        yield


def cut(document: str, steps: tuple[Step, ...], size: int, carry: tuple[str, ...] = ()) -> list[Any]:
    """What the lines of a document say, cut out of pieces of `size` bytes."""
    json_records._PIECE = json_records._SMALL = size
    return [json.loads(found.line()) for found in split(io.BytesIO(document.encode()), steps, carry)]


@settings(max_examples=200)
@given(st.lists(records, max_size=5), indents, sizes, st.booleans())
def test_list__has_each_of_its_records(listed: list[dict[str, Any]], indent: int | None, size: int, escaped: bool) -> None:
    document = json.dumps(listed, indent=indent, ensure_ascii=escaped)
    assert cut(document, (), size) == json.loads(document)


@settings(max_examples=200)
@given(pages, indents, sizes, st.booleans())
def test_pages__have_the_records_of_every_bucket_with_its_time(
    buckets: list[dict[str, Any]], indent: int | None, size: int, twice: bool
) -> None:
    document = json.dumps({"object": "page", "data": buckets, "has_more": False}, indent=indent)
    expected = [
        {**record, "data.start_time": bucket["start_time"], "data.note": bucket["note"]}
        for bucket in buckets
        for record in bucket["results"]
    ]
    assert cut(document + ("\n" + document if twice else ""), RESULTS, size) == expected * (2 if twice else 1)


@settings(max_examples=100)
@given(st.lists(records, min_size=1, max_size=4), st.data())
def test_cut_off_anywhere__is_said(listed: list[dict[str, Any]], data: st.DataObject) -> None:
    document = json.dumps(listed)
    short = document[: data.draw(st.integers(1, len(document) - 1))]
    with pytest.raises(NoJson):
        cut(short, (), 16)


@pytest.mark.parametrize("number", ["2.50", "1e-05", "-0.0", "123456789012345678901234567890.10"])
def test_numbers__stay_as_they_are_written(number: str) -> None:
    (found,) = split(io.BytesIO(f'[{{"cost": {number}}}]'.encode()), (), ())
    assert found.line() == f'{{"cost": {number}}}'
