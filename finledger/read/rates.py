"""rates.csv: what one currency was worth in another, from a day on, and who quoted it (rule M6)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from finledger.core.currency import CurrencyRate
from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read import values
from finledger.read.tables import Row, read_table
from finledger.read.values import WrongValue

COLUMNS = ("date", "from", "to", "rate", "source")


def read_rates(path: Path, shown_as: str) -> Outcome[tuple[CurrencyRate, ...]]:
    """Every dated rate, sorted by pair and day; none where there is no file."""
    if not path.exists():
        return Outcome(())
    table = read_table(path, shown_as, COLUMNS)
    problems = list(table.problems)
    rates: dict[tuple[str, str, date], tuple[CurrencyRate, SourceRef]] = {}
    for row in table.rows:
        rate = _rate(row, problems)
        if rate is None:
            continue
        key = (rate.source_currency, rate.target_currency, rate.date)
        first, where = rates.setdefault(key, (rate, row.source))
        if first is not rate:
            message = f"a rate from {key[0]} to {key[1]} on {key[2]} stands already at {where}"
            problems.append(row.problem(WrongValue("rate-twice", message, "keep one of the two")))
    return Outcome(tuple(rates[key][0] for key in sorted(rates)), tuple(problems))


def _rate(row: Row, problems: list[Problem]) -> CurrencyRate | None:
    before = len(problems)
    day = row.needed("date", values.day, problems)
    source = row.needed("from", values.currency, problems)
    target = row.needed("to", values.currency, problems)
    rate = row.needed("rate", values.number, problems)
    if rate is not None and rate <= 0:
        wrong = WrongValue("rate-not-positive", f"the rate {rate} is not above 0", "write what one unit of `from` is worth")
        problems.append(row.problem(wrong, "rate"))
    if source is not None and source == target:
        wrong = WrongValue(
            "rate-same-currency", f"the rate is from {source} to itself", "correct one of the two, or remove the row"
        )
        problems.append(row.problem(wrong, "to"))
    quoted_by = row.value("source", values.text, problems) or ""
    if day is None or source is None or target is None or rate is None or len(problems) > before:
        return None
    return CurrencyRate(day, source, target, rate, quoted_by)
