"""The label rule for workloads on Kubernetes (rules A1, U7): what a Pod must carry, so that its cost finds its owner.

One rule, two uses: `label check` holds manifests against it before they are applied, and `label policy` writes it down for an
admission engine. Four labels are required: team, cost-center, workload-type, model. The team must be known to the organisation
on the day, the cost centre must be its own, and the workload type one of four. A label is a short text by Kubernetes' own syntax;
a team whose name or cost centre is none can be on no Pod, and is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal

from finledger.core.model import Organisation
from finledger.core.problem import Problem, SourceRef
from finledger.core.rule_text import yaml_text
from finledger.core.usage import WORKLOAD_TYPES

TEAM, COST_CENTER, WORKLOAD_TYPE, MODEL = REQUIRED = ("team", "cost-center", "workload-type", "model")
SYSTEM_NAMESPACES = ("gatekeeper-system", "kube-node-lease", "kube-public", "kube-system", "kyverno")
LABEL_LENGTH = 63
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_LISTED = 6
_NO_TEXT = frozenset(("y", "yes", "true", "on", "n", "no", "false", "off", "null"))
Written = Literal["text", "number", "true or false", "list or mapping", "empty"]


@dataclass(frozen=True, slots=True)
class PodRule:
    """What holds on `day`: each team that a Pod can name, with its cost centre, sorted; `unfit`: (team, why) of the others.

    Workloads of the namespaces `exempt` are not looked at. `changes`: the next day on which a cost centre changes, and whose.
    """

    day: date
    owners: Mapping[str, str]
    unfit: tuple[tuple[str, str], ...] = ()
    exempt: tuple[str, ...] = SYSTEM_NAMESPACES
    changes: tuple[date, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """A label as it stands in a manifest. `written`: what Kubernetes reads it as; only text is allowed."""

    value: str
    line: int
    excerpt: str = ""
    written: Written = "text"


@dataclass(frozen=True, slots=True)
class Workload:
    """What makes Pods, at one of its pod templates: `at` is its path in the object ("" for a Pod itself).

    `labels`: those of `REQUIRED` that its Pods will carry. `line`: where labels stand, or would. `above`: required labels that
    stand on the object itself and do not reach its Pods. `twice`: labels that are written more than once, with the second line.
    `under`: the path of the labels.
    """

    file: str
    kind: str
    name: str
    namespace: str
    at: str
    labels: Mapping[str, Label]
    line: int
    excerpt: str = ""
    above: Mapping[str, str] = field(default_factory=dict)
    twice: tuple[tuple[str, int], ...] = ()
    under: str = "metadata.labels"

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name or '(without a name)'}" + (f" ({self.at})" if self.at else "")


def is_label(text: str) -> bool:
    """Whether Kubernetes takes the text as the value of a label, and it says something.

    >>> is_label("cc-4815"), is_label("R&D"), is_label("-a"), is_label("a" * 64), is_label("")
    (True, False, False, False, False)
    """
    return len(text) <= LABEL_LENGTH and _LABEL.fullmatch(text) is not None


def pod_rule(organisation: Organisation, day: date, exempt: Sequence[str] = ()) -> PodRule:
    """The rule by the organisation of a day (A7). The platform is a team like the others: its Pods name its cost centre."""
    known = {organisation.platform_team: organisation.platform_cost_center}
    coming: dict[date, list[str]] = {}
    for name, team in organisation.teams.items():
        code = team.cost_center.at(day)
        if code is not None:
            known[name] = code
        for change in team.cost_center.dates:
            if change > day:
                coming.setdefault(change, []).append(name)
    unfit = []
    for name, code in sorted(known.items()):
        if not is_label(name):
            unfit.append((name, "its name"))
        elif not is_label(code):
            unfit.append((name, f"its cost centre {code!r}"))
    out = {name for name, _ in unfit}
    owners = {name: code for name, code in sorted(known.items()) if name not in out}
    first = min(coming, default=None)
    changes = None if first is None else (first, tuple(sorted(coming[first])))
    return PodRule(day, owners, tuple(unfit), tuple(sorted({*SYSTEM_NAMESPACES, *exempt})), changes)


def unfit_problems(rule: PodRule) -> tuple[Problem, ...]:
    """A warning for every team that no Pod can name."""
    return tuple(
        Problem(
            "label-not-possible",
            f"no Pod can be labelled as one of team {team!r}: {what} is no label value of Kubernetes",
            SourceRef("finledger.yaml"),
            remedy="a value has letters, digits, - _ . only, begins and ends with a letter or digit, and 63 of them at most: rename "
            "it, or label its Pods otherwise and give it their usage by a rule (A9)",
            severity="warning",
        )
        for team, what in rule.unfit
    )


def faults(workload: Workload, rule: PodRule) -> tuple[Problem, ...]:
    """What keeps the workload's Pods from being charged to anybody; empty where its usage finds its owner."""
    if workload.namespace in rule.exempt:
        return ()
    return tuple(_faults(workload, rule))


def _faults(workload: Workload, rule: PodRule) -> Iterator[Problem]:
    for name, line in workload.twice:
        message = f"{workload.title}: the label {name} is written twice, and only the last one counts"
        yield Problem("label-twice", message, SourceRef(workload.file, line, name), remedy="keep one of the two")
    missing = [name for name in REQUIRED if name not in workload.labels or workload.labels[name].written == "empty"]
    if missing:
        yield _missing(workload, missing, rule)
    sound = {}
    for name in REQUIRED:
        label = workload.labels.get(name)
        if label is None or name in missing:
            continue
        unsound = _unsound(workload, name, label)
        if unsound is None:
            sound[name] = label
        else:
            yield unsound
    yield from _unowned(workload, sound, rule)
    kind = sound.get(WORKLOAD_TYPE)
    if kind is not None and kind.value not in WORKLOAD_TYPES:
        near = get_close_matches(kind.value.casefold(), WORKLOAD_TYPES, n=1)
        remedy = f"write {near[0]}" if near else f"write one of {', '.join(WORKLOAD_TYPES)}"
        message = f"{workload.title}: {kind.value!r} is no workload type; there are {', '.join(WORKLOAD_TYPES)}"
        yield _at(workload, message, WORKLOAD_TYPE, kind, remedy, code="label-workload-type")


def _missing(workload: Workload, missing: Sequence[str], rule: PodRule) -> Problem:
    written = {**workload.above, **{name: each.value for name, each in workload.labels.items() if each.written == "text"}}
    team = written.get(TEAM, "")
    advised = {
        TEAM: _only([name for name, code in rule.owners.items() if code == written.get(COST_CENTER)]) or "TEAM",
        COST_CENTER: rule.owners.get(team, "COST-CENTER"),
        WORKLOAD_TYPE: "|".join(WORKLOAD_TYPES),
        MODEL: "MODEL",
        **{name: text for name, text in workload.above.items() if is_label(text)},
    }
    moved = [name for name in missing if name in workload.above]
    message = f"{workload.title}: its Pods lack the label{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
    if moved:
        message += f"\n{', '.join(moved)} on the {workload.kind} itself: what stands there does not reach its Pods"
    remedy = "\n".join((f"add under {workload.under}:", *(f"  {name}: {_advised(advised[name])}" for name in missing)))
    return Problem("label-missing", message, SourceRef(workload.file, workload.line), workload.excerpt, remedy)


def _advised(text: str) -> str:
    """As it may stand in a manifest: in quotes where YAML would take it for a number or a truth."""
    if "|" in text:
        return text
    return f'"{text}"' if text.casefold() in _NO_TEXT else yaml_text(text)


def _only(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ""


def _unsound(workload: Workload, name: str, label: Label) -> Problem | None:
    """What Kubernetes itself would refuse."""
    if "{{" in label.value:
        message = f"{workload.title}: the label {name} is a template that nobody has filled in"
        remedy = "render it first, and check what comes out: helm template CHART | finledger label check -"
        return _at(workload, message, name, label, remedy, code="manifest-template")
    if label.written != "text":
        quoted = label.written in ("number", "true or false")
        taken_for = label.written if label.written == "true or false" else f"a {label.written}"
        message = f"{workload.title}: the label {name} is {taken_for} in YAML, and Kubernetes takes texts only"
        remedy = f'put it in quotes: {name}: "{label.value}"' if quoted else f"write one text: {name}: …"
        return _at(workload, message, name, label, remedy, code="label-not-text")
    if not is_label(label.value):
        message = f"{workload.title}: {label.value[:80]!r} is no label value of Kubernetes ({name})"
        remedy = (
            "a value has letters, digits, - _ . only, begins and ends with a letter or digit, and 63 of them at most; "
            "free text belongs into an annotation"
        )
        return _at(workload, message, name, label, remedy, code="label-value")
    return None


def _unowned(workload: Workload, sound: Mapping[str, Label], rule: PodRule) -> Iterator[Problem]:
    team, code = sound.get(TEAM), sound.get(COST_CENTER)
    expected = None if team is None else rule.owners.get(team.value)
    if team is not None and expected is None:
        near = _near(team.value, tuple(rule.owners))
        known = ", ".join(list(rule.owners)[:_LISTED]) + (", …" if len(rule.owners) > _LISTED else "")
        guess = f"did you mean {' or '.join(near)}?" if near else f"teams are {known}"
        message = f"{workload.title}: the organisation knows no team {team.value!r} on {rule.day}"
        remedy = f"{guess} Correct the label, or add the team to finledger.yaml"
        yield _at(workload, message, TEAM, team, remedy, code="label-unknown-team")
    if team is not None and code is not None and expected not in (None, code.value):
        message = f"{workload.title}: cost centre {code.value!r} is not {team.value}'s on {rule.day}: that is {expected}"
        remedy = f"write {COST_CENTER}: {_advised(str(expected))}"
        yield _at(workload, message, COST_CENTER, code, remedy, code="label-cost-center")


@lru_cache(maxsize=4096)
def _near(name: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Names that read alike; the same mistake stands in many manifests."""
    return tuple(get_close_matches(name, known, n=2))


def _at(workload: Workload, message: str, name: str, label: Label, remedy: str, *, code: str) -> Problem:
    return Problem(code, message, SourceRef(workload.file, label.line, name), label.excerpt, remedy)
