"""`label check` and the policies are one rule (U7): a manifest passes exactly when every engine admits it; its usage is allocated."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.label import settle_owner
from finledger.core.label_policy import faults, pod_rule
from finledger.read.manifests import read_manifests
from finledger.workbench import Workbench
from finledger.write.label_policy import Terms, render
from tests.examples.test_examples import HERE
from tests.formats.label_policy_engines import by_cel, by_rego

ORGANISATION = Workbench(HERE / "73-labels-checked").organisation
DAYS = (date(2026, 7, 5), date(2026, 7, 20))
RULES = {day: pod_rule(ORGANISATION, day) for day in DAYS}
POLICIES = {
    (day, engine, version): list(yaml.safe_load_all(render(engine, RULES[day], Terms(), version)))
    for day in DAYS
    for engine, version in (("kyverno", ""), ("kyverno", "1.17"), ("gatekeeper", ""), ("gatekeeper", "3.19"))
}
labels = st.fixed_dictionaries(
    {},
    optional={
        "team": st.sampled_from(["search", "search", "support", "ai-platform", "Search", "marketing", "true", ""]),
        "cost-center": st.sampled_from(["cc-4815", "cc-4900", "cc-4822", "cc-1000", "4815", ""]),
        "workload-type": st.sampled_from(["training", "inference", "notebook", "evaluation", "Inference", "serving", ""]),
        "model": st.sampled_from(
            ["llama-3-70b", "llama-3-70b", "3.5", "null", ""]
        ),  # texts that YAML is written with quotes for
        "app": st.just("server"),
    },
)
kinds = st.sampled_from(
    ["Pod", "Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "Job", "CronJob", "ReplicationController"]
)
GROUPS = {"Pod": "v1", "ReplicationController": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}


def made(kind: str, of_pods: dict[str, str] | None, own: dict[str, str] | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "thing"} if own is None else {"name": "thing", "labels": own}
    of_pod = {} if of_pods is None else {"metadata": {"labels": of_pods}}
    spec: dict[str, Any] = {"containers": [{"name": "a"}]}
    head = {"apiVersion": GROUPS.get(kind, "apps/v1"), "kind": kind}
    if kind == "Pod":
        return {**head, "metadata": {"name": "thing", **of_pod.get("metadata", {})}, "spec": spec}
    template = {"template": {**of_pod, "spec": spec}}
    return {**head, "metadata": metadata, "spec": {"jobTemplate": {"spec": template}} if kind == "CronJob" else template}


@settings(max_examples=300)
@given(kind=kinds, of_pods=st.none() | labels, own=st.none() | labels, day=st.sampled_from(DAYS), style=st.booleans())
def test_one_rule(kind: str, of_pods: dict[str, str] | None, own: dict[str, str] | None, day: date, style: bool) -> None:
    thing = made(kind, of_pods, own)
    text = yaml.safe_dump(thing, default_flow_style=style).encode()
    (workload,) = read_manifests(text, "thing.yaml").workloads
    found = faults(workload, RULES[day])
    for (on, engine, version), documents in POLICIES.items():
        if on == day:
            refused = by_cel(documents[0], thing) if engine == "kyverno" else by_rego(documents, thing)
            assert bool(refused) == bool(found), (engine, version, thing, found)
    if not found:
        owner = settle_owner(ORGANISATION, (of_pods or {})["team"], (of_pods or {})["cost-center"], day)
        assert of_pods is not None and owner == (of_pods["team"], of_pods["cost-center"], "")


def test_books_are_not_touched() -> None:
    assert not Path(HERE / "73-labels-checked" / "store").exists()
