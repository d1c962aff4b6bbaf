"""What all policies have in common: their terms, their head, and how texts stand in YAML and in expressions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from finledger.core.label_policy import PodRule
from finledger.core.problem import Misused
from finledger.write.text import shown

Version = tuple[int, int]
NAME = "finledger-labels"
_LISTED = 8
# What makes Pods in Kubernetes itself: (API group, kinds, resources). The kinds of operators are met at their Pods.
KINDS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("", ("Pod", "ReplicationController"), ("pods", "replicationcontrollers")),
    (
        "apps",
        ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"),
        ("daemonsets", "deployments", "replicasets", "statefulsets"),
    ),
    ("batch", ("CronJob", "Job"), ("cronjobs", "jobs")),
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is not the rule itself. `action`: refuse workloads, or only report them. `books`: whose policy it is."""

    action: Literal["enforce", "audit"] = "enforce"
    books: str = ""


def version_of(text: str) -> Version:
    """`1.17` or `v1.17.2` as numbers; `Misused` for anything else.

    >>> version_of("v1.17.2"), version_of("3.19")
    ((1, 17), (3, 19))
    """
    match = re.fullmatch(r"v?(\d{1,3})\.(\d{1,3})(?:\.\d{1,4})?", text)
    if match is None:
        raise Misused(f"{text!r} is no version: write it as 1.17")
    return int(match[1]), int(match[2])


def head(rule: PodRule, terms: Terms, valid: Sequence[str]) -> list[str]:
    """The comment above a policy: what it says, of which day, for which versions, and when to write it again."""
    lines = [
        f"Every Pod, and every template of Pods, says whose it is: by the organisation of {rule.day}{_of(terms.books)}.",
        *valid,
        "Written by `finledger label policy`: change the organisation, not this file, and write it again.",
    ]
    if rule.changes is not None:
        day, teams = rule.changes
        lines.append(f"Cost centres change on {day} ({_listed(teams)}): write it again that day.")
    if rule.unfit:
        lines.append(f"Not in it, since no label can name them: {_listed([team for team, _ in rule.unfit])}.")
    return [f"# {line}" for line in lines]


def _of(books: str) -> str:
    return f", {shown(json.dumps(books, ensure_ascii=False))}" if books else ""


def _listed(names: Sequence[str]) -> str:
    texts = [shown(json.dumps(name, ensure_ascii=False)) for name in names[:_LISTED]]
    return ", ".join(texts) + (f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else "")


def quoted(text: str) -> str:
    """A text as YAML and JSON have it, on one line, in quotes.

    >>> quoted("cc-4815"), quoted('a"b')
    ('"cc-4815"', '"a\\\\"b"')
    """
    return json.dumps(text)


def flow(texts: Iterable[str]) -> str:
    """A list of texts on one line."""
    return f"[{', '.join(map(quoted, texts))}]"


def indented(lines: Iterable[str], by: int) -> list[str]:
    return [f"{' ' * by}{line}" if line else "" for line in lines]
