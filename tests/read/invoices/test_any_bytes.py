"""Whatever lies in the folder is read or refused, never a crash: bytes, damaged samples, and samples with odd cells."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.money import is_currency
from finledger.core.problem import Outcome
from finledger.read.invoices import Lines, formats, read_invoice, read_invoices
from tests.read.invoices.invoice_samples import SAMPLES

ODD = st.sampled_from(
    ["", "NaN", "1e999", "-0", "1.234,56", "1,234", "٣", "0" * 400, "\x00", '"', "9999999999999", "2026-13-01", "0001-01-01",
     "9999-12-31T23:59:59-14:00", "{", "[", "null", "true", "[{}]", "[[1]]", "‮", "=1+1", "€", "1e-400", "12/31/9999"]
)  # fmt: skip
TEXTS = [text for _, text in SAMPLES.values()]


def held(found: Outcome[Lines]) -> None:
    """Lines that can be counted with, or problems that a person can act on."""
    assert found.rows or found.problems
    for line in found.rows:
        assert line.provider and line.invoice and is_currency(line.currency) and line.amount.is_finite()
        assert 1970 <= line.service_month.year <= 9000
    for problem in found.problems:
        assert problem.message and problem.remedy and problem.source is not None
        assert "\n" not in problem.message + problem.excerpt
        assert len(problem.excerpt) <= 160


def read(content: bytes, format: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        path.write_bytes(content)
        held(read_invoice(path, "export", format))


@settings(max_examples=150)
@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
def test_bytes(content: bytes) -> None:
    read(content)


@settings(max_examples=250)
@given(st.sampled_from(TEXTS), st.integers(0, 3000), st.integers(0, 40), st.text(max_size=6) | ODD)
def test_damaged(text: str, start: int, length: int, instead: str) -> None:
    start %= len(text)
    read((text[:start] + instead + text[start + length :]).encode("utf-8", "replace"))


@settings(max_examples=250)
@given(st.sampled_from([text for text in TEXTS if text[0] not in "{["]), st.data())
def test_odd_cells(text: str, data: st.DataObject) -> None:
    lines = text.splitlines()
    row = data.draw(st.integers(0, len(lines) - 1))
    cells = lines[row].split(",")
    cells[data.draw(st.integers(0, len(cells) - 1))] = data.draw(ODD)
    lines[row] = ",".join(cells)
    read("\n".join(lines).encode("utf-8", "replace"))


@pytest.mark.parametrize("format", sorted(formats()))
def test_read_as_what_it_is_not(format: str) -> None:
    """Every sample as every format."""
    for text in TEXTS:
        read(text.encode(), format)


@settings(max_examples=100)
@given(st.sampled_from(["provider", "amount", "columns", "divide", "pattern", "%d", "lookup"]), ODD, st.binary(max_size=40))
def test_maps(word: str, instead: str, junk: bytes) -> None:
    written = (
        "columns:\n  provider: {value: acme}\n  date: {column: day, pattern: '%d.%m.%Y'}\n  sku: item\n"
        "  amount: {column: net, divide: 100}\n  currency: {value: EUR}\n  category: {column: kind, lookup: kinds.csv}\n"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a.csv").write_text("day,item,net,kind\n31.07.2026,x,100,use\n")
        (folder / "kinds.csv").write_text("value,meaning\nuse,usage\n")
        (folder / "a.map.yaml").write_bytes(written.replace(word, instead, 1).encode("utf-8", "replace") + junk)
        held(read_invoices(folder, "provider-invoices"))
