"""Our statement of FOCUS's rules and what we write, against the specification's own models, where these are at hand."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from finledger.write.focus import COLUMNS, columns
from finledger.write.focus.kinds import KINDS, UNITS
from tests.formats.focus_rules import ALLOWED, FACTS_OF, PARENTS, loaded, method_details
from tests.support import SHARED, needs_shared

MODEL = SHARED / "data" / "formats" / "focus_1_4_model.json"
SCHEMA = SHARED / "data" / "formats" / "focus_json_schemas" / "allocatedmethoddetailsobjectschema.json"
GENERATED = SHARED / "data" / "focus_toolkit_generated"
LEVELS = {"M": "Mandatory", "C": "Conditional", "R": "Recommended"}
TYPES = {"Currency": "String", "Unit": "String", "Allowed": "String"}
pytestmark = needs_shared


@pytest.fixture(scope="module")
def model() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(MODEL.read_text())
    return found


def test_facts__of_1_4_are_those_of_the_model(model: dict[str, Any]) -> None:
    stated = model["datasets"]["Cost and Usage"]["columns"]
    for name, (level, nulls, kind) in FACTS_OF["1.4"].items():
        column = stated[name]
        assert (LEVELS[level], nulls) == (column["feature_level"], column["allows_nulls"]), name
        assert TYPES.get(kind, kind) == column["data_type"], name
        if kind == "Allowed":
            assert ALLOWED[name] <= set(column["allowed_values"]), name
    mandatory = {name for name, column in stated.items() if column["feature_level"] == "Mandatory"}
    assert mandatory <= set(columns("1.4"))
    assert {name: model["service_subcategory_parents"][name] for name in PARENTS} == PARENTS


def test_columns__of_1_3_are_those_of_generated_files_and_the_two_that_1_4_took_away(model: dict[str, Any]) -> None:
    with (GENERATED / "azure-1.3" / "focus_1_3_cost_and_usage_azure.csv").open(newline="") as stream:
        theirs = set(next(csv.reader(stream)))
    assert {name for name in columns("1.3") if not name.startswith("x_")} <= theirs
    gone = theirs - set(model["datasets"]["Cost and Usage"]["columns"])
    assert gone == {"ProviderName", "PublisherName"} == set(FACTS_OF["1.3"]) - set(FACTS_OF["1.4"])
    assert set(FACTS_OF["1.4"]) == set(COLUMNS)


def test_kinds__name_services_that_the_model_has(model: dict[str, Any]) -> None:
    parents = model["service_subcategory_parents"]
    for name, kind in KINDS.items():
        assert parents[kind.service_subcategory] == kind.service_category, name
    assert set(UNITS.values()) == {"Actions", "GPU-Hours", "GB", "GiB", "Seats", "Months"}


def test_method_details__our_rules_are_those_of_the_schema() -> None:
    """Nothing is in the schema that the rules do not know: they were written from it by hand."""
    schema = json.loads(SCHEMA.read_text())
    element = schema["properties"]["Elements"]["items"]
    assert (schema["required"], schema["additionalProperties"]) == (["Elements"], False)
    assert (element["required"], element["additionalProperties"]) == (["AllocatedRatio"], False)
    assert set(element["properties"]) == {"AllocatedRatio", "UsageUnit", "UsageQuantity"}
    ratio = element["properties"]["AllocatedRatio"]
    assert (ratio["type"], ratio["minimum"], ratio["maximum"]) == ("number", 0, 1)
    assert element["anyOf"][1]["required"] == ["UsageQuantity", "UsageUnit"]
    assert set(element["patternProperties"]) == {"^x_[A-Z][a-zA-Z0-9]*$"}


def _generated_details() -> Iterator[str]:
    with (GENERATED / "azure-1.3" / "focus_1_3_cost_and_usage_azure.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            if row["AllocatedMethodDetails"] not in ("", "NULL"):
                yield row["AllocatedMethodDetails"]


def test_method_details__of_generated_files_pass() -> None:
    found = [loaded(text) for text in _generated_details()]
    assert len(found) == 1_041
    assert [said for each in found for said in method_details(each) if "unit" not in said] == []
    ratios = [part["AllocatedRatio"] for each in found for part in each["Elements"]]
    assert sum(ratios, Decimal(0)) == 347
