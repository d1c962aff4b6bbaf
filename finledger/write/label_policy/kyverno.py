"""The label rule for Kyverno: a ClusterPolicy, or from its version 1.17 on, where that is asked for, a ValidatingPolicy (U7).

Both hold the same CEL expressions. Kyverno moved the action from the policy (`validationFailureAction`) to its rules
(`validate.failureAction`) in 1.13, and declared ClusterPolicy deprecated in 1.17, where `policies.kyverno.io/v1` became stable.
Kyverno would make rules for Deployments and their like out of a rule for Pods; here they are named, so that it makes none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from finledger.core.label_policy import COST_CENTER, MODEL, REQUIRED, TEAM, WORKLOAD_TYPE, PodRule
from finledger.core.usage import WORKLOAD_TYPES
from finledger.write.label_policy._terms import KINDS, NAME, Terms, Version, flow, head, indented, quoted

OLDEST: Version = (1, 11)
_BY_RULE: Version = (1, 13)
_VALIDATING: Version = (1, 17)
_CHUNK = 400  # teams in an expression: CEL takes 100,000 characters
_VARIABLES = ((TEAM, "team"), (COST_CENTER, "cost_center"), (WORKLOAD_TYPE, "workload_type"), (MODEL, "model"))


def render(rule: PodRule, terms: Terms, version: Version | None) -> str:
    lines = _validating(rule, terms) if version is not None and version >= _VALIDATING else _cluster(rule, terms, version)
    return "\n".join((*lines, ""))


def _cluster(rule: PodRule, terms: Terms, version: Version | None) -> list[str]:
    old = version is not None and version < _BY_RULE
    action = "Enforce" if terms.action == "enforce" else "Audit"
    valid = (
        ("For Kyverno 1.11 and 1.12.",)
        if old
        else (
            "For Kyverno 1.13 to 1.19, which calls ClusterPolicy deprecated from 1.17 on: `--engine-version 1.17` writes a",
            "ValidatingPolicy.",
        )
    )
    kinds = [kind if not group else f"{group}/v1/{kind}" for group, kinds, _ in KINDS for kind in kinds]
    return [
        *head(rule, terms, valid),
        "apiVersion: kyverno.io/v1",
        "kind: ClusterPolicy",
        *_metadata(),
        "spec:",
        *([f"  validationFailureAction: {action}"] if old else []),
        "  background: true",
        "  rules:",
        "    - name: labels",
        "      match:",
        "        any:",
        "          - resources:",
        f"              kinds: {flow(kinds)}",
        '              operations: ["CREATE", "UPDATE"]',
        "      exclude:",
        "        any:",
        "          - resources:",
        f"              namespaces: {flow(rule.exempt)}",
        "      validate:",
        *([] if old else [f"        failureAction: {action}"]),
        "        cel:",
        "          variables:",
        *indented(_variables(rule), 12),
        "          expressions:",
        *indented(_expressions(rule), 12),
    ]


def _validating(rule: PodRule, terms: Terms) -> list[str]:
    lines = [
        *head(rule, terms, ("For Kyverno 1.17 and later.",)),
        "apiVersion: policies.kyverno.io/v1",
        "kind: ValidatingPolicy",
        *_metadata(),
        "spec:",
        f"  validationActions: [{'Deny' if terms.action == 'enforce' else 'Audit'}]",
        "  matchConstraints:",
        "    namespaceSelector:",
        "      matchExpressions:",
        f"        - {{key: kubernetes.io/metadata.name, operator: NotIn, values: {flow(rule.exempt)}}}",
        "    resourceRules:",
    ]
    for group, _, resources in KINDS:
        lines += [
            f"      - apiGroups: {flow([group])}",
            '        apiVersions: ["v1"]',
            '        operations: ["CREATE", "UPDATE"]',
            f"        resources: {flow(resources)}",
        ]
    return [*lines, "  variables:", *indented(_variables(rule), 4), "  validations:", *indented(_expressions(rule), 4)]


def _metadata() -> list[str]:
    return [
        "metadata:",
        f"  name: {NAME}",
        "  annotations:",
        "    policies.kyverno.io/title: Labels that say who pays",
        "    policies.kyverno.io/category: FinOps",
        "    policies.kyverno.io/severity: medium",
        f"    policies.kyverno.io/description: {quoted('Pods carry team, cost-center, workload-type and model.')}",
    ]


def _variables(rule: PodRule) -> Iterator[str]:
    """`unchanged`: an update that leaves the labels as they are, as a controller's, is nobody's to refuse."""
    yield from _entry("labels", [_labels("object")])
    yield from _entry("unchanged", [f"oldObject != null && ({_labels('oldObject')}) == variables.labels"])
    for label, name in _VARIABLES:
        yield from _entry(name, [f"'{label}' in variables.labels ? variables.labels['{label}'] : ''"])
    chunks = list(_chunks(list(rule.owners.items())))
    for number, chunk in enumerate(chunks, 1):
        entries = [f"'{team}': '{code}'{',' if place < len(chunk) else ''}" for place, (team, code) in enumerate(chunk, 1)]
        yield from _entry(f"owners{number}", ["{", *entries, "}"])
    names = [f"variables.owners{number}" for number in range(1, len(chunks) + 1)]
    yield from _entry("known", [" || ".join(f"variables.team in {name}" for name in names)])
    own = (f"(variables.team in {name} && {name}[variables.team] == variables.cost_center)" for name in names)
    yield from _entry("own", [" || ".join(own)])


def _chunks(owners: Sequence[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    each = iter(owners)
    while chunk := list(islice(each, _CHUNK)):
        yield chunk


def _labels(thing: str) -> str:
    """The labels of the Pod, or of the Pods that a controller makes; empty where there are none."""
    cron, other = f"{thing}.spec.jobTemplate.spec", f"{thing}.spec"

    def of_template(holder: str) -> str:
        path, wanted = f"{holder}.template.metadata.labels", ("template", "metadata", "labels")
        there = " && ".join(f"has({'.'.join((holder, *wanted[:length]))})" for length in (1, 2, 3))
        return f"({there} ? {path} : {{}})"

    pod = f"(has({thing}.metadata.labels) ? {thing}.metadata.labels : {{}})"
    return f"{thing}.kind == 'Pod' ? {pod} : ({thing}.kind == 'CronJob' ? {of_template(cron)} : {of_template(other)})"


def _entry(name: str, expression: Sequence[str]) -> Iterator[str]:
    yield f"- name: {name}"
    yield "  expression: >-"
    yield from (f"    {line}" for line in expression)


def _expressions(rule: PodRule) -> Iterator[str]:
    have = " && ".join(f"variables.{name} != ''" for _, name in _VARIABLES)
    types = "[" + ", ".join(f"'{name}'" for name in WORKLOAD_TYPES) + "]"
    yield from _validation(
        f"variables.unchanged || ({have})",
        f"Pods need the labels {', '.join(REQUIRED)}: without them nobody can be charged.",
    )
    yield from _validation(
        "variables.unchanged || variables.team == '' || variables.known",
        f"The label team is none of the organisation's teams on {rule.day}.",
    )
    yield from _validation(
        "variables.unchanged || variables.cost_center == '' || !variables.known || variables.own",
        f"The label cost-center is not the cost centre of the label team on {rule.day}.",
    )
    yield from _validation(
        f"variables.unchanged || variables.workload_type == '' || variables.workload_type in {types}",
        f"The label workload-type is one of {', '.join(WORKLOAD_TYPES)}.",
    )


def _validation(expression: str, message: str) -> Iterator[str]:
    yield "- expression: >-"
    yield f"    {expression}"
    yield f"  message: {quoted(message)}"
