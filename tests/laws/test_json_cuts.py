"""What is cut out of a document by the look of it, where each line is a JSON object, is what the standard library's parser finds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finledger.read import choose, json_cuts
from finledger.read.header import Header, read_header
from finledger.read.json_records import Step
from finledger.read.opened import Opened
from finledger.read.stage import stage

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


ordered = st.tuples(st.integers(0, 9), texts, st.lists(records, max_size=3)).map(
    lambda drawn: {"start": drawn[0], "results": drawn[2], "note": drawn[1]}
)
Way = Callable[[Path, tuple[Step, ...], tuple[str, ...]], Iterator[bytes]]


@pytest.fixture(autouse=True)
def pieces() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_cuts, "_PIECE", 300)  # the first two have to fit in one
        yield


@pytest.fixture(scope="module", autouse=True)
def connection() -> Iterator[None]:
    global proving
    with duckdb.connect() as proving:
        yield


proving: duckdb.DuckDBPyConnection


def cut(document: str, steps: tuple[Step, ...], path: Path, way: Way = json_cuts.lines) -> list[Any] | None:
    """The records, or None where they are not proven: no cut, or a line that is no object."""
    path.write_text(document, encoding="utf-8", newline="")
    written = path.with_suffix(".cut")
    try:
        written.write_bytes(b"".join(way(path, steps, ())))
    except json_cuts.NoCut:
        return None
    header = read_header(Opened(written, "", 0, True, long=False, unproven=True), "", "jsonl", proving)
    if not (isinstance(header, Header) and header.whole):
        return None
    return [json.loads(line) for line in written.read_bytes().splitlines()]


quick = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
indents = st.sampled_from([None, 2])


@quick
@given(st.lists(records | odd_records, max_size=6), indents)
def test_list__proven_records_are_those_of_the_document(tmp_path: Path, listed: list[Any], indent: int | None) -> None:
    found = cut(json.dumps(listed, indent=indent, ensure_ascii=True), (), tmp_path / "list.json")
    assert found is None or found == listed


@quick
@given(st.lists(st.dictionaries(texts, records | odd_records, max_size=4), max_size=4), indents)
def test_mappings__proven_records_have_their_key(tmp_path: Path, listed: list[dict[str, Any]], indent: int | None) -> None:
    steps = (DATA, Step((), mapping=True))
    found = cut(json.dumps({"code": 200, "data": listed}, indent=indent), steps, tmp_path / "sets.json")
    assert found is None or found == [{"data.key": key, **record} for each in listed for key, record in each.items()]


@quick
@given(st.lists(buckets, max_size=5), indents)
def test_pages__proven_records_have_what_stands_beside_them(tmp_path: Path, listed: list[Any], indent: int | None) -> None:
    page = {"object": "page", "data": listed, "has_more": False}
    found = cut(json.dumps(page, indent=indent, ensure_ascii=True), (DATA, RESULTS), tmp_path / "page.json")
    assert found is None or found == beside(listed, "data.")


def beside(listed: list[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
    """The records of buckets, with the scalars that each bucket has beside them."""
    return [
        {**record, **{f"{prefix}{key}": value for key, value in bucket.items() if not isinstance(value, dict | list)}}
        for bucket in listed
        for record in bucket["results"]
    ]


@quick
@given(st.lists(st.lists(buckets | ordered, min_size=1, max_size=3), max_size=5), st.booleans())
def test_page_a_line__proven_records_have_what_stands_beside_them(
    tmp_path: Path, pages: list[list[Any]], spaced: bool
) -> None:
    marks = (", ", ": ") if spaced else (",", ":")
    text = "\n".join(json.dumps({"object": "page", "data": page, "next": "]}"}, separators=marks) for page in pages)
    found = cut(text, (DATA, RESULTS), tmp_path / "pages.jsonl", json_cuts.page_lines)
    assert found is None or found == [each for page in pages for each in beside(page, "data.")]


@quick
@given(st.lists(buckets | ordered, max_size=6))
def test_bucket_a_line__proven_records_have_what_stands_beside_them(tmp_path: Path, listed: list[Any]) -> None:
    text = "\r\n".join(json.dumps(each, ensure_ascii=False) for each in listed)
    found = cut(text, (RESULTS,), tmp_path / "buckets.jsonl", json_cuts.page_lines)
    assert found is None or found == beside(listed, "")


@pytest.mark.parametrize("count", [1, 3])
def test_lines__are_cut_where_they_look_alike(count: int, tmp_path: Path) -> None:
    """Empty buckets and pages between them are some, too."""
    results = [{"object": "result", "tokens": number} for number in range(count)]
    pages = [
        {
            "object": "page",
            "data": [{"start": day, "results": held, "end": None} for held in (results, [])],
            "next": "page_2",
        }
        for day in range(40)
    ]
    empty: dict[str, Any] = {"object": "page", "data": [], "next": None}
    text = "\n".join(map(json.dumps, [*pages, empty, empty, *pages]))
    found = cut(text, (DATA, RESULTS), tmp_path / "pages.jsonl", json_cuts.page_lines)
    assert found is not None
    assert [(each["data.start"], each["tokens"], each["data.end"]) for each in found] == [
        (day, number, None) for _ in range(2) for day in range(40) for number in range(count)
    ]


@pytest.mark.parametrize(
    "line",
    [
        '{"data": [{"start": 1, "results": [{"id": 1,}]}]}',
        '{"data": [{"start": nan, "results": [{"id": 1}]}]}',
        '{"data": [{"start": 1, "results": [{"id": 1}]}]} 2',
        '{"data": [{"start": 1, "results": [{"id": 1}]}]',
        '{"data": [{"start": 1, "start": 2, "results": [1]}]}',
        '{"data": [{"start": 01, "results": [{"id": 1}]}]}',
        '{"error": {"message": "no"}}',
        '"text"',
    ],
)
def test_line_that_is_no_page__is_not_proven(line: str, tmp_path: Path) -> None:
    good = '{"data": [{"start": 1, "results": [{"id": 1}]}]}'
    for text in (f"{good}\n{line}\n{good}", f"{line}\n{good}"):
        assert cut(text, (DATA, RESULTS), tmp_path / "pages.jsonl", json_cuts.page_lines) is None


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


@pytest.mark.parametrize("gap", [",\n", ","])
def test_document_whose_records_begin_in_several_ways__is_cut_at_each(gap: str, tmp_path: Path) -> None:
    listed = [{name: number, "of": [{"a": 1}, {"b": 2}]} for number in range(40) for name in ("id", "time", "model")]
    found = cut(f"[{gap.join(map(json.dumps, listed))}]", (), tmp_path / "list.json")
    assert found == listed


def test_mappings__are_cut_at_the_key_of_each_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = [{f'a/{day}\\"{number}': {"name": number} for number in range(30)} for day in range(3)]
    for indent in (None, 1):
        found = cut(json.dumps({"data": sets}, indent=indent), (DATA, Step((), mapping=True)), tmp_path / "sets.json")
        assert found == [{"data.key": f'a/{day}\\"{number}', "name": number} for day in range(3) for number in range(30)]


USAGE = {"object": "result", "input_tokens": 5, "output_tokens": 7, "num_model_requests": 1, "model": "m", "user_id": None}
COST = {"name": "n", "properties": {"labels": {"team": "t"}}, "start": "2026-07-01T00:00:00Z", "totalCost": 1.5}
ANSWER = {"model": "m", "created_at": 1782898200, "usage": {"input_tokens": 5, "output_tokens": 3}}
PLAIN = {
    "usage": {"object": "page", "data": [
        {"start_time": 1782864000 + day, "results": [{**USAGE, "user_id": f"u{number}"} for number in range(day % 3)]}
        for day in range(30)
    ], "has_more": False},
    "allocations": {"code": 200, "data": [
        {f"n{number}": {**COST, "name": f"n{number}", "cpuCost": 1, "ramCost": 0, "gpuCost": 0} for number in range(12)}
        for _ in range(3)
    ]},
    "answers": [{name: f"r{number}", **ANSWER} for number in range(20) for name in ("id", "response_id")],
}  # fmt: skip
RARITIES = (
    ('"m"', '"m\\"}, {\\"object\\": "'), ('"m"', '"\\u007d\\u00e9 é😀 ]}, {"'), (": 5", ": 5.000000000000000001"), (": 5", ": NaN"),
    (": 7", ": -Infinity"), ('"output_tokens"', '"input_tokens"'), (": 5", ": 05"), (": 5,", ": 5,,"),
    (": 1.5", ": 1.2345678901234567"), ("1.5}", "1.5,}"), ('"t"', '"t", "data.key": "x"'),
    ('"user_id": "u0"', '"user_id": [{"object": 1}, {"object": 2}]'),
    ("}, {", "}, 5, {"), ("}, {", "}, null, {"), ("}, {", "}\n,\r\n{"), ("]}", "] }"), ("[{", "[ {"), ("}}", "}"), ('"n1"', '"n0"'),
    ('"results": [', '"result": ['), ('"results": []', '"results": null'), ('"results": [', '"note": {}, "results": ['), ("\"", "'"),
    ('"name": "n3"', '"first": 1, "name": "n3"'), (": 3}", ': 3, "input_tokens_details": {"cached_tokens": 9}}'), ("m", "\\q"),
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_cut_or_not__a_document_is_read_alike(tmp_path: Path, data: st.DataObject) -> None:
    """Rows, order, refusals and what is said of the file: with rarities, cut off, with a BOM, indented, or a page a line."""
    name = data.draw(st.sampled_from(sorted(PLAIN)))
    text = json.dumps(PLAIN[name], indent=data.draw(indents), ensure_ascii=False)
    for old, new in data.draw(st.lists(st.sampled_from(RARITIES), max_size=2)):
        places = [at for at in range(len(text)) if text.startswith(old, at)]
        at = data.draw(st.sampled_from([*places, len(text)]))
        text = text[:at] + new * (at < len(text)) + text[at + len(old) :]
    text = text[: data.draw(st.sampled_from([len(text)] * 4) | st.integers(20, len(text)))]
    lines = name == "usage" and data.draw(st.booleans())
    export = tmp_path / "export.json"
    export.write_text(
        data.draw(st.sampled_from(["", "\ufeff"])) + "\n".join([text] * (1 + 2 * lines)), encoding="utf-8", newline=""
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_cuts, "_PIECE", data.draw(st.sampled_from([1500, 4 << 20])))
        quick = read(export, tmp_path / "quick")
        patch.setattr(choose, "cut_lines", lambda *_: False)
        careful = read(export, tmp_path / "careful")
    assert quick == careful


def read(export: Path, workspace: Path) -> list[Any]:
    staged = stage(export, shown_as="export.json", workspace=workspace)
    tables = [
        proving.execute("SELECT * FROM read_parquet(?)", [each]).fetchall() if each else []
        for each in (staged.rows, staged.rejects)
    ]
    return [staged.format, staged.read, staged.rejected, *tables, [str(each) for each in staged.problems]]
