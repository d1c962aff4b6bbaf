"""`label check`: exports and manifests held against the organisation before they count (A1, A2, U7)."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finledger.workbench import Workbench
from finledger.workbench.label_check import check
from tests.examples.test_examples import HERE
from tests.support import copy_books, finledger, finledger_json

EXAMPLE = HERE / "73-labels-checked"
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: server
  labels: {team: search, cost-center: cc-4815, workload-type: inference, model: m}
spec:
  containers: [{name: server}]
"""
DAY = ("--on", "2026-07-05")


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    books = copy_books(EXAMPLE, tmp_path / "books")
    monkeypatch.chdir(books)
    return books


def checked(capsys: pytest.CaptureFixture[str], *words: object, expect: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = finledger_json(capsys, "label", "check", *words, expect=expect)
    return found


def codes(found: dict[str, Any]) -> list[tuple[str, int]]:
    return [(each["code"], each["line"]) for each in found["problems"] if each["severity"] == "error"]


def test_example(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """As its README works it out: 3 of 6 rows and 1 of 3 workloads, 4 / 9."""
    found = checked(capsys, "usage", "manifests", *DAY, expect=1)
    assert found == json.loads((EXAMPLE / "expected" / "label-check.json").read_text())
    assert (found["coverage"], found["exports"][0]["allocated"], found["manifests"][0]["labelled"]) == ("0.444444", 3, 1)


def test_workflows_and_train_jobs__are_held_to_the_labels_that_reach_their_pods(
    capsys: pytest.CaptureFixture[str], books: Path
) -> None:
    """Of Argo's: a template's own labels over the workflow's, an inline step without a model. Of Kubeflow's: patches alone."""
    case = HERE.parent / "errors" / "label-missing--workflows" / "workflows.yaml"
    found = checked(capsys, case, *DAY, expect=1)
    (file,) = found["manifests"]
    assert (file["objects"], file["workloads"], file["labelled"]) == (5, 6, 3)
    assert codes(found) == [("label-missing", line) for line in (13, 47, 56)]


def test_nothing_is_loaded(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    before = {path: path.read_bytes() for path in books.rglob("*") if path.is_file() and "store" not in path.parts}
    checked(capsys, "usage/july.csv")
    assert {path: path.read_bytes() for path in books.rglob("*") if path.is_file() and "store" not in path.parts} == before
    assert Workbench(books).ledger.files() == ()


def test_a_row_is_unallocated_exactly_when_a_load_would_make_it_so(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    reasons = {each["reason"]: each["rows"] for each in checked(capsys, "usage/july.csv")["exports"][0]["unallocated"]}
    finledger("load", "--books", books)
    for row, reason in (("l2", "another team's cost centre"), ("l3", "unknown team"), ("l4", "no team")):
        owner = finledger_json(capsys, "label", "explain", row)["owner"]
        assert (owner["unallocated"], owner["reason"], reasons.pop(reason)) == (True, reason, 1)
    assert reasons == {}
    again = checked(capsys, "usage/july.csv")["exports"][0]
    assert (again["rows"], again["allocated"]) == (6, 3), "what is loaded already is checked all the same"


def test_the_cost_centre_of_the_day(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """On the 16th cc-4815 is search's no more: the Deployment is refused from then on, and not before."""
    lines = {day: codes(checked(capsys, "manifests", "--on", day, expect=1)) for day in ("2026-07-15", "2026-07-16")}
    assert ("label-cost-center", 14) not in lines["2026-07-15"]
    assert ("label-cost-center", 14) in lines["2026-07-16"]


def test_exit_codes(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """Unallocated rows are told; --strict, and a share that is not reached, say no. A manifest's fault says no by itself."""
    finledger("label", "check", "usage/july.csv")
    finledger("label", "check", "usage/july.csv", "--strict", expect=1)
    finledger("label", "check", "usage/july.csv", "--min-coverage", "50%")
    finledger("label", "check", "usage/july.csv", "--min-coverage", "0.51", expect=1)
    finledger("label", "check", "manifests", *DAY, "--min-coverage", "0.3")
    finledger("label", "check", "manifests", *DAY, expect=1)
    finledger("label", "check", "usage/july.csv", "--min-coverage", "150%", expect=2)
    finledger("label", "check", "usage/july.csv", "--min-coverage", "most", expect=2)
    finledger("label", "check", "nowhere.yaml", expect=2)


def test_formats_that_load_reads(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """A packed export, one by a column map, and one of a source that is only compared; a cut one is refused as load would."""
    (books / "packed.csv.gz").write_bytes(gzip.compress((books / "usage/july.csv").read_bytes()))
    found = checked(capsys, "packed.csv.gz")
    assert found["exports"][0]["unallocated"][0]["first"] == ["packed.csv.gz:3"]
    (books / "calls.csv").write_text("when,who\n2026-07-05T10:00:00Z,search\n2026-07-05T10:00:00Z,\n", encoding="utf-8")
    columns = "format: csv\ncolumns: {usage_id: {row_hash: true}, ts: when, team: who, action: {value: chat_call}}\n"
    (books / "map.yaml").write_text(columns, encoding="utf-8")
    assert checked(capsys, "calls.csv", "--map", "map.yaml")["exports"][0]["allocated"] == 1
    settings = books / "finledger.yaml"
    settings.write_text(settings.read_text() + "sources: {bill: {role: reconcile}}\n", encoding="utf-8")
    only = checked(capsys, "usage/july.csv", "--source", "bill")["exports"][0]
    assert (only["rows"], only["compared"], only["source"]) == (0, 6, "bill")
    (books / "cut.csv").write_bytes((books / "usage/july.csv").read_bytes()[:-20])
    finledger("label", "check", "cut.csv", expect=1)


def test_a_trace_whose_root_is_loaded_already(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """The spans' root lies in an export of the month before: its consumer pays for what is checked, too (A5)."""
    head = "usage_id,ts,team,requests,trace_id,span_id,parent_span_id\n"
    (books / "usage/june.csv").write_text(head + "root,2026-06-30T23:59:00Z,support,1,t1,s1,\n", encoding="utf-8")
    (books / "spans.csv").write_text(
        head + "a,2026-07-01T00:01:00Z,,1,t1,s2,s1\nb,2026-07-01T00:02:00Z,search,1,t2,s4,s3\n", encoding="utf-8"
    )
    assert checked(capsys, "spans.csv")["exports"][0]["allocated"] == 0
    finledger("load", "usage/june.csv")
    (found,) = checked(capsys, "spans.csv")["exports"]
    assert (found["allocated"], found["unallocated"][0]["first"]) == (1, ["spans.csv:3"])


def test_standard_input_and_json(capsys: pytest.CaptureFixture[str], books: Path, typed: Callable[[str], None]) -> None:
    typed(POD.replace("cc-4815", "cc-1"))
    assert codes(checked(capsys, "-", *DAY, expect=1)) == [("label-cost-center", 5)]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": {"team": "search", "cost-center": 4815}, "annotations": {"note": "\U0001f600"}},
        "spec": {"containers": []},
    }
    (books / "pods.json").write_text(json.dumps({"apiVersion": "v1", "kind": "PodList", "items": [pod]}, indent="\t"))
    found = checked(capsys, "pods.json", *DAY, expect=1)
    assert [code for code, _ in codes(found)] == ["label-missing", "label-not-text"]
    assert (books / "pods.json").read_text().splitlines()[codes(found)[1][1] - 1].strip() == '"cost-center": 4815'


def test_a_list_whose_items_do_not_say_what_they_are(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """As the API server lists Pods: two of them, the second without labels."""
    items: list[dict[str, Any]] = [{"metadata": {"name": name}, "spec": {"containers": []}} for name in ("a", "b")]
    items[0]["metadata"]["labels"] = {"team": "search", "cost-center": "cc-4815", "workload-type": "training", "model": "m"}
    listed = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
    (books / "pods.json").write_text(json.dumps(listed), encoding="utf-8")
    found = checked(capsys, "pods.json", *DAY, expect=1)
    assert (found["manifests"][0]["workloads"], found["manifests"][0]["labelled"]) == (2, 1)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def put(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    return put


def test_a_folder(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """Beside manifests only what is surely an export is one; hidden files are not looked at."""
    deploy = books / "deploy"
    (deploy / ".git").mkdir(parents=True)
    (deploy / "pod.yaml").write_text(POD, encoding="utf-8")
    (deploy / "values.json").write_text('{"replicas": 3}', encoding="utf-8")
    (deploy / "Makefile").write_text("all:\n", encoding="utf-8")
    (deploy / ".git" / "broken.yaml").write_text("[", encoding="utf-8")
    found = checked(capsys, "deploy", *DAY)
    assert [each["file"] for each in found["manifests"]] == ["deploy/pod.yaml"]
    assert found["exports"] == []
    (deploy / "usage.csv").write_bytes((books / "usage/july.csv").read_bytes())
    assert [each["file"] for each in checked(capsys, "deploy", *DAY)["exports"]] == ["deploy/usage.csv"]


def test_namespaces_that_are_left_alone(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    agent = POD.replace("name: server\n  labels", "name: agent\n  namespace: monitoring\n  labels").replace("search", "ops")
    (books / "agent.yaml").write_text(agent, encoding="utf-8")
    finledger("label", "check", "agent.yaml", *DAY, expect=1)
    (found,) = checked(capsys, "agent.yaml", *DAY, "--exempt", "monitoring")["manifests"]
    assert (found["workloads"], found["exempt"], found["labelled"]) == (1, 1, 0)


def test_anchors_and_merges(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """As kubectl reads them: an alias is what it names, `<<` fills what the mapping itself does not say."""
    (books / "all.yaml").write_text(
        POD.replace("labels: {", "labels: &own {")
        + "---\n"
        + "x: &base {team: search, cost-center: cc-4815, workload-type: training}\n"
        + POD.replace("{team: search, cost-center: cc-4815, workload-type: inference, model: m}", "{<<: *base, model: m}"),
        encoding="utf-8",
    )
    (found,) = checked(capsys, "all.yaml", *DAY)["manifests"]
    assert (found["workloads"], found["labelled"]) == (2, 2)


def test_aliases_that_stand_for_billions(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """Nine to the twelfth Pods on fourteen lines are one Pod; the same below a template, and in merges."""
    lists = "".join(f"- &l{n} {{kind: List, items: [{', '.join([f'*l{n - 1}'] * 9)}]}}\n" for n in range(1, 13))
    pod = "- &l0 {apiVersion: v1, kind: Pod, metadata: {name: one}, spec: {containers: []}}\n"
    merges = "".join(f"x{n}: &x{n} {{<<: [{', '.join([f'*x{n - 1}'] * 9)}]}}\n" for n in range(1, 30))
    deep = "".join(f"y{n}: &y{n} [{', '.join([f'*y{n - 1}'] * 9)}]\n" for n in range(1, 30))
    (books / "laughs.yaml").write_text(
        f"apiVersion: v1\nkind: List\nitems:\n{pod}{lists}---\nx0: &x0 {{team: search}}\n{merges}"
        f"y0: &y0 {{a: b}}\n{deep}apiVersion: x.example/v1\nkind: Odd\nmetadata: {{labels: *x29}}\nspec: {{more: *y29}}\n",
        encoding="utf-8",
    )
    found = checked(capsys, "laughs.yaml", *DAY, expect=1)
    assert (found["manifests"][0]["objects"], codes(found)) == (2, [("label-missing", 4)])


def test_ten_thousand_documents(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """One in a thousand has a fault, and one of those is no YAML; each is found at its line, the others are read."""
    documents = [POD.replace("search", "serach") if n % 1000 == 500 else POD for n in range(10_000)]
    documents[3500] = "kind: [\n"
    (books / "many.yaml").write_text("---\n".join(documents), encoding="utf-8")
    found = checked(capsys, "many.yaml", *DAY, expect=1)
    assert (found["manifests"][0]["documents"], found["manifests"][0]["labelled"]) == (10_000, 9_990)
    assert codes(found)[0] == ("label-unknown-team", 500 * 8 + 5)
    assert codes(found)[3] == ("yaml-syntax", 3500 * 8 + 1)
    assert codes(found)[4] == ("label-unknown-team", 4500 * 8 + 5 - 6), "the broken one has six lines less"


def test_what_is_said_is_safe(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    """Values that a spreadsheet would run, or that hide, are shown as they are and run nowhere."""
    for value in ("=1+1", "<script>alert(1)</script>", "a\u202eb", "x" * 5000):
        (books / "odd.yaml").write_text(POD.replace("model: m", f"model: {json.dumps(value)}"), encoding="utf-8")
        capsys.readouterr()
        finledger("label", "check", "odd.yaml", *DAY, "--format", "csv", expect=1)
        out, err = capsys.readouterr()
        (row,) = [each for each in csv.DictReader(io.StringIO(out)) if each["code"] == "label-value"]
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row.values())
        assert "\u202e" not in out + err and len(err) < 3000


def test_many_problems_go_to_a_file(capsys: pytest.CaptureFixture[str], books: Path) -> None:
    (books / "many.yaml").write_text("---\n".join([POD.replace("search", "serach")] * 30), encoding="utf-8")
    capsys.readouterr()
    finledger("label", "check", "many.yaml", *DAY, expect=1)
    assert "… and 21 more: all of them are in out/problems.txt" in capsys.readouterr().err.replace(f"{books}/", "")
    assert (books / "out/problems.txt").read_text().count("label-unknown-team") == 30


def test_workbench__nothing_to_check_against(books: Path) -> None:
    from datetime import date

    found = check(Workbench(books), [], day=date(2026, 7, 5))
    assert (found.share, found.failed) == (None, False)
