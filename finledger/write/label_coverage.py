"""`label coverage` in rows: how much is labelled by month, source and team, and what would label the rest (A2, A6, A9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from finledger.core.label_coverage import ASPECTS, Measured, summed
from finledger.core.label_suggest import Advice
from finledger.core.label_tables import by_guess, costliest
from finledger.core.money import minor_digits, rounded_places
from finledger.write.text import plain

BY = ("month", "source", "team")
GROUPED: Mapping[str, tuple[str, ...]] = {"month": ("month",), "source": ("month", "source"), "team": ("month", "team")}
CSV_COLUMNS = (
    "by", "month", "source", "team", "rows", "tokens", "cost",
    *(f"{aspect}_rows" for aspect in ASPECTS), *(f"{aspect}_cost" for aspect in ASPECTS), "change",
)  # fmt: skip
FIGURES = ("rows", "tokens", "cost", *(f"with_{aspect}" for aspect in ASPECTS), "change")
UNLABELLED = ("guess", "missing", "rows", "tokens", "cost", "usage")
GUESSES = ("guess", "rows", "cost", "rules")
_PLACES = 6
Grouped = Iterable[tuple[Mapping[str, str], Measured]]


def coverage_rows(measured: Grouped, by: str, currency: str) -> list[dict[str, Any]]:
    """One row for each month, or month and source or team. Shares are parts of one, to 6 places; None without a cost.

    `change`: how far the share of the cost (of the rows, where no cost is known) that has a team moved since the loaded
    month before.
    """
    names = GROUPED[by]
    rows = []
    before: dict[tuple[str, ...], Fraction | None] = {}
    for key, each in summed(measured, names).items():
        share = each.share_of_rows("team") if each.cost is None else each.share_of_cost("team")
        last = before.get(key[1:])
        before[key[1:]] = share
        rows.append(
            {
                "by": by,
                **dict(zip(names, key, strict=True)),
                "rows": each.rows,
                "tokens": each.tokens,
                "cost": cost_text(each.cost, currency),
                **{f"{aspect}_rows": _share(each.share_of_rows(aspect)) for aspect in ASPECTS},
                **{f"{aspect}_cost": _share(each.share_of_cost(aspect)) for aspect in ASPECTS},
                "change": None if share is None or last is None else _share(share - last),
            }
        )
    return rows


def table_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same for a person: shares in per cent, of the rows and, behind the stroke, of the cost."""
    return [
        {
            **{name: row.get(name) for name in (*BY, "rows", "tokens", "cost")},
            **{f"with_{aspect}": _both(row[f"{aspect}_rows"], row[f"{aspect}_cost"]) for aspect in ASPECTS},
            "change": _signed(row["change"]),
        }
        for row in rows
    ]


def unlabelled_rows(unlabelled: Mapping[Advice, Measured], currency: str) -> list[dict[str, Any]]:
    """What lacks a team or a feature, the most expensive first, each with what to write into finledger.yaml."""
    found = sorted(unlabelled.items(), key=costliest)
    return [
        {
            "missing": list(advice.missing),
            "usage": dict(advice.when),
            "rows": each.rows,
            "tokens": each.tokens,
            "cost": cost_text(each.cost, currency),
            "under": advice.under,
            "text": advice.text,
            "guess": advice.guess,
        }
        for advice, each in found
    ]


def unlabelled_cells(rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Cells of `UNLABELLED` for a table."""
    said = [", ".join(f"{name} {text}" for name, text in row["usage"].items()) for row in rows]
    return [
        [row["guess"], " and ".join(row["missing"]), row["rows"], row["tokens"], row["cost"], usage]
        for row, usage in zip(rows, said, strict=True)
    ]


def guess_rows(unlabelled: Mapping[Advice, Measured], currency: str) -> list[dict[str, Any]]:
    """Usage without a team by who likely owns it, the costliest first; `guess` is "" where nobody can tell."""
    return [
        {"guess": guess, "rows": each.rows, "cost": cost_text(each.cost, currency), "rules": count}
        for guess, each, count in by_guess(unlabelled)
    ]


def advice_text(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines to be pasted into finledger.yaml, under the key that each belongs to."""
    lines = []
    for key in ("teams", "rules"):
        found = [str(row["text"]) for row in rows if row["under"] == key]
        lines += [f"{key}:", *(f"  {text}" for text in dict.fromkeys(found))] if found else []
    return lines


def cost_text(cost: Decimal | None, currency: str) -> str | None:
    """Every digit, and at least the currency's places."""
    return None if cost is None else plain(cost, minor_digits(currency), grouped=False)


def _share(share: Fraction | None) -> str | None:
    return None if share is None else format(rounded_places(share, _PLACES), "f")


def _both(of_rows: str | None, of_cost: str | None) -> str:
    return " / ".join(format(Decimal(share).scaleb(2), ".2f") for share in (of_rows, of_cost) if share is not None)


def _signed(share: str | None) -> str | None:
    return None if share is None else format(Decimal(share).scaleb(2), "+.2f")
