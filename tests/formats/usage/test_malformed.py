"""Every format has a case `malformed`, with every kind of wrong value that it can have; a file wrong as a whole is refused.

The rows that are refused stand in the case's expected.json (test_usage_formats.py); here it is held that none is left out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from finledger.read.stage import stage
from finledger.read.usage import formats
from tests.formats.usage.test_usage_formats import HERE

READERS = [name for name, each in formats().items() if each.needs]
KINDS = {
    "a German decimal": r"\d[.]\d{3},\d",
    "NULL as text": r"\b(NULL|null)\b",
    "a blank": r',,|,\n|;;|""|": null',
    "another time zone": r"\d[+-]\d\d:\d\d",
    "what is no time": r"\b\d\d?[/.]\d\d?[/.]\d\d|GMT[+]|-JUL-",
    "a mark for no value": r"9223372036854775\d{3}|99999999999999999999|18446744073709551615|NaN|Infinity|0001|9999-12|1970-01-01",
    "a negative number": r"-\d",
    "a figure with a unit, or in another one": r"[$€]|\d ?(k|credits|min|tokens)\b|\bcents\b|1 Hour|,Requests,",
}
IMPOSSIBLE = {
    ("dcgm", "another time zone"): "its times are Unix times",
    ("otel_spans", "another time zone"): "its times are Unix times",
    ("otel_spans", "what is no time"): "its times are Unix times",
    ("opencost", "a figure with a unit, or in another one"): "figures are computed, never typed in",
    ("oci_costs", "a figure with a unit, or in another one"): "the unit stands in a column of its own that is not read",
    ("gcp_billing", "a figure with a unit, or in another one"): "the unit stands in a column of its own",
    ("dcgm", "a figure with a unit, or in another one"): "the unit is that of the metric's name",
    ("openai_usage", "another time zone"): "its times are Unix times",
    ("litellm_daily", "another time zone"): "its dates are days",
    ("openrouter_daily", "another time zone"): "its dates are days",
}


def malformed(name: str) -> tuple[Path, str]:
    (path,) = (HERE / name / "malformed").glob("input.*")
    return path, path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", READERS)
def test_contract__every_kind_of_wrong_value_is_in_the_case(name: str) -> None:
    _, text = malformed(name)
    lacking = [kind for kind, pattern in KINDS.items() if not re.search(pattern, text) and (name, kind) not in IMPOSSIBLE]
    assert lacking == [], f"add them to tests/formats/usage/{name}/malformed"
    rejected = json.loads((HERE / name / "malformed" / "expected.json").read_text(encoding="utf-8"))
    assert len({row[0] for row in rejected["rejected"]}) >= 4
    assert rejected["rows"], "the good rows of a file are taken beside the bad ones"


@pytest.mark.parametrize("name", READERS)
def test_wrong_as_a_whole__nothing_is_taken(name: str, tmp_path: Path) -> None:
    """Cut off in the last record, or with a quote that does not close: one problem for the file, and no rows."""
    path, text = malformed(name)
    if path.suffix == ".txt":
        pytest.skip("a text of samples, each on a line of its own")
    broken = tmp_path / path.name
    if path.suffix == ".csv":
        broken.write_text(text + '"x\nwhat follows\n', encoding="utf-8")
        wanted = {"unclosed-quote"}
    else:
        broken.write_text(text.rstrip()[:-1] if path.suffix == ".json" else text + '{"id": "a', encoding="utf-8")
        wanted = {"bad-json", "truncated-file"}
    staged = stage(broken, shown_as=path.name, workspace=tmp_path / "work")
    assert staged.rows == ""
    assert {problem.code for problem in staged.problems} <= wanted
    assert staged.problems


@pytest.mark.parametrize("name", [name for name in READERS if malformed(name)[0].suffix == ".csv"])
def test_renamed__a_column_that_is_needed_is_told_by_its_name(name: str, tmp_path: Path) -> None:
    """The commonest change of an export: the header calls a column otherwise. Whoever says what the file is hears what it lacks."""
    path, text = malformed(name)
    header, rest = text.split("\n", 1)
    for needed in formats()[name].needs:
        renamed = header
        for column in needed.split("|"):
            plain = re.escape(column).replace("_", "[_/. ]?").replace("\\.", "[_/. ]?")
            renamed = re.sub(rf"(?i)(?<![A-Za-z_/.]){plain}(?![A-Za-z_/.])", "nobody", renamed)
        assert renamed != header, f"{needed} is not in the header"
        renamed = ",".join(f"{each}{number}" if each == "nobody" else each for number, each in enumerate(renamed.split(",")))
        changed = tmp_path / path.name
        changed.write_text(f"{renamed}\n{rest}", encoding="utf-8")
        staged = stage(changed, shown_as=path.name, workspace=tmp_path / "work", format=name)
        assert ("missing-column", True) in [(problem.code, needed in problem.message) for problem in staged.problems]
        assert staged.rows == ""
