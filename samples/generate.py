"""Write the usage of the sample company, Kestrel Freight, for the second half of 2026, and its provider's invoices.

    python samples/generate.py [DIR] [--seed N] [--scale N]

What people decide (finledger.yaml, price books, evals, decisions, budgets, costs) is written by hand in
samples/kestrel-freight/ and copied when DIR is another folder. What machines measure is made here: the same seed gives the
same records under every Python version, because only whole random numbers are drawn and every cost is a Decimal. --scale N
makes N times as many records, for trying out speed; budgets and forecasts stay as they are.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from generator import focus, gateway, invoices, native
from generator.world import MONTHS, Meter

HOME = Path(__file__).resolve().parent / "kestrel-freight"


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: format(value, "f") if isinstance(value, Decimal) else value for key, value in row.items()})
    return text.getvalue()


def exports(seed: int, scale: int) -> Iterator[tuple[str, str]]:
    """Every export as (path in the books without .gz, text)."""
    meters = [Meter() for _ in MONTHS]
    measured = [native.rows_of(month, seed, meter, scale) for month, meter in zip(MONTHS, meters, strict=True)]
    for month, rows, meter in zip(MONTHS, native.with_blemishes(measured), meters, strict=True):
        name = f"{month[0]}-{month[1]:02d}"
        yield f"usage/native/native-{name}.csv", csv_text(native.columns(month), rows)
        records = gateway.records_of(month, seed, meter, scale)
        yield f"usage/litellm/spendlogs-{name}.jsonl", "".join(map(gateway.json_line, records))
        yield f"usage/focus/cumulus-models-{name}.csv", csv_text(focus.COLUMNS, focus.model_bill(month, meter))
        yield f"usage/cloud/cumulus-services-{name}.csv", csv_text(focus.COLUMNS, focus.cloud_bill(month, seed))
        if month[1] in invoices.ISSUED:
            lines = invoices.invoice_of(month, meter, seed)
            yield f"provider-invoices/cumulus-{name}.csv", csv_text(invoices.COLUMNS, lines)


def gzipped(text: str) -> bytes:
    """Without a name or a time in the header, so that the same text gives the same bytes."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as stream:
        stream.write(text.encode())
    return out.getvalue()


def write_books(folder: Path, seed: int = 2026, scale: int = 1) -> list[Path]:
    """Write the company's books into `folder`; the paths of the exports written."""
    if folder.resolve() != HOME:
        shutil.copytree(HOME, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("usage", "store", "out"))
    written = []
    for name, text in exports(seed, scale):
        packed = name.startswith("usage/")
        path = folder / (f"{name}.gz" if packed else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzipped(text) if packed else text.encode())
        written.append(path)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the books of the sample company, Kestrel Freight.")
    parser.add_argument("folder", nargs="?", type=Path, default=HOME, metavar="DIR", help="default: samples/kestrel-freight")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--scale", type=int, default=1, metavar="N", help="N times as many records")
    arguments = parser.parse_args()
    for path in write_books(arguments.folder, arguments.seed, arguments.scale):
        print(f"{path}  {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
