"""What is said of usage that two charged sources have, and what can be done about it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Literal

from finledger.books.overlap import Measured, Overlap, Place, Side, Sign, Terms
from finledger.core.problem import Problem, SourceRef

# Where a record stands: its file, its line and the line's text, as far as they are known.
PlaceOf = Callable[[Place], tuple[str, int | None, str]]
_ORDER = ("request", "report", "cost")  # the finer of two sources is the better one to charge by
_REFUSED = ("request-id", "key", "no-key")


def overlap_problem(found: Overlap, terms: Terms, place: PlaceOf, *, loading: bool = True) -> Problem:
    """The problem, at the first row of the side that is new. `loading`: what is certain, or cannot be told, is refused."""
    spare, kept = _spare(found, terms)
    swapped = found.second.new and (not found.first.new or spare is found.second)
    _, first, second = found.examples[0]
    at, line, excerpt = place(second if swapped else first)
    column = "request_id" if found.sign == "request-id" else ""
    severity: Literal["error", "warning"] = "error" if loading and found.sign in _REFUSED else "warning"
    return Problem(
        _code(found.sign),
        "\n".join((_message(found, spare, kept), *(_example(each, place) for each in found.examples))),
        SourceRef(at, line, column),
        excerpt[:160],
        _remedy(found, spare, kept, at, loading),
        severity,
    )


def _code(sign: Sign) -> str:
    if sign in ("request-id", "key"):
        code = "usage-from-two-sources"
    elif sign == "no-key":
        code = "usage-sources-alike"
    elif sign == "request-beside":
        code = "report-beside-requests"
    elif sign == "cost-beside":
        code = "cost-beside-tokens"
    else:
        code = "cost-from-two-sources"
    return code


def _spare(found: Overlap, terms: Terms) -> tuple[Side, Side]:
    """The side that had better be compared only, and the other: the coarser one, else the one that came later."""
    grains = [_ORDER.index(terms.grain(side)) for side in (found.first, found.second)]
    if grains[0] != grains[1]:
        first = grains[0] > grains[1]
    else:
        first = found.first.new and not found.second.new
    return (found.first, found.second) if first else (found.second, found.first)


def _message(found: Overlap, spare: Side, kept: Side) -> str:
    of_spare, of_kept = (found.of_first, found.of_second) if spare is found.first else (found.of_second, found.of_first)
    names = f"{_name(spare, kept)} and {_name(kept, spare)}"
    twice = _figure(of_spare)
    both = f"{_figure(of_spare)} by {_name(spare, kept)}, {_figure(of_kept)} by {_name(kept, spare)}"
    if found.sign == "request-id":
        return f"{names} have the same requests ({found.count:,}), and both are charged: {twice} would be counted twice"
    if found.sign == "key":
        return f"{names} report the same usage ({_days(found)}), and both are charged: {twice} would be counted twice"
    if found.sign == "no-key":
        return f"{names} report usage of one provider on the same days ({found.count:,}), and nothing tells it apart: {both}"
    if found.sign == "request-beside":
        return f"{names} have usage of the same models on the same days ({found.count:,}), and both are charged: {both}"
    if found.sign == "cost-beside":
        return f"the cost of {_name(spare, kept)} is passed on for what {_name(kept, spare)} prices by its tokens: {both}"
    if found.sign == "cost-alike":
        days = f"the same models on the same days ({found.count:,})"
        return f"{names} have costs of one provider for {days}, nothing tells them apart, and both are passed on: {both}"
    return f"{names} have costs of one account on the same days ({found.count:,}), and both are passed on: {both}"


def _days(found: Overlap) -> str:
    return f"{found.count:,} day{'' if found.count == 1 else 's'}"


def _name(side: Side, other: Side) -> str:
    """A source by its name, with its format where the name says nothing."""
    return f"{side.source} ({side.format})" if side.source == other.source else side.source


def _figure(measured: Measured) -> str:
    if measured.tokens or not measured.cost.strip("0.-"):
        return f"{measured.tokens:,} tokens"
    return f"{measured.cost} {measured.currency}".strip()


def _example(example: tuple[str, Place, Place], place: PlaceOf) -> str:
    name, first, second = example
    there = [
        f"{file}:{line}" if line else f"{file} record {at.record:,}"
        for at in (first, second)
        for file, line, _ in (place(at),)
    ]
    return f"{name}: {there[0]} and {there[1]}"


def _remedy(found: Overlap, spare: Side, kept: Side, file: str, loading: bool) -> str:
    ways = []
    if spare.source == kept.source:
        other = f"{spare.source}-{spare.format}"
        ways.append(
            f"load one of them as a source of its own that is only compared: `sources: {{{other}: {{role: reconcile}}}}` in "
            f"finledger.yaml, and `finledger load FILE --source {other}`"
        )
    else:
        ways.append(
            f"say in finledger.yaml which one is only compared, for instance `sources: {{{spare.source}: {{role: reconcile}}}}`"
        )
    if loading and found.sign in _REFUSED:
        ways.append(f"leave {shlex.quote(file)} out")
    if found.sign != "request-id" and spare.source != kept.source:
        ways.append(f"`sources: {{{spare.source}: {{beside: [{kept.source}]}}}}` where the two are different usage")
    return "; or ".join(ways)


def shown_places(names: Mapping[str, str], lines: Mapping[Place, tuple[int, str]]) -> PlaceOf:
    """Places by the names of files and the lines that were found in them."""

    def place(at: Place) -> tuple[str, int | None, str]:
        line, text = lines.get(at, (None, ""))
        return names.get(at.sha256, f"a file loaded before (sha256 {at.sha256[:12]}…)"), line, text

    return place
