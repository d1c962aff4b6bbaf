"""How long documents take: 100 invoices of 20 lines each in HTML, PDF, XLSX and JSON. The limit is 30 s for all of them.

    python -m bench.documents [COUNT]

Nothing is kept from one run to the next; within a run, templates are compiled once and one PDF compiler is used. Every
document is made in memory, and its size is checked to be plausible; writing the files is not part of the figure.
"""

from __future__ import annotations

import sys
import time
from datetime import date
from decimal import Decimal
from fractions import Fraction

from finledger.core.model import ChargeLine, Disclosure, FeatureQuality, Invoice, LineKey
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.resources import shipped
from finledger.write.invoice import render
from finledger.write.templates import Templates

FORMATS = ("html", "pdf", "xlsx", "json")
LIMIT_SECONDS = 30
LINES, FEATURES = 20, 4
JULY = Month(2026, 7)


def invoice(number: int) -> Invoice:
    """An invoice whose every figure depends on its number, so that no two have a page in common."""
    lines = tuple(_line(number, position) for position in range(LINES))
    total = Money(sum(line.amount.minor for line in lines), "USD")
    base = Money(sum(part.minor for line in lines for name, part in line.components if name == "base"), "USD")
    disclosed = Money(number * 7 + 101, "USD")
    half = Money(disclosed.minor // 2, "USD")
    return Invoice(
        number=f"2026-{number:06d}",
        kind="invoice",
        team=f"team-{number}",
        stage="chargeback",
        adopted=False,
        owner=f"lead-{number}@northwind.example",
        entity="",
        cost_centers=(f"cc-{4000 + number}",),
        month=JULY,
        issue_date=date(2026, 8, 1),
        currency="USD",
        issuer="Northwind AI platform",
        platform_team="ai-platform",
        pricebooks=(("2026-Q3.v1", "3f" * 32),),
        lines=lines,
        components=(("base", base), ("overhead", total - base)),
        total=total,
        budget=Money(total.minor + 5000 - number * 77, "USD"),
        forecast=None,
        disclosures=(Disclosure(lines[0].key, Decimal(1000 + number), disclosed, half, disclosed - half),),
        quality=tuple(_quality(number, position) for position in range(FEATURES)),
        entry_ids=(f"2026-07-{number:04d}",),
    )


def _line(number: int, position: int) -> ChargeLine:
    feature = f"feature-{number}-{position % FEATURES}"
    key = LineKey(
        f"team-{number}", f"cc-{4000 + number}", feature, f"action_{position}", "inference", f"model-{position % 3}",
        "action", "2026-Q3.v1", JULY, JULY,
    )  # fmt: skip
    amount = Money(number * 1013 + position * 377 + 5, "USD")
    base = Money(amount.minor * 5 // 6, "USD")
    quantity = Decimal(number * 911 + position)
    return ChargeLine(
        key, "chargeback", quantity, "action", Decimal("0.011123"), amount, (("base", base), ("overhead", amount - base)),
        tokens={"input_tokens": number * 1_000_003, "output_tokens": number * 10_007 + position},
    )  # fmt: skip


def _quality(number: int, position: int) -> FeatureQuality:
    charged = Money(number * 4000 + position, "USD")
    correct = Fraction(number * 100 + 50)
    return FeatureQuality(
        f"feature-{number}-{position}", charged, charged, Decimal("0.62"), Decimal("0.91"), Fraction(115, 100), 9000, 200, 188,
        correct, charged.amount.as_integer_ratio()[0] / correct,
    )  # fmt: skip


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    invoices = [invoice(number) for number in range(1, count + 1)]
    templates = Templates([shipped("templates")])
    whole = 0
    print(f"{count} invoices of {LINES} lines")
    for name in FORMATS:
        began = time.perf_counter_ns()
        sizes = [len(render(name, each, templates)) for each in invoices]
        spent = time.perf_counter_ns() - began
        whole += spent
        assert min(sizes) > 1000, f"a {name} of {min(sizes)} bytes is no document"
        print(f"  {name:5} {spent // 10**6 / 1000:7.3f} s   {sum(sizes) // count:7,} bytes each")
    seconds = whole // 10**6 / 1000
    print(f"  all   {seconds:7.3f} s   limit {LIMIT_SECONDS} s")
    return 0 if seconds <= LIMIT_SECONDS * max(1, count / 100) else 1


if __name__ == "__main__":
    sys.exit(main())
