"""A journal entry and a provider's SKU explained: as JSON for programs, as rows of tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from finledger.core.explain import Fact
from finledger.core.explain_entries import EntryExplanation, PostingExplained
from finledger.core.explain_variance import VarianceExplanation
from finledger.core.model import JournalEntry
from finledger.core.money import Money
from finledger.write.explain import beside, facts_json, list_json, rows_json, seal_json, seal_rows, table_rows
from finledger.write.figures import plain
from finledger.write.reconciliation import sku_row
from finledger.write.text import words

POSTING_COLUMNS = ("posting", "account", "cost_center", "component", "debit", "credit", "rule", "parts_are")
PART_COLUMNS = ("posting", "part", "amount", "what", "where")
CLASS_COLUMNS = ("class", "amount", "what it is", "figures")


def entry_json(found: EntryExplanation) -> dict[str, Any]:
    """The JSON of `explain ENTRY`, schema 1: the postings, each with the parts that it is the sum of."""
    entry = found.entry
    return {
        "schema": 1,
        "entry": {
            "entry": entry.entry_id,
            "date": entry.posting_date.isoformat(),
            "posting_month": str(entry.posting_month),
            "service_month": str(entry.service_month),
            "team": entry.team,
            "entity": entry.entity,
            "memo": entry.memo,
        },
        "run": found.run,
        "close": seal_json(found.seal),
        "postings": [_posting(each, entry) for each in found.postings],
        "facts": facts_json(found.facts),
        "rows": rows_json(found.rows),
        "next": list(found.see),
    }


def _posting(each: PostingExplained, entry: JournalEntry) -> dict[str, Any]:
    posting, check = each.posting, each.check
    return {
        "posting": each.number,
        "account": posting.account.name,
        "number": posting.account.number,
        "role": posting.account.key,
        "cost_center": posting.cost_center,
        "entity": entry.entity_of(posting),
        "component": posting.component,
        "amount": str(posting.amount),
        "currency": posting.amount.currency,
        "rule": _rule(each.rule),
        "parts": list_json(each.parts, "part", "amount"),
        "sum": plain(check.left),
        "holds": check.holds,
    }


def _rule(rule: Fact) -> Mapping[str, Any]:
    return {"id": rule.value, **{part.name: part.value for part in rule.parts}}


def variance_json(found: VarianceExplanation) -> dict[str, Any]:
    """The JSON of `explain MONTH/PROVIDER SKU`, schema 1: both sides, the nine classes, invoice lines and usage rows."""
    row = found.row
    return {
        "schema": 1,
        "variance": {
            "month": str(found.month),
            "provider": found.provider,
            "sku": found.sku,
            "currency": found.currency,
            "invoiced": row is not None,
            "posted": found.posted,
        },
        "close": seal_json(found.seal),
        "row": None if row is None else sku_row(row),
        "classes": list_json(found.classes, "class", "amount"),
        "checks": [
            {"law": each.law, "left": plain(each.left), "right": plain(each.right), "holds": each.holds}
            for each in found.checks
        ],
        "facts": facts_json(found.facts),
        "lines": list_json(found.lines, "invoice", "amount"),
        "rows": rows_json(found.rows),
        "next": list(found.see),
    }


# ── for people ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def entry_rows(found: EntryExplanation) -> list[tuple[str, str, str]]:
    """What the entry is, as rows of facts."""
    entry = found.entry
    named = (
        ("memo", entry.memo),
        ("date", entry.posting_date.isoformat()),
        ("service month", str(entry.service_month)),
        ("team", entry.team),
        ("entity", entry.entity),
        ("recorded as", f"run {found.run}"),
    )
    return [(name, text, "") for name, text in named if text] + seal_rows(found.seal) + table_rows(found.facts)


def posting_rows(found: EntryExplanation) -> list[list[str]]:
    """A row a posting: the account, debit or credit, the rule, and whether its parts add up to it."""
    rows = []
    for each in found.postings:
        posting = each.posting
        amount, debit = str(abs_of(posting.amount)), posting.amount.minor > 0
        rows.append(
            [
                str(each.number),
                posting.account.name,
                posting.cost_center,
                words(posting.component),
                amount if debit else "",
                "" if debit else amount,
                f"{each.rule.value}: {beside(Fact('', None, None, each.rule.parts[1:]))}",
                "equal" if each.check.holds else f"differ: {plain(each.check.left)}",
            ]
        )
    return rows


def abs_of(amount: Money) -> Money:
    return amount if amount.minor >= 0 else -amount


def part_rows(found: EntryExplanation, limit: int) -> Iterator[list[str]]:
    """The parts of each posting, the first `limit` of them; a posting with the same parts as an earlier one refers to it."""
    seen: dict[tuple[tuple[str, int], ...], int] = {}
    for each in found.postings:
        key = tuple((part.name, abs(part.value.minor)) for part in each.parts if isinstance(part.value, Money))
        if key in seen:
            yield [str(each.number), f"the parts of posting {seen[key]}", str(each.posting.amount), "", ""]
            continue
        seen[key] = each.number
        for part in each.parts[:limit]:
            yield [str(each.number), part.name, str(part.value), beside(part), "" if part.where is None else str(part.where)]
        rest = each.parts[limit:]
        if rest:
            minor = sum(part.value.minor for part in rest if isinstance(part.value, Money))
            whole = Money(minor, each.posting.amount.currency)
            yield [str(each.number), f"and {len(rest)} more", str(whole), "", ""]


def variance_rows(found: VarianceExplanation) -> list[tuple[str, str, str]]:
    """Both sides as rows of facts."""
    if found.row is None:
        state = "not invoiced yet: accrued by the last close" if found.posted else "not invoiced yet: to be accrued"
    else:
        state = "posted by a close" if found.posted else "by the books as they are now: no close has posted it"
    head = [("provider", found.provider, ""), ("sku", found.sku, ""), ("service month", str(found.month), "")]
    return [*head, ("state", state, ""), *seal_rows(found.seal), *table_rows(found.facts)]


def class_rows(found: VarianceExplanation) -> list[list[str]]:
    """The nine classes, the words and figures of each; then their sum beside the difference."""
    rows = []
    for fact in found.classes:
        formula = next((str(part.value) for part in fact.parts if part.name == "formula"), "")
        figures = Fact("", None, None, tuple(part for part in fact.parts if part.name != "formula"))
        rows.append([words(fact.name), str(fact.value), formula, beside(figures)])
    for check in found.checks:
        rows.append(
            ["all classes", plain(check.left), f"difference {plain(check.right)}", "equal" if check.holds else "differ"]
        )
    return rows


def line_rows(lines: Sequence[Fact]) -> list[list[str]]:
    """The invoices' lines: number, amount in the invoice's currency, what it says, file and line."""
    return [[fact.name, str(fact.value), beside(fact), "" if fact.where is None else str(fact.where)] for fact in lines]
