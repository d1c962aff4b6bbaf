"""Kubernetes manifests: which workloads stand in them, and the labels that their Pods will carry (rules A1, U7).

A Pod carries its own labels; what makes Pods has a pod template somewhere below `spec`, whose labels its Pods get, and not the
object's own. Templates are found by what they are (a mapping with `spec.containers`), so that the kinds of any operator are read: a
RayCluster's groups, the replicas of a PyTorchJob or MPIJob, a Knative Service. A few kinds hand on their own labels instead, and
those of Argo and of Kubeflow's trainer make Pods without a pod template in them: their labels stand in places of their own.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from finledger.core.label_policy import REQUIRED, Label, Workload
from finledger.core.problem import Problem, SourceRef
from finledger.read.manifest_yaml import Node, Stream

SUFFIXES = (".yaml", ".yml")
_LONGEST_NAME = 253
# Where Kubernetes' own kinds have their template: they are looked at there, whatever it holds.
_OWN: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"), ("spec", "template")
    ),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
# Kinds of operators whose Pods get the labels of the object, and of the part below `spec` that they are made for.
_HANDED_ON: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("kubeflow.org", "Notebook"): ("template",),
    ("serving.kserve.io", "InferenceService"): ("predictor", "transformer", "explainer"),
}
_LABELLED_PARTS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("sparkoperator.k8s.io", "SparkApplication"): ("driver", "executor"),
}
_ARGO, _TRAINER = "argoproj.io", "trainer.kubeflow.org"
_WORKFLOW: Mapping[str, tuple[str, ...]] = {  # where the workflow stands in the object
    **dict.fromkeys(("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate"), ("spec",)),
    "CronWorkflow": ("spec", "workflowSpec"),
}
_RUN_IN_PODS = (
    "container",
    "script",
    "containerSet",
    "resource",
    "data",
)  # what a template of a workflow is, where it makes one
_NO_WORKLOADS = re.compile(r"(?:.*\.)?(?:kyverno\.io|gatekeeper\.sh|admissionregistration\.k8s\.io|apiextensions\.k8s\.io)")
_MANIFEST = re.compile(rb'"(?:apiVersion|kind)"\s*:')


@dataclass(slots=True)
class Manifests:
    """What a file holds: `documents` in all, `objects` of Kubernetes among them, and the workloads of these."""

    shown_as: str
    documents: int = 0
    objects: int = 0
    workloads: list[Workload] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def looks_like_manifest(name: str, head: bytes) -> bool:
    """Whether a file is a manifest by its name or, where it is JSON, by how it begins."""
    lower = name.lower()
    return lower.endswith(SUFFIXES) or (lower.endswith(".json") and len({*_MANIFEST.findall(head)}) >= 2)


def read_manifests(content: bytes, shown_as: str) -> Manifests:
    """The workloads of one file or stream, each with its lines. What is wrong with a document is a problem beside the others."""
    found = Manifests(shown_as)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"the file is not UTF-8: byte {error.start + 1} is 0x{content[error.start]:02x}"
        found.problems.append(Problem("yaml-encoding", message, SourceRef(shown_as, line), remedy="save the file as UTF-8"))
        return found
    stream = Stream(text, shown_as)
    for root in stream.documents():
        found.documents += 1
        for each in _objects(root):
            found.objects += 1
            found.workloads += _Reader(stream, each).workloads()
    found.problems += stream.problems
    found.documents += len(stream.problems)
    if not found.objects and not found.problems:
        message = "no Kubernetes object stands in it" if found.documents else "it is empty"
        remedy = "name the manifests that make Pods: what `kubectl get -o yaml`, `helm template` or kustomize writes"
        found.problems.append(Problem("manifest-empty", message, SourceRef(shown_as), remedy=remedy))
    return found


@dataclass(frozen=True, slots=True)
class _Object:
    node: Node
    kind: str
    group: str


def _objects(root: Node) -> Iterator[_Object]:
    """The object of a document, or those of a list of objects; an object that is listed twice is one.

    In a PodList, as the API server gives it, no Pod says that it is one.
    """
    waiting, seen = deque([(root, "", "")]), {id(root)}
    while waiting:
        node, of_list, version = waiting.popleft()
        kind, version = _text(node.entry("kind")) or of_list, _text(node.entry("apiVersion")) or version
        items = node.entry("items")
        if kind.endswith("List") and items is not None and items.kind == "sequence":
            fresh = [item for item in items.items if id(item) not in seen]
            seen.update(map(id, fresh))
            below = kind.removesuffix("List")
            waiting += [(item, below, version if below else "") for item in fresh]
        elif kind and version:
            yield _Object(node, kind, version.rpartition("/")[0])


def _text(node: Node | None) -> str:
    """A short text: a kind, a name. What is longer is none, and is cut."""
    return node.text[:_LONGEST_NAME] if node is not None and node.kind == "scalar" else ""


def _below(at: str, top: Node, names: tuple[str, ...]) -> Iterator[tuple[str, Node]]:
    """Every mapping below `top` that stands under one of the names, or in a list under it, in the order of the file."""
    waiting, seen = [(at, top, "")], {id(top)}
    while waiting:
        at, node, name = waiting.pop()
        if node.kind == "mapping" and name in names:
            yield at, node
        below = []
        for step, child in node.children():
            if child.kind != "scalar" and id(child) not in seen:
                seen.add(id(child))
                in_list = step.startswith("[")
                below.append((at + step if in_list else f"{at}.{step}", child, name if in_list else step))
        waiting += reversed(below)


class _Reader:
    """The workloads of one object."""

    def __init__(self, stream: Stream, found: _Object) -> None:
        self.stream, self.node, self.kind, self.group = stream, found.node, found.kind, found.group
        metadata = found.node.entry("metadata")
        self.name = _text(metadata.entry("name")) or _text(metadata.entry("generateName")) if metadata is not None else ""
        self.namespace = _text(metadata.entry("namespace")) if metadata is not None else ""

    def workloads(self) -> list[Workload]:
        found: list[Workload] = []
        if _NO_WORKLOADS.fullmatch(self.group):
            return []
        if self.kind == "Pod" and self.group == "":
            return [self.workload("", self.node, [self.node.get("metadata", "labels")])]
        path = _OWN.get(self.kind) if self.group in ("", "apps", "batch") else None
        if path is not None:
            template = self.node.get(*path)
            anchor = template if template is not None else self.node.entry("spec") or self.node
            return [self.workload(".".join(path), anchor, [anchor.get("metadata", "labels")])]
        if self.group == _ARGO and self.kind in _WORKFLOW:
            return list(self.argo_templates(_WORKFLOW[self.kind]))
        if self.group == _TRAINER and self.kind == "TrainJob":
            return list(self.train_patches())
        own = self.node.get("metadata", "labels")
        for name in filter(self.has, _HANDED_ON.get((self.group, self.kind), ())):
            found.append(
                self.workload(f"spec.{name}", self.node, [self.node.get("spec", name, "labels"), own], "metadata.labels")
            )
        for name in filter(self.has, _LABELLED_PARTS.get((self.group, self.kind), ())):
            part = self.node.get("spec", name) or self.node
            found.append(self.workload(f"spec.{name}", part, [part.entry("labels")], f"spec.{name}.labels"))
        if not found:
            found = [self.workload(at, node, [node.get("metadata", "labels")]) for at, node in self.templates()]
        return found

    def argo_templates(self, path: tuple[str, ...]) -> Iterator[Workload]:
        """A workload for each template that is run in a Pod, inline ones too: it has its own labels, then those that the workflow
        gives to all. Steps and tasks make none themselves, and what another object's templates run is looked at there."""
        workflow = self.node.get(*path)
        if workflow is None:
            return
        shared = [workflow.get("templateDefaults", "metadata", "labels"), workflow.get("podMetadata", "labels")]
        for at, node in _below(".".join(path), workflow, ("templates", "inline")):
            if any((part := node.entry(name)) is not None and part.kind == "mapping" for name in _RUN_IN_PODS):
                yield self.workload(at, node, [node.get("metadata", "labels"), *shared])

    def train_patches(self) -> Iterator[Workload]:
        """A workload for each job that the TrainJob labels the Pods of, by a patch of its runtime (podTemplateOverrides before 2.2).

        Where it labels none, itself: a runtime is shared, so that its labels do not say whose a job is.
        """
        found = False
        spec = self.node.entry("spec") or self.node
        for at, node in _below("spec", spec, ("podTemplateOverrides", "replicatedJobs")):
            template = node if "podTemplateOverrides" in at else node.get("template", "spec", "template")
            if template is not None and template.get("metadata", "labels") is not None:
                found = True
                where = at if template is node else f"{at}.template.spec.template"
                yield self.workload(where, template, [template.get("metadata", "labels")])
        if not found:
            yield self.workload("", spec, [], "spec.runtimePatches, for the Pods of each job")

    def has(self, part: str) -> bool:
        found = self.node.get("spec", part)
        return found is not None and found.kind == "mapping"

    def templates(self) -> Iterator[tuple[str, Node]]:
        """Every pod template below spec, once, in the order of the file."""
        spec = self.node.entry("spec")
        waiting = [("spec", spec)] if spec is not None else []
        seen = {id(spec)}
        while waiting:
            at, node = waiting.pop()
            containers = node.get("spec", "containers")
            if containers is not None and containers.kind == "sequence":
                yield at, node
                continue
            below = []
            for step, child in node.children():
                if child.kind != "scalar" and id(child) not in seen:
                    seen.add(id(child))
                    below.append((at + step if step.startswith("[") else f"{at}.{step}", child))
            waiting += reversed(below)

    def workload(self, at: str, anchor: Node, sources: list[Node | None], under: str = "") -> Workload:
        """`anchor`: the mapping with the labels, or the one that would hold them. Of the sources the first that says counts."""
        maps = [source for source in sources if source is not None and source.kind == "mapping"]
        labels: dict[str, Label] = {}
        for name in REQUIRED:
            holder = next((source for source in maps if source.entry(name) is not None), None)
            value = None if holder is None else holder.entry(name)
            if holder is not None and value is not None:
                line = holder.line_of(name)
                text = value.text if value.kind == "scalar" else self.raw(line)
                labels[name] = Label(text, line, self.stream.excerpt(line), value.written())
        line = self.place(anchor)
        own = self.node.get("metadata", "labels")
        stated = {} if own is None or own in maps else {name: own.entry(name) for name in REQUIRED}
        above = {name: _text(value) for name, value in stated.items() if value is not None}
        twice = tuple((name, line) for source in maps for name, line in source.twice if name in REQUIRED)
        return Workload(
            self.stream.shown_as,
            self.kind,
            self.name,
            self.namespace,
            at,
            labels,
            line,
            self.stream.excerpt(line),
            above,
            twice,
            under or (f"{at}.metadata.labels" if at else "metadata.labels"),
        )

    def raw(self, line: int) -> str:
        """Of a label that is no scalar, the line: a template shows there."""
        return self.stream.excerpt(line).strip()

    def place(self, anchor: Node) -> int:
        """The line of the labels, or of what they would stand under."""
        metadata = anchor.entry("metadata")
        if metadata is None:
            return anchor.line_of("labels") if anchor.entry("labels") is not None else anchor.line
        return metadata.line_of("labels") if metadata.entry("labels") is not None else anchor.line_of("metadata")
