"""The rules a second time, plainly: from a folder of books to every cent of its months and of a quarter's end.

Written from docs/rulebook.md alone, with nothing of finledger's, so that two readings of the same rules can be compared.
It is slow and reads only the plain files: finledger.yaml, pricebooks/, usage/*.csv with native columns, evals/*.csv,
decisions/draws.csv. An amount is a whole number of minor units (cents), whatever else is a Fraction. Books with a mistake
in them, pools, rules, reservations and other currencies are not its business.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from tests.oracle.plain_books import Books, month_after, quarter_of
from tests.oracle.sums import rounded, shared_out, significant, text_of

UNALLOCATED = "(unallocated)"
BUCKETS = {
    "input_tokens": "input",
    "cached_input_tokens": "cached_input",
    "cache_write_tokens": "cache_write",
    "output_tokens": "output",
}
UPLIFTED = {"action": "actions", "gpu": "gpu", "egress": "egress", "seat": "seats", "passthrough": "passthrough"}


class LineKey(NamedTuple):
    """What makes a charge line its own (rule C1)."""

    team: str
    cost_center: str
    feature: str
    item: str
    workload_type: str
    model: str
    price_version: str
    kind: str


class Entry(NamedTuple):
    """One component of one line, in minor units."""

    key: LineKey
    component: str
    amount: int


class Disclosure(NamedTuple):
    """What a team is shown of a line that the platform funds in part or in full."""

    key: LineKey
    gross: int
    platform_share: int
    paid: int


# ── lines of usage (M2, M3, P3, P4, C1-C9, A1) ───────────────────────────────────────────────────────────────────────


def stack(base: Fraction, uplift: dict[str, Any]) -> dict[str, Fraction]:
    """The unrounded parts of a price on `base` (rule P3); their sum is the price."""
    overhead, registry, buffer = (Fraction(uplift.get(name, "0")) for name in ("overhead", "registry", "buffer"))
    basis = uplift.get("registry_basis", "carved")
    parts = {"base": base, "overhead": base * overhead, "registry": base * overhead * registry}
    if basis == "carved":
        parts["overhead"] -= parts["registry"]
    if basis == "of_price":
        parts["registry"] = base * (1 + overhead) * registry
    parts["buffer"] = sum(parts.values()) * buffer
    return parts


def labelled(books: Books, row: dict[str, str]) -> tuple[str, str]:
    """Whose a row is (rule A1): team and cost centre."""
    known = books.cost_center(row["team"], row["day"])
    if known is None or row.get("cost_center") not in (None, "", known):
        return UNALLOCATED, ""
    return row["team"], known


def meters(row: dict[str, str]) -> list[tuple[str, str]]:
    """What a row is charged for: (kind, item)."""
    found = [("action", row["action"])] if row["action"] else []
    found += [("gpu", row["gpu_sku"])] if row["gpu_sku"] else []
    found += [("egress", row["egress_sku"])] if row["egress_sku"] else []
    return found or [("passthrough", "")]


def number(row: dict[str, str], name: str) -> Fraction:
    return Fraction(row.get(name) or "0")


def lines_of_rows(books: Books, month: str) -> Iterator[tuple[LineKey, dict[str, Any], dict[str, str]]]:
    """Each row with the lines that it is a part of, and the price book that these are priced by."""
    for row in books.usage[month]:
        if row["team"] == books.settings["platform"]["team"]:
            continue  # rule C8
        owner = labelled(books, row)
        book = books.version(row["day"])
        for kind, item in meters(row):
            # a cost that is passed on without uplift has no price, so no version of one
            priced_by_book = kind != "passthrough" or kind in book["uplift"].get("applies_to", ["actions"])
            version = f"{book['pricebook']}.v{book['version']}" if priced_by_book else ""
            yield LineKey(*owner, row["feature"], item, row["workload_type"], row["model"], version, kind), book, row


def add_row(sums: dict[str, Fraction], kind: str, row: dict[str, str]) -> None:
    if kind == "action":
        sums["actions"] += Fraction(row["requests"] or "1")
        for name in BUCKETS:
            sums[name] += number(row, name)
    elif kind == "passthrough":
        sums["cost"] += Fraction(row.get("effective_cost") or row.get("billed_cost") or "0")
    else:
        sums["measured"] += number(row, "gpu_hours" if kind == "gpu" else "egress_gb")


def usage_lines(books: Books, month: str) -> dict[LineKey, tuple[dict[str, Any], dict[str, Fraction]]]:
    """Each line's sums (exact) and the price book it is priced by."""
    lines: dict[LineKey, tuple[dict[str, Any], dict[str, Fraction]]] = {}
    for key, book, row in lines_of_rows(books, month):
        add_row(lines.setdefault(key, (book, defaultdict(Fraction)))[1], key.kind, row)
    return lines


def priced(key: LineKey, book: dict[str, Any], sums: dict[str, Fraction]) -> tuple[Fraction, dict[str, Fraction]]:
    """A line's exact amount, and the weights of its components."""
    uplift = book.get("uplift", {})
    plain = UPLIFTED[key.kind] not in uplift.get("applies_to", ["actions"])
    applied = {} if plain else uplift
    if key.kind == "passthrough":
        base = sums["cost"]
    elif key.kind in ("gpu", "egress"):
        base = sums["measured"] * Fraction(book[key.kind][key.item]["rate"])
    else:
        entry = book["actions"][key.item]
        if entry["pricing"] == "published":
            price = entry.get("by_model", {}).get(key.model, entry)
            return sums["actions"] * Fraction(price["price"]), stack(Fraction(price["base"]), applied)
        rates = book["models"][key.model]
        base = sum((sums[name] * Fraction(rates.get(rate, "0")) for name, rate in BUCKETS.items()), Fraction(0)) / 10**6
    parts = stack(base, applied)
    return sum(parts.values(), Fraction(0)), parts


@dataclass
class Month:
    """What one month comes to. Entries hold premiums, credits and draws too."""

    month: str
    entries: list[Entry] = field(default_factory=list)
    disclosures: list[Disclosure] = field(default_factory=list)
    multipliers: dict[str, Fraction] = field(default_factory=dict)
    low_balled: list[str] = field(default_factory=list)
    opening: int = 0
    draws: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def total(self, team: str) -> int:
        return sum(entry.amount for entry in self.entries if entry.key.team == team)

    def before_draws(self, team: str) -> int | None:
        """A team's charges before any draw; None where it has no line."""
        found = [e.amount for e in self.entries if e.key.team == team and e.component != "buffer_draw"]
        return sum(found) if found else None

    def buffer_paid(self, books: Books) -> dict[str, int]:
        """The surcharges of the teams whose stage moves money (rule B1)."""
        paid: dict[str, int] = defaultdict(int)
        for entry in self.entries:
            team = entry.key.team
            if entry.component == "buffer" and team != UNALLOCATED and books.moves_money(team, self.month):
                paid[team] += entry.amount
        return dict(paid)

    def closing(self, books: Books) -> int:
        return self.opening + sum(self.buffer_paid(books).values()) - sum(self.draws.values())


def charge_usage(books: Books, figures: Month) -> None:
    book = books.month_book(figures.month)
    for key, (priced_by, sums) in usage_lines(books, figures.month).items():
        exact, weights = priced(key, priced_by, sums)
        gross = rounded(exact, books.digits, book.get("rounding", "half_up"))
        funding = priced_by["actions"][key.item]["funding"] if key.kind == "action" else "consumer"
        paid = gross
        if key.team != UNALLOCATED and funding != "consumer" and gross:
            share = Fraction(1) if funding == "platform" else Fraction(book["eval"]["platform_share"])
            paid = shared_out(gross, {"1 team": 1 - share, "2 platform": share}, "1 team")["1 team"]
            figures.disclosures.append(Disclosure(key, gross, gross - paid, paid))
        add_line(figures, key, paid, weights)


def add_line(figures: Month, key: LineKey, amount: int, weights: dict[str, Fraction]) -> None:
    """A line's components: a split of its amount. What is not uplift bears the kind's name, but for actions."""
    own = "base" if key.kind == "action" else key.kind
    named = {own if component == "base" else component: weight for component, weight in weights.items()}
    for component, part in shared_out(amount, named, own).items():
        if part:
            figures.entries.append(Entry(key, component, part))


def charge_seats(books: Books, figures: Month) -> None:
    book = books.month_book(figures.month)
    plain = "seats" not in book.get("uplift", {}).get("applies_to", ["actions"])
    for team, terms in books.teams.items():
        cost_center = books.cost_center(team, books.first_day(team, figures.month))
        if books.first_day(team, figures.month)[:7] != figures.month:
            continue  # it joins in a later month
        for kind, count in terms.get("seats", {}).items():
            parts = stack(int(count) * Fraction(book["seats"][kind]["rate"]), {} if plain else book["uplift"])
            amount = rounded(sum(parts.values(), Fraction(0)), books.digits, book.get("rounding", "half_up"))
            version = f"{book['pricebook']}.v{book['version']}"
            add_line(figures, LineKey(team, cost_center or "", "", kind, "", "", version, "seat"), amount, parts)


# ── quality (Q1-Q4) ──────────────────────────────────────────────────────────────────────────────────────────────────


def recorded(books: Books, month: str, feature: str, name: str) -> Fraction | None:
    text = books.evals.get((month, feature), {}).get(name)
    return Fraction(text) if text else None


def coverage_multiplier(books: Books, month: str, feature: str) -> Fraction:
    terms = books.month_book(month)["quality"]["coverage"]
    target, floor = Fraction(terms.get("target", "0.80")), Fraction(terms.get("floor", "0.20"))
    coverage = recorded(books, month, feature, "coverage")
    if coverage is None or coverage <= floor:
        return Fraction(terms["max_multiplier"])
    if coverage >= target:
        return Fraction(1)
    return 1 + (Fraction(terms["max_multiplier"]) - 1) * (target - coverage) / (target - floor)


def freshness_float(books: Books, month: str, feature: str) -> Fraction:
    terms = books.month_book(month)["quality"]["freshness"]
    slo, step = Fraction(terms.get("slo", "0.90")), Fraction(terms.get("step", "0.05"))
    run = 0
    while True:
        fresh = recorded(books, month_after(month, -run), feature, "in_distribution")
        if fresh is None or fresh >= slo:
            return min(run * step, Fraction(terms["cap"]))
        run += 1


def is_production(books: Books, key: LineKey, book: dict[str, Any]) -> bool:
    """Rule Q1's lines: a consumer-funded action of a feature, for inference."""
    mine = key.kind == "action" and key.team != UNALLOCATED and key.feature != ""
    return mine and key.workload_type == "inference" and book["actions"][key.item]["funding"] == "consumer"


def book_of(books: Books, version: str) -> dict[str, Any]:
    return next(book for book in books.versions if f"{book['pricebook']}.v{book['version']}" == version)


def charge_quality(books: Books, figures: Month) -> None:
    month = figures.month
    rounding = books.month_book(month).get("rounding", "half_up")
    for key, component, base in list(figures.entries):
        if component != "base" or not is_production(books, key, book_of(books, key.price_version)):
            continue
        covered = coverage_multiplier(books, month, key.feature)
        whole = max(covered, 1 + freshness_float(books, month, key.feature))
        for name, rate in (("coverage_premium", covered - 1), ("freshness_premium", whole - covered)):
            premium = rounded(Fraction(base, 10**books.digits) * rate, books.digits, rounding)
            if premium:
                figures.entries.append(Entry(key._replace(kind=name), name, premium))


def charge_credits(books: Books, figures: Month, earlier: list[Month]) -> None:
    """Rule Q2: what a team paid in the quarter on a feature that is covered now, and has not had back."""
    month = figures.month
    target = Fraction(books.month_book(month)["quality"]["coverage"].get("target", "0.80"))
    balance: dict[tuple[str, str], int] = defaultdict(int)
    for before in earlier:
        if quarter_of(before.month) != quarter_of(month):
            continue
        for key, component, amount in before.entries:
            # premium that was posted is credited posted, pro-forma premium pro forma
            same_kind = key.team in books.teams and books.moves_money(key.team, month) == books.moves_money(
                key.team, before.month
            )
            if component in ("coverage_premium", "coverage_credit") and same_kind:
                balance[key.team, key.feature] += amount
    for (team, feature), owed in sorted(balance.items()):
        coverage = recorded(books, month, feature, "coverage")
        if coverage is not None and coverage >= target and owed:
            cost_center = books.cost_center(team, books.first_day(team, month)) or ""
            key = LineKey(team, cost_center, feature, "", "", "", "", "coverage_credit")
            figures.entries.append(Entry(key, "coverage_credit", -owed))


def feature_figures(books: Books, figures: Month) -> dict[str, dict[str, Any]]:
    """Rule Q4, and the multiplier, for each feature with lines of a team."""
    shown: dict[str, dict[str, Any]] = {}
    mine = [entry for entry in figures.entries if entry.key.team != UNALLOCATED and entry.key.feature]
    for feature in sorted({entry.key.feature for entry in mine}):
        production = 0
        for key, component, amount in mine:
            action = key._replace(kind="action")
            premium = component in ("coverage_premium", "freshness_premium")
            if key.feature == feature and (premium or key.kind == "action"):
                counts = is_production(books, action, book_of(books, key.price_version))
                production += amount if counts else 0
        record = books.evals.get((figures.month, feature), {})
        correct = None
        if int(record.get("graded") or 0):
            correct = Fraction(int(record["tasks"]) * int(record["correct"]), int(record["graded"]))
        multiplier = max(
            coverage_multiplier(books, figures.month, feature), 1 + freshness_float(books, figures.month, feature)
        )
        each = Fraction(production, 10**books.digits) / correct if correct else None
        total = sum(entry.amount for entry in mine if entry.key.feature == feature)
        shown[feature] = {
            "total": text_of(total, books.digits),
            "coverage": record.get("coverage") or None,
            "in_distribution": record.get("in_distribution") or None,
            "multiplier": significant(multiplier, 6),
            "correct_tasks": None if correct is None else significant(correct, 6),
            "cost_per_correct_task": None if each is None else significant(each, 6),
        }
    return shown
