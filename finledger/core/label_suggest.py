"""Usage without a team or a feature, and the rule that would give it one (rules A2, A6, A9).

A rule looks at as few exported fields as tell the usage from what others use: the first field that names a caller (a key, a
project, a workspace …) and, where rows with that very value belong to several, the next one too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from finledger.core.label_coverage import needs_feature
from finledger.core.model import UNALLOCATED, Organisation, OwnedGroup
from finledger.core.rule_text import rule_yaml, yaml_text

# the exported fields that say who called, those that say most about it first
CALLERS: tuple[str, ...] = (
    "api_key_alias", "project", "workspace", "namespace", "agent", "sub_account_name", "sub_account_id", "api_key",
    "tag", "account", "organization", "service", "cluster", "route", "end_user", "user", "environment", "resource",
    "call_type", "region",
)  # fmt: skip
TEAM, FEATURE = "TEAM", "FEATURE"  # stand in a suggestion where nobody can guess
_TELLING = re.compile(r"(?i)(team|owner|squad|app|application|feature|product|project|cost)[^=:/]*[=:/]")
_When = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """What to write into finledger.yaml for usage that lacks `missing`: text of its list `rules`, or of `teams`.

    `when`: the exported fields that tell the usage apart. `guess`: who likely owns it, "" where nobody can tell.
    """

    missing: tuple[str, ...]
    when: tuple[tuple[str, str], ...]
    under: str
    text: str
    guess: str = ""


def missing_labels(owned: OwnedGroup, organisation: Organisation) -> tuple[str, ...]:
    """Of team and feature what the usage lacks: an owner whom the organisation knows, a feature where it needs one."""
    lacks_feature = not owned.feature and needs_feature(owned, organisation)
    return (*(("team",) if owned.team == UNALLOCATED else ()), *(("feature",) if lacks_feature else ()))


def advise(owned: Sequence[OwnedGroup], organisation: Organisation) -> list[Advice | None]:
    """For each group the advice that would label it; None where it lacks neither team nor feature."""
    callers = [_callers(each) for each in owned]
    known: dict[_When, tuple[set[str], set[str]]] = {}
    for each, fields in zip(owned, callers, strict=True):
        for length in range(1, len(fields) + 1):
            teams, features = known.setdefault(fields[:length], (set(), set()))
            if each.team != UNALLOCATED:
                teams.add(each.team)
            if each.feature:
                features.add(each.feature)
    found: list[Advice | None] = []
    for each, fields in zip(owned, callers, strict=True):
        missing = missing_labels(each, organisation)
        found.append(_advice(each, fields, missing, organisation, known) if missing else None)
    return found


def _advice(
    owned: OwnedGroup,
    fields: _When,
    missing: tuple[str, ...],
    organisation: Organisation,
    known: Mapping[_When, tuple[set[str], set[str]]],
) -> Advice:
    keys = owned.group.keys
    if owned.reason == "unknown team" and keys["team"]:
        entry = f"{yaml_text(keys['team'])}: {{cost_center: {yaml_text(keys['cost_center'] or 'COST-CENTRE')}}}"
        return Advice(missing, (("team", keys["team"]),), "teams", entry, keys["team"])
    if owned.reason == "another team's cost centre" and keys["cost_center"]:
        text = (
            f"# {yaml_text(keys['team'])}: correct {yaml_text(keys['cost_center'])} in the export, or give the team that cost "
            "centre by date"
        )
        return Advice(missing, (("team", keys["team"]), ("cost_center", keys["cost_center"])), "teams", text, keys["team"])
    length = 2
    while length < len(fields) and any(len(values) > 1 for values in _of(missing, known[fields[:length]])):
        length += 1
    when = fields[:length]
    teams, features = known.get(when, (set(), set()))
    owner = next(iter(teams)) if len(teams) == 1 else _named(organisation.teams, when) or TEAM
    team = owner if "team" in missing else owned.team
    values = {"team": team} if "team" in missing else {}
    if "feature" in missing:
        declared = organisation.teams[team].features if team in organisation.teams else ()
        only = declared[0] if len(declared) == 1 else ""
        values["feature"] = next(iter(features)) if len(features) == 1 else _named(declared, when) or only or FEATURE
    if "team" not in missing and keys["team"]:
        when = (*when[:1], ("team", keys["team"]), *when[1:])
    guess = "" if team == TEAM else team
    return Advice(missing, when, "rules", f"- {rule_yaml({name: [text] for name, text in when}, values)}", guess)


def _of(missing: tuple[str, ...], found: tuple[set[str], set[str]]) -> Iterable[set[str]]:
    return (values for name, values in zip(("team", "feature"), found, strict=True) if name in missing)


def _callers(owned: OwnedGroup) -> _When:
    """The source and the fields that are not empty, as a rule would look at them."""
    group = owned.group
    found = [("source", group.keys["source"])]
    spare: tuple[str, str] | None = None
    for name in CALLERS:
        text = group.labels.get(name, "")
        if name == "tag" and text:
            tags = [str(tag) for tag in json.loads(text) if tag]
            telling = [tag for tag in tags if _TELLING.match(tag)]
            spare = (name, tags[0]) if tags else None
            text = telling[0] if telling else ""
        if text:
            found.append((name, text))
    if len(found) == 1:
        model = group.keys["model"] or group.keys["gpu_sku"]
        named = ("model" if group.keys["model"] else "gpu_sku", model)
        found += [spare] if spare is not None else [named] if model else []
    return tuple(found)


def _named(names: Iterable[str], when: _When) -> str:
    """The name that stands in one of the values as a word of its own: search in `search-web`. The longest of several."""
    said = " ".join(text for field, text in when if field != "source").casefold()
    words = f"-{re.sub(r'[^0-9a-z]+', '-', said)}-"
    named = [name for name in names if f"-{re.sub(r'[^0-9a-z]+', '-', name.casefold())}-" in words]
    return max(named, key=lambda name: (len(name), name), default="")
