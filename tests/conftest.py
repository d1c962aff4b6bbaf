"""Options of the whole test run, and what its workers share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import support

HERE = Path(__file__).parent
# Files that take longest, begun first: a worker takes a whole file, and would be alone with one that comes last. The others
# follow by name (pyproject.toml keeps xdist from sorting files by how many tests they have).
LONGEST = (
    "errors/test_errors.py", "examples/test_examples.py", "test_samples.py", "faults/test_faults.py", "test_wheel.py",
    "report/test_sample_quarter.py", "test_docs.py",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write the expected files anew; review them as money")


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
