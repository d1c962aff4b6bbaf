"""Every export format, whatever is done to a good export of it: nothing crashes, no record is lost, no figure is misread.

The good exports are those of tests/formats/usage. `test_cells` puts every text of a list into every cell, each in a copy of a
record of its own; `test_files` changes a whole file (columns, rows, bytes, the way JSON is written). Both stage in this process.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finledger.core.model import StagedFile
from finledger.core.usage import NATIVE
from finledger.read.stage import stage
from finledger.read.usage import formats

CASES = Path(__file__).parents[1] / "formats" / "usage"
# one good export of each format in each way that it is written; `split` of AWS is left out: there a row's cost hangs on others
BASES = [
    "anthropic_claude_code/page", "anthropic_costs/page", "anthropic_costs_csv/csv", "anthropic_usage/page", "anthropic_usage_csv/csv",
    "aws_cur/legacy", "azure_costs/ea", "bedrock_invocations/lines", "dcgm/range", "focus/1.3",
    "gcp_billing/flattened", "gcp_billing/nested",
    "helicone/requests", "langfuse/blob", "langfuse/observations", "litellm/csv", "litellm/jsonl", "litellm_daily/team",
    "litellm_daily/user", "native/csv", "native/jsonl", "oci_costs/hourly", "openai_activity/csv", "openai_costs/csv",
    "openai_costs/pages", "openai_usage/pages", "opencost/csv", "opencost/json", "openrouter_activity/answer",
    "openrouter_daily/csv", "openrouter_generations/csv", "otel_spans/flat", "otel_spans/otlp", "portkey/lines",
    "provider_responses/lines",
]  # fmt: skip
NUMBERS = tuple(column.name for column in NATIVE if column.kind in ("count", "quantity", "cost"))
# no number, or one that stands for "no value": in a cell that is read as a number, each is refused
NO_NUMBERS = (
    "1.234,56", "1,5", "1_000", "12k", "1 000", "$5", "N/A", "NaN", "Infinity", "1e400", "=1+2", "😀", "x" * 5000, "\x00", "a\x07b",
    "99999999999999999999999", "0x1F", "٣", '"', "'", "{}", "[]",
)  # fmt: skip
OTHERS = (
    "", " ", "NULL", "null", "None", "-5", "1.000", "9223372036854775807", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "2026-07-01T02:00:00+02:00", "2026-07-01T00:00:00", "31.12.2026", "1e-400", "5.0", "2026-02-30T00:00:00Z", "\ufeff5",
)  # fmt: skip
SHAPES: tuple[Any, ...] = (None, True, 1.5, -1, 10**40, {"a": 1}, [1], [{"a": 1}], [], {}, {"value": {"value": []}})
EXAMPLES = int(os.environ.get("READER_EXAMPLES", "7"))  # of a changed file, for each export; more of them look longer


# ── an export as a table or a tree ──────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Export:
    """`table` is the rows of a CSV, header first; `trees` the documents of a JSON text (`lines`: each is a line)."""

    suffix: str
    table: list[list[str]] = field(default_factory=list)
    trees: list[Any] = field(default_factory=list)
    lines: bool = False
    indent: int | None = None

    def text(self) -> str:
        if self.table:
            out = io.StringIO()
            csv.writer(out, lineterminator="\n").writerows(self.table)
            return out.getvalue()
        if self.lines:
            return "".join(json.dumps(tree, ensure_ascii=False) + "\n" for tree in self.trees)
        return "\n".join(json.dumps(tree, indent=self.indent, ensure_ascii=False) for tree in self.trees) + "\n"


@cache
def _source(case: str) -> tuple[str, str]:
    (path,) = (CASES / case).glob("input.*")
    return path.suffix, path.read_text(encoding="utf-8-sig")


def export(case: str) -> Export:
    """The good export with only the records that are read: some cases hold bad ones too."""
    suffix, text = _source(case)
    if suffix == ".csv":
        return Export(suffix, table=[row for row in csv.reader(io.StringIO(text)) if row])
    if suffix == ".jsonl":
        return Export(suffix, trees=[json.loads(line) for line in text.splitlines() if _is_json(line)], lines=True)
    return Export(suffix, trees=[json.loads(text)])


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def records(case: str, found: Export) -> list[tuple[Any, Any]]:
    """Where the records lie, each as (what holds it, its key there): by the longest of the format's paths that holds any."""
    held: list[tuple[Any, Any]] = []
    for path in formats()[case.split("/")[0]].places.paths:
        here = list(_walk(found.trees, path)) if path else list(_top(found.trees))
        held = max(held, here, key=len) if path else held or here
    return held


def _top(trees: list[Any]) -> Iterator[tuple[Any, Any]]:
    for number, tree in enumerate(trees):
        yield from ((tree, index) for index in range(len(tree))) if isinstance(tree, list) else ((trees, number),)


def _walk(trees: list[Any], path: str) -> Iterator[tuple[Any, Any]]:
    places = list(_top(trees))
    for part in path.split("."):
        name = part.rstrip("[]{}")
        names = [each for each in name.split("|") if each]
        for number in range(len(part[len(name) :]) // 2):
            inner = []
            for holder, key in places:
                value = holder[key]
                if names and not number:
                    value = next((value[each] for each in names if each in value), None)
                inner += [(value, each) for each in (value if isinstance(value, dict) else range(len(value or ())))]
            places = inner
    yield from places


# ── staging, and what came of it ────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Found:
    """`rows`: for every record in order its columns, None where it is refused."""

    staged: StagedFile
    rows: list[dict[str, Any] | None]

    @property
    def accepted(self) -> Counter[str]:
        return Counter(json.dumps(row, sort_keys=True, default=str) for row in self.rows if row is not None)


def staged(case: str, content: bytes, suffix: str) -> Found:
    """Stage; hold the result to what every result has to be."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"input{suffix}"
        path.write_bytes(content)
        got = stage(path, shown_as=path.name, workspace=Path(folder) / "work")
        errors = [problem for problem in got.problems if problem.severity == "error"]
        for problem in got.problems:
            assert problem.code and problem.message and problem.source is not None and problem.remedy, problem
        if not got.rows:
            assert errors, "nothing was read, and nothing is said about it"
            return Found(got, [])
        with duckdb.connect() as connection:
            query = connection.execute(f"SELECT * FROM read_parquet('{got.rows}')")
            names = [column[0] for column in query.description or ()]
            rows = [dict(zip(names, values, strict=True)) for values in query.fetchall()]
            refused = set()
            if got.rejects:
                refused = {each for (each,) in connection.execute(f"SELECT record FROM '{got.rejects}'").fetchall()}
            marks = [] if not got.marks else connection.execute(f"SELECT record, fate FROM '{got.marks}'").fetchall()
    fates = Counter(fate for record, fate in marks if record not in refused)
    assert got.read == len(rows)
    assert (got.rejected, got.duplicate, got.aggregate) == (len(refused), fates["duplicate"], fates["aggregate"])
    assert {number for number, row in enumerate(rows, 1) if row["faults"]} <= refused
    assert got.rejected < got.read or errors
    kept = [None if number in refused else row for number, row in enumerate(rows, 1)]
    return Found(got, [row and {name: value for name, value in row.items() if name not in _INNER} for row in kept])


_INNER = ("faults", "record", "row_hash")


@cache
def base(case: str) -> Found:
    found = export(case)
    got = staged(case, found.text().encode(), found.suffix)
    assert any(got.rows), got.staged.problems
    return got


def figures(row: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (row or {}).items() if name in NUMBERS and value is not None}


# ── every cell ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_contract__every_format_is_held_to_the_law() -> None:
    named = {case.split("/")[0] for case in BASES}
    readable = {name for name, each in formats().items() if each.needs}
    assert readable - named == set(), "give the format a good export in tests/formats/usage, and name it in BASES"


@pytest.mark.parametrize("case", [case for case in BASES if case != "dcgm/range"])  # its samples have no place for a text
def test_cells__no_text_is_misread(case: str) -> None:
    """A changed record is refused or has the figures that it had: never another number, and none that is lost."""
    good = [number for number, row in enumerate(base(case).rows) if row][:2]
    found, changes = changed_cells(case, good)
    got = staged(case, found.text().encode("utf-8", "surrogatepass"), found.suffix)
    assert len(got.rows) == len(base(case).rows) + len(changes), got.staged.problems
    rows = got.rows[-len(changes) :]
    wrong = []
    for (number, where, before, text), row in zip(changes, rows, strict=True):
        if row is None:
            continue
        old, new = figures(base(case).rows[number]), figures(row)
        if misread(old, new, where, before, text):
            changed = {name: (old.get(name), new.get(name)) for name in {*old, *new} if old.get(name) != new.get(name)}
            wrong.append(f"{where} {str(before)[:60]} -> {str(text)[:60]}: {changed}")
    assert not wrong, "\n".join(wrong[:200])
    assert got.accepted >= base(case).accepted  # the records that were not touched


def changed_cells(case: str, good: list[int]) -> tuple[Export, list[tuple[int, str, Any, Any]]]:
    """The export and, after its records, a copy of a good one for every cell and text; each as (record, cell, was, is)."""
    found = export(case)
    changes: list[tuple[int, str, Any, Any]] = []
    if found.table:
        for number in good:
            row = found.table[number + 1]
            for index, name in enumerate(found.table[0]):
                for text in (*NO_NUMBERS, *OTHERS):
                    changes.append((number, name, row[index], text))
                    found.table.append([*row[:index], text, *row[index + 1 :]])
        return found, changes
    places = records(case, found)
    last, _ = places[-1]
    for number in good:
        holder, key = places[number]
        original = copy.deepcopy(holder[key])
        for path in leaves(original):
            for text in (*NO_NUMBERS, *OTHERS, *SHAPES):
                record = copy.deepcopy(original)
                inner = record
                for step in path[:-1]:
                    inner = inner[step]
                before, inner[path[-1]] = inner[path[-1]], text
                changes.append((number, "/".join(map(str, path)), before, text))
                if isinstance(last, dict):
                    last[f"copy-{len(changes)}"] = record
                else:
                    last.append(record)
    return found, changes


def leaves(record: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value below a record, those that hold others too."""
    for key, value in record.items() if isinstance(record, dict) else enumerate(record):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, key))


def misread(old: dict[str, Any], new: dict[str, Any], where: str, before: Any, text: Any) -> bool:
    """Whether a figure is one that nothing says: negative, a mark for "no value", or changed by a text that is no number."""
    if any(value < 0 or value >= 4 * 10**18 for name, value in new.items() if not name.endswith("_cost")):
        return True
    if _is_number(before):
        return new != old and (text in NO_NUMBERS or (isinstance(text, dict | list) and text != [] and text != {}))
    if (text not in NO_NUMBERS and not isinstance(text, list)) or text == []:
        return False
    counted = {name for name in {*old, *new} if name != "requests" and new.get(name) != old.get(name)}
    if str(before).startswith(
        ("{", "[")
    ):  # what holds numbers gave way to what is none; {} and [] are some with nothing in them
        return bool(counted) and text not in ("{}", "[]")
    # a word that says what the number beside it is may take it away, but not make it another one; but for a name
    return any(name in new for name in counted) and not where.endswith("/key")


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)


# ── the whole file ──────────────────────────────────────────────────────────────────────────────────────────────────────

Change = Callable[[st.DataObject, str, Export], bytes]


def same(draw: st.DataObject, case: str, found: Export) -> bytes:
    """Another way to write the same: it gives the same rows."""
    ways = ["bom", "crlf", "no end"]
    ways += ["columns", "shuffled"] if found.table else ["indent", "other way", "shuffled", "spaces"]
    way = draw.draw(st.sampled_from(ways), label="written")
    if way == "columns":
        order = draw.draw(st.permutations(range(len(found.table[0]))))
        found.table = [[row[index] for index in order] for row in found.table]
    elif way == "shuffled":
        if found.table:
            found.table[1:] = draw.draw(st.permutations(found.table[1:]))
        elif len(found.trees) > 1:
            found.trees = draw.draw(st.permutations(found.trees))
        elif isinstance(found.trees[0], list):
            found.trees = [draw.draw(st.permutations(found.trees[0]))]
    elif way == "indent" and not found.lines:
        found.indent = 1
    elif way == "other way":
        flat = [each for tree in found.trees for each in (tree if isinstance(tree, list) else [tree])]
        found.lines, found.trees = (False, [flat]) if found.lines else (True, flat)
    text = found.text()
    if way == "spaces":
        text = text.replace("\n", " \n\n")
    if way == "no end":
        text = text.removesuffix("\n")
    if way == "crlf":
        text = text.replace("\n", "\r\n")
    return ("\ufeff" if way == "bom" else "").encode() + text.encode()


def truncated(draw: st.DataObject, case: str, found: Export) -> bytes:
    content = found.text().encode()
    return content[: draw.draw(st.integers(0, len(content) - 1), label="bytes kept")]


def broken_columns(draw: st.DataObject, case: str, found: Export) -> bytes:
    """A column, or a name wherever it stands, is gone or has another name."""
    kind = draw.draw(st.sampled_from(["drop", "rename"]))
    if found.table:
        index = draw.draw(st.integers(0, len(found.table[0]) - 1), label="column")
        if kind == "drop":
            found.table = [row[:index] + row[index + 1 :] for row in found.table]
        else:
            found.table[0][index] += " neu"
        return found.text().encode()
    names = sorted({path[-1] for path in leaves(found.trees) if isinstance(path[-1], str)})
    name = draw.draw(st.sampled_from(names), label="name")
    found.trees = [renamed(tree, name, f"{name} neu" if kind == "rename" else "") for tree in found.trees]
    return found.text().encode()


def renamed(value: Any, name: str, other: str) -> Any:
    if isinstance(value, list):
        return [renamed(each, name, other) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {other if key == name else key: renamed(each, name, other) for key, each in value.items()}
    kept.pop("", None)
    return kept


def broken_bytes(draw: st.DataObject, case: str, found: Export) -> bytes:
    """Something that no good file has, put in at any byte."""
    content = found.text().encode()
    junk = draw.draw(
        st.sampled_from([
            b'"', b"\n", b"\r", b"\x00", b"\xff", b"\x1e", b"\\", b"{", b"]", b",", b";", b'"\n"', b"{}\n", b"null\n", b"[]", b"\t",
            b"9" * 5000, b"1e999999999999999999999", b"[" * 20_000, b'{"a":' * 2_000, b"NaN", b"-", "é".encode("latin-1"),
            b'\\ud800', b"\xef\xbb\xbf", b"1,2,3\n", b'{"error": {"message": "rate limit"}}\n', b"--\n",
        ]),
        label="junk",
    )  # fmt: skip
    at = draw.draw(st.integers(0, len(content)), label="at")
    return content[:at] + junk + content[at:]


def broken_shape(draw: st.DataObject, case: str, found: Export) -> bytes:
    """A record, or what holds records, gives way to something else; or a record is there twice."""
    if found.table:
        number = draw.draw(st.integers(1, len(found.table) - 1), label="row")
        row = draw.draw(
            st.sampled_from([[], ["", ""], found.table[number] * 2, found.table[number], ["x"] * len(found.table[0])])
        )
        found.table.insert(number, row)
        return found.text().encode()
    path = draw.draw(st.sampled_from(list(leaves(found.trees))), label="place")
    inner: Any = found.trees
    for step in path[:-1]:
        inner = inner[step]
    before = inner[path[-1]]
    inner[path[-1]] = draw.draw(
        st.sampled_from([*SHAPES, [before, before], [before], {"inner": before}, "x"]), label="instead"
    )
    return found.text().encode()


CHANGES: tuple[Change, ...] = (same, truncated, broken_columns, broken_bytes, broken_shape)


@pytest.mark.parametrize("case", BASES)
def test_files__nothing_is_lost_and_nothing_crashes(case: str) -> None:
    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(draw=st.data())
    def law(draw: st.DataObject) -> None:
        change = draw.draw(st.sampled_from(CHANGES), label="change")
        found = export(case)
        got = staged(case, change(draw, case, found), found.suffix)
        if change is same:
            assert got.accepted == base(case).accepted, got.staged.problems
        if change is truncated and got.rows:
            # the last record of what is left may be whole by chance; the others are what they were
            assert sum((got.accepted - base(case).accepted).values()) <= 1
        if change is broken_shape:
            assert sum((got.accepted - base(case).accepted).values()) <= len(base(case).rows)

    law()


@pytest.mark.parametrize("case", [case for case in BASES if _source(case)[0] == ".json"])
def test_files__a_document_has_the_same_ids_on_one_line_and_on_many(case: str) -> None:
    found = {}
    for indent in (None, 1):
        document = export(case)
        document.indent = indent
        found[indent] = staged(case, document.text().encode(), document.suffix).accepted
    assert found[None] == found[1] == base(case).accepted
