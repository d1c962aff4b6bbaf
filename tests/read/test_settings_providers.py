"""finledger.yaml: the providers whose invoices are held against what was metered (rule X1)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from finledger.core.model import Organisation
from finledger.core.problem import Outcome, SourceRef
from finledger.core.provider import Provider, SkuMap, Tolerance
from finledger.read.settings import read_settings, settings_schema

HEAD = "books: Northwind\ncurrency: USD\nplatform: {team: ai-platform, cost_center: cc-1000}\n"


def read(folder: Path, text: str) -> Outcome[Organisation | None]:
    (folder / "finledger.yaml").write_text(HEAD + text, encoding="utf-8")
    return read_settings(folder / "finledger.yaml", "finledger.yaml")


def test_providers__every_key(tmp_path: Path) -> None:
    outcome = read(
        tmp_path,
        """\
providers:
  openai:
    invoice: expected
    tolerance: {absolute: 0.50, relative: 0.001}
    names: "OpenAI*"
    sources: [litellm, focus]
    skus:
      "gpt-4o-mini* input": {model: gpt-small, bucket: input}
      "gpt-4o-mini*": {model: gpt-small}
      "GPU *": {sku: h100}
      "*": {sku: "*"}
  self-hosted: {invoice: none}
  anthropic: {}
""",
    )
    assert outcome.problems == () and outcome.rows is not None
    assert outcome.rows.providers == {
        "openai": Provider(
            "openai",
            "expected",
            Tolerance(Decimal("0.50"), Decimal("0.001")),
            ("OpenAI*",),
            ("litellm", "focus"),
            (
                SkuMap("gpt-4o-mini* input", "gpt-small input"),
                SkuMap("gpt-4o-mini*", "gpt-small *"),
                SkuMap("GPU *", "h100"),
                SkuMap("*", "*"),
            ),
            SourceRef("finledger.yaml", 5),
        ),
        "self-hosted": Provider("self-hosted", "none", source=SourceRef("finledger.yaml", 15)),
        "anthropic": Provider("anthropic", source=SourceRef("finledger.yaml", 16)),
    }
    assert read(tmp_path, "").rows is not None and read(tmp_path, "").rows.providers == {}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("openai: {invoice: sometimes}", "not-one-of"),
        ("openai: {tolerance: {absolute: 0.005}}", "amount-too-fine"),
        ("openai: {tolerance: {absolute: -1}}", "negative-number"),
        ("openai: {tolerance: {relative: 1.5}}", "not-a-share"),
        ("openai: {skus: {x: {bucket: input}}}", "provider-sku"),
        ("openai: {skus: {x: {model: m, sku: s}}}", "provider-sku"),
        ("openai: {skus: {x: {sku: s, bucket: input}}}", "provider-sku"),
        ("openai: {skus: {x: {model: m, bucket: tokens}}}", "not-one-of"),
        ("openai: {skus: {x: gpt-small}}", "wrong-shape"),
        ("openai: {sku: {}}", "unknown-key"),
    ],
)
def test_providers__what_is_wrong(line: str, code: str, tmp_path: Path) -> None:
    outcome = read(tmp_path, f"providers:\n  {line}\n")
    assert [(problem.code, problem.source.line if problem.source else 0) for problem in outcome.errors] == [(code, 5)]
    assert outcome.errors[0].remedy


def test_providers__are_in_the_schema() -> None:
    schema = settings_schema()
    assert "providers" in schema["properties"]
    assert set(schema["$defs"]["ProviderText"]["properties"]) == {"invoice", "tolerance", "names", "sources", "skus"}
    assert schema["$defs"]["SkuText"]["properties"]["bucket"]["enum"] == ["input", "cached_input", "cache_write", "output"]
