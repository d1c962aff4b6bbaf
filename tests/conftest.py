"""Options of the whole test run, and what its workers share."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

from tests import support

# A law says what is true, not how soon: on a busy machine an example may take any time.
hypothesis.settings.register_profile("finledger", deadline=None)
hypothesis.settings.load_profile("finledger")

HERE = Path(__file__).parent
MEMORY = Path("/dev/shm")
# Files that take longest, begun first: a worker takes a whole file, and would be alone with one that comes last. The others
# follow by name (pyproject.toml keeps xdist from sorting files by how many tests they have).
LONGEST = (
    "errors/test_errors.py", "examples/test_examples.py", "test_samples.py", "faults/test_faults.py", "test_spark.py",
    "test_wheel.py", "report/test_sample_quarter.py", "test_docs.py",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write the expected files anew; review them as money")


def pytest_configure(config: pytest.Config) -> None:
    """Temporary folders in memory, where there is plenty of it: the program waits until the disk has each file and each commit
    for good, a thousand times over, and nothing that a test writes has to outlive it.
    """
    chosen = {"PYTEST_XDIST_WORKER", "PYTEST_DEBUG_TEMPROOT"} & os.environ.keys() or config.option.basetemp
    if not chosen and MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        found = os.statvfs(MEMORY)
        if found.f_bavail * found.f_frsize > 8 << 30 and not found.f_flag & os.ST_NOEXEC:  # some tests make programs
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {HERE / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session", autouse=True)
def kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where `support.once` keeps books, one folder for all workers: each has its own below the run's."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "kept"
    folder.mkdir(exist_ok=True)
    support.KEPT[:] = [folder]
