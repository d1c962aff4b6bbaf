"""What admission engines make of a policy: their schemas, as far as a policy uses them, and their decision on an object.

The schemas name every field that a policy of ours may have and its kind, and nothing else: a field that an engine does not know
would be dropped by the API server without a word. Kyverno's are of its 1.13 (ClusterPolicy) and 1.17 (ValidatingPolicy),
Gatekeeper's of its 3.21. The decisions are made by engines of CEL and of Rego that are not ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

TEXT: dict[str, Any] = {"type": "string"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT, "minItems": 1}


def of(required: Sequence[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def listed(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


METADATA = of(["name"], name=TEXT, annotations={"type": "object", "additionalProperties": TEXT})
VARIABLES = listed(of(["name", "expression"], name={"type": "string", "pattern": "^[a-z_][a-z0-9_]*$"}, expression=TEXT))
ONE_LINE = {"type": "string", "pattern": "^[^\n]+$"}
VALIDATIONS = listed(of(["expression", "message"], expression=TEXT, message=ONE_LINE))
RESOURCES = of([], kinds=TEXTS, operations=TEXTS, namespaces=TEXTS)
ANY_OF = of(["any"], any=listed(of(["resources"], resources=RESOURCES)))
CEL = of(["expressions"], variables=VARIABLES, expressions=VALIDATIONS)
ACTION = {"enum": ["Audit", "Enforce"]}
RULE = of(
    ["name", "match", "validate"],
    name={"type": "string", "maxLength": 63},
    match=ANY_OF,
    exclude=ANY_OF,
    validate=of(["cel"], failureAction=ACTION, cel=CEL),
)
SELECTOR = listed(of(["key", "operator"], key=TEXT, operator={"enum": ["In", "NotIn", "Exists"]}, values=TEXTS))
RESOURCE_RULES = listed(
    of(
        ["apiGroups", "apiVersions", "operations", "resources"],
        apiGroups=TEXTS,
        apiVersions=TEXTS,
        operations=TEXTS,
        resources=TEXTS,
    )
)
PARAMETERS = of(["type", "properties"], type={"const": "object"}, properties={"type": "object"})
TARGET = of(
    ["target"],
    target={"const": "admission.k8s.gatekeeper.sh"},
    rego=TEXT,
    code=listed(
        of(
            ["engine", "source"],
            engine={"const": "Rego"},
            source=of(["version", "rego"], version={"const": "v1"}, rego=TEXT),
        )
    ),
)
CRD = of(
    ["spec"], spec=of(["names", "validation"], names=of(["kind"], kind=TEXT), validation=of([], openAPIV3Schema=PARAMETERS))
)
SCHEMAS: dict[str, dict[str, Any]] = {
    "kyverno.io/v1 ClusterPolicy": of(
        ["rules"], validationFailureAction=ACTION, background={"type": "boolean"}, rules=listed(RULE)
    ),
    "policies.kyverno.io/v1 ValidatingPolicy": of(
        ["matchConstraints", "validations"],
        validationActions=listed({"enum": ["Deny", "Audit", "Warn"]}),
        matchConstraints=of(
            ["resourceRules"], namespaceSelector=of([], matchExpressions=SELECTOR), resourceRules=RESOURCE_RULES
        ),
        variables=VARIABLES,
        validations=VALIDATIONS,
    ),
    "templates.gatekeeper.sh/v1 ConstraintTemplate": of(["crd", "targets"], crd=CRD, targets=listed(TARGET)),
    "constraints.gatekeeper.sh/v1beta1 FinledgerLabels": of(
        ["match", "parameters"],
        enforcementAction={"enum": ["deny", "dryrun", "warn"]},
        match=of(
            ["kinds"],
            scope={"enum": ["*", "Cluster", "Namespaced"]},
            excludedNamespaces=TEXTS,
            kinds=listed(of(["apiGroups", "kinds"], apiGroups=TEXTS, kinds=TEXTS)),
        ),
        parameters={"type": "object"},
    ),
}


def schema_of(document: Mapping[str, Any]) -> dict[str, Any]:
    spec = SCHEMAS[f"{document['apiVersion']} {document['kind']}"]
    return of(["apiVersion", "kind", "metadata", "spec"], apiVersion=TEXT, kind=TEXT, metadata=METADATA, spec=spec)


def by_cel(policy: Mapping[str, Any], thing: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> list[str]:
    """The messages with which Kyverno's policy refuses an object; empty where it is admitted."""
    cel = pytest.importorskip("cel", reason="pip install common-expression-language")
    spec = policy["spec"]
    if policy["kind"] == "ClusterPolicy":
        spec = spec["rules"][0]["validate"]["cel"]
    variables: dict[str, Any] = {}
    context = {"object": thing, "oldObject": before, "variables": variables}
    for each in spec["variables"]:
        variables[each["name"]] = cel.evaluate(each["expression"], context)
    return [
        each["message"]
        for each in spec.get("validations") or spec["expressions"]
        if cel.evaluate(each["expression"], context) is not True
    ]


def by_rego(
    documents: Sequence[Mapping[str, Any]], thing: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> list[str]:
    """The messages with which Gatekeeper's constraint refuses an object; empty where it is admitted."""
    regorus = pytest.importorskip("regorus", reason="pip install celine-regorus")
    template, constraint = documents
    (target,) = template["spec"]["targets"]
    engine = regorus.Engine()
    engine.set_rego_v0("rego" in target)
    engine.add_policy("policy.rego", target["rego"] if "rego" in target else target["code"][0]["source"]["rego"])
    review = {"object": thing, "operation": "CREATE" if before is None else "UPDATE", "oldObject": before}
    engine.set_input_json(json.dumps({"review": review, "parameters": constraint["spec"]["parameters"]}))
    kind = template["metadata"]["name"]
    return sorted(each["msg"] for each in json.loads(engine.eval_rule_as_json(f"data.{kind}.violation")))
