"""Objects in a bucket, by URL: s3://bucket/key, gs://bucket/key, abfss://container@account.dfs.core.windows.net/key.

fsspec reads and writes them, with a package for each service, which is imported when a URL is named and not before. A URL goes
through the program as a `Path` (`s3:/bucket/key`), so that it has a name, a suffix and parents like a file; `url_of` gives the
URL back. Who may read and write is known to the service's own settings (AWS_PROFILE, AWS_ENDPOINT_URL, …): nothing of it is
ours, and nothing of it is written. Whatever goes wrong there is an OSError that names the URL.
"""

from __future__ import annotations

import atexit
import errno
import glob
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from finledger.core.problem import Misused

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "abfss": "azure", "abfs": "azure", "az": "azure"}
# One file at a time goes through one connection in pieces of the stated size: the library's own choice would hold half a
# gigabyte of a large one in memory. A listing is never remembered: somebody else may have written.
_OPTIONS: dict[str, dict[str, Any]] = {"s3": {"max_concurrency": 1, "default_block_size": 16 << 20}}
_LOCAL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.EROFS)
_NOT_ALLOWED = ("Credential", "Auth", "Refresh", "Forbidden", "SSOToken", "Permission")
_AWAY = ("Connect", "Timeout", "Endpoint", "HTTP", "Network", "ServiceRequest", "ClientOS", "Transport", "Disconnected")
_TALKATIVE = ("fsspec", "s3fs", "botocore", "aiobotocore", "gcsfs", "google", "adlfs", "azure", "asyncio")
_NOWHERE = logging.NullHandler()
_BUGS = (TypeError, AttributeError, AssertionError, NameError, LookupError)


@dataclass(frozen=True, slots=True)
class Found:
    """What a URL or a pattern names: one object, or those below it. `folder`: it ended in one or named one."""

    paths: tuple[Path, ...]
    folder: bool = False


def url_of(path: Path | str) -> str | None:
    """The URL that a path stands for; None for a path of a file system."""
    scheme, colon, rest = Path(path).as_posix().partition(":/")
    return f"{scheme}://{rest.lstrip('/')}" if colon and scheme in EXTRAS else None


def is_url(path: Path | str) -> bool:
    return url_of(path) is not None


def located(root: Path, name: str) -> Path:
    """Where a file is that was loaded as `name`: below the books, or at its URL."""
    return Path(name) if is_url(name) else root / name


def found(word: Path) -> Found | None:
    """The objects that a URL or a pattern (* ? [ ] **) means, in the order of names; None where there is none of that name."""
    url = _url(word)
    service = filesystem(url)
    with _told(url):
        if glob.has_magic(url):
            names: set[str] = set()
            for name, info in service.glob(url, detail=True).items():
                names.update([name] if info["type"] == "file" else _below(service, name))
            return Found(_paths(service, url, sorted(names)))
        try:
            info = service.info(url)
        except FileNotFoundError:
            return None
        if info["type"] == "file" and not url.endswith("/"):
            return Found((word,))
        return Found(_paths(service, url, sorted(_below(service, url))), folder=True)


def size(path: Path) -> int | None:
    """The bytes of an object; None where there is none."""
    info = _info(path)
    return None if info is None else int(info["size"])


def stamp(path: Path) -> tuple[int, str]:
    """What changes when an object is written again: its size, and its tag or the time of its last change."""
    info = _info(path)
    if info is None:
        raise FileNotFoundError(errno.ENOENT, "no such object", _url(path))
    names = ("ETag", "etag", "generation", "LastModified", "last_modified", "mtime")
    return int(info["size"]), str(next((info[name] for name in names if info.get(name)), ""))


def fetch(path: Path, target: Path, told: Callable[[int], None] | None = None) -> None:
    """Copy an object to a file. `told` hears how many bytes are done."""
    from fsspec.callbacks import Callback

    url = _url(path)
    service = filesystem(url)
    heard = Callback(hooks={"told": lambda size, value, **_: told and told(int(value))})
    target.parent.mkdir(parents=True, exist_ok=True)
    with _told(url):
        expected = int(service.info(url)["size"])
        service.get_file(url, str(target), callback=heard)
    if target.stat().st_size != expected:
        raise OSError(errno.EIO, f"{expected:,} bytes were announced and {target.stat().st_size:,} came", url)


def put(source: Path, path: Path) -> None:
    """Copy a file to an object: all of it or nothing becomes visible, and what was there under the name is replaced."""
    url = _url(path)
    service = filesystem(url)
    with _told(url):
        service.put_file(str(source), url)
        if int(service.info(url)["size"]) != source.stat().st_size:
            raise OSError(errno.EIO, "the object has not the size of what was sent", url)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """An object's bytes, read from a copy in the machine's temporary folder that is kept until another one is asked for."""
    copy = _Copies.of(path)
    with copy.open("rb") as stream:
        yield stream


def filesystem(url: str) -> Any:
    """fsspec's file system for a URL; `Misused` says what to install where its package is not there."""
    scheme = url.partition("://")[0]
    for name in _TALKATIVE:  # what matters of what they log is raised, too
        logging.getLogger(name).addHandler(_NOWHERE)
    try:
        from fsspec.core import url_to_fs

        service, _ = url_to_fs(url, use_listings_cache=False, **_OPTIONS.get(EXTRAS[scheme], {}))
    except ImportError:
        extra = EXTRAS[scheme]
        raise Misused(f"{url}: to read and write {scheme}:// run `pip install 'finledger[{extra}]'`") from None
    except _BUGS:
        raise
    except Exception as failed:
        raise _error(failed, url) from failed
    return service


class _Copies:
    """The one copy that `opened` keeps: a message about an export asks for its bytes several times over."""

    folder: Path | None = None
    last: tuple[str, tuple[int, str]] | None = None

    @classmethod
    def of(cls, path: Path) -> Path:
        if cls.folder is None:
            cls.folder = Path(tempfile.mkdtemp(prefix="finledger-object-"))
            atexit.register(shutil.rmtree, cls.folder, ignore_errors=True)
        wanted, copy = (_url(path), stamp(path)), cls.folder / "object"
        if cls.last != wanted:
            cls.last = None
            fetch(path, copy)
            cls.last = wanted
        return copy


def _url(path: Path) -> str:
    url = url_of(path)
    assert url is not None, f"{path} is no URL"
    return url


def _info(path: Path) -> dict[str, Any] | None:
    url = _url(path)
    service = filesystem(url)
    with _told(url):
        try:
            info: dict[str, Any] = service.info(url)
        except FileNotFoundError:
            return None
    return info if info["type"] == "file" else None


def _below(service: Any, name: str) -> Iterator[str]:
    """Every object below a folder, without the empty ones that mark a folder in some tools."""
    for each, info in service.find(name, detail=True).items():
        if info["type"] == "file" and not (each.endswith("/") and not info["size"]):
            yield each


def _paths(service: Any, url: str, names: Sequence[str]) -> tuple[Path, ...]:
    """Names as the service lists them, as paths: it leaves out the scheme, and what else stands before the bucket's first key."""
    fixed = url[: len(url) - len(_after_bucket(url))]
    bucket = service._strip_protocol(fixed).rstrip("/")
    paths = []
    for name in names:
        whole = f"{fixed.rstrip('/')}{name.removeprefix(bucket)}"
        path = Path(whole)
        if url_of(path) != whole:
            raise Misused(f"{whole}: a name with // or /./ in it cannot be read: copy the object to another name")
        paths.append(path)
    return tuple(paths)


def _after_bucket(url: str) -> str:
    """`/prefix/name` of s3://bucket/prefix/name."""
    _, slash, key = url.partition("://")[2].partition("/")
    return slash + key


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Whatever the service's package raises becomes an OSError that names the URL."""
    try:
        yield
    except (Misused, *_BUGS):
        raise
    except OSError as failed:
        if failed.errno in _LOCAL or Path(str(failed.filename or "")).is_absolute():  # the copy on this machine
            raise
        raise _error(failed, url) from failed
    except Exception as failed:
        raise _error(failed, url) from failed


def _error(failed: Exception, url: str) -> OSError:
    names = " ".join(kind.__name__ for kind in type(failed).__mro__[:-3])
    said = str(getattr(failed, "strerror", None) or failed).strip().splitlines() or [type(failed).__name__]
    first = said[0][:200]
    if isinstance(failed, FileNotFoundError):
        return FileNotFoundError(
            errno.ENOENT, "there is no such object or bucket" + (f" ({first})" if " " in first else ""), url
        )
    if isinstance(failed, PermissionError) or any(word in names for word in _NOT_ALLOWED):
        return PermissionError(errno.EACCES, f"the object storage refuses access ({first})", url)
    if any(word in names for word in _AWAY):
        return OSError(errno.ENETUNREACH, f"the object storage does not answer ({first})", url)
    return OSError(
        errno.EREMOTEIO if hasattr(errno, "EREMOTEIO") else errno.EIO, f"the object storage failed ({first})", url
    )
