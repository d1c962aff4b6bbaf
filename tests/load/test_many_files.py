"""Zip archives, folders and patterns: which files are exports, what is left out, and that all of them are one load."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from finledger.books.export_places import record_places
from finledger.core.problem import Refused
from finledger.read.archive import BOMB_SIZE, members
from finledger.read.export_files import choose
from finledger.workbench import Workbench
from tests.faults.small_books import PRICEBOOK, SETTINGS, content, in_store
from tests.support import finledger, finledger_json

HEAD = "usage_id,ts,team,input_tokens\n"


def rows(first: int, end: int) -> str:
    """The rows of these ids, of as many tokens as their number."""
    return HEAD + "".join(f"id-{n},2026-07-{n % 28 + 1:02}T00:00:00Z,search,{n}\n" for n in range(first, end))


def zipped(path: Path, files: Mapping[str, str | bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", how) as archive:
        warnings.simplefilter("ignore")  # of names that stand twice
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def laid(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


@pytest.fixture
def books(tmp_path: Path) -> Path:
    laid(tmp_path / "books", {"finledger.yaml": SETTINGS, "pricebooks/2026-Q3.yaml": PRICEBOOK, "usage/.keep": ""})
    return tmp_path / "books"


def loaded(capsys: pytest.CaptureFixture[str], books: Path, *words: object) -> dict[str, tuple[int, int]]:
    """Each file's name with its records read and accepted."""
    found = finledger_json(capsys, "load", *words, "--books", books)
    return {file["file"]: (file["read"], file["accepted"]) for file in found["files"]}


def tokens(books: Path) -> int:
    return sum(int(str(row["input_tokens"])) for row in Workbench(books).usage_summary())


def names(folder: Path, *words: str | Path) -> list[str]:
    found = choose([Path(word) for word in words], str)
    assert not found.errors
    return [path.relative_to(folder).as_posix() for path in found.exports]


# ── archives ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip__each_member_is_an_export(how: int, books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "2026-07/part-2.csv": rows(10, 13),
        "2026-07/part-1.csv": rows(0, 10),
        "packed.csv.gz": gzip.compress(rows(20, 22).encode()),
        "2026-07/": "",
        "__MACOSX/2026-07/._part-1.csv": b"\x00\x05\x16\x07",
        ".DS_Store": b"\x00",
        "README.md": "# July",
    }
    archive = zipped(books / "usage" / "july.zip", files, how)
    names = ["2026-07/part-1.csv", "2026-07/part-2.csv", "packed.csv.gz"]
    assert loaded(capsys, books, archive) == dict(
        zip((f"usage/july.zip/{name}" for name in names), ((10, 10), (3, 3), (2, 2)), strict=True)
    )
    kept = {file.name: file.sha256 for file in Workbench(books).ledger.files()}
    for name in names:
        text = files[name]
        sha256 = hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()
        assert kept[f"usage/july.zip/{name}"] == sha256, "the content hash is that of the member"
    assert tokens(books) == sum((*range(13), 20, 21))
    finledger("verify", "--quick", "--books", books)


def test_zip__what_is_left_out_is_said(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = zipped(books.parent / "july.zip", {"a.csv": rows(0, 1), ".DS_Store": "x", "__MACOSX/._a.csv": "x"})
    finledger("load", archive, "--books", books)
    said = capsys.readouterr().err
    assert "notice[left-out]" in said and ".DS_Store (hidden), __MACOSX/._a.csv (hidden)" in said


def test_zip__the_same_export_beside_it_is_known(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = zipped(books.parent / "july.zip", {"a.csv": rows(0, 5)})
    assert loaded(capsys, books, archive) == {f"{archive}/a.csv": (5, 5)}
    beside = laid(books.parent, {"a.csv": rows(0, 5)}) / "a.csv"
    assert loaded(capsys, books, beside) == {str(beside): (5, 0)}
    assert loaded(capsys, books, archive / "a.csv") == {f"{archive}/a.csv": (5, 0)}, "a member can be named by itself"


def test_zip__in_the_inbox_waits_until_it_is_loaded(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zipped(books / "usage" / "gateway" / "july.zip", {"a.csv": rows(0, 5), "b/c.csv": rows(5, 6), "x.crc": "x"})
    laid(books / "usage", {"month=2026-07/part-0.csv": rows(6, 8)})
    waiting = ["usage/gateway/july.zip/a.csv", "usage/gateway/july.zip/b/c.csv", "usage/month=2026-07/part-0.csv"]
    assert Workbench(books).waiting() == waiting
    assert list(loaded(capsys, books)) == waiting
    assert {file.name: file.source for file in Workbench(books).ledger.files()} == dict(
        zip(waiting, ("gateway", "gateway", "native"), strict=True)
    ), "a folder of usage/ names the source, an archive and month=2026-07 do not"
    assert Workbench(books).waiting() == []


def test_zip__a_damaged_one_in_the_inbox_waits(books: Path) -> None:
    archive = zipped(books / "usage" / "july.zip", {"a.csv": rows(0, 5)})
    archive.write_bytes(archive.read_bytes()[:-30])
    laid(books / "usage", {"b.csv": rows(5, 6)})
    assert Workbench(books).waiting() == ["usage/b.csv", "usage/july.zip"]
    finledger("status", "--books", books)
    finledger("load", "--books", books, expect=1)
    assert Workbench(books).ledger.files() == ()


def test_zip__places_are_found_in_it(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Quarantine, a conflict and verify go through the archive; when it is gone, the record's number is left."""
    bad = HEAD + "id-1,2026-07-01T00:00:00Z,search,1\n\nid-2,2026-07-01T00:00:00Z,search,many\n"
    archive = zipped(books / "usage" / "july.zip", {"a.csv": bad, "u.csv": rows(50, 53).encode("utf-16")})
    finledger("load", "--books", books)
    assert [row["where"] for row in Workbench(books).quarantine()] == ["usage/july.zip/a.csv:4"]
    assert record_places(archive / "u.csv", [2]) == {2: (3, "id-51,2026-07-24T00:00:00Z,search,51")}
    other = zipped(
        books.parent / "again.zip", {"o.csv": HEAD + "x,2026-07-01T00:00:00Z,search,1\n" + rows(51, 52)[30:-3] + "9\n"}
    )
    capsys.readouterr()
    finledger("load", other, "--books", books, expect=1)
    said = capsys.readouterr().err
    assert f"{other}/o.csv:3 (usage_id)" in said and "usage/july.zip/u.csv:3" in said
    archive.unlink()
    assert record_places(archive / "u.csv", [2]) == {}
    finledger("load", other, "--books", books, expect=1)
    assert "usage/july.zip/u.csv, record 2" in capsys.readouterr().err


def test_zip__verify_tells_a_changed_member(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = zipped(books / "usage" / "july.zip", {"a.csv": rows(0, 5), "b.csv": rows(5, 9)})
    finledger("load", "--books", books)
    finledger("verify", "--quick", "--books", books)
    zipped(archive, {"a.csv": rows(0, 5), "b.csv": rows(5, 10)})
    finledger("verify", "--quick", "--books", books, expect=1)
    assert "error[export-changed] usage/july.zip/b.csv" in capsys.readouterr().err
    archive.write_bytes(archive.read_bytes()[:-9])
    finledger("verify", "--quick", "--books", books, expect=1)
    assert "error[export-changed] usage/july.zip/a.csv" in capsys.readouterr().err


@pytest.mark.parametrize("flipped", [40, 200, -20])
def test_zip__one_flipped_byte_takes_nothing(flipped: int, books: Path) -> None:
    archive = zipped(books.parent / "july.zip", {"a.csv": rows(0, 500), "b.csv": rows(500, 510)})
    whole = bytearray(archive.read_bytes())
    whole[flipped] ^= 0x10
    archive.write_bytes(whole)
    finledger("load", archive, "--books", books, expect=1)
    assert Workbench(books).ledger.files() == ()
    assert not any("work-" in name for name in in_store(books))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_zip__cut_off_takes_nothing(share: float, books: Path) -> None:
    archive = zipped(books.parent / "july.zip", {"a.csv": rows(0, 500), "b.csv": rows(500, 510)})
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * share)])
    with pytest.raises(Refused) as refused:
        Workbench(books).load([archive])
    assert [problem.code for problem in refused.value.problems] == ["truncated-file"]


@pytest.mark.parametrize("name", ["../a.csv", "/etc/a.csv", "x/../../a.csv"])
def test_zip__names_that_lead_out_of_it(name: str, tmp_path: Path) -> None:
    (problem,) = members(zipped(tmp_path / "a.zip", {name: rows(0, 1)}), "a.zip").problems
    assert problem.code == "bad-archive" and "leads out" in problem.message


def test_zip__one_name_twice(tmp_path: Path) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        warnings.simplefilter("ignore")
        for text in (rows(0, 1), rows(1, 2)):
            archive.writestr("a.csv", text)
    (problem,) = members(tmp_path / "a.zip", "a.zip").problems
    assert "2 files called a.csv" in problem.message


def test_zip__much_of_nothing_is_a_bomb(tmp_path: Path) -> None:
    """Zero bytes shrink to a thousandth: what is larger than 64 MiB and 250 times its archive is refused unread."""
    bomb = zipped(tmp_path / "bomb.zip", {"a.csv": bytes(BOMB_SIZE + 1)})
    (problem,) = members(bomb, "bomb.zip").problems
    assert problem.code == "bad-archive" and "67,108,865" in problem.message
    small = zipped(tmp_path / "small.zip", {"a.csv": bytes(BOMB_SIZE)})
    assert members(small, "small.zip").rows == ("a.csv",)


def test_zip__members_in_the_order_of_names(tmp_path: Path) -> None:
    archive = zipped(
        tmp_path / "a.zip", {f"part-{number:03}.csv": rows(number, number + 1) for number in reversed(range(300))}
    )
    assert members(archive, "a.zip").rows == tuple(f"part-{number:03}.csv" for number in range(300))


# ── folders and patterns ────────────────────────────────────────────────────────────────────────────────────────────────

CUR = {
    "cur/20260701-20260801/a1/july-00001.csv.gz": gzip.compress(rows(0, 5).encode()),
    "cur/20260701-20260801/a1/july-00002.csv.gz": gzip.compress(rows(5, 9).encode()),
    "cur/20260701-20260801/july-Manifest.json": json.dumps(
        {"assemblyId": "a1", "columns": [{"category": "bill", "name": "BillType"}], "reportKeys": ["a1/july-00001.csv.gz"]}
    ),
}
AZURE = {"blobs": [{"blobName": "part_0_0001.csv", "byteCount": 9}], "runInfo": {"runId": "x"}, "byteCount": 9}
SPARK = {
    "month=2026-07/part-0.csv": rows(0, 5),
    "month=2026-07/.part-0.csv.crc": b"crc",
    "month=2026-08/part-1.csv": rows(5, 9),
    "_SUCCESS": "",
    "_temporary/0/part-1.csv": rows(0, 100),
}
SUMS = f"{'a' * 64}  part-0.csv\n{'b' * 64} *part-1.csv\n"


def test_folder__a_cost_and_usage_report(tmp_path: Path) -> None:
    found = choose([laid(tmp_path, CUR) / "cur"], str)
    assert [path.name for path in found.exports] == ["july-00001.csv.gz", "july-00002.csv.gz"]
    (notice,) = found.problems
    assert (notice.code, notice.severity) == ("left-out", "notice")
    assert "20260701-20260801/july-Manifest.json (list of files)" in notice.message


def test_folder__what_spark_writes(tmp_path: Path, books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = laid(tmp_path / "out", SPARK)
    assert names(folder, folder) == ["month=2026-07/part-0.csv", "month=2026-08/part-1.csv"]
    assert loaded(capsys, books, folder) == {
        f"{folder}/month=2026-07/part-0.csv": (5, 5),
        f"{folder}/month=2026-08/part-1.csv": (4, 4),
    }


@pytest.mark.parametrize(
    "name, text",
    [
        ("manifest.json", json.dumps(AZURE)),
        ("m.json", json.dumps({"run": {"files": {"a.csv": {"rows": 3}, "b.parquet": {"rows": 4}}}})),
        ("SHA256SUMS", SUMS),
        ("CHECKSUMS", "SHA256 (part-0.csv) = " + "c" * 64 + "\n"),
    ],
)
def test_folder__a_list_of_files_is_known_by_its_content(name: str, text: str, tmp_path: Path) -> None:
    folder = laid(tmp_path / "out", {"part-0.csv": rows(0, 5), name: text})
    found = choose([folder], str)
    assert [path.name for path in found.exports] == ["part-0.csv"]
    assert f"{name} (list of files)" in found.problems[0].message


@pytest.mark.parametrize(
    "name, text",
    [
        ("manifest.json", '{"usage_id": "a", "ts": "2026-07-01T00:00:00Z"}'),
        ("page-1.json", '{"object": "page", "data": [{"name": "a.csv"}], "has_more": false}'),
        ("lines.json", '{"files": ["a.csv"]}\n{"files": ["b.csv"]}\n'),
        ("SHA256SUMS", "usage_id,ts\n"),
        ("broken.json", '{"files": ["a.csv"'),
    ],
)
def test_folder__what_only_looks_like_a_list_is_read(name: str, text: str, tmp_path: Path) -> None:
    assert names(tmp_path, laid(tmp_path, {name: text})) == [name]


def test_file__named_by_hand_that_is_no_export_is_an_error(tmp_path: Path, books: Path) -> None:
    folder = laid(tmp_path / "out", {"manifest.json": json.dumps(AZURE), "part-0.csv": rows(0, 5)})
    finledger("load", folder / "manifest.json", "--books", books, expect=1)
    finledger("load", folder, "--books", books)
    assert tokens(books) == 10


def test_pattern__sorted_and_through_folders(tmp_path: Path) -> None:
    laid(tmp_path, {f"e/{name}": rows(0, 1) for name in ("b.csv", "a.csv", "c/d/e.csv", "c/x.jsonl", "f[1].csv", ".h.csv")})
    assert names(tmp_path, f"{tmp_path}/e/*.csv") == ["e/a.csv", "e/b.csv", "e/f[1].csv"]
    assert names(tmp_path, f"{tmp_path}/e/**/*.csv") == ["e/a.csv", "e/b.csv", "e/c/d/e.csv", "e/f[1].csv"]
    assert names(tmp_path, f"{tmp_path}/e/f[1].csv") == ["e/f[1].csv"], "a file of that name comes before a pattern"
    assert names(tmp_path, f"{tmp_path}/e/[ab].csv") == ["e/a.csv", "e/b.csv"]
    assert names(tmp_path, f"{tmp_path}/e/c*") == ["e/c/d/e.csv", "e/c/x.jsonl"], "a folder that matches is read whole"
    assert names(tmp_path, f"{tmp_path}/e/**") == ["e/a.csv", "e/b.csv", "e/c/d/e.csv", "e/c/x.jsonl", "e/f[1].csv"]
    assert names(tmp_path, f"{tmp_path}/e/*.csv", f"{tmp_path}/e") == [
        "e/a.csv", "e/b.csv", "e/f[1].csv", "e/c/d/e.csv", "e/c/x.jsonl",
    ], "what two words find is read once"  # fmt: skip


def test_pattern__text_files_only_where_it_asks_for_them(tmp_path: Path) -> None:
    laid(tmp_path, {"u.txt": rows(0, 1), "u.csv": rows(1, 2)})
    assert names(tmp_path, f"{tmp_path}/*") == ["u.csv"]
    assert names(tmp_path, f"{tmp_path}/*.txt") == ["u.txt"]


def test_folder__links_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    laid(tmp_path, {"here/a.csv": rows(0, 1), "there/b.csv": rows(1, 2)})
    (tmp_path / "here" / "linked").symlink_to(tmp_path / "there")
    (tmp_path / "there" / "back").symlink_to(tmp_path / "here")
    assert names(tmp_path, tmp_path / "here") == ["here/a.csv", "here/linked/b.csv"]


@pytest.mark.parametrize(
    "word, said",
    [
        ("nothing/", "the folder holds no file: nothing"),
        ("notes", "the folder holds no export: notes"),
        ("usage/*.parquet", "the pattern matches no file: usage/*.parquet"),
        ("usage/july.csv", "no such file: usage/july.csv"),
        ("a.zip/b.csv", "no such file in the archive: a.zip/b.csv"),
    ],
)
def test_nothing__is_wrong_usage(
    word: str, said: str, books: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    laid(books, {"notes/README.md": "#", "notes/_SUCCESS": ""})
    zipped(books / "a.zip", {"a.csv": rows(0, 1)})
    (books / "nothing").mkdir()
    monkeypatch.chdir(books)
    finledger("load", word, expect=2)
    assert said in capsys.readouterr().err


# ── all or none ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_or_none__one_bad_file_of_a_folder(tmp_path: Path, books: Path) -> None:
    folder = laid(tmp_path / "out", {f"part-{n}.csv": rows(n * 5, n * 5 + 5) for n in range(4)})
    zipped(folder / "z.zip", {"a.csv": rows(50, 55), "b.csv": "usage_id,ts\nx,2026-07"})
    finledger("load", folder, "--books", books, expect=1)
    assert Workbench(books).ledger.files() == () and tokens(books) == 0
    assert not [name for name in in_store(books) if (name.endswith(".parquet") and "schema" not in name) or "work-" in name]
    (folder / "z.zip").unlink()
    finledger("load", folder, "--books", books)
    assert tokens(books) == sum(range(20))


def test_killed__the_books_are_as_before_or_after(tmp_path: Path, books: Path) -> None:
    """A folder with a large archive, killed and interrupted at several moments."""
    folder = laid(tmp_path / "out", {f"part-{n}.csv": rows(n * 5000, n * 5000 + 5000) for n in range(3)})
    zipped(folder / "z.zip", {f"{n}.csv": rows(20_000 + n * 50_000, 70_000 + n * 50_000) for n in range(3)})
    finledger("status", "--books", books)
    before, after = content(books), 15_000 + 150_000
    for number, delay in enumerate((0.4, 0.7, 1.0, 1.4, 1.8)):
        command = [sys.executable, "-m", "finledger", "load", str(folder), "--books", str(books)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ})
        time.sleep(delay)
        process.send_signal((signal.SIGKILL, signal.SIGINT)[number % 2])
        process.wait()
        if Workbench(books).ledger.files():
            break
        assert content(books) == before
    finledger("load", folder, "--books", books)
    assert sum(file.accepted for file in Workbench(books).ledger.files()) == after
    assert not any("work-" in name for name in in_store(books))


# ── a file that is written to ───────────────────────────────────────────────────────────────────────────────────────────


def test_growing__is_refused(books: Path) -> None:
    """Another process appends to the export for as long as it is read."""
    path = laid(books.parent, {"growing.csv": rows(0, 300_000)}) / "growing.csv"
    code = f"import time\nwith open({str(path)!r}, 'a') as f:\n    while True: f.write('\\n'); f.flush(); time.sleep(0.001)"
    writer = subprocess.Popen([sys.executable, "-c", code])
    try:
        size = path.stat().st_size
        while path.stat().st_size == size:
            time.sleep(0.01)
        with pytest.raises(Refused) as refused:
            Workbench(books).load([path])
    finally:
        writer.kill()
        writer.wait()
    assert [problem.code for problem in refused.value.problems] == ["file-changing"]
    assert Workbench(books).ledger.files() == ()
