"""Files as they come: other encodings, cut off in the middle, odd line ends, packed as their names do not say."""

from __future__ import annotations

import codecs
import gzip
from pathlib import Path
from typing import Any

import duckdb
import pytest

from finledger.books.export_places import record_places
from finledger.core.model import StagedFile
from finledger.core.problem import Misused
from finledger.read.encoding import checked
from finledger.read.opened import last_line
from finledger.read.stage import stage

HEAD = "usage_id,ts,feature,input_tokens\n"
ROWS = HEAD + "a,2026-07-01T00:00:00Z,Übung,5\nb,2026-07-02T00:00:00Z,café,7\n"


def staged(folder: Path, content: bytes, name: str = "usage.csv", **options: Any) -> StagedFile:
    (folder / name).write_bytes(content)
    return stage(folder / name, shown_as=name, workspace=folder / "work", **options)


def features(file: StagedFile) -> list[tuple[Any, ...]]:
    assert file.problems == ()
    return duckdb.sql(f"SELECT feature, input_tokens FROM read_parquet('{file.rows}') WHERE faults IS NULL").fetchall()


def said(file: StagedFile) -> list[tuple[str, str]]:
    return [(problem.code, str(problem.source)) for problem in file.problems]


# ── encodings ───────────────────────────────────────────────────────────────────────────────────────────────────────────

ENCODED = {
    "utf-8": ROWS.encode(),
    "utf-8 with a BOM": codecs.BOM_UTF8 + ROWS.encode(),
    "utf-16-le by its BOM": codecs.BOM_UTF16_LE + ROWS.encode("utf-16-le"),
    "utf-16-be by its BOM": codecs.BOM_UTF16_BE + ROWS.encode("utf-16-be"),
    "utf-32-le by its BOM": codecs.BOM_UTF32_LE + ROWS.encode("utf-32-le"),
    "utf-32-be by its BOM": codecs.BOM_UTF32_BE + ROWS.encode("utf-32-be"),
    "utf-16-le by its zero bytes": ROWS.encode("utf-16-le"),
    "utf-16-be by its zero bytes": ROWS.encode("utf-16-be"),
}


@pytest.mark.parametrize("kind", ENCODED)
def test_encoding__the_same_rows_and_lines(kind: str, tmp_path: Path) -> None:
    file = staged(tmp_path, ENCODED[kind])
    assert features(file) == [("Übung", 5), ("café", 7)]
    assert record_places(tmp_path / "usage.csv", [2]) == {2: (3, "b,2026-07-02T00:00:00Z,café,7")}


def test_encoding__utf_16_in_a_packed_file(tmp_path: Path) -> None:
    file = staged(tmp_path, gzip.compress(ENCODED["utf-16-le by its BOM"]), "usage.csv.gz")
    assert features(file) == [("Übung", 5), ("café", 7)]
    assert record_places(tmp_path / "usage.csv.gz", [1]) == {1: (2, "a,2026-07-01T00:00:00Z,Übung,5")}


@pytest.mark.parametrize("name", ["cp1252", "latin-1", "mac-roman", "utf-7"])
def test_encoding__as_stated(name: str, tmp_path: Path) -> None:
    assert features(staged(tmp_path, ROWS.encode(name), encoding=name)) == [("Übung", 5), ("café", 7)]


def test_encoding__a_bom_knows_better_than_what_is_stated(tmp_path: Path) -> None:
    assert features(staged(tmp_path, ENCODED["utf-8 with a BOM"], encoding="cp1252")) == [("Übung", 5), ("café", 7)]


def test_encoding__wide_characters_over_the_edge_of_a_chunk(tmp_path: Path) -> None:
    """Rows of 2 bytes a letter, and letters of 4: some of them lie across the megabyte at which a chunk ends."""
    many = HEAD + "".join(f"r{number},2026-07-01T00:00:00Z,{'😀' * (number % 7)}x,1\n" for number in range(30_000))
    file = staged(tmp_path, codecs.BOM_UTF16_LE + many.encode("utf-16-le"))
    assert (len(many.encode("utf-16-le")) > 2 << 20) and (file.read, file.rejected, file.problems) == (30_000, 0, ())
    query = f"SELECT count(*) FROM read_parquet('{file.rows}') WHERE length(feature) = 7"
    assert duckdb.sql(query).fetchall() == [(30_000 // 7,)]  # six letters and the x: the numbers 6, 13, … up to 29,994


@pytest.mark.parametrize("name", ["no-such", "rot13", "base64", "", "utf 8\0"])
def test_encoding__must_be_one(name: str) -> None:
    with pytest.raises(Misused, match="there is no encoding"):
        checked(name)


def test_encoding__names_the_line_of_the_byte(tmp_path: Path) -> None:
    """0x81 is no character of cp1252: line 3, byte 33 + 32 + 25."""
    wrong = ROWS.encode("cp1252").replace(b"caf\xe9", b"caf\x81")
    file = staged(tmp_path, wrong, encoding="cp1252")
    assert said(file) == [("wrong-encoding", "usage.csv:3")]
    assert f"byte {wrong.index(0x81)} cannot be read" in file.problems[0].message


@pytest.mark.parametrize(
    "content, name, words",
    [
        (gzip.compress(ROWS.encode(), mtime=0), "usage.csv", "gzip"),
        (b"PAR1\xff\xff", "usage.csv", "Parquet"),
        (b"PK\x03\x04\xff", "usage.csv", "zip"),
    ],
)
def test_name__does_not_say_what_the_file_is(content: bytes, name: str, words: str, tmp_path: Path) -> None:
    (problem,) = staged(tmp_path, content, name).problems
    assert problem.code == "not-utf8" and words in problem.message and "rename" in problem.remedy


def test_bom__alone_is_an_empty_file(tmp_path: Path) -> None:
    for bom in (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE):
        assert [code for code, _ in said(staged(tmp_path, bom))] == ["empty-file"]


def test_nul__in_a_value_is_refused_in_its_row(tmp_path: Path) -> None:
    file = staged(tmp_path, (ROWS + "c,2026-07-03T00:00:00Z,x\0y,9\n").encode())
    assert features(file) == [("Übung", 5), ("café", 7)]
    assert (file.read, file.rejected) == (3, 1)


@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_line_ends__of_other_systems(end: str, tmp_path: Path) -> None:
    assert features(staged(tmp_path, ROWS.replace("\n", end).encode())) == [("Übung", 5), ("café", 7)]


def test_line_ends__mixed(tmp_path: Path) -> None:
    first, second, third = ROWS.splitlines()
    assert features(staged(tmp_path, f"{first}\r\n{second}\r{third}\n".encode())) == [("Übung", 5), ("café", 7)]


# ── cut off ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lost", [1, 2, 3, 10, 20, 27])
def test_cut__csv_in_the_last_record(lost: int, tmp_path: Path) -> None:
    """Of `b,2026-07-02T00:00:00Z,café,7` and its line end. Whoever loses 1 to 2 bytes has every field: that is a whole record."""
    content = ROWS.encode()[:-lost]
    found = said(staged(tmp_path, content))
    assert found == ([] if lost <= 2 else [("truncated-file", "usage.csv:3")])


def test_cut__csv_inside_quotes(tmp_path: Path) -> None:
    found = said(staged(tmp_path, (ROWS + 'c,2026-07-03T00:00:00Z,"a, b').encode()))
    assert found == [("unclosed-quote", "usage.csv:4")]


def test_cut__a_last_record_over_two_lines_is_whole(tmp_path: Path) -> None:
    """Its last line has fewer fields than the header: the record has not."""
    file = staged(tmp_path, (HEAD + 'a,2026-07-01T00:00:00Z,x,5\nb,2026-07-01T00:00:00Z,"y\nz",6').encode())
    assert (file.problems, file.read, file.rejected) == ((), 2, 1)  # a line end in a label is refused in its row


def test_cut__a_short_record_with_its_line_end_is_refused_alone(tmp_path: Path) -> None:
    file = staged(tmp_path, (ROWS + "c,2026-07-03\n").encode())
    assert (file.problems, file.read, file.rejected) == ((), 3, 1)


def test_cut__json_lines(tmp_path: Path) -> None:
    whole = '{"usage_id": "a", "ts": "2026-07-01T00:00:00Z", "input_tokens": 5}\n'
    assert staged(tmp_path, (whole + whole.replace('"a"', '"b"').rstrip()).encode(), "u.jsonl").problems == ()
    for lost in (2, 10, 60):
        cut = (whole + whole.replace('"a"', '"b"'))[:-lost].encode()
        assert said(staged(tmp_path, cut, "u.jsonl")) == [("truncated-file", "u.jsonl:2")], lost


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_cut__parquet(share: float, tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    duckdb.sql(f"COPY (SELECT 'a' || i AS usage_id, '2026-07-01' AS ts FROM range(9999) t(i)) TO '{whole}' (FORMAT parquet)")
    content = whole.read_bytes()
    assert said(staged(tmp_path, content[: int(len(content) * share)], "u.parquet")) == [("bad-parquet", "u.parquet")]


def test_cut__utf_16_inside_a_character(tmp_path: Path) -> None:
    assert [code for code, _ in said(staged(tmp_path, ENCODED["utf-16-le by its BOM"][:-3]))] == ["truncated-file"]


def test_last_line__of_a_file_of_many_chunks(tmp_path: Path) -> None:
    path = tmp_path / "long"
    for length in (10, (1 << 20) - 3, (1 << 20), (3 << 20) + 1):
        path.write_bytes(b"first\n" + b"x" * length + b"\r\n")
        assert last_line(path) == b"x" * length
