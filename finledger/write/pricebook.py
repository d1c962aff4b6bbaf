"""A price book as the YAML that a person goes on editing: commented, one class a line, read back as the same book.

Names are put in quotes where YAML could take them for something else, and figures are written as they are: 0.30, never 0.3
where the book said 0.30.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal

from finledger.core.model import ActionClass, BufferTerms, ModelRates, Price, PriceBook, QualityTerms, Sku

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_NOT_PLAIN = frozenset({"null", "Null", "NULL"})
_DRAFTED = re.compile(r"^#[ \t]*published:[ \t]*(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|…)(?P<after>[ \t]*(?:#.*)?)\r?$", re.MULTILINE)
_OURS = (
    "`finledger pricebook publish` writes the day",
    "set the day when the book is agreed on",
)  # of drafts: no longer true
_UNTIL = re.compile(r"^effective_until:.*$", re.MULTILINE)
Fields = Iterable[tuple[str, str]]


def pricebook_yaml(book: PriceBook, heading: Sequence[str] = (), remarks: Mapping[str, str] = {}) -> str:
    """The file of a book. `heading`: its first comment; `remarks`: comments above entries, by their paths: `actions/chat_call`."""
    return "\n".join([*_head(book, heading), *_sections(book, remarks)]) + "\n"


def with_published(text: str, day: date) -> str:
    """The book's text with `published: DAY` in it, and nothing else changed; unchanged where there is no place for it.

    It takes the place of a line `# published: …`, whose own comment stays, else it follows `effective_until`.
    """
    line = f"published: {day}"
    drafted = _DRAFTED.search(text)
    if drafted is not None:
        after = drafted["after"].rstrip()
        line += "" if any(ours in after for ours in _OURS) else after
        return text[: drafted.start()] + line + _rest(drafted[0], "\r") + text[drafted.end() :]
    until = _UNTIL.search(text)
    if until is None:
        return text
    ending = "\r\n" if until[0].endswith("\r") else "\n"
    return text[: until.end()].removesuffix("\r") + ending + line + _rest(until[0], "\r") + text[until.end() :]


def _rest(line: str, ending: str) -> str:
    return ending if line.endswith(ending) else ""


def _head(book: PriceBook, heading: Sequence[str]) -> Iterator[str]:
    yield from (f"# {_one_line(line)}" for line in heading)
    yield f"pricebook: {book.quarter}"
    yield f"version: {book.version}"
    yield f"effective_from: {book.effective_from}"
    yield f"effective_until: {book.effective_until}    # the first day after these prices"
    if book.published is not None:
        yield f"published: {book.published}"
    else:
        yield "# published: …                # `finledger pricebook publish` writes the day; from then on the book is frozen"
    yield f"currency: {book.currency}"
    yield f"price_digits: {book.price_digits}"
    yield f"rounding: {book.rounding}"


def _sections(book: PriceBook, remarks: Mapping[str, str]) -> Iterator[str]:
    about = f"What tokens cost, in {book.currency} per 1,000,000, and where the rates were taken from."
    yield from _section("models", about, {name: _model(each) for name, each in book.models.items()}, remarks)
    yield from _section("gpu", "Per accelerator-hour.", {name: _sku(each) for name, each in book.gpu.items()}, remarks)
    egress = {name: (*_sku(each), ("unit", each.unit)) for name, each in book.egress.items()}
    yield from _section("egress", "Per GB (1000³ bytes) or GiB (1024³ bytes).", egress, remarks)
    yield from _section("seats", "Per seat and month.", {name: _seat(each) for name, each in book.seats.items()}, remarks)
    yield ""
    yield "# On base cost come the platform's overhead and the buffer's surcharge; the registry is a part of the overhead (carved)"
    yield "# or comes on top (additive, of_price)."
    yield f"uplift: {_flow(_uplift(book))}"
    yield from _actions(book, remarks)
    yield from _terms(book)


def _section(name: str, about: str, entries: Mapping[str, Fields], remarks: Mapping[str, str]) -> Iterator[str]:
    if not entries:
        return
    yield ""
    yield f"# {about}"
    yield f"{name}:"
    for key, fields in entries.items():
        yield from _remark(remarks, f"{name}/{key}")
        yield f"  {_word(key)}: {_flow(fields)}"


def _model(model: ModelRates) -> Fields:
    yield "provider", _word(model.provider)
    for bucket, rate in model.rates.items():
        yield bucket.removesuffix("_tokens"), _figure(rate)
    if model.source:
        yield "source", _word(model.source)


def _sku(sku: Sku) -> tuple[tuple[str, str], ...]:
    return (("rate", _figure(sku.rate)),)


def _seat(sku: Sku) -> tuple[tuple[str, str], ...]:
    included = _flow((_word(action), str(calls)) for action, calls in sku.included.items())
    return (*_sku(sku), ("included", included)) if sku.included else _sku(sku)


def _uplift(book: PriceBook) -> Fields:
    uplift = book.uplift
    yield "overhead", _figure(uplift.overhead)
    yield "registry", _figure(uplift.registry)
    yield "registry_basis", uplift.registry_basis
    yield "buffer", _figure(uplift.buffer)
    yield "applies_to", f"[{', '.join(uplift.applies_to)}]"


def _actions(book: PriceBook, remarks: Mapping[str, str]) -> Iterator[str]:
    if not book.actions:
        return
    yield ""
    yield "# The billable actions. funding: consumer (the team pays), shared (both), platform. pricing: published, or metered by"
    yield f"# tokens. price = base with its uplift, to {book.price_digits} places; planned: the actions that the quarter expects."
    yield "actions:"
    for name, action in book.actions.items():
        yield from _remark(remarks, f"actions/{name}")
        if not action.by_model:
            yield f"  {_word(name)}: {_flow(_action(action))}"
            continue
        yield f"  {_word(name)}:"
        yield from (f"    {key}: {value}" for key, value in _action(action))
        yield "    by_model:"
        for model, price in action.by_model.items():
            yield from _remark(remarks, f"actions/{name}/by_model/{model}", "      ")
            yield f"      {_word(model)}: {_flow(_price(price))}"


def _action(action: ActionClass) -> Fields:
    yield "funding", action.funding
    yield "pricing", action.pricing
    if action.price is not None:
        yield from _price(action.price)
    if action.scope != "domain":
        yield "scope", action.scope
    if action.planned is not None:
        yield "planned", str(action.planned)


def _price(price: Price) -> Fields:
    yield "base", _figure(price.base)
    yield "price", _figure(price.price)


def _terms(book: PriceBook) -> Iterator[str]:
    if book.platform_share is not None or book.eval_split != "line":
        yield ""
        yield "# How shared actions are split between the team and the platform."
        yield f"eval: {_flow(_eval(book))}"
    if book.quality is not None:
        yield ""
        yield "# What unmeasured quality costs: a premium below the coverage target, and one for evaluation sets that fell behind."
        yield "quality:"
        yield from (f"  {name}: {_flow(fields)}" for name, fields in _quality(book.quality))
    if book.buffer is not None:
        yield ""
        yield "# The fund for bursts: a draw needs charges of `trigger` times the forecast."
        yield f"buffer: {_flow(_buffer(book.buffer))}"


def _eval(book: PriceBook) -> Fields:
    if book.platform_share is not None:
        yield "platform_share", _figure(book.platform_share)
    if book.eval_split != "line":
        yield "split", book.eval_split


def _quality(terms: QualityTerms) -> Iterator[tuple[str, Fields]]:
    for name, keys in (("coverage", ("target", "floor", "max_multiplier")), ("freshness", ("slo", "step", "cap"))):
        yield name, [(key, _figure(getattr(terms, key))) for key in keys]


def _buffer(terms: BufferTerms) -> Fields:
    yield "trigger", _figure(terms.trigger)
    yield "cap_per_team_per_quarter", _figure(terms.cap_per_team_per_quarter)
    yield "size", f"[{', '.join(_figure(limit) for limit in terms.size)}]"
    yield "settlement", terms.settlement
    if terms.settlement == "mixed":
        yield "loan_share", _figure(terms.loan_share)
    if terms.above_threshold:
        yield "above_threshold", "true"


def _remark(remarks: Mapping[str, str], path: str, indent: str = "  ") -> Iterator[str]:
    if path in remarks:
        yield f"{indent}# {_one_line(remarks[path])}"


def _flow(fields: Fields) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in fields) + "}"


def _figure(number: Decimal) -> str:
    return format(number, "f")


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _word(text: str) -> str:
    """A name as YAML reads it back: in double quotes unless it is letters, digits and plain marks."""
    if _PLAIN.fullmatch(text) and text not in _NOT_PLAIN:
        return text
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08X}"
