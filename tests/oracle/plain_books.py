"""A folder of books as plain text for the second reading: every scalar is text, every row a dictionary of text."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

MINOR_DIGITS = {"JPY": 0, "USD": 2, "KWD": 3}


@dataclass
class Books:
    """A set of books as its text says, with the rows of usage by month."""

    settings: dict[str, Any]
    versions: list[dict[str, Any]]
    usage: dict[str, list[dict[str, str]]]
    evals: dict[tuple[str, str], dict[str, str]]
    requests: dict[tuple[str, str], dict[str, str]]
    costs: list[dict[str, str]]

    @property
    def digits(self) -> int:
        return MINOR_DIGITS[self.settings["currency"]]

    @property
    def teams(self) -> dict[str, dict[str, Any]]:
        return self.settings["teams"]

    def version(self, day: str) -> dict[str, Any]:
        """The price book in force on a day (rule P1): the last to begin of those that hold."""
        holding = [book for book in self.versions if book["effective_from"] <= day < book["effective_until"]]
        return max(holding, key=lambda book: (book["effective_from"], int(book["version"])))

    def month_book(self, month: str) -> dict[str, Any]:
        """The book whose rounding, shares, seats, quality and buffer terms a month has: that of its first instant."""
        return self.version(f"{month}-01")

    def first_day(self, team: str, month: str) -> str:
        """The team's first day in a month: the month's, or the day on which it joins."""
        joined = _dated(self.teams[team]["cost_center"], "code")[0][0]
        return max(joined, f"{month}-01")

    def cost_center(self, team: str, day: str) -> str | None:
        """The team's cost centre on a day; None when the organisation does not know the team then."""
        return _on(_dated(self.teams[team]["cost_center"], "code"), day) if team in self.teams else None

    def stage(self, team: str, month: str) -> str:
        stages = _dated(self.teams[team].get("stage", "showback"), "stage")
        return _on(stages, self.first_day(team, month)) or "showback"

    def moves_money(self, team: str, month: str) -> bool:
        return self.stage(team, month) in ("chargeback", "optimisation")


def _dated(value: Any, name: str) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [("", value)]
    return [(entry.get("from", ""), entry[name]) for entry in value]


def _on(entries: list[tuple[str, str]], day: str) -> str | None:
    holding = [value for start, value in entries if start <= day]
    return holding[-1] if holding else None


def read_books(folder: Path) -> Books:
    """Everything as text; a usage_id that comes again is a copy and counts once (rule C1)."""
    settings = yaml.load((folder / "finledger.yaml").read_text(), yaml.BaseLoader)
    versions = [yaml.load(path.read_text(), yaml.BaseLoader) for path in sorted((folder / "pricebooks").glob("*.yaml"))]
    zone = ZoneInfo(settings.get("timezone", "UTC"))
    usage: dict[str, list[dict[str, str]]] = defaultdict(list)
    seen = set()
    for row in _rows(folder, "usage/*.csv"):
        if row["usage_id"] in seen:
            continue
        seen.add(row["usage_id"])
        moment = datetime.fromisoformat(row["ts"])
        local = moment.astimezone(zone) if moment.tzinfo else moment
        row["day"] = local.date().isoformat()
        usage[row["day"][:7]].append(row)
    evals = {(row["month"], row["feature"]): row for row in _rows(folder, "evals/*.csv")}
    requests = {(row["month"], row["team"]): row for row in _rows(folder, "decisions/draws.csv")}
    costs = _rows(folder, "platform-costs.csv")
    return Books(settings, versions, dict(sorted(usage.items())), evals, requests, costs)


def _rows(folder: Path, pattern: str) -> list[dict[str, str]]:
    rows = []
    for path in sorted(folder.glob(pattern)):
        with path.open(newline="", encoding="utf-8") as file:
            rows += list(csv.DictReader(file))
    return rows


# ── months and quarters ──────────────────────────────────────────────────────────────────────────────────────────────


def month_after(month: str, step: int) -> str:
    count = int(month[:4]) * 12 + int(month[5:]) - 1 + step
    return f"{count // 12:04d}-{count % 12 + 1:02d}"


def quarter_of(month: str) -> str:
    return f"{month[:4]}-Q{(int(month[5:]) + 2) // 3}"


def months_of(quarter: str) -> list[str]:
    last = int(quarter[-1]) * 3
    return [f"{quarter[:4]}-{number:02d}" for number in (last - 2, last - 1, last)]
