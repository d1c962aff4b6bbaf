"""A compound call that consumer and operator share, after its month is charged: documents, evidence, credits and the close (A5, L4).

The figures are those of tests/examples/78-shared-compound-call.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finledger.write import bundle_check
from tests.support import copy_books, finledger, finledger_json

EXAMPLE = Path(__file__).parents[1] / "examples" / "78-shared-compound-call"


def test_shared_call__is_closed_disputed_credited_and_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books = copy_books(EXAMPLE, tmp_path / "books")
    finledger("load", "--books", books)
    who = ("--by", "Bo Chen", "--books", books)
    finledger("close", "--month", "2026-07", "--waive", "days-missing", "--reason", "One click is all there is", *who)
    lines = {name: json.loads(path.read_text())["lines"] for name, path in _invoices(books, "2026-07", "invoices")}
    (consumer,) = (ln for ln in lines["insights"] if (ln["kind"], ln["model"]) == ("action", "gpt-large"))
    (share,) = (line for line in lines["retrieval"] if line["model"] == "gpt-large")
    assert (share["kind"], share["item"], share["amount"]) == ("compound_share", "model_call/insights", "0.75")

    said = finledger_json(capsys, "explain", "2026-07/retrieval", share["line_id"], "--books", books)
    (of,) = said["facts"]["operated"]
    assert (of["name"], of["value"], of["team"], of["share"]) == (
        consumer["line_id"], "1.51", "insights", "0.75",
    )  # fmt: skip

    finledger("dispute", "open", "INV-2026-0003", share["line_id"], "--reason", "Not ours", "--on", "2026-08-02", *who)
    finledger("dispute", "bundle", "D-2026-0001", "--books", books)
    steps = bundle_check.check(books / "out" / "disputes" / "D-2026-0001.zip")
    assert not steps.wrong
    finledger("dispute", "resolve", "D-2026-0001", "--outcome", "rejected", "--note", "It ran", "--on", "2026-08-03", *who)

    finledger("credit", "INV-2026-0001", consumer["line_id"], "--reason", "Wrong", "--on", "2026-08-04", *who)
    finledger("close", "--month", "2026-08", "--waive", "month-not-loaded", "--reason", "Nobody clicked", *who)
    ((team, note),) = _invoices(books, "2026-08", "notes")
    # 3.09 and its premium of 0.61 go back, less the 0.75 that retrieval bears of it
    assert (team, json.loads(note.read_text())["total"]) == ("insights", "-2.95")
    finledger("verify", "--books", books)


def _invoices(books: Path, month: str, kind: str) -> list[tuple[str, Path]]:
    paths = sorted((books / "out" / month / kind).glob("*.json"))
    return [(json.loads(path.read_text())["team"], path) for path in paths]
