"""Invoices, pro-forma statements and notes as their JSON has them, added up again and held against the ledger (rule X4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from finledger.core.model import UNALLOCATED, ChargeLine, Check
from finledger.core.problem import Problem, SourceRef
from finledger.core.tie_out import (
    Figure,
    Finding,
    component_amounts,
    component_figure,
    differs,
    held_against,
    line_amounts,
    line_figure,
)
from finledger.read.written import Lines, amount_of, read_object, unread
from finledger.workbench.tie_files import Files, again


@dataclass(slots=True)
class Document:
    """A document as its JSON has it."""

    name: str
    number: str
    team: str
    pro_forma: bool
    total: Decimal
    amounts: list[Figure] = field(default_factory=list)
    components: list[Figure] = field(default_factory=list)
    by_cost_center: dict[str, Decimal] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def documents_of(files: Files) -> Iterator[Document | Problem]:
    for folder in ("invoices", "statements", "notes"):
        for path in files.listed(folder, ".json"):
            content = files.read(path)
            if content is not None:
                name = files.shown(path)
                outcome = read_object(content, name)
                yield from outcome.problems
                if not outcome.problems:
                    yield _document(outcome.rows, Lines(content, name), name, again("invoice", files.period))


def _document(stated: Mapping[str, Any], places: Lines, name: str, remedy: str) -> Document | Problem:
    try:
        return _read_document(stated, places, name, remedy)
    except (KeyError, TypeError, AttributeError) as lacking:
        return unread(SourceRef(name), f"{str(lacking) or 'a figure'} is missing, or of another kind")


def _read_document(stated: Mapping[str, Any], places: Lines, name: str, remedy: str) -> Document:
    found = Document(
        name, str(stated["number"]), str(stated["team"]), bool(stated["pro_forma"]), _amount(stated["total"], "total")
    )
    sums: dict[str, Decimal] = {}
    for line in stated["lines"]:
        of, amount = (line["line_id"], line["team"], line["cost_center"]), _amount(line["amount"], "amount")
        begins = places.of_line(line["line_id"])
        found.amounts.append(Figure(line_figure(*of), amount, *places.find('"amount":', begins=begins)))
        center = line["cost_center"]
        found.by_cost_center[center] = found.by_cost_center.get(center, Decimal(0)) + amount
        for part in line["components"]:
            component, share = part["component"], _amount(part["amount"], "amount")
            where = places.find('"components":', f'"component": "{component}"', '"amount":', begins=begins)
            found.components.append(Figure(component_figure(component, *of), share, *where))
            sums[component] = sums.get(component, Decimal(0)) + share
    whole = sum((each.amount for each in found.amounts), Decimal(0))
    if whole != found.total:
        said = f"the total of {found.number} is {found.total}, its lines come to {whole}"
        found.problems.append(_differs(places.find('^  "total":'), said, remedy))
    for part in stated["components"]:
        amount, expected = _amount(part["amount"], "amount"), sums.pop(part["component"], Decimal(0))
        if amount != expected:
            place = places.find('^  "components":', f'"component": "{part["component"]}"', '"amount":')
            said = f"{part['component']} of {found.number} is {amount}, in its lines it comes to {expected}"
            found.problems.append(_differs(place, said, remedy))
    return found


def _differs(place: tuple[SourceRef, str], message: str, remedy: str) -> Problem:
    return differs(place[0], message, remedy, place[1])


def _amount(stated: object, name: str) -> Decimal:
    amount = amount_of(stated)
    if amount is None:
        raise TypeError(f"{name} {stated!r}")
    return amount


def settled_documents(files: Files, documents: Iterable[Document | Problem]) -> Iterator[Finding]:
    """Each team's notes of a quarter's end = what its entries debit the team, net (B4, B5)."""
    billed: dict[str, Decimal] = {}
    for each in documents:
        if isinstance(each, Problem):
            yield each
        else:
            yield from each.problems
            billed[each.team] = billed.get(each.team, Decimal(0)) + each.total
    debited: dict[str, Decimal] = {}
    for entry in files.bench.ledger.entries(files.period):
        for posting in entry.postings:
            if posting.account.type == "Expenses":
                debited[entry.team] = debited.get(entry.team, Decimal(0)) + posting.amount.amount
    for team, amount in sorted(billed.items()):
        yield Check(f"notes of {team} for {files.period} = its entries", amount, debited.get(team, Decimal(0)))


def of_documents(files: Files, documents: Iterable[Document | Problem], lines: Sequence[ChargeLine]) -> Iterator[Finding]:
    """Each team's documents, those of a team together: their totals, lines and components against the ledger's."""
    remedy = again("invoice", files.period)
    by_team: dict[str, list[Document]] = {}
    for each in documents:
        if isinstance(each, Problem):
            yield each
        else:
            yield from each.problems
            by_team.setdefault(each.team, []).append(each)
    for team, own in sorted(by_team.items()):
        of_team = [line for line in lines if line.key.team == team and team != UNALLOCATED]
        charged = sum((line.amount.amount for line in of_team), Decimal(0))
        numbers = ", ".join(each.number for each in own)
        yield Check(f"totals of {numbers} = charge lines of {team}", sum((each.total for each in own), Decimal(0)), charged)
        amounts = [figure for each in own for figure in each.amounts]
        yield from held_against(own[0].name, amounts, line_amounts(of_team), remedy)
        parts = [figure for each in own for figure in each.components]
        yield from held_against(own[0].name, parts, component_amounts(of_team), remedy)
