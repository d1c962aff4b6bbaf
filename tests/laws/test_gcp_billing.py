"""Google's bills say what Python reads in their JSON, whether it is cut out of the text or parsed."""

from __future__ import annotations

import json
import tempfile
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finledger.read.stage import stage

WORD = st.one_of(
    st.sampled_from(["team", "k8s-namespace", "goog-k8s-cluster-name", '"amount":5', "a=b", "key", ""]),
    st.text(alphabet='ab=,:"{}[] \\/é', max_size=4),
)
LABEL = st.tuples(WORD, st.one_of(WORD, st.none()), st.sampled_from(["key first", "value first", "more"]))
NUMBER = st.sampled_from(
    [
        "0",
        "1",
        "-0.25",
        "12.5",
        "0.000000000000000001",
        "-1e-7",
        "2.5e-06",
        '"-0.5"',
        "99999999999999999999",
        "1E3",
        '"1e-7"',
    ]
)
CREDIT = st.tuples(WORD, NUMBER, st.sampled_from(["name first", "amount first", "nested", "more"]))
ROW = st.fixed_dictionaries(
    {
        "cost": NUMBER,
        "credits": st.one_of(st.none(), st.lists(CREDIT, max_size=3)),
        **{name: st.one_of(st.none(), st.lists(LABEL, max_size=3)) for name in ("labels", "system_labels", "tags")},
    }
)


def credit(name: str, amount: str, how: str) -> str:
    named, amounts = f'"name":{json.dumps(name, ensure_ascii=False)}', f'"amount":{amount}'
    return {
        "name first": f"{{{named},{amounts}}}",
        "amount first": f"{{{amounts}, {named}}}",
        "nested": f'{{"of":{{"amount":3}},{named},{amounts}}}',
        "more": f'{{{named},"type":"PROMOTION",{amounts},"id":null}}',
    }[how]


def label(key: str, value: str | None, how: str) -> dict[str, Any]:
    found = {"key": key, "value": value} if how != "value first" else {"value": value, "key": key}
    return {**found, "inherited": True} if how == "more" else found


def line(row: dict[str, Any]) -> str:
    listed = {
        name: None if row[name] is None else [label(*each) for each in row[name]]
        for name in ("labels", "system_labels", "tags")
    }
    fixed = {
        "billing_account_id": "a", "currency": "USD", "usage_start_time": "2026-07-01T00:00:00Z", "cost_type": "regular",
        "invoice": {"month": "202607"}, "sku": {"id": "s", "description": "CPU"}, **listed,
    }  # fmt: skip
    credits = "null" if row["credits"] is None else f"[{','.join(credit(*each) for each in row['credits'])}]"
    return f'{json.dumps(fixed, ensure_ascii=False)[:-1]},"cost":{row["cost"]},"credits":{credits}}}'


def meant(row: dict[str, Any]) -> tuple[Decimal, list[str], str | None]:
    amounts = [row["cost"], *(amount for _, amount, _ in row["credits"] or ())]
    with localcontext(prec=60):
        total = sum((Decimal(each.strip('"')) for each in amounts), Decimal(0)).quantize(Decimal("1e-18"))
    pairs = [(key, value or "") for name in ("labels", "system_labels", "tags") for key, value, _ in row[name] or ()]
    namespaces = [value for key, value, _ in row["labels"] or () if key == "k8s-namespace"]
    tags = sorted(f"{key}={value}" for key, value in [*pairs, ("invoice.month", "202607")])
    return total, tags, (namespaces or [None])[0] or None


HUGE = "99999999999999999999"
GOOD = {"cost": "1", "credits": [], "labels": [], "system_labels": [], "tags": []}


@settings(max_examples=12)
@given(rows=st.lists(ROW, min_size=1, max_size=50))
@example(rows=[{**GOOD, "cost": HUGE, "credits": [("a", HUGE, "name first"), ("b", HUGE, "name first")]}])
def test_gcp_billing__labels_and_credits(rows: list[dict[str, Any]]) -> None:
    rows = [GOOD, *rows]  # a file without one good row is refused as a whole
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder) / "bill.jsonl"
        path.write_text("".join(f"{line(row)}\n" for row in rows), encoding="utf-8")
        staged = stage(path, shown_as=path.name, workspace=Path(folder) / "work")
        assert (staged.format, staged.problems) == ("gcp_billing", ())
        columns = {name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM '{staged.rows}'").fetchall()}
        namespace = "namespace" if "namespace" in columns else "NULL"
        read = connection.execute(f"SELECT effective_cost, tag, {namespace}, faults FROM '{staged.rows}'").fetchall()
    found = [(cost, json.loads(tags), namespace) for cost, tags, namespace, faults in read if faults is None]
    assert found == [meant(row) for row in rows if fits(row)]


def fits(row: dict[str, Any]) -> bool:
    return abs(meant(row)[0]) < Decimal("1e20")
