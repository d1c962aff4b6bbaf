"""The settings files' fields as pydantic sees them, and its findings as problems a person can act on.

Models are strict: unknown keys are refused, texts become values by `values.py`. `checked` validates a document and reports
everything pydantic found, each at its line; it then leaves the wrong parts out and validates the rest, so that the checks
which compare one part with another can run over what is sound, and a file's problems appear all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import count as count_from
from types import UnionType
from typing import Annotated, Any, ClassVar, Generic, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError, WithJsonSchema
from pydantic.json_schema import GenerateJsonSchema

from finledger.core.period import Month
from finledger.core.problem import Problem
from finledger.read import values
from finledger.read.values import WrongValue, suggestion
from finledger.read.yaml_lines import Document, Steps, path_of

Finding = Mapping[str, Any]  # an error as pydantic describes it
M = TypeVar("M", bound="TextModel")


class TextModel(BaseModel):
    """A mapping of a settings file. `STANDINS`: values for required keys, only to go on checking when they are missing."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    STANDINS: ClassVar[dict[str, Any]] = {}


def parsed_by(parse: Callable[[Any], Any]) -> PlainValidator:
    """A field's value from its text by a function that raises `WrongValue`."""
    return PlainValidator(parse)


def or_list(key: str, example: str) -> Callable[[Any], Any]:
    """For a field that is one value or a list of them: refuses a mapping, in words that say both."""

    def refuse_mapping(value: Any) -> Any:
        if isinstance(value, dict):
            remedy = f"write `{key}: value`, or a list: `{key}: {example}`"
            raise WrongValue("wrong-shape", f"{key!r} is a mapping, where a value or a list is expected", remedy)
        return value

    return refuse_mapping


def one_of(*known: str) -> tuple[PlainValidator, WithJsonSchema]:
    """A field that takes one of a few words."""
    return parsed_by(values.word(known)), WithJsonSchema({"enum": list(known)})


class _EditorSchema(GenerateJsonSchema):
    """What an editor needs to complete and check a file: no titles, no defaults, and no null, which is never written."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])


def editor_schema(model: type[TextModel], title: str) -> dict[str, Any]:
    """The JSON Schema of a settings file."""
    schema = model.model_json_schema(by_alias=True, schema_generator=_EditorSchema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


_NUMBER_SCHEMA = WithJsonSchema({"type": ["number", "string"]})
_TEXT_SCHEMA = WithJsonSchema({"type": ["string", "number"], "minLength": 1, "maxLength": values.MAX_TEXT})
Number = Annotated[Decimal, parsed_by(values.number), _NUMBER_SCHEMA]
Amount = Annotated[Decimal, parsed_by(values.amount), WithJsonSchema({"type": ["number", "string"], "minimum": 0})]
Share = Annotated[
    Decimal, parsed_by(values.share), WithJsonSchema({"type": ["number", "string"], "minimum": 0, "maximum": 1})
]
Count = Annotated[int, parsed_by(values.count), WithJsonSchema({"type": "integer", "minimum": 0})]
Flag = Annotated[bool, parsed_by(values.flag), WithJsonSchema({"type": "boolean"})]
Day = Annotated[date, parsed_by(values.day), WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"})]
MonthKey = Annotated[
    Month, parsed_by(values.month), WithJsonSchema({"type": "string", "pattern": r"^\d{4}-(0[1-9]|1[0-2])$"})
]
Currency = Annotated[str, parsed_by(values.currency), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})]
Zone = Annotated[str, parsed_by(values.timezone), WithJsonSchema({"type": "string"})]
Text = Annotated[str, parsed_by(values.text), _TEXT_SCHEMA]
TextKey = Annotated[str, parsed_by(values.text), WithJsonSchema({"type": "string"})]
TeamName = Annotated[str, parsed_by(values.team_name), WithJsonSchema({"type": "string", "minLength": 1})]
AnyText = Annotated[str, parsed_by(values.scalar), WithJsonSchema({"type": ["string", "number", "boolean"]})]


@dataclass(slots=True)
class Checked(Generic[M]):
    """What is sound of a document, as its model; None where nothing is. `wrong` holds the steps at which something was."""

    model: M | None
    document: Document
    problems: list[Problem]
    wrong: set[Steps] = field(default_factory=set)
    _plain: Any = None

    def report(self, code: str, message: str, remedy: str, *steps: str | int) -> None:
        """Add a problem at `steps`, as the model counts them."""
        origin = self.steps(steps)
        self.problems.append(self.document.problem(code, message, remedy, *origin))

    def steps(self, steps: Steps) -> Steps:
        """The steps in the file: where wrong items of a list were left out, those behind them count further."""
        plain: Any = self._plain
        found: list[str | int] = []
        for step in steps:
            if isinstance(plain, _Items) and isinstance(step, int):
                found.append(plain.origin[step])
                plain = plain[step]
            else:
                found.append(step)
                plain = plain.get(step) if isinstance(plain, dict) else None
        return tuple(found)

    def sound(self, *steps: str | int) -> bool:
        """Whether nothing at or below `steps` was wrong: only then is its absence the writer's, and worth a word."""
        origin = self.steps(steps)
        return not any(place[: len(origin)] == origin for place in self.wrong)

    def in_order(self) -> tuple[Problem, ...]:
        """Every problem in the order of the file's lines."""
        return tuple(sorted(self.problems, key=lambda problem: (problem.source.line or 0) if problem.source else 0))


def check_places(found: Checked[Any], currency: str, amount: Decimal, *steps: str | int) -> None:
    """An amount of money has no more decimal places than its currency (rule M2)."""
    try:
        values.minor(amount, currency)
    except WrongValue as wrong:
        found.report(wrong.code, wrong.message, wrong.remedy, *steps)


class _Items(list[Any]):
    """A list that remembers which of the file's items it still holds."""

    def __init__(self, items: Iterator[Any]) -> None:
        super().__init__(items)
        self.origin = list(range(len(self)))

    def drop(self, place: int) -> None:
        del self[place]
        del self.origin[place]


def checked(model: type[M], document: Document) -> Checked[M]:
    """Validate a document against its model, and report everything that is wrong with its shape and values."""
    result: Checked[M] = Checked(None, document, [], _plain=_with_items(document.root.plain()))
    for attempt in count_from(0):
        try:
            result.model = model.model_validate(result._plain)
            break
        except ValidationError as error:
            found: list[Any] = error.errors(include_url=False)
        if attempt == 0:
            for each in found:
                result.problems.append(_translated(each, model, document))
                result.wrong.add(_steps(each))
        if not isinstance(result._plain, dict):
            break
        doomed = sorted({_doomed(each) for each in found}, key=_from_the_end, reverse=True)
        if not sum(_drop(result._plain, steps, model) for steps in doomed):
            break
    return result


def _with_items(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {key: _with_items(value) for key, value in plain.items()}
    return _Items(_with_items(item) for item in plain) if isinstance(plain, list) else plain


def _steps(error: Finding) -> Steps:
    return tuple(step for step in error["loc"] if step != "[key]")


def _from_the_end(steps: Steps) -> list[tuple[int, str]]:
    """Sorts what lies deeper, and later items of a list, behind: dropped from the end, places keep their meaning."""
    return [(step, "") if isinstance(step, int) else (0, step) for step in steps]


def _doomed(error: Finding) -> Steps:
    """What has to go for the rest to be sound: the value, or what misses a key."""
    steps = _steps(error)
    return steps[:-1] if error["type"] == "missing" and len(steps) > 1 else steps


def _drop(plain: dict[str, Any], steps: Steps, model: type[TextModel]) -> bool:
    """Take the value at `steps`, or the nearest thing that holds it, out of the plain values. False: it was out already."""
    if len(steps) == 1 and steps[0] in model.STANDINS:
        plain[str(steps[0])] = model.STANDINS[str(steps[0])]
        return True
    parent: Any = plain
    for step in steps[:-1]:
        inner = _child(parent, step)
        if inner is None:
            return False
        if not isinstance(inner, dict | list):
            return _remove(parent, step)
        parent = inner
    return bool(steps) and _remove(parent, steps[-1])


def _child(parent: Any, step: str | int) -> Any:
    if isinstance(parent, dict):
        return parent.get(step)
    return parent[step] if isinstance(step, int) and step < len(parent) else None


def _remove(parent: Any, step: str | int) -> bool:
    if _child(parent, step) is None:
        return False
    if isinstance(parent, _Items) and isinstance(step, int):
        parent.drop(step)
    else:
        del parent[step]
    return True


# ── from pydantic's words to ours ───────────────────────────────────────────────────────────────────────────────────────


def _translated(error: Finding, model: type[TextModel], document: Document) -> Problem:
    steps = _steps(error)
    kind = error["type"]
    last = path_of(steps[-1:]) or document.shown_as
    named = f"item {last}" if steps and isinstance(steps[-1], int) else repr(last)
    wrong = error.get("ctx", {}).get("error")
    if isinstance(wrong, WrongValue):
        return document.problem(wrong.code, wrong.message, wrong.remedy, *steps)
    if kind == "missing":
        owner = path_of(steps[:-1]) or "the file"
        return document.problem("missing-key", f"{owner} has no {last!r}", f"add `{last}: …`", *steps)
    if kind == "extra_forbidden":
        known = _keys_at(model, steps[:-1])
        remedy = f"{suggestion(last, known)}the keys that can stand here are {', '.join(known)}"
        return document.problem("unknown-key", f"{last!r} is not a key that can stand here", remedy, *steps)
    if kind in ("list_type", "tuple_type"):
        return document.problem("wrong-shape", f"{named} is not a list", _list_remedy(last, model, steps), *steps)
    if kind in ("dict_type", "model_type", "mapping_type"):
        return document.problem("wrong-shape", f"{named} is not a mapping", _mapping_remedy(last, model, steps), *steps)
    raise AssertionError(f"no words for pydantic's {kind} at {steps}")


def _list_remedy(last: str, model: type[TextModel], steps: Steps) -> str:
    known = _keys_at(model, (*steps, 0))
    return f"write one `- {{{known[0]}: …}}` on a line below it" if known else f"write `{last}: [first, second]`"


def _mapping_remedy(last: str, model: type[TextModel], steps: Steps) -> str:
    known = _keys_at(model, steps)
    if not steps:
        return f"write one `key: value` on a line; the keys are {', '.join(known)}"
    if known and isinstance(steps[-1], int):
        return f"write `{{{known[0]}: …}}`; the keys are {', '.join(known)}"
    if known:
        return f"write `{last}: {{{known[0]}: …}}`; the keys are {', '.join(known)}"
    if _by_month(_annotation_at(model, steps)):
        return f"write it by month: `{last}: {{2026-07: 12000.00}}`"
    return f"write `{last}: {{key: value}}`"


def _annotation_at(model: type[TextModel], steps: Steps) -> Any:
    annotation: Any = model
    for step in steps:
        annotation = _inner(_structure(annotation), step)
    return _structure(annotation)


def _by_month(annotation: Any) -> bool:
    arguments = get_args(annotation)
    return get_origin(annotation) is dict and _structure(arguments[0]) is Month


def _keys_at(model: type[TextModel], steps: Steps) -> tuple[str, ...]:
    """The keys that the mapping at `steps` may have; none where any key may stand."""
    found = _annotation_at(model, steps)
    if not (isinstance(found, type) and issubclass(found, TextModel)):
        return ()
    return tuple(info.alias or name for name, info in found.model_fields.items())


def _structure(annotation: Any) -> Any:
    """The model, dict or list in an annotation, without Annotated and None."""
    if get_origin(annotation) is Annotated:
        return _structure(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _structure(next(arg for arg in get_args(annotation) if arg is not type(None)))
    return annotation


def _inner(annotation: Any, step: str | int) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, TextModel):
        return next(
            (info.annotation for name, info in annotation.model_fields.items() if (info.alias or name) == step), None
        )
    arguments = get_args(annotation)
    return arguments[-1] if arguments and get_origin(annotation) is dict else (arguments[0] if arguments else None)
