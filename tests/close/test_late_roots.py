"""Roots of traces that come after the month of their spans was closed: the spans move to who caused them, as corrections (A5, L3).

A thousand chat calls are 12.60 (small_books). Spans without a root are nobody's.
"""

from __future__ import annotations

from pathlib import Path

from finledger.core.model import Check
from finledger.core.period import Month
from finledger.workbench import Workbench
from finledger.workbench.explain import explain
from finledger.workbench.label_rows import explain_row
from finledger.workbench.tie_usage import usage_ties
from finledger.workbench.verify import verify
from tests.close.small_books import AUGUST, JULY, SEPTEMBER, charged, close, daily, load, make_books, write

HEADER = "usage_id,ts,team,workload_type,action,model,requests,trace_id,span_id,parent_span_id\n"


def spans(root: Path, name: str, *rows: str) -> None:
    write(root / "usage" / name, HEADER + "".join(f"{row}\n" for row in rows))
    load(root)


def span(usage_id: str, ts: str, team: str, trace: str, parent: str = "") -> str:
    return f"{usage_id},{ts},{team},inference,chat_call,gpt-large,1000,{trace},{usage_id},{parent}"


def with_tokens(root: Path, name: str, *rows: str) -> None:
    header = HEADER.replace("requests,", "requests,input_tokens,")
    write(root / "usage" / name, header + "".join(f"{row}\n" for row in rows))
    load(root)


def late(root: Path, month: Month, service_month: Month) -> dict[str, str]:
    """What `month` posts for another one: team → amount."""
    Workbench(root).allocate(month)
    return {team: amount for (team, service, _), amount in charged(root, month).items() if service == str(service_month)}


def test_root_of_a_closed_month(tmp_path: Path) -> None:
    """support's span was nobody's. With its root it is search's, who also ran the root: 2 x 12.60, and 12.60 come back."""
    root = make_books(tmp_path, {"july.csv": daily(JULY), "august.csv": daily(AUGUST)})
    spans(root, "tools.csv", span("c1", "2026-07-10T12:00:00Z", "support", "t1", "r1"))
    close(root, JULY)
    assert charged(root, JULY)["(unallocated)", "2026-07", "chat_call"] == "12.60"
    spans(root, "agents.csv", span("r1", "2026-07-10T11:59:59Z", "search", "t1"))
    assert late(root, AUGUST, JULY) == {"search": "25.20", "(unallocated)": "-12.60"}
    (notice,) = [each for each in Workbench(root).charge(AUGUST)[0].notices if each.code == "late-usage"]
    assert "more usage of it was loaded since (rows: 1)" in notice.message
    for line in Workbench(root).ledger.charge_rows(AUGUST):
        if line.key.service_month == JULY:
            found = explain(Workbench(root), f"2026-08/{line.key.team}", line.line_id)
            assert found.fresh == line.amount and not found.problems
            assert found.rows is None or all(check.holds for check in found.rows.checks)
    close(root, AUGUST)
    assert verify(Workbench(root)).problems == ()
    spans(root, "september.csv", span("n1", "2026-09-10T12:00:00Z", "search", ""))
    assert late(root, SEPTEMBER, JULY) == {}  # no cent twice


def test_aggregate_of_a_closed_month(tmp_path: Path) -> None:
    """The root was charged, 12.60; its calls come later in another export, 2 x 12.60 with its very tokens: 25.20 in all (C2, L3)."""
    root = make_books(tmp_path, {"july.csv": daily(JULY), "august.csv": daily(AUGUST)})
    with_tokens(root, "agents.csv", "r1,2026-07-10T11:59:59Z,search,inference,chat_call,gpt-large,1000,700,t1,r1,")
    close(root, JULY)
    before = charged(root, JULY)["search", "2026-07", "chat_call"]
    with_tokens(
        root,
        "tools.csv",
        "c1,2026-07-10T12:00:00Z,support,inference,chat_call,gpt-large,1000,300,t1,c1,r1",
        "c2,2026-07-10T12:00:01Z,support,inference,chat_call,gpt-large,1000,400,t1,c2,r1",
    )
    assert late(root, AUGUST, JULY) == {"search": "12.60"}
    assert charged(root, JULY)["search", "2026-07", "chat_call"] == before
    for line in Workbench(root).ledger.charge_rows(AUGUST):
        if line.key.service_month == JULY:
            found = explain(Workbench(root), f"2026-08/{line.key.team}", line.line_id)
            assert found.fresh == line.amount and not found.problems
    assert all(check.holds for check in usage_ties(Workbench(root), JULY) if isinstance(check, Check))
    close(root, AUGUST)
    assert verify(Workbench(root)).problems == ()


def test_aggregate_of_an_open_month__ties_out_and_says_what_it_is(tmp_path: Path) -> None:
    """The same before the close, in either order: 25.20 for the calls, nothing for the root, whose requests are on no line."""
    agents = "r1,2026-07-10T11:59:59Z,search,inference,chat_call,gpt-large,1000,700,t1,r1,"
    tools = "c1,2026-07-10T12:00:00Z,support,inference,chat_call,gpt-large,2000,700,t1,c1,r1"
    for number, (first, second) in enumerate(((agents, tools), (tools, agents))):
        root = make_books(tmp_path / str(number), {})
        with_tokens(root, "first.csv", first)
        with_tokens(root, "second.csv", second)
        Workbench(root).allocate(JULY)
        assert charged(root, JULY) == {("search", "2026-07", "chat_call"): "25.20"}
        ties = usage_ties(Workbench(root), JULY)
        assert all(check.holds for check in ties if isinstance(check, Check)) and any(
            "requests" in each.law for each in ties
        )
        name = "first.csv" if first is agents else "second.csv"
        row = explain_row(Workbench(root), f"usage/{name}:2")
        assert (row.fate, row.owner) == ("aggregate", None)


def test_root_of_the_month_before__both_closed(tmp_path: Path) -> None:
    """The trace began on 31 July, its span ran on 1 August, and its root comes in September: August has no late rows itself."""
    root = make_books(tmp_path, {"july.csv": daily(JULY), "august.csv": daily(AUGUST), "september.csv": daily(SEPTEMBER)})
    spans(root, "tools.csv", span("c1", "2026-08-01T00:00:05Z", "support", "t1", "r1"))
    close(root, JULY, AUGUST)
    assert charged(root, AUGUST)["(unallocated)", "2026-08", "chat_call"] == "12.60"
    spans(root, "agents.csv", span("r1", "2026-07-31T23:59:55Z", "search", "t1"))
    assert late(root, SEPTEMBER, JULY) == {"search": "12.60"}
    assert late(root, SEPTEMBER, AUGUST) == {"search": "12.60", "(unallocated)": "-12.60"}
    notices = [each.message for each in Workbench(root).charge(SEPTEMBER)[0].notices if each.code == "late-usage"]
    assert notices == [
        "2026-07 is closed, and more usage of it was loaded since (rows: 1): what that changes is posted in 2026-09",
        "2026-08 is closed, and roots of its traces were loaded since: what that changes is posted in 2026-09",
    ]
    close(root, SEPTEMBER)
    assert verify(Workbench(root)).problems == ()


def test_root_of_a_closed_month__of_a_span_of_the_open_one(tmp_path: Path) -> None:
    """The span is charged with its month; nothing was posted that had to be taken back."""
    root = make_books(tmp_path, {"july.csv": daily(JULY), "august.csv": daily(AUGUST)})
    close(root, JULY)
    spans(root, "tools.csv", span("c1", "2026-08-01T00:00:05Z", "support", "t1", "r1"))
    spans(root, "agents.csv", span("r1", "2026-07-31T23:59:55Z", "search", "t1"))
    assert late(root, AUGUST, JULY) == {"search": "12.60"}
    assert ("(unallocated)", "2026-08", "chat_call") not in charged(root, AUGUST)
    (line,) = [line for line in Workbench(root).ledger.charge_rows(AUGUST) if line.operators]
    assert [(each.team, str(each.amount)) for each in line.operators] == [("support", "12.60")]
