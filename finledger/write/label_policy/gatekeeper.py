"""The label rule for OPA Gatekeeper: a ConstraintTemplate that says how to look, and a Constraint that holds who is who (U7).

Rego has two dialects. Gatekeeper reads the older one in `rego`, in every version; the newer one only from 3.19 on, in
`code[].source` with its version. The rules are written once, in the newer dialect, and turned into the other.
"""

from __future__ import annotations

import re

from finledger.core.label_policy import COST_CENTER, REQUIRED, TEAM, WORKLOAD_TYPE, PodRule
from finledger.core.usage import WORKLOAD_TYPES
from finledger.write.label_policy._terms import KINDS, NAME, Terms, Version, flow, head, indented, quoted

OLDEST: Version = (3, 6)
_NEW_REGO: Version = (3, 19)
KIND = "FinledgerLabels"
_REGO = f"""\
package {KIND.lower()}

pod(thing) := thing if {{
  thing.kind == "Pod"
}}

pod(thing) := found if {{
  thing.kind == "CronJob"
  job := object.get(object.get(thing, "spec", {{}}), "jobTemplate", {{}})
  found := object.get(object.get(job, "spec", {{}}), "template", {{}})
}}

pod(thing) := object.get(object.get(thing, "spec", {{}}), "template", {{}}) if {{
  thing.kind != "Pod"
  thing.kind != "CronJob"
}}

labels(thing) := found if {{
  found := object.get(object.get(pod(thing), "metadata", {{}}), "labels", {{}})
  is_object(found)
}}

labels(thing) := {{}} if {{
  not is_object(object.get(object.get(pod(thing), "metadata", {{}}), "labels", {{}}))
}}

label(name) := object.get(labels(input.review.object), name, "")

# An update that leaves the labels as they are, as a controller's, is nobody's to refuse.
unchanged if {{
  input.review.operation == "UPDATE"
  labels(input.review.oldObject) == labels(input.review.object)
}}

known if {{
  input.parameters.owners[label("{TEAM}")]
}}

kind_known if {{
  input.parameters.workloadTypes[_] == label("{WORKLOAD_TYPE}")
}}

violation contains {{"msg": msg}} if {{
  not unchanged
  missing := [name | name := input.parameters.labels[_]; label(name) == ""]
  count(missing) > 0
  msg := sprintf("Pods need the labels %v: without them nobody can be charged", [concat(", ", missing)])
}}

violation contains {{"msg": msg}} if {{
  not unchanged
  label("{TEAM}") != ""
  not known
  msg := sprintf("team %v is none of the organisation's teams on %v", [label("{TEAM}"), input.parameters.day])
}}

violation contains {{"msg": msg}} if {{
  not unchanged
  label("{COST_CENTER}") != ""
  expected := input.parameters.owners[label("{TEAM}")]
  label("{COST_CENTER}") != expected
  msg := sprintf("cost-center %v is not %v's: that is %v", [label("{COST_CENTER}"), label("{TEAM}"), expected])
}}

violation contains {{"msg": msg}} if {{
  not unchanged
  label("{WORKLOAD_TYPE}") != ""
  not kind_known
  msg := sprintf("workload-type %v is not one of %v", [label("{WORKLOAD_TYPE}"), concat(", ", input.parameters.workloadTypes)])
}}
"""


def render(rule: PodRule, terms: Terms, version: Version | None) -> str:
    new = version is not None and version >= _NEW_REGO
    valid = "For Gatekeeper 3.19 and later." if new else "For Gatekeeper 3.6 and later."
    lines = [
        *head(rule, terms, (valid, "Apply it twice: the kind of the second object exists once the first is in place.")),
        *_template(new),
        "---",
        *_constraint(rule, terms),
        "",
    ]
    return "\n".join(lines)


def rego(new: bool) -> str:
    """The rules in the newer dialect (`version: v1`), or in the older one."""
    if new:
        return _REGO
    text = _REGO.replace("violation contains {", "violation[{").replace('"msg": msg} if {', '"msg": msg}] {')
    return re.sub(r"^(\w+\(\w+\)) := (.*) if \{$", r"\1 = \2 {", text, flags=re.MULTILINE).replace(" if {\n", " {\n").replace(
        "label(name) := ", "label(name) = "
    )  # fmt: skip


def _template(new: bool) -> list[str]:
    source = rego(new).splitlines()
    code = (
        ["      code:", "        - engine: Rego", "          source:", '            version: "v1"', "            rego: |"]
        if new
        else ["      rego: |"]
    )
    return [
        "apiVersion: templates.gatekeeper.sh/v1",
        "kind: ConstraintTemplate",
        "metadata:",
        f"  name: {KIND.lower()}",
        "  annotations:",
        f"    description: {quoted('Pods carry team, cost-center, workload-type and model.')}",
        "spec:",
        "  crd:",
        "    spec:",
        "      names:",
        f"        kind: {KIND}",
        "      validation:",
        "        openAPIV3Schema:",
        "          type: object",
        "          properties:",
        "            day: {type: string}",
        "            labels: {type: array, items: {type: string}}",
        "            workloadTypes: {type: array, items: {type: string}}",
        "            owners: {type: object, additionalProperties: {type: string}}",
        "  targets:",
        "    - target: admission.k8s.gatekeeper.sh",
        *code,
        *indented(source, 14 if new else 8),
    ]


def _constraint(rule: PodRule, terms: Terms) -> list[str]:
    kinds = [f"        - {{apiGroups: {flow([group])}, kinds: {flow(kinds)}}}" for group, kinds, _ in KINDS]
    return [
        "apiVersion: constraints.gatekeeper.sh/v1beta1",
        f"kind: {KIND}",
        "metadata:",
        f"  name: {NAME}",
        "spec:",
        f"  enforcementAction: {'deny' if terms.action == 'enforce' else 'dryrun'}",
        "  match:",
        "    scope: Namespaced",
        f"    excludedNamespaces: {flow(rule.exempt)}",
        "    kinds:",
        *[line[2:] for line in kinds],
        "  parameters:",
        f"    day: {quoted(rule.day.isoformat())}",
        f"    labels: {flow(REQUIRED)}",
        f"    workloadTypes: {flow(WORKLOAD_TYPES)}",
        "    owners:",
        *(f"      {quoted(team)}: {quoted(code)}" for team, code in rule.owners.items()),
    ]
