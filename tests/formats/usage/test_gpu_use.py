"""How busy GPUs were, from DCGM: sums by hand, the same steps loaded twice, and beside the hours that are billed."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finledger.core.period import Month
from finledger.core.problem import Refused
from finledger.workbench import Workbench
from tests.formats.usage.test_usage_formats import HERE, SETTINGS, stored

START = 1784412000  # 2026-07-18T22:00:00Z
BOOKS = HERE.parents[1] / "errors" / "_books"
GPU = "gpu:\n  NVIDIA H100: {rate: 2.50}\n"


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    (tmp_path / "finledger.yaml").write_text(SETTINGS)
    return Workbench(tmp_path)


def answer(path: Path, first: int, last: int, step: int = 60, gpus: int = 2, **labels: str) -> Path:
    """Prometheus' answer for the minutes from `first` to `last` after START: GPU n is busy minute % 100 + n percent."""
    series = [
        {
            "metric": {"__name__": "DCGM_FI_DEV_GPU_UTIL", "UUID": f"GPU-{n}", "modelName": "NVIDIA H100", **labels},
            "values": [[START + at, str(at // 60 % 100 + n)] for at in range(first * 60, last * 60 + 1, step)],
        }
        for n in range(gpus)
    ]
    path.write_text(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": series}}))
    return path


def busy(bench: Workbench) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for row in stored(bench):
        found[row["resource"]] = found.get(row["resource"], Decimal(0)) + Decimal(row["gpu_busy_hours"])
    return found


@pytest.mark.parametrize(
    ("case", "hours"),
    [
        ("range", {"GPU-a": "0.6275", "GPU-b": "0.1075", "GPU-c": "0.3750025", "GPU-d": "0.08125"}),
        ("scrapes", {"GPU-a": "0.013333333333333333", "": "0.00175"}),
        ("shared", {"GPU-a": "0.031666666666666667", "GPU-b": "0.00625"}),
        ("dump", {"GPU-a": "0.00625"}),
        ("victoria", {"GPU-a": "0.025", "GPU-b": "0.00225"}),
    ],
)
def test_dcgm__hours_by_hand(case: str, hours: dict[str, str], bench: Workbench) -> None:
    (source,) = (HERE / "dcgm" / case).glob("input.*")
    bench.load([source])
    found: dict[str, Decimal] = {}
    for row in stored(bench):
        gpu = row.get("resource", "")
        found[gpu] = found.get(gpu, Decimal(0)) + Decimal(row["gpu_busy_hours"])
    assert found == {gpu: Decimal(each) for gpu, each in hours.items()}


def test_dcgm__pods_that_share_a_gpu_and_a_file_of_one_of_them(bench: Workbench, tmp_path: Path) -> None:
    """Alone, the first pod's samples say that it had the whole GPU: that is another use of the same time."""
    (source,) = (HERE / "dcgm" / "shared").glob("input.*")
    lines = source.read_text().splitlines(keepends=True)
    alone = tmp_path / "alone.txt"
    alone.write_text("".join(line for line in lines if "api-1" in line))
    (loaded,) = bench.load([source])
    assert (loaded.file.read, loaded.file.accepted, loaded.file.rejected) == (8, 7, 1)
    with pytest.raises(Refused, match="used twice with different content"):
        bench.load([alone])


def test_dcgm__overlapping_answers_are_loaded_once(bench: Workbench, tmp_path: Path) -> None:
    """Minutes 0 to 60, then 30 to 90, whose last sample is the first of the next: each step counts once."""
    bench.load([answer(tmp_path / "first.json", 0, 60)])
    (again,) = bench.load([answer(tmp_path / "same.json", 0, 60, instance="another scrape")])
    assert (again.file.read, again.file.accepted, again.file.duplicate) == (122, 0, 122)
    (later,) = bench.load([answer(tmp_path / "later.json", 30, 90)])
    assert (later.file.read, later.file.accepted, later.file.duplicate) == (122, 60, 62)
    # GPU-0: (0 + … + 90) % of a minute = 4,095 / 6,000 h; GPU-1: 91 % of a minute more
    assert [round(each, 12) for _, each in sorted(busy(bench).items())] == [
        Decimal("0.6825"), Decimal("0.697666666667"),
    ]  # fmt: skip


@pytest.mark.parametrize(("what", "start", "step"), [("another step", 0, 120), ("a start beside the steps", 13, 60)])
def test_dcgm__the_same_time_in_other_steps_is_refused(
    what: str, start: int, step: int, bench: Workbench, tmp_path: Path
) -> None:
    bench.load([answer(tmp_path / "first.json", 0, 60)])
    before = busy(bench)
    other = answer(tmp_path / "other.json", 10, 40, step)
    text = other.read_text()
    moved = [(f"[{START + at}, ", f"[{START + at + start}, ") for at in range(10 * 60, 40 * 60 + 1, step)]
    for old, new in moved:
        text = text.replace(old, new)
    other.write_text(text)
    with pytest.raises(Refused, match="used twice with different content"):
        bench.load([other])
    assert busy(bench) == before


def test_dcgm__busy_hours_bill_nothing(tmp_path: Path) -> None:
    """Three hours of a GPU at 2.50 are 7.50, and as much with what DCGM says of them beside."""
    totals = [charged(tmp_path / name, dcgm=name == "both") for name in ("billed", "both")]
    assert totals[0] == totals[1]
    assert totals[0] == [("search", "gpu", Decimal("3"), Decimal("7.50"))]


def charged(books: Path, *, dcgm: bool) -> list[Any]:
    shutil.copytree(BOOKS, books)
    book = books / "pricebooks" / "2026-Q3.yaml"
    book.write_text(book.read_text() + GPU)
    (books / "gpu.csv").write_text("usage_id,ts,team,gpu_sku,gpu_hours\nu1,2026-07-18T22:00:00Z,search,NVIDIA H100,3\n")
    bench = Workbench(books)
    bench.load([books / "gpu.csv"])
    if dcgm:
        (loaded,) = bench.load([answer(books / "gpus.json", 0, 180, team="search")])
        assert (loaded.file.format, loaded.file.rejected) == ("dcgm", 0)
    charges, _ = bench.allocate(Month(2026, 7))
    return [(line.key.team, line.key.kind, line.quantity, line.amount.amount) for line in charges.lines]
