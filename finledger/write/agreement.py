"""A team's list beside its charges, as JSON, as rows, and as a statement that its lead can sign (rule U11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finledger.core.agree import MEASURES, STATUSES, Agreement, Held, Quantities, Status
from finledger.core.money import rounded_places
from finledger.write.figures import SHARE_PLACES, plain
from finledger.write.text import formula_safe, grouped, money, percent, shown

COLUMNS = ("identity", "status", "charged", "ours", "theirs", "where")
WORDS: Mapping[Status, str] = {
    "agreed": "agreed",
    "differs": "on both sides, not the same",
    "only_ours": "charged, and not on the list",
    "only_theirs": "on the list, and not charged",
}
LISTED = 50


def held_row(each: Held, agreement: Agreement) -> dict[str, Any]:
    """One identity as text; quantities as `requests 10, tokens 2000`, those that are not the same where it differs."""
    names = MEASURES if each.status == "only_ours" else agreement.measures
    if each.status == "differs":
        names = tuple(name for name in names if name in each.theirs and each.ours.get(name) != each.theirs[name])
    return {
        "identity": formula_safe(" ".join(part or "–" for part in each.identity)),
        "status": each.status.replace("_", " "),
        "charged": None if each.cost is None else str(each.cost),
        "ours": _quantities(each.ours, names),
        "theirs": _quantities(each.theirs, names),
        "where": "" if each.source is None else str(each.source),
    }


def _quantities(found: Quantities, names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {plain(found[name])}" for name in names if name in found)


def agreement_json(agreement: Agreement, month: str, file: str, sha256: str) -> dict[str, Any]:
    """The JSON of `agree`, schema 1."""
    return {
        "schema": 1,
        "month": month,
        "team": agreement.team,
        "currency": agreement.usage.currency,
        "file": file,
        "sha256": sha256,
        "by": list(agreement.by),
        "compared": list(agreement.measures),
        "agrees": agreement.agrees,
        "rows": {status: agreement.count(status) for status in STATUSES},
        "charged": {status: str(agreement.cost(status)) for status in STATUSES if status != "only_theirs"},
        "usage": str(agreement.usage),
        "besides": str(agreement.besides),
        "total": str(agreement.total),
        "share_of_rows": _share(agreement.share_of_rows),
        "share_of_money": _share(agreement.share_of_money),
        "left_out": agreement.left_out,
        "apart": [_apart(each) for each in agreement.held if each.status != "agreed"],
    }


def _apart(each: Held) -> dict[str, Any]:
    return {
        "identity": list(each.identity),
        "status": each.status,
        "charged": None if each.cost is None else str(each.cost),
        "ours": {name: plain(number) for name, number in each.ours.items()},
        "theirs": {name: plain(number) for name, number in each.theirs.items()},
        "where": None if each.source is None else str(each.source),
    }


def _share(share: Any) -> str | None:
    return None if share is None else str(rounded_places(share, SHARE_PLACES))


def share_words(agreement: Agreement) -> str:
    """97.5 % of rows, 99.1 % of what usage is charged."""
    rows, money = agreement.share_of_rows, agreement.share_of_money
    if rows is None:
        return "nothing on either side"
    by_money = "usage is charged nothing" if money is None else f"{percent(money)} of what usage is charged"
    return f"{percent(rows)} of rows, {by_money}"


def agreement_markdown(agreement: Agreement, month: str, books: str, file: str, sha256: str) -> str:
    """The statement: what was compared with what, how it came out, what is apart, and the line to sign on."""
    lines = [
        f"# {_plain(agreement.team)}, {month}: does it match what we ran?",
        "",
        f"Books: {_plain(books)}. List: {_plain(file)}, SHA-256 `{sha256}`. "
        f"Compared by {', '.join(agreement.by)}: {', '.join(agreement.measures) or 'only whether it is there'}.",
        "",
        f"| | rows | charged, {agreement.usage.currency} |",
        "|---|---:|---:|",
    ]
    for status in STATUSES:
        charged = "" if status == "only_theirs" else money(agreement.cost(status))
        lines.append(f"| {WORDS[status]} | {agreement.count(status)} | {charged} |")
    lines.append(f"| charged besides: seats, pools, idle capacity | | {money(agreement.besides)} |")
    lines += [f"| **charged in all** | | **{money(agreement.total)}** |", "", f"Agreement: {share_words(agreement)}.", ""]
    apart = [each for each in agreement.held if each.status != "agreed"]
    if apart:
        lines += ["| what | | charged | charged for | on the list |", "|---|---|---:|---|---|"]
        for each in apart[:LISTED]:
            row = held_row(each, agreement)
            cells = (row["identity"], row["status"], grouped(row["charged"] or ""), row["ours"], row["theirs"])
            lines.append("| " + " | ".join(_plain(str(cell)) for cell in cells) + " |")
        if len(apart) > LISTED:
            lines.append(f"\n… and {len(apart) - LISTED} more.")
        lines.append("")
    said = "Yes, that matches what we ran." if agreement.agrees else "That matches what we ran, but for the rows above."
    lines += [said, "", "Name: ______________________  Date: ______________", ""]
    return "\n".join(lines)


def _plain(words: str) -> str:
    """A name in Markdown as it is: no table, link, emphasis or HTML of its own."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in shown(words))
