"""`label policy`: admission policies that hold to the engines' schemas and demand just what `label check` does (A1, U7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.examples.test_examples import HERE
from tests.formats.label_policy_engines import by_cel, by_rego, schema_of
from tests.support import copy_books, finledger

EXAMPLE = HERE / "73-labels-checked"
DAY = ("--on", "2026-07-05")
FORMS = [
    ("kyverno", ""),
    ("kyverno", "1.12"),
    ("kyverno", "1.17"),
    ("kyverno", "v1.19.1"),
    ("gatekeeper", ""),
    ("gatekeeper", "3.22"),
]
LABELS = {"team": "search", "cost-center": "cc-4815", "workload-type": "inference", "model": "llama-3-70b"}


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    books = copy_books(EXAMPLE, tmp_path / "books")
    monkeypatch.chdir(books)
    return books


def policy(capsys: pytest.CaptureFixture[str], engine: str, version: str = "", *words: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    more = ("--engine-version", version) if version else ()
    finledger("label", "policy", "--engine", engine, *more, *DAY, *words)
    return list(yaml.safe_load_all(capsys.readouterr().out))


def refused(documents: list[dict[str, Any]], thing: dict[str, Any], before: dict[str, Any] | None = None) -> list[str]:
    return by_cel(documents[0], thing, before) if len(documents) == 1 else by_rego(documents, thing, before)


def pod(labels: dict[str, str] | None) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {} if labels is None else {"labels": labels}, "spec": {}}


@pytest.mark.parametrize("name", ["kyverno", "kyverno-1.17", "gatekeeper"])
def test_example(capsys: pytest.CaptureFixture[str], books: Path, name: str) -> None:
    engine, _, version = name.partition("-")
    more = ("--engine-version", version) if version else ()
    capsys.readouterr()
    finledger("label", "policy", "--engine", engine, *more, *DAY, "--quiet")
    assert capsys.readouterr().out == (EXAMPLE / "expected" / f"{name}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("engine", "version"), FORMS)
@pytest.mark.parametrize("action", ["enforce", "audit"])
def test_schemas(capsys: pytest.CaptureFixture[str], books: Path, engine: str, version: str, action: str) -> None:
    for document in policy(capsys, engine, version, "--action", action):
        schema = schema_of(document)
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(document, schema)


def test_where_the_action_stands(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """Kyverno moved it into the rule with 1.13, and has another kind from 1.17 on."""
    (old,), (now,), (new,) = (
        policy(capsys, "kyverno", version, "--action", "audit") for version in ("1.12", "1.13", "1.17")
    )
    assert old["spec"]["validationFailureAction"] == "Audit"
    assert "failureAction" not in old["spec"]["rules"][0]["validate"]
    assert "validationFailureAction" not in now["spec"]
    assert now["spec"]["rules"][0]["validate"]["failureAction"] == "Audit"
    assert new["spec"]["validationActions"] == ["Audit"]
    assert policy(capsys, "gatekeeper")[1]["spec"]["enforcementAction"] == "deny"
    assert policy(capsys, "gatekeeper", "", "--action", "audit")[1]["spec"]["enforcementAction"] == "dryrun"


@pytest.mark.parametrize(("engine", "version"), FORMS)
def test_decisions(capsys: pytest.CaptureFixture[str], books: Path, engine: str, version: str) -> None:
    found = policy(capsys, engine, version)
    good = pod(LABELS)
    assert refused(found, good) == []
    assert len(refused(found, pod(None))) == 1
    assert len(refused(found, pod({**LABELS, "model": ""}))) == 1
    assert len(refused(found, pod({**LABELS, "team": "marketing"}))) == 1
    assert len(refused(found, pod({**LABELS, "cost-center": "cc-4900"}))) == 1, "search's only from the 16th"
    assert len(refused(found, pod({**LABELS, "workload-type": "serving"}))) == 1
    assert len(refused(found, pod({**LABELS, "team": "", "workload-type": "serving"}))) == 2
    template = {"metadata": {"labels": LABELS}, "spec": {}}
    for kind in ("Deployment", "StatefulSet", "Job"):
        thing = {"kind": kind, "metadata": {}, "spec": {"template": template}}
        assert refused(found, thing) == []
        assert len(refused(found, {**thing, "metadata": {"labels": LABELS}, "spec": {"template": {"spec": {}}}})) == 1
    cron = {"kind": "CronJob", "metadata": {}, "spec": {"jobTemplate": {"spec": {"template": template}}}}
    assert refused(found, cron) == []
    assert len(refused(found, {"kind": "CronJob", "metadata": {}, "spec": {"jobTemplate": {"spec": {"template": {}}}}})) == 1


@pytest.mark.parametrize(("engine", "version"), FORMS)
def test_an_update_that_leaves_the_labels_is_let_through(
    capsys: pytest.CaptureFixture[str], books: Path, engine: str, version: str
) -> None:
    """Pods from before the policy can be finished and deleted by their controllers; a label cannot be taken away."""
    found = policy(capsys, engine, version)
    assert refused(found, pod({"app": "a"}), before=pod({"app": "a"})) == []
    assert len(refused(found, pod({"app": "b"}), before=pod({"app": "a"}))) == 1
    assert len(refused(found, pod(None), before=pod(LABELS))) == 1


def test_two_thousand_teams(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """No expression is longer than CEL takes, and the last team is as known as the first."""
    settings = books / "finledger.yaml"
    teams = "".join(f"  team-{n:04}-{'x' * 50}: {{cost_center: cc-{n:04}-{'y' * 50}}}\n" for n in range(2000))
    settings.write_text(settings.read_text().replace("teams:\n", f"teams:\n{teams}"), encoding="utf-8")
    (found,) = policy(capsys, "kyverno")
    cel = found["spec"]["rules"][0]["validate"]["cel"]
    assert max(len(each["expression"]) for each in cel["variables"]) < 100_000
    for number in (0, 399, 400, 1999):
        owned = {**LABELS, "team": f"team-{number:04}-{'x' * 50}", "cost-center": f"cc-{number:04}-{'y' * 50}"}
        assert by_cel(found, pod(owned)) == []
        assert len(by_cel(found, pod({**owned, "cost-center": f"cc-0001-{'y' * 50}"}))) == 1
    assert by_rego(policy(capsys, "gatekeeper"), pod(owned)) == []


def test_names_that_mean_something_to_yaml(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """Numbers, truths and times as names stay texts; what no label can be is in no line of the policy but the comment."""
    settings = books / "finledger.yaml"
    odd = '  "4815": {cost_center: "007"}\n  "on": {cost_center: "1e3"}\n  "it\'s {{ x }}": {cost_center: cc-1}\n'
    settings.write_text(settings.read_text().replace("teams:\n", f"teams:\n{odd}"), encoding="utf-8")
    for engine in ("kyverno", "gatekeeper"):
        found = policy(capsys, engine)
        assert refused(found, pod({**LABELS, "team": "4815", "cost-center": "007"})) == []
        assert refused(found, pod({**LABELS, "team": "on", "cost-center": "1e3"})) == []
        assert len(refused(found, pod({**LABELS, "team": "it's {{ x }}", "cost-center": "cc-1"}))) == 1
        assert "{{" not in yaml.safe_dump_all(found)


def test_out(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    finledger("label", "policy", "--engine", "kyverno", *DAY, "--out", "policies/labels.yaml", "--dry-run")
    assert not (books / "policies").exists()
    finledger("label", "policy", "--engine", "kyverno", *DAY, "--out", "policies/labels.yaml")
    first = (books / "policies/labels.yaml").stat().st_mtime_ns
    finledger("label", "policy", "--engine", "kyverno", *DAY, "--out", "policies/labels.yaml")
    assert (books / "policies/labels.yaml").stat().st_mtime_ns == first, "the same rule is the same file"
    err = capsys.readouterr().err
    assert "as it was: policies/labels.yaml, with 3 teams" in err
    assert "cost centres change on 2026-07-16: write it again that day" in err
    finledger("label", "check", "policies", *DAY)


@pytest.mark.parametrize("words", [("kyverno", "1.10"), ("gatekeeper", "3.5"), ("kyverno", "latest"), ("opa", "")])
def test_misused(books: Path, words: tuple[str, str]) -> None:
    finledger("label", "policy", "--engine", words[0], "--engine-version", words[1], expect=2)
