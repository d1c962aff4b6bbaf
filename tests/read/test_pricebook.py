"""pricebooks/*.yaml to price books."""

from __future__ import annotations

import hashlib
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from finledger.core.model import Price, Sku, Uplift
from finledger.read.pricebook import check_currency, pricebook_schema, read_pricebook, read_pricebooks
from tests.support import SHARED, needs_shared

BOOK = """\
pricebook: 2026-Q3
version: 1
effective_from: 2026-07-01
effective_until: 2026-10-01
currency: USD
models:
  gpt-large: {provider: openai, input: 3.00, output: 12.00}
egress: {cross-zone: {rate: 0.08}, abroad: {rate: 0.12, unit: GiB}}
gpu: {h100: {rate: 24.00}}
seats: {assistant: {rate: 30.00}}
actions:
  chat_call: {funding: consumer, pricing: published, base: 0.0093, price: 0.011123}
  tool_call: {funding: consumer, pricing: published, by_model: {gpt-large: {base: 0.001, price: 0.0012}}}
  agent_step: {funding: consumer, pricing: metered}
"""


def book_file(folder: Path, name: str = "2026-Q3", **changed: str) -> Path:
    """A book in `folder` in which some of its first keys are changed."""
    lines = BOOK.splitlines()
    for key, value in changed.items():
        place = next((n for n, line in enumerate(lines) if line.startswith(f"{key}:")), len(lines))
        lines[place : place + 1] = [f"{key}: {value}"]
    path = folder / f"{name}.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def with_actions(folder: Path, actions: str, eval: str) -> Path:
    """A book with other actions, and with terms for evaluation."""
    path = folder / "2026-Q3.yaml"
    path.write_text(f"{BOOK.partition('actions:')[0]}actions: {actions}\neval: {eval}\n", encoding="utf-8")
    return path


def test_read_pricebook__a_draft_with_defaults(tmp_path: Path) -> None:
    path = book_file(tmp_path)
    outcome = read_pricebook(path, "pricebooks/2026-Q3.yaml")
    book = outcome.rows
    assert outcome.problems == () and book is not None
    assert (book.name, book.published, book.price_digits, book.rounding) == ("2026-Q3.v1", None, 6, "half_up")
    assert (book.effective_from, book.effective_until) == (date(2026, 7, 1), date(2026, 10, 1))
    assert book.models["gpt-large"].rates == {"input_tokens": Decimal("3.00"), "output_tokens": Decimal("12.00")}
    assert book.egress == {"cross-zone": Sku(Decimal("0.08"), "GB"), "abroad": Sku(Decimal("0.12"), "GiB")}
    assert (book.gpu["h100"].unit, book.seats["assistant"].unit) == ("gpu_hour", "seat")
    assert book.uplift == Uplift()
    assert book.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_read_pricebook__prices_by_model_and_their_lines(tmp_path: Path) -> None:
    book = read_pricebook(book_file(tmp_path), "pricebooks/2026-Q3.yaml").rows
    assert book is not None
    assert book.actions["chat_call"].price_for("any") == Price(Decimal("0.0093"), Decimal("0.011123"))
    assert book.actions["tool_call"].price_for("gpt-large") == Price(Decimal("0.001"), Decimal("0.0012"))
    assert book.actions["tool_call"].price_for("other") is None
    assert str(book.where("actions", "agent_step")) == "pricebooks/2026-Q3.yaml:14"
    assert str(book.where("actions", "unknown")) == "pricebooks/2026-Q3.yaml:11"


def test_read_pricebook__half_a_price_is_none(tmp_path: Path) -> None:
    """A class price without its base, beside a price by model: the price by model does not excuse it (rule P2)."""
    action = "{a: {funding: consumer, pricing: published, price: 1, by_model: {m: {base: 1, price: 1}}}}"
    path = book_file(tmp_path, "x")
    path.write_text(BOOK.partition("actions:")[0] + f"actions: {action}\n", encoding="utf-8")
    assert [problem.code for problem in read_pricebook(path, "x").problems] == ["published-without-price"]


def test_read_pricebook__scope_and_plan_of_a_class(tmp_path: Path) -> None:
    """Shared classes are a team's domain unless the book says baseline; any class may say what was planned."""
    actions = (
        "{suite: {funding: shared, pricing: metered, scope: baseline, planned: 1200},"
        " run: {funding: shared, pricing: metered}, call: {funding: consumer, pricing: metered, planned: 0}}"
    )
    book = read_pricebook(with_actions(tmp_path, actions, "{platform_share: 0.5}"), "x").rows
    assert book is not None
    found = [(each.scope, each.planned) for each in book.actions.values()]
    assert found == [("baseline", 1200), ("domain", None), ("domain", 0)]


@pytest.mark.parametrize(
    ("eval", "split", "share"),
    [
        ("{platform_share: 0.40}", "line", Decimal("0.40")),
        ("{platform_share: 0.50, split: pooled}", "pooled", Decimal("0.50")),
        ("{platform_share: 0.50, split: by_component}", "by_component", Decimal("0.50")),
        ("{split: by_component}", "by_component", None),
    ],
)
def test_read_pricebook__how_evaluation_is_shared(tmp_path: Path, eval: str, split: str, share: Decimal | None) -> None:
    outcome = read_pricebook(with_actions(tmp_path, "{run: {funding: shared, pricing: metered}}", eval), "x")
    assert outcome.problems == () and outcome.rows is not None
    assert (outcome.rows.eval_split, outcome.rows.platform_share) == (split, share)


@pytest.mark.parametrize("eval", ["{split: line}", "{split: pooled}"])
def test_read_pricebook__a_split_needs_its_share(tmp_path: Path, eval: str) -> None:
    path = with_actions(tmp_path, "{run: {funding: shared, pricing: metered}}", eval)
    assert [problem.code for problem in read_pricebook(path, "x").problems] == ["platform-share-missing"]


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ("", ("grant", Decimal(0), False)),
        (", settlement: grant", ("grant", Decimal(0), False)),
        (", settlement: loan", ("loan", Decimal(1), False)),
        (", settlement: mixed, loan_share: 0.25", ("mixed", Decimal("0.25"), False)),
        (", settlement: mixed, loan_share: 0, above_threshold: true", ("mixed", Decimal(0), True)),
    ],
)
def test_read_pricebook__how_a_draw_is_settled(tmp_path: Path, terms: str, expected: tuple[str, Decimal, bool]) -> None:
    book = read_pricebook(book_file(tmp_path, buffer=f"{{cap_per_team_per_quarter: 5000.00{terms}}}"), "x").rows
    assert book is not None and book.buffer is not None
    assert (book.buffer.settlement, book.buffer.loan_share, book.buffer.above_threshold) == expected
    assert (book.buffer.trigger, book.buffer.size) == (3, (Decimal("0.05"), Decimal("0.10")))


@pytest.mark.parametrize(
    ("terms", "codes"),
    [
        ("settlement: mixed", ["loan-share"]),
        ("loan_share: 0.5", ["loan-share"]),
        ("settlement: loan, loan_share: 1", ["loan-share"]),
        ("settlement: mixed, loan_share: 1.5", ["not-a-share"]),
        ("settlement: gift, loan_share: 0.5", ["not-one-of"]),
        ("above_threshold: maybe", ["not-a-flag"]),
    ],
)
def test_read_pricebook__settlements_that_do_not_fit(tmp_path: Path, terms: str, codes: list[str]) -> None:
    outcome = read_pricebook(book_file(tmp_path, buffer=f"{{cap_per_team_per_quarter: 5000.00, {terms}}}"), "x")
    assert [problem.code for problem in outcome.problems] == codes


def test_read_pricebooks__versions_and_quarters_in_order(tmp_path: Path) -> None:
    book_file(tmp_path, "b", version="2", effective_from="2026-08-15")
    book_file(tmp_path, "a", pricebook="2026-Q4", effective_from="2026-10-01", effective_until="2027-01-01")
    book_file(tmp_path, "c")
    (tmp_path / ".hidden.yaml").write_text("nothing", encoding="utf-8")
    outcome = read_pricebooks(tmp_path, "pricebooks")
    assert outcome.problems == ()
    assert [book.name for book in outcome.rows] == ["2026-Q3.v1", "2026-Q3.v2", "2026-Q4.v1"]
    assert read_pricebooks(tmp_path / "none", "pricebooks").rows == ()


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"version": "1"}, "pricebook-twice"),
        ({"version": "2"}, "pricebook-version-order"),
        ({"version": "2", "effective_from": "2026-06-01"}, "pricebook-version-order"),
        ({"version": "2", "effective_from": "2026-08-01", "effective_until": "2026-11-01"}, "pricebook-version-end"),
        ({"pricebook": "2026-Q4", "effective_from": "2026-09-30", "effective_until": "2027-01-01"}, "pricebook-overlap"),
        ({"pricebook": "2026-Q2", "effective_from": "2026-04-01", "effective_until": "2026-12-01"}, "pricebook-overlap"),
    ],
)
def test_read_pricebooks__no_two_prices_for_one_day(tmp_path: Path, changed: dict[str, str], code: str) -> None:
    book_file(tmp_path)
    book_file(tmp_path, "other", **changed)
    problems = read_pricebooks(tmp_path, "pricebooks").problems
    assert [problem.code for problem in problems] == [code]
    assert problems[0].excerpt and problems[0].remedy


def test_check_currency__names_each_book(tmp_path: Path) -> None:
    book_file(tmp_path, currency="EUR")
    books = read_pricebooks(tmp_path, "pricebooks").rows
    assert check_currency(books, "EUR") == ()
    assert [str(problem.source) for problem in check_currency(books, "USD")] == ["pricebooks/2026-Q3.yaml:5"]


@needs_shared
def test_read_pricebooks__the_golden_book() -> None:
    outcome = read_pricebooks(SHARED / "golden" / "northwind-2026-Q3" / "pricebooks", "pricebooks")
    assert outcome.problems == ()
    (book,) = outcome.rows
    assert (book.platform_share, book.quality.max_multiplier if book.quality else None) == (Decimal("0.50"), Decimal("1.50"))
    assert book.buffer is not None and book.buffer.size == (Decimal("0.05"), Decimal("0.10"))


def test_pricebook_schema__names_every_key_with_a_description() -> None:
    schema = pricebook_schema()
    for part in (schema, *schema["$defs"].values()):
        assert all(value.get("description") for value in part["properties"].values())
    assert set(schema["required"]) == {"pricebook", "version", "effective_from", "effective_until", "currency"}
    parts = {name: set(part["properties"]) for name, part in schema["$defs"].items()}
    assert {"scope", "planned"} <= parts["ActionText"] and {"platform_share", "split"} == parts["EvalText"]
    assert {"settlement", "loan_share", "above_threshold"} <= parts["BufferText"]
    assert schema["$defs"]["EvalText"]["properties"]["split"]["enum"] == ["line", "by_component", "pooled"]
