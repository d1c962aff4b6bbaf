"""Compound calls that consumer and operator share (rule A5's `split`), a second time: who bears what of which line."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from tests.oracle.charges import UNALLOCATED, Entry, LineKey, Month, add_row, lines_of_rows, priced
from tests.oracle.plain_books import Books
from tests.oracle.sums import shared_out

Who = tuple[str, str]  # a team, and its cost centre on the day
CONSUMER: Who = ("", "")


def weights(books: Books, month: str) -> dict[LineKey, dict[Who, Fraction]]:
    """What the consumer, and each other team that is known on the day, ran of each line, by what it would cost alone."""
    platform = books.settings["platform"]["team"]
    ran: dict[LineKey, dict[Who, dict[str, Fraction]]] = {}
    book_of = {}
    for key, book, row in lines_of_rows(books, month):
        operator, who = row.get("operator_team", ""), CONSUMER
        if key.team != UNALLOCATED and operator not in ("", key.team, platform):
            who = (operator, books.cost_center(operator, row["day"]) or "")
        book_of[key] = book
        add_row(ran.setdefault(key, {}).setdefault(who, defaultdict(Fraction)), key.kind, row)
    return {
        key: {who: priced(key, book_of[key], sums)[0] for who, sums in {CONSUMER: defaultdict(Fraction), **parts}.items()}
        for key, parts in ran.items()
        if set(parts) != {CONSUMER}
    }


def share_calls(books: Books, figures: Month) -> None:
    """An operator's share goes off the consumer and on the operator, component by component."""
    if books.settings.get("compound_calls") != "split":
        return
    share = Fraction(books.settings.get("operator_share", "0.5"))
    components: dict[LineKey, dict[str, int]] = defaultdict(dict)
    for key, component, amount in figures.entries:
        components[key][component] = amount
    moved: dict[tuple[LineKey, str], int] = defaultdict(int)
    for key, by_operator in weights(books, figures.month).items():
        left = components.get(key, {})
        for who, part in sorted(shared_out(sum(left.values()), by_operator, CONSUMER).items()):
            team, cost_center = who
            borne = shared_out(part, {"1 consumer": 1 - share, "2 operator": share}, "1 consumer").get("2 operator", 0)
            if not cost_center or not borne:
                continue
            line = key.item or key.kind
            beside = key._replace(kind="compound_relief", item=f"{line}/{team}")
            operators = key._replace(kind="compound_share", item=f"{line}/{key.team}", team=team, cost_center=cost_center)
            for component, amount in shared_out(borne, {n: Fraction(a) for n, a in left.items()}, "").items():
                moved[beside, component] -= amount
                moved[operators, component] += amount
                left[component] -= amount
    figures.entries += [Entry(key, component, amount) for (key, component), amount in sorted(moved.items()) if amount]
