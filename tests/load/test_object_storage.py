"""Usage and store by URL, against a real S3 server: the same figures as from files, and what goes wrong there said clearly."""

from __future__ import annotations

import gzip
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.small_books import HEADER, make_books
from tests.s3_server import S3Server, needs_s3_server
from tests.support import copy_books, finledger, finledger_json
from tests.test_docs import console

pytestmark = needs_s3_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3") / "buckets") as running:
        yield running


@pytest.fixture(autouse=True)
def client(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()  # each test begins as a process of its own does
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Books whose usage lay in files and whose store is a folder."""
    books = make_books(tmp_path_factory.mktemp("local") / "books", ())
    (books / "usage" / "two.zip").unlink()
    finledger("load", "--books", books, "--quiet")
    finledger("allocate", "--month", "2026-07", "--books", books, "--quiet")
    return books


@pytest.fixture
def bucket(server: S3Server, request: pytest.FixtureRequest) -> Path:
    return server.bucket(re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[:60].strip("-"))


@pytest.fixture
def books(local: Path, tmp_path: Path) -> Path:
    """The same books with nothing loaded and no export in them."""
    made = tmp_path / "books"
    made.mkdir()
    shutil.copy(local / "finledger.yaml", made)
    shutil.copytree(local / "pricebooks", made / "pricebooks")
    return made


def keep_in(bucket: Path, books: Path, folder: str = "/ledger") -> None:
    settings = books / "finledger.yaml"
    settings.write_text(settings.read_text() + f"store: s3://{bucket.name}{folder}\n")


def charges(books: Path) -> bytes:
    finledger("allocate", "--month", "2026-07", "--books", books, "--quiet")
    return (books / "out" / "2026-07" / "charges.csv").read_bytes()


def test_load__by_url_gives_the_figures_of_the_files(
    local: Path, books: Path, bucket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(local / "usage", bucket / "exports")
    first = finledger_json(capsys, "load", f"s3://{bucket.name}/exports/july.csv", "--books", books)
    assert [file["file"] for file in first["files"]] == [f"s3://{bucket.name}/exports/july.csv"]
    assert (first["read"], first["accepted"]) == (62, 62)
    rest = finledger_json(capsys, "load", f"s3://{bucket.name}/exports", "--books", books)
    counts = {file["file"].rpartition("/")[2]: (file["read"], file["accepted"], file["rejected"]) for file in rest["files"]}
    assert counts == {"july-again.csv": (3, 0, 1), "july.csv": (62, 0, 0)}
    assert charges(books) == (local / "out" / "2026-07" / "charges.csv").read_bytes()
    finledger("usage", "quarantine", "--books", books)
    assert f"s3://{bucket.name}/exports/july-again.csv:3" in capsys.readouterr().out
    finledger("label", "explain", f"s3://{bucket.name}/exports/july.csv:4", "--books", books)
    assert "2026-07-02T09:00:00Z" in capsys.readouterr().out
    line = charges(books).decode().splitlines()[1].split(",")
    finledger("explain", "2026-07/search", next(word for word in line if word.startswith("L")), "--books", books)
    assert f"s3://{bucket.name}/exports/july.csv:2" in capsys.readouterr().out


def test_load__a_pattern_finds_packed_exports_and_says_what_is_none(
    local: Path, books: Path, bucket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = bucket / "2026" / "day=01"
    day.mkdir(parents=True)
    (day / "july.csv.gz").write_bytes(gzip.compress((local / "usage" / "july.csv").read_bytes()))
    (day / "_SUCCESS").write_text("")
    (day / "all.zip").write_text("")
    word = f"s3://{bucket.name}/2026/*/*.csv.gz"
    loaded = finledger_json(capsys, "load", word, "--books", books)
    assert loaded["files"][0]["file"] == f"s3://{bucket.name}/2026/day=01/july.csv.gz"
    assert loaded["accepted"] == 62
    finledger("load", f"s3://{bucket.name}/2026", "--books", books, expect=1)
    said = capsys.readouterr().err
    assert "error[bad-archive] " in said and f"s3://{bucket.name}/2026/day=01/all.zip" in said and "_SUCCESS" in said


def test_load__an_object_that_was_not_written_since_is_not_fetched_again(
    books: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = "{},2026-07-01T09:00:00Z,search,chat_call,gpt-large,1,10,10\n"
    with S3Server(tmp_path / "buckets", ("-vv",)) as other:
        bucket = other.bucket("daily")
        for name, value in other.environment.items():
            monkeypatch.setenv(name, value)
        for number, (day, ids, fetched) in enumerate([("01", "a", 1), ("02", "b", 1), ("02", "b", 0), ("01", "ac", 1)]):
            (bucket / f"{day}.csv").write_text(HEADER + "".join(row.format(each) for each in ids))
            before = other.log().count("GET OBJECT")
            loaded = finledger_json(capsys, "load", f"s3://{bucket.name}/*.csv", "--books", books)
            assert other.log().count("GET OBJECT") - before == fetched, f"load {number}"
            assert loaded["accepted"] == fetched, "each time one row is new"


def test_load__a_conflict_names_the_line_at_each_url(books: Path, bucket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = "x,2026-07-01T09:00:00Z,search,chat_call,gpt-large,{},10,10\n"
    for name, requests in (("a", 1), ("b", 2)):
        (bucket / f"{name}.csv").write_text(
            HEADER + f"{name}-1,2026-07-01T09:00:00Z,search,,gpt-large,,5,5\n" + row.format(requests)
        )
    finledger("load", f"s3://{bucket.name}/a.csv", "--books", books)
    finledger("load", f"s3://{bucket.name}/b.csv", "--books", books, expect=1)
    said = " ".join(capsys.readouterr().err.split())
    assert f"s3://{bucket.name}/b.csv:3" in said and f"s3://{bucket.name}/a.csv:3" in said
    assert "x,2026-07-01T09:00:00Z,search,chat_call,gpt-large,2,10,10" in said


def test_store__in_a_bucket_gives_the_figures_of_the_folder(
    local: Path, books: Path, bucket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_in(bucket, books)
    shutil.copytree(local / "usage", books / "usage")
    finledger("load", "--books", books, "--quiet", "--dry-run")
    assert not list(bucket.rglob("*.parquet")), "a dry run puts nothing"
    finledger("load", "--books", books, "--quiet")
    here = {path.relative_to(books / "store").as_posix(): path.read_bytes() for path in copies(books)}
    there = {path.relative_to(bucket / "ledger").as_posix(): path.read_bytes() for path in bucket.rglob("*.parquet")}
    assert here == there and len(there) == 3, "two exports of one month, and why a row was refused"
    drop(copies(books))
    assert charges(books) == (local / "out" / "2026-07" / "charges.csv").read_bytes()
    assert len(copies(books)) == 2, "what a month needs is fetched, and no more"
    finledger("close", "--month", "2026-07", "--books", books, "--quiet")
    (bucket / "ledger" / "usage" / "left-by-a-killed-load.parquet").write_bytes(b"PAR1")
    capsys.readouterr()
    finledger("verify", "--books", books)
    said = capsys.readouterr().out
    assert re.search(r"parts at s3://\S+ +3\b", said) and re.search(r"objects there that are in no list +1\b", said)
    drop(copies(books))
    finledger("verify", "--books", books)


def test_store__books_that_had_a_folder_bring_all_parts_with_the_next_load(
    local: Path, bucket: Path, tmp_path: Path
) -> None:
    books = copy_books(local, tmp_path / "books")
    keep_in(bucket, books)
    before = {path.name for path in copies(books)}
    (books / "usage" / "more.csv").write_text(HEADER + "more,2026-07-09T09:00:00Z,search,chat_call,gpt-large,1,1,1\n")
    finledger("load", "--books", books, "--quiet")
    there = {path.name for path in bucket.rglob("*.parquet")}
    assert len(there) == len(before) + 1 and before < there


@pytest.mark.parametrize("how", ["missing", "changed"])
def test_store__a_part_that_is_not_what_it_was_is_named(
    how: str, books: Path, bucket: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_in(bucket, books)
    finledger("load", local / "usage" / "july.csv", "--books", books, "--quiet")
    (part,) = bucket.rglob("*.parquet")
    whole = part.read_bytes()
    drop([part])
    if how == "changed":
        part.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    url = f"s3://{bucket.name}/ledger/usage/month=2026-07/{part.name}"
    finledger("verify", "--books", books, expect=1)
    assert f"error[part-{how}] {url}" in capsys.readouterr().err
    drop(copies(books))
    finledger("allocate", "--month", "2026-07", "--books", books, expect=1)
    assert f"error[part-{how}] {url}" in capsys.readouterr().err
    assert not copies(books) and not (books / "out" / "2026-07").exists(), "nothing is written"
    part.write_bytes(whole)
    charges(books)
    copies(books)[0].write_bytes(b"not what it was")
    finledger("verify", "--books", books, expect=1)
    assert "remove the file: it is a copy, and is fetched again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "code", "says"),
    [
        ("s3://no-such-bucket/usage/july.csv", 2, "no such object or bucket: s3://no-such-bucket/usage/july.csv"),
        ("s3://no-such-bucket/usage/*.csv", 2, "the pattern matches no file: s3://no-such-bucket/usage/*.csv"),
        ("s3://{bucket}/july.csv", 2, "no such object or bucket: s3://{bucket}/july.csv"),
        ("s3://{bucket}/*.csv", 2, "the pattern matches no file: s3://{bucket}/*.csv"),
        ("s3://{bucket}/a//b.csv", 2, "no such object or bucket: s3://{bucket}/a/b.csv"),
    ],
)
def test_load__what_is_not_there(
    word: str, code: int, says: str, books: Path, server: S3Server, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = server.bucket("with-nothing-in-it")
    finledger("load", word.format(bucket=bucket.name), "--books", books, expect=code)
    assert says.format(bucket=bucket.name) in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("AWS_SECRET_ACCESS_KEY", "another", "the object storage refuses access"),
        ("AWS_ACCESS_KEY_ID", None, "the object storage refuses access (Unable to locate credentials)"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "the object storage does not answer"),
    ],
)
def test_storage__that_cannot_be_used_is_an_error_of_input_and_output(
    name: str, value: str | None, says: str, local: Path, books: Path, bucket: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    finledger("load", f"s3://{bucket.name}/july.csv", "--books", books, expect=4)
    assert f"s3://{bucket.name}/july.csv: {says}" in capsys.readouterr().err
    keep_in(bucket, books)
    finledger("load", local / "usage" / "july.csv", "--books", books, expect=4)
    said = capsys.readouterr().err
    assert f"error: s3://{bucket.name}/ledger/usage/month=2026-07/" in said and says in said
    assert nothing_is_loaded(books, capsys)


def test_store__whose_bucket_is_missing(local: Path, books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep_in(Path("no-such-bucket"), books)
    finledger("load", local / "usage" / "july.csv", "--books", books, expect=4)
    assert "there is no such object or bucket" in capsys.readouterr().err
    assert nothing_is_loaded(books, capsys)


@pytest.mark.parametrize("what", ["export", "store"])
def test_load__the_server_dies_in_the_middle(
    what: str, local: Path, books: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"{number},2026-07-01T09:00:00Z,search,chat_call,gpt-large,1,{number},1\n" for number in range(40_000))
    with S3Server(tmp_path / "buckets", ("--bwlimit", "300k", "-vv")) as dying:
        bucket = dying.bucket("short-lived")
        for name, value in dying.environment.items():
            monkeypatch.setenv(name, value)
        place = bucket / "large.csv" if what == "export" else tmp_path / "large.csv"
        place.write_text(HEADER + rows)
        if what == "store":
            keep_in(bucket, books)
            dying.pause()
        word = f"s3://{bucket.name}/large.csv" if what == "export" else str(place)
        begun = (lambda: "GET OBJECT" in dying.log()) if what == "export" else (lambda: bool(copies(books)))
        killer = threading.Thread(target=lambda: (until(begun), time.sleep(0.2), dying.kill()))
        killer.start()
        finledger("load", word, "--books", books, expect=4)
        killer.join()
    said = capsys.readouterr().err
    assert "error: s3://short-lived/" in said and "the object storage" in said
    assert nothing_is_loaded(books, capsys)
    assert not list((books / "store").glob("work-*")) and not list((books / "store").glob("fetching-*"))


def test_load__names_the_package_that_is_missing(
    books: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    finledger("load", "gs://acme/july.csv", "--books", books, expect=2)
    assert "run `pip install 'finledger[gcs]'`" in capsys.readouterr().err


def test_page__commands_run(
    local: Path, server: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2] / "docs" / "object-storage.md"
    exports = server.bucket("acme-exports") / "gateway"
    (exports / "more").mkdir(parents=True)
    server.bucket("acme-finops")
    shutil.copy(local / "usage" / "july.csv", exports)
    (exports / "more" / "august.csv").write_text(HEADER + "august,2026-08-01T09:00:00Z,search,chat_call,gpt-large,1,1,1\n")
    shutil.copytree(local, tmp_path / "acme", ignore=shutil.ignore_patterns("store", "out", "usage"))
    monkeypatch.chdir(tmp_path)
    for line in console(page).splitlines():
        if line.startswith("finledger "):
            finledger(*shlex.split(line)[1:])
        else:
            subprocess.run(["bash", "-c", line], check=True)
    assert "s3://acme-exports/gateway/july.csv:2" in capsys.readouterr().out
    assert len(list((server.root / "acme-finops" / "ai-usage").rglob("*.parquet"))) == 2


def test_programs_that_name_no_url_do_not_import_it() -> None:
    script = (
        "import sys, finledger.workbench, finledger.objects; assert not {'fsspec', 's3fs', 'botocore'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def copies(books: Path) -> list[Path]:
    """The parts in the books' own folder."""
    return sorted(path for path in (books / "store").rglob("*.parquet") if path.name != "schema.parquet")


def until(holds: Callable[[], bool]) -> bool:
    return any(holds() or time.sleep(0.05) for _ in range(400))


def drop(paths: list[Path]) -> None:
    for path in paths:
        path.unlink()


def nothing_is_loaded(books: Path, capsys: pytest.CaptureFixture[str]) -> bool:
    capsys.readouterr()
    finledger("usage", "summary", "--format", "json", "--books", books)
    with closing(sqlite3.connect(books / "store" / "ledger.sqlite")) as ledger:
        return ledger.execute("SELECT count(*) FROM files").fetchone() == (0,)
