"""Strict YAML: every scalar stays text, and every node knows its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from finledger.read.yaml_lines import Document, load


def read(text: str) -> Document:
    outcome = load(text, "books.yaml")
    assert outcome.problems == ()
    assert outcome.rows is not None
    return outcome.rows


def test_load__scalars_stay_text() -> None:
    text = "a: 0.30\nb: 1e-6\nc: no\nd: 2026-07-01\ne: 'null'\nf: [1, 010, 0x10]\n2026-07: x\n"
    assert read(text).root.plain() == {
        "a": "0.30",
        "b": "1e-6",
        "c": "no",
        "d": "2026-07-01",
        "e": "null",
        "f": ["1", "010", "0x10"],
        "2026-07": "x",
    }


def test_lines__by_path() -> None:
    text = "teams:\n  search:\n    budget:\n      2026-07: 1\n      2026-08: 2\nrules:\n  - a: 1\n  -\n    a: 2\n"
    assert read(text).lines() == {
        "teams": 1,
        "teams/search": 2,
        "teams/search/budget": 3,
        "teams/search/budget/2026-07": 4,
        "teams/search/budget/2026-08": 5,
        "rules": 6,
        "rules/0": 7,
        "rules/0/a": 7,
        "rules/1": 9,
        "rules/1/a": 9,
    }


def test_where__nearest_parent_of_what_is_missing() -> None:
    document = read("books: x\nteams:\n  search:\n    stage: showback\n")
    assert str(document.where("teams", "search", "cost_center")) == "books.yaml:3"
    assert str(document.where("currency")) == "books.yaml:1"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028"])
def test_lines__whatever_ends_them(end: str) -> None:
    document = read(f"a: 1{end}b: 2{end}c: 3{end}")
    assert document.lines() == {"a": 1, "b": 2, "c": 3}
    assert document.text_lines[:3] == ("a: 1", "b: 2", "c: 3")


def test_load__byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "books.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    outcome = load(path, "books.yaml")
    assert outcome.rows is not None and outcome.rows.root.plain() == {"a": "1"}


def test_load__all_that_is_not_strict_at_once() -> None:
    outcome = load("a: &x 1\nb: *x\nc: !!int 3\na: 4\nd:\n---\n", "books.yaml")
    assert outcome.rows is None
    found = [(problem.code, problem.source.line) for problem in outcome.problems if problem.source]
    assert found == [
        ("yaml-alias", 1),
        ("yaml-alias", 2),
        ("yaml-tag", 3),
        ("yaml-duplicate-key", 4),
        ("yaml-no-value", 5),
        ("yaml-documents", 6),
    ]


def test_load__a_bomb_is_refused_before_it_grows() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{new}: &{new} [*{old}, *{old}]\n" for old, new in zip("abcdefgh", "bcdefghi"))
    assert {problem.code for problem in load(bomb, "books.yaml").problems} == {"yaml-alias"}
    assert [problem.code for problem in load("[" * 200_000, "books.yaml").problems] == ["yaml-syntax"]


def test_excerpt__is_cut_and_printable() -> None:
    outcome = load("a: '" + "x" * 500 + "'\na: '\u202e'\n", "books.yaml")
    assert outcome.problems[0].excerpt == "a: ' '"
    long = load("a: 1\na: " + "x" * 500, "books.yaml").problems[0].excerpt
    assert len(long) == 160 and long.endswith("…")


def test_load__a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "books.yaml", "books.yaml")
