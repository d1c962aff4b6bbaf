"""JSON that is not one record a line: where its records are found, what goes along, what is refused."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finledger.core.records import HOLDERS
from finledger.read.columns import decimal_sql
from finledger.read.documents import Places, holder_names, is_document, records, unfold
from finledger.read.exact_json import exact_line
from finledger.read.stage import stage
from finledger.read.usage import formats

PAGE = {
    "data": [
        {"starting_at": "2026-07-01T00:00:00Z", "results": [{"uncached_input_tokens": 1, "output_tokens": 2, "model": "m"}]}
    ]
}


AT_TOP = Places()


def unfolded(path: Path, record_path: str, places: Places = AT_TOP) -> list[object]:
    with path.open("rb") as stream:
        return list(records(stream, is_document(path), record_path, places))


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ('{"a": 1}\n{"a": 2}\n', False),
        ('{"a": 1}', False),
        ('\ufeff\n{"a": 1}\n', False),
        ("{broken\n{}\n", False),
        ('{\n "a": 1\n}\n', True),
        ('[{"a": 1}]', True),
        ('{"a": [1,', True),
    ],
)
def test_is_document(text: str, document: bool, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    assert is_document(tmp_path / "x.json") is document


@pytest.mark.parametrize(
    "write", [json.dumps, lambda page: json.dumps([page], indent=1), lambda page: json.dumps(page, indent=1)]
)
def test_records__pages_however_they_are_written(write: object, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(write(PAGE))  # type: ignore[operator]
    found = unfolded(tmp_path / "x.json", "data[].results[]")
    assert found == [
        {"data.starting_at": "2026-07-01T00:00:00Z", "uncached_input_tokens": 1, "output_tokens": 2, "model": "m"}
    ]


def test_records__values_of_a_mapping_and_what_is_carried(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"data": [{"pod-a": {"cost": 1.10}, "pod-b": {"cost": 2}}]}, indent=1))
    found = unfolded(tmp_path / "x.json", "data[]{}")
    assert [(each["data.key"], str(each["cost"])) for each in found] == [("pod-a", "1.1"), ("pod-b", "2")]  # type: ignore[index]
    lines = tmp_path / "y.jsonl"
    lines.write_text(json.dumps({"spans": [{"id": 1}], "resource": {"name": "s"}, "n": 1}) + '\n{"other": 1}\n')
    carried = unfolded(lines, "spans[]", Places(("spans[]",), carry=("resource",)))
    assert carried == [{"resource": {"name": "s"}, "n": 1, "id": 1}, '{"other": 1}']


def test_unfold__cut_off_document_takes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    path.write_text(json.dumps(PAGE, indent=1)[:-20])
    problem = unfold(path, True, "data[].results[]", Places(), tmp_path / "out", "page.json")
    assert problem is not None
    assert problem.code == "bad-json"
    file = stage(path, shown_as="page.json", workspace=tmp_path / "work")
    assert ([found.code for found in file.problems], file.rows) == (["bad-json"], "")


def test_records__a_line_with_nan_that_is_broken_too_is_refused_alone(tmp_path: Path) -> None:
    page = json.dumps(PAGE)
    (tmp_path / "x.jsonl").write_text(
        page + '\n{"data": [{"results": [{"model": NaN, "output_tokens":,}]}]}\n' + page + "\n"
    )
    found = unfolded(tmp_path / "x.jsonl", "data[].results[]")
    assert [isinstance(each, dict) for each in found] == [True, False, True]


def test_unfold__memory_does_not_grow_with_the_document(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    with path.open("w") as stream:
        stream.write('{"data": [')
        bucket = json.dumps({"starting_at": "2026-07-01T00:00:00Z", "results": [PAGE["data"][0]["results"][0]] * 100})  # type: ignore[index]
        stream.write(", ".join([bucket] * 2000))
        stream.write("]}")
    tracemalloc.start()
    assert unfold(path, True, "data[].results[]", Places(), tmp_path / "out", "big.json") is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(1 for _ in (tmp_path / "out").open()) == 200_000
    assert path.stat().st_size > 10 << 20
    assert peak < 6 << 20


def test_holders__every_format_whose_lines_are_not_records_is_known_to_the_core() -> None:
    assert {name for each in formats().values() for name in holder_names(each.places.paths)} == set()
    assert "data" in HOLDERS


@given(
    st.lists(
        st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=0, max_value=10**15), min_size=1, max_size=4
    ),
    st.text(max_size=20),
)
def test_exact_line__numbers_keep_their_digits_and_texts_their_characters(numbers: list[object], text: str) -> None:
    line = (
        json.dumps({"text": f'{text}: 0.12345678901234567, "x'})[:-1]
        + "".join(f', "n{index}": {number:f}' for index, number in enumerate(numbers))
        + "}"
    )
    texts = ", ".join(f"json_extract_string(exact, '$.n{index}') AS n{index}" for index in range(len(numbers)))
    read = ", ".join(decimal_sql(f"n{index}") for index in range(len(numbers)))
    exact = f"SELECT {exact_line('line')} AS exact FROM (SELECT $line AS line)"
    with duckdb.connect() as connection:
        query = f"SELECT text, {read} FROM (SELECT json_extract_string(exact, '$.text') AS text, {texts} FROM ({exact}))"
        found = connection.execute(query, {"line": line}).fetchone()
    assert found is not None
    assert list(found[1:]) == list(numbers)
    if chr(0) not in text:
        assert found[0] == f'{text}: 0.12345678901234567, "x'
