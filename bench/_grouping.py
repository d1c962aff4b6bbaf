"""Print the seconds by the clock and of all processors that grouping a month takes, imports apart: python -m bench._grouping BOOKS"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from bench.allocate import JULY
from finledger.engines import duckdb  # noqa: F401  so that its import is not counted
from finledger.pipeline import query
from finledger.workbench import Workbench


def main() -> None:
    bench = Workbench(Path(sys.argv[1]))
    with bench.change():
        inputs = bench.month_inputs(JULY)
        asked = query(inputs)
        began, worked = time.perf_counter(), time.process_time()
        inputs.group(asked)
        print(time.perf_counter() - began, time.process_time() - worked)


if __name__ == "__main__":
    main()
