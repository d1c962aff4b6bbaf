"""What is cut out of a document by the look of it, where each line is a JSON object, is what the standard library's parser finds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finledger.read import json_cuts
from finledger.read.json_records import Step

DATA, RESULTS = Step(("data",), mapping=False), Step(("results", "result"), mapping=False)
texts = st.text(st.sampled_from('ab"\\{}[],:é😀\n\t '), max_size=6) | st.just('}, {"id": 1}, {"id": ')
values = st.recursive(
    st.none() | st.integers(-(10**20), 10**20) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
records = st.fixed_dictionaries({"id": st.integers(0, 9)}, optional={"a": values, "results": values})
odd_records = records | st.dictionaries(texts, values, max_size=2)
buckets = st.fixed_dictionaries(
    {"start": st.integers(0, 9), "note": texts, "results": st.lists(records, max_size=4)}, optional={"more": values}
)


@pytest.fixture(autouse=True)
def pieces() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_cuts, "_PIECE", 300)  # the first two have to fit in one
        yield


def cut(document: str, steps: tuple[Step, ...], path: Path) -> list[Any] | None:
    """The records, or None where they are not proven: no cut, or a line that is no object."""
    path.write_text(document, encoding="utf-8", newline="")
    try:
        lines = "".join(json_cuts.lines(path, steps, ())).splitlines(keepends=False)
        found = [json.loads(line) for line in lines]
    except (json_cuts.NoCut, ValueError):
        return None
    return found if all(isinstance(each, dict) for each in found) else None


quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
indents = st.sampled_from([None, 2])


@quick
@given(st.lists(records | odd_records, max_size=6), indents)
def test_list__proven_records_are_those_of_the_document(tmp_path: Path, listed: list[Any], indent: int | None) -> None:
    found = cut(json.dumps(listed, indent=indent, ensure_ascii=True), (), tmp_path / "list.json")
    assert found is None or found == listed


@quick
@given(st.lists(buckets, max_size=5), indents)
def test_pages__proven_records_have_what_stands_beside_them(tmp_path: Path, listed: list[Any], indent: int | None) -> None:
    page = {"object": "page", "data": listed, "has_more": False}
    found = cut(json.dumps(page, indent=indent, ensure_ascii=True), (DATA, RESULTS), tmp_path / "page.json")
    beside = [
        {
            **record,
            **{f"data.{key}": value for key, value in bucket.items() if not isinstance(value, dict | list)},
        }
        for bucket in listed
        for record in bucket["results"]
    ]
    assert found is None or found == beside


def test_pages__are_cut_where_their_records_begin_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_cuts, "_PIECE", 2000)
    results = [{"object": "result", "tokens": number, "of": [{"object": "part"}]} for number in range(3)]
    page = {"data": [{"object": "bucket", "start": day, "results": results} for day in range(40)], "has_more": True}
    for indent in (None, 1):
        found = cut(json.dumps(page, indent=indent), (DATA, RESULTS), tmp_path / "page.json")
        assert found is not None
        assert [(each["data.start"], each["tokens"]) for each in found] == [(d, t) for d in range(40) for t in range(3)]


@pytest.mark.parametrize("wrong", ['{"id": 1,}', '{"id": NaN}', '{"id": -Infinity}', '{"id": 1} {"id": 2}'])
def test_document_that_is_no_json__is_not_cut(wrong: str, tmp_path: Path) -> None:
    """DuckDB takes the first three for JSON."""
    assert cut(f'[{{"id": 1}}, {{"id": 2}}, {wrong}]', (), tmp_path / "list.json") is None
    assert cut(f'{{"data": [{{"id": 1}}, {{"id": 2}}], "last": {wrong}}}', (DATA,), tmp_path / "page.json") is None
