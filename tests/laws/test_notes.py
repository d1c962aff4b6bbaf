"""Laws of what a month posts for others: no cent is lost between invoices, notes and statements, and every line has one place."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.checks import documents as documented
from finledger.core.checks import journal
from finledger.core.history import History, flows_of
from finledger.core.model import (
    UNALLOCATED,
    ChargeLine,
    Dated,
    Disclosure,
    FeatureQuality,
    Invoice,
    LineKey,
    Organisation,
    Team,
)
from finledger.core.money import Money
from finledger.core.notes import Corrected, DocumentKey, document_key, with_held, with_numbers, with_originals
from finledger.core.period import Month
from finledger.core.problem import Outcome, Refused
from finledger.pipeline import MonthInputs, run_month

MAY, JUNE, JULY = Month(2026, 5), Month(2026, 6), Month(2026, 7)
TEAMS = {
    "search": Team("search", Dated.always("cc-1"), Dated.always("chargeback"), features=("answers",)),
    "support": Team("support", Dated.always("cc-2"), Dated(((None, "showback"), (JULY.first_day, "chargeback")))),
    "growth": Team("growth", Dated.always("cc-4"), Dated.always("showback"), budget={JULY: Decimal(9)}),
}
ORGANISATION = Organisation("Test", "USD", "UTC", "platform", "cc-0", TEAMS, platform_entity="")
COMPONENTS = ("base", "buffer", "coverage_premium", "overhead")


def line(
    team: str, service: Month, parts: dict[str, int], *, kind: str = "action", credit: str = "", item: str = "chat",
    stage: str = "", feature: str = "answers", funding: str = "consumer",
) -> ChargeLine:  # fmt: skip
    member = TEAMS.get(team)
    center = "" if member is None else member.cost_center.at(service.first_day) or ""
    key = LineKey(team, center, feature, item, "inference", "m", kind, "2026-Q2.v1", service, JULY, credit)
    components = tuple((name, Money(minor, "USD")) for name, minor in parts.items() if minor)
    amount = Money(sum(part.minor for _, part in components), "USD")
    earned = stage or ("showback" if member is None else member.stage_in(service))
    return ChargeLine(key, earned, Decimal(1), "action", amount.amount, amount, components, funding)


def run(
    corrections: tuple[ChargeLine, ...] = (), adjustments: tuple[ChargeLine, ...] = (), **more: object
) -> tuple[dict[str, list[Invoice]], tuple[Invoice, ...]]:
    """The month's documents, by kind and in order; all of its own is what corrections and adjustments bring."""
    inputs = MonthInputs(
        JULY, ORGANISATION, [], lambda asked: Outcome(()), corrections=corrections, adjustments=adjustments, **more
    )  # type: ignore[arg-type]
    charges, documents = run_month(inputs)
    assert all(check.holds for check in charges.checks)
    by_kind: dict[str, list[Invoice]] = {}
    for document in documents:
        by_kind.setdefault(document.kind, []).append(document)
    return by_kind, documents


# ── every line has one place ────────────────────────────────────────────────────────────────────────────────────────────

parts = st.fixed_dictionaries({name: st.integers(-(10**9), 10**9) for name in COMPONENTS}).filter(
    lambda each: any(each.values())
)
teams = st.sampled_from(["search", "support", "growth", UNALLOCATED])
corrected = st.lists(
    st.builds(line, teams, st.sampled_from([MAY, JUNE]), parts, item=st.sampled_from(["chat", "step", "eval"])),
    max_size=12, unique_by=lambda each: each.key,
)  # fmt: skip
adjusted = st.lists(
    st.builds(
        line, st.sampled_from(["search", "support", "growth"]), st.sampled_from([MAY, JUNE, JULY]), parts,
        kind=st.just("adjustment"), credit=st.sampled_from(["C-2026-0001", "C-2026-0002"]),
        funding=st.sampled_from(["consumer", "shared"]),
    ),
    max_size=8, unique_by=lambda each: each.key,
)  # fmt: skip


@settings(max_examples=120)
@given(corrections=corrected, adjustments=adjusted)
def test_documents__are_all_that_the_month_posts(corrections: list[ChargeLine], adjustments: list[ChargeLine]) -> None:
    _, documents = run(tuple(corrections), tuple(adjustments))
    placed = Counter(each.line_id for document in documents for each in document.lines)
    lines = [*corrections, *adjustments]
    assert placed == Counter(each.line_id for each in lines if each.key.team != UNALLOCATED)
    loose = sum(each.amount.minor for each in lines if each.key.team == UNALLOCATED)
    assert sum(document.total.minor for document in documents) + loose == sum(each.amount.minor for each in lines)
    for document in documents:
        moved = {each.stage in ("chargeback", "optimisation") for each in document.lines}
        if document.is_note:
            assert moved == {True} and (document.total.minor < 0) == (document.kind == "credit_note")
        assert document.kind != "invoice" or not document.lines  # the month's own usage is none here
        assert document.kind != "statement" or moved <= {False}
    keys = [key for key in map(document_key, documents) if key is not None]
    assert len(keys) == len(set(keys))
    notes = [(note.team, document_key(note).about) for note in documents if note.is_note]  # type: ignore[union-attr]
    assert notes == sorted(notes)


@settings(max_examples=60)
@given(corrections=corrected, adjustments=adjusted)
def test_notes__name_the_entries_that_post_them(corrections: list[ChargeLine], adjustments: list[ChargeLine]) -> None:
    inputs = MonthInputs(
        JULY, ORGANISATION, [], lambda asked: Outcome(()), corrections=tuple(corrections), adjustments=tuple(adjustments)
    )
    charges, documents = run_month(inputs)
    named = {entry_id for document in documents for entry_id in document.entry_ids}
    assert {entry.entry_id for entry in charges.entries} == named
    for note in (document for document in documents if document.is_note):
        about_a_credit = any(each.key.credit for each in note.lines)
        assert all(entry_id.endswith("/credit") == about_a_credit for entry_id in note.entry_ids)


# ── by hand ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_notes__one_for_each_month_and_each_credit() -> None:
    _, documents = run(
        (
            line("search", MAY, {"base": 900, "buffer": 100}),
            line("search", JUNE, {"base": -300}),
            line("search", JUNE, {"coverage_premium": -20}, kind="coverage_premium"),
        ),
        (line("search", JUNE, {"base": -500}, kind="adjustment", credit="C-2026-0001"),),
    )
    assert [document.kind for document in documents if document.team == "search"] == [
        "invoice", "debit_note", "credit_note", "credit_note",
    ]  # fmt: skip
    invoice, debit, correction, credit = (document for document in documents if document.team == "search")
    assert (str(invoice.total), invoice.service_months, invoice.entry_ids) == ("0.00", (JULY,), ())
    assert (str(debit.total), debit.service_months, debit.budget) == ("10.00", (MAY,), None)
    assert debit.entry_ids == ("2026-07/search/cc-1/2026-05",) and debit.cost_centers == ("cc-1",)
    assert [(name, str(amount)) for name, amount in debit.components] == [("base", "9.00"), ("buffer", "1.00")]
    assert (str(correction.total), correction.entry_ids) == ("-3.20", ("2026-07/search/cc-1/2026-06",))
    assert (str(credit.total), credit.entry_ids) == ("-5.00", ("2026-07/search/cc-1/2026-06/credit",))
    assert [document_key(each) for each in (invoice, debit, correction, credit)] == [
        DocumentKey("INV", "search"),
        DocumentKey("DN", "search", "2026-05"),
        DocumentKey("CN", "search", "2026-06"),
        DocumentKey("CN", "search", "C-2026-0001"),
    ]


def test_notes__a_credit_of_the_open_month_stands_on_a_note_too() -> None:
    by_kind, _ = run(adjustments=(line("search", JULY, {"base": -500}, kind="adjustment", credit="C-2026-0001"),))
    (note,) = by_kind["credit_note"]
    assert (note.service_months, note.entry_ids) == ((JULY,), ("2026-07/search/cc-1/credit",))
    assert str(by_kind["invoice"][0].total) == "0.00"


def test_statement__holds_what_was_pro_forma_of_a_team_that_rose_since() -> None:
    """Support was at showback in June, and is at chargeback in July: its June cannot be owed now."""
    by_kind, _ = run((line("support", JUNE, {"base": 700}), line("growth", JUNE, {"base": 50})))
    assert "debit_note" not in by_kind
    statements = {document.team: document for document in by_kind["statement"]}
    assert str(statements["support"].total) == "7.00" and statements["support"].stage == "showback"
    assert statements["support"].budget is None and statements["support"].service_months == (JUNE, JULY)
    assert str(statements["growth"].total) == "0.50" and statements["growth"].budget is not None
    assert [each.team for each in by_kind["invoice"]] == ["search", "support"]


def test_notes__a_team_that_is_gone_gets_a_note_and_no_invoice(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Team("old", Dated(((JULY.next.first_day, "cc-9"),)), Dated.always("chargeback"))
    monkeypatch.setitem(TEAMS, "old", gone)
    late = line("old", JUNE, {"base": 100}, stage="chargeback")
    _, documents = run((late,))
    assert [document.kind for document in documents if document.team == "old"] == ["debit_note"]


def test_disclosures__stand_on_the_note_of_their_month_or_where_there_is_none_on_the_invoice() -> None:
    late = line("search", JUNE, {"base": 10}, item="eval", funding="shared")
    shared = Disclosure(late.key, Decimal(2), Money(20, "USD"), Money(10, "USD"), Money(10, "USD"))
    lone = Disclosure(late.key._replace(service_month=MAY), Decimal(1), Money(8, "USD"), Money(8, "USD"), Money(0, "USD"))
    by_kind, _ = run((late,), corrected=(shared, lone))
    assert by_kind["debit_note"][0].disclosures == (shared,)
    assert by_kind["invoice"][0].disclosures == (lone,)


def test_disclosures__a_correction_that_discloses_less_than_it_charges_breaks_a_law() -> None:
    late = line("search", JUNE, {"base": 10}, item="eval", funding="shared")
    with pytest.raises(Refused) as refused:
        run((late,))
    assert [problem.code for problem in refused.value.problems] == ["law-broken"]


def test_quality__of_the_service_month_stands_on_the_note_and_the_months_own_stays_what_it_was() -> None:
    june = FeatureQuality("answers", Money(90_00, "USD"), Money(80_00, "USD"), Decimal("0.5"), tasks=4, graded=4, correct=4,
                          correct_tasks=Fraction(4), cost_per_correct_task=Fraction(20))  # fmt: skip
    other = FeatureQuality("other", Money(1, "USD"), Money(1, "USD"))
    by_kind, _ = run((line("search", JUNE, {"base": 10_00}),), measured={JUNE: (june, other)})
    assert by_kind["debit_note"][0].quality == (june,)
    (own,) = by_kind["invoice"][0].quality
    assert (own.feature, str(own.total), own.cost_per_correct_task) == ("answers", "0.00", None)
    unknown, _ = run((line("search", JUNE, {"base": 10_00}),))
    assert [each.feature for each in unknown["debit_note"][0].quality] == ["answers"]  # never a note without the columns


def test_fund__takes_the_surcharge_of_corrections_and_gives_that_of_credits_back() -> None:
    inputs = MonthInputs(
        JULY, ORGANISATION, [], lambda asked: Outcome(()),
        corrections=(line("search", JUNE, {"base": 900, "buffer": 100}), line("growth", JUNE, {"buffer": 7})),
        adjustments=(line("search", MAY, {"base": -90, "buffer": -30}, kind="adjustment", credit="C-2026-0001"),),
    )  # fmt: skip
    charges, _ = run_month(inputs)
    assert str(charges.buffer.contributions) == "0.70"  # 1.00 - 0.30; growth moves no money
    assert {each.team: str(each.total) for each in charges.teams} == {"search": "8.80", "support": "0.00", "growth": "0.07"}
    assert (str(charges.unallocated), charges.unallocated_share) == ("0.00", 0)


def test_unallocated__of_a_closed_month_is_posted_and_not_measured_again() -> None:
    inputs = MonthInputs(
        JULY, ORGANISATION, [], lambda asked: Outcome(()), corrections=(line(UNALLOCATED, JUNE, {"base": 900}),)
    )
    charges, documents = run_month(inputs)
    assert [str(each.amount) for each in charges.lines] == ["9.00"]
    assert (str(charges.unallocated), charges.unallocated_share) == ("0.00", 0)
    assert not any(document.total for document in documents)


# ── what is asked later ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_history__counts_corrections_of_a_month_and_not_what_a_dispute_credited() -> None:
    """B2, B4: June's charges are 10.00 + 3.00 that came late; the 5.00 that July credits do not re-test June."""
    june = line("search", JUNE, {"base": 1000})
    own = ChargeLine(
        june.key._replace(posting_month=JUNE), "chargeback", Decimal(1), "action", Decimal(10), june.amount, june.components
    )
    late = line("search", JUNE, {"base": 300})
    credit = line("search", JUNE, {"base": -500, "buffer": -20}, kind="adjustment", credit="C-2026-0001")
    history = History("USD") + flows_of((own, late, credit))
    assert {team: str(amount) for team, amount in history.charges(JUNE).items()} == {"search": "13.00"}
    assert history.charges(JULY) == {}
    assert str(history.fund_flow(JULY)) == "-0.20"  # but what it gives back of the fund leaves the fund


def test_numbers_originals_and_disputes__are_put_on_the_documents_they_are_of() -> None:
    _, documents = run(
        (line("search", JUNE, {"base": 300}),),
        (line("search", JUNE, {"base": -500}, kind="adjustment", credit="C-2026-0001"),),
    )
    numbers = {
        DocumentKey("INV", "search"): "INV-2026-0007",
        DocumentKey("DN", "search", "2026-06"): "DN-2026-0001",
        DocumentKey("CN", "search", "C-2026-0001"): "CN-2026-0001",
    }
    corrected = {
        ("search", "2026-06"): Corrected("INV-2026-0002"),
        ("search", "C-2026-0001"): Corrected("INV-2026-0002", "not ours"),
    }
    found = with_originals(with_numbers(documents, numbers), corrected)
    assert [(each.number, each.original, each.reason) for each in found if each.team == "search"] == [
        ("INV-2026-0007", "", ""),
        ("DN-2026-0001", "INV-2026-0002", ""),
        ("CN-2026-0001", "INV-2026-0002", "not ours"),
    ]
    assert [each.number for each in found if each.team == "growth"] == ["PRO-2026-07-growth"]
    late = next(each for each in found if each.kind == "debit_note").lines[0].line_id
    held = with_held(found, {late: "D-2026-0001: why", "L0": "D-2026-0002: elsewhere"})
    assert [each.held for each in held if each.held] == [((late, "D-2026-0001: why"),)]


def test_checks__take_invoices_and_notes_of_a_team_together() -> None:
    """5.00 more and 12.00 less: the journal debits search -7.00, and no single document says so."""
    corrections = (line("search", MAY, {"base": 500}), line("search", JUNE, {"base": -1200}))
    inputs = MonthInputs(JULY, ORGANISATION, [], lambda asked: Outcome(()), corrections=corrections)
    charges, documents = run_month(inputs)
    found = {check.law: (check.left, check.right) for check in charges.checks}
    assert found["charge lines = invoices + notes + statements + unallocated"] == (Decimal(-7), Decimal(-7))
    assert found["invoice and notes of search = journal to its cost centres"] == (Decimal(-7), Decimal(-7))
    without = [document for document in documents if document.kind != "credit_note"]
    assert not documented(charges.lines, without).holds
    assert [check.law for check in journal(without, charges.entries, ORGANISATION) if not check.holds] == [
        "invoice and notes of search = journal to its cost centres"
    ]
