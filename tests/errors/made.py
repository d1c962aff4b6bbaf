"""Files of the cases that no editor makes: `parquet usage/july.parquet "SELECT 1 AS a"` in a case's `command` calls `parquet`.

Every word after the first is a path in the case's books or a text. What is made is the same every time.
"""

from __future__ import annotations

import csv
import gzip as gzip_format
import hashlib
import os
import shutil
import sqlite3
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import zstandard
from openpyxl import Workbook

from finledger.core.period import Month


def cp(path: str, target: str) -> None:
    """Copy a file over another: a person changes the books between two commands."""
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, target)


def rm(path: str) -> None:
    """A person takes a file away."""
    Path(path).unlink()


def gzip(path: str) -> None:
    """FILE becomes FILE.gz."""
    Path(f"{path}.gz").write_bytes(gzip_format.compress(Path(path).read_bytes(), mtime=0))
    Path(path).unlink()


def zstd(path: str) -> None:
    """FILE becomes FILE.zst."""
    Path(f"{path}.zst").write_bytes(zstandard.ZstdCompressor().compress(Path(path).read_bytes()))
    Path(path).unlink()


def cut(path: str) -> None:
    """The last third of the file is lost on its way."""
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) * 2 // 3])


def latin1(path: str) -> None:
    """The file in ISO 8859-1 instead of UTF-8."""
    Path(path).write_bytes(Path(path).read_text(encoding="utf-8").encode("latin-1"))


def long_line(path: str, megabytes: str) -> None:
    """A line of one JSON object of that length is added."""
    with Path(path).open("a", encoding="utf-8") as stream:
        stream.write('{"usage_id": "' + "a" * (int(megabytes) << 20) + '"}\n')


def parquet(path: str, query: str) -> None:
    """The rows of the query as Parquet."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")


def xlsx(path: str) -> None:
    """FILE.csv becomes FILE.xlsx, every cell as text on the sheet Usage."""
    book = Workbook()
    book.remove(book.active)
    sheet = book.create_sheet("Usage")
    with Path(path).open(encoding="utf-8", newline="") as stream:
        for row in csv.reader(stream):
            sheet.append(row)
    book.save(Path(path).with_suffix(".xlsx"))
    Path(path).unlink()


def days(path: str, month: str, team: str, requests: str, *without: str) -> None:
    """An export with a row for each day of the month, but for the days left out."""
    left_out = {int(day) for day in without}
    found = [day for day in range(1, Month.parse(month).last_day.day + 1) if day not in left_out]
    rows = [f"{team}-{month}-{day:02},{month}-{day:02}T12:00:00Z,{team},chat_call,{requests}" for day in found]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("\n".join(("usage_id,ts,team,action,requests", *rows, "")), encoding="utf-8")


def lose(pattern: str) -> None:
    """Every file of that name is lost."""
    for path in _found(pattern):
        path.unlink()


def blot(pattern: str) -> None:
    """The first bit of the last byte of every such file is another one."""
    for path in _found(pattern):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def zip(path: str, *files: str) -> None:
    """The files become members of an archive, named by their place below its folder."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.writestr(Path(file).relative_to(Path(path).parent).as_posix(), Path(file).read_bytes())
            Path(file).unlink()


def lock(path: str) -> None:
    """The archive says that its first member is encrypted."""
    content = bytearray(Path(path).read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    Path(path).write_bytes(content)


def zeros(path: str, megabytes: str) -> None:
    """A file of zero bytes."""
    Path(path).write_bytes(bytes(int(megabytes) << 20))


def encode(path: str, encoding: str) -> None:
    """The file in another encoding instead of UTF-8."""
    Path(path).write_bytes(Path(path).read_text(encoding="utf-8").encode(encoding))


def drop(path: str, count: str) -> None:
    """The last bytes of the file are lost."""
    Path(path).write_bytes(Path(path).read_bytes()[: -int(count)])


def disturb(path: str) -> None:
    """Something writes to the file for as long as it lies there, ten seconds at most."""
    file = Path(path).absolute()

    def touch() -> None:
        for moment in range(10_000):
            if not file.is_file():
                return
            os.utime(file, ns=(moment, moment))
            time.sleep(0.001)

    threading.Thread(target=touch, daemon=True).start()


def _found(pattern: str) -> list[Path]:
    found = sorted(path for path in Path().glob(pattern) if path.is_file())
    assert found, f"no file is called {pattern}"
    return found


def forge(path: str, *statements: str) -> None:
    """Rows of the ledger changed behind the guards' back, and its fingerprint made anew."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        for (guard,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {guard}")
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement
        connection.commit()
    sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    Path(f"{path}.sha256").write_text(f"{sha256}  {Path(path).name}\n", encoding="ascii")


def sql(path: str, statement: str) -> None:
    """A statement on an SQLite file, which is made where there is none."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


MAKERS: dict[str, Callable[..., None]] = {
    maker.__name__.replace("_", "-"): maker
    for maker in (
        cp,
        rm,
        gzip,
        zstd,
        cut,
        latin1,
        long_line,
        parquet,
        xlsx,
        days,
        lose,
        blot,
        forge,
        sql,
        zip,
        lock,
        zeros,
        encode,
        drop,
        disturb,
    )
}
