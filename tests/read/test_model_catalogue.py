"""Model rates from the data in the wheel of genai-prices: dated, found by provider, never fetched (rule P5)."""

from __future__ import annotations

import socket
from datetime import date
from decimal import Decimal

import pytest

from finledger.read.model_catalogue import catalogue_rates

D = Decimal
DAY = date(2026, 10, 1)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a catalogue that is installed is not fetched")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_rates__are_the_four_buckets_with_their_source() -> None:
    found = catalogue_rates({"claude-3-5-haiku-latest": "anthropic"}, DAY).models["claude-3-5-haiku-latest"]
    assert found.provider == "anthropic"
    assert found.rates == {
        "input_tokens": D("0.8"), "cached_input_tokens": D("0.08"), "cache_write_tokens": D("1"), "output_tokens": D("4"),
    }  # fmt: skip
    assert found.source.startswith("genai-prices ")
    assert found.source.endswith(", anthropic/claude-3-5-haiku-latest, as of 2026-10-01")


def test_rates__a_bucket_without_a_price_of_its_own_is_left_out() -> None:
    found = catalogue_rates({"gpt-4o": "openai"}, DAY).models["gpt-4o"]
    assert found.rates == {"input_tokens": D("2.5"), "cached_input_tokens": D("1.25"), "output_tokens": D("10")}


def test_rates__are_those_in_force_on_the_day() -> None:
    """The model's price fell to a fifth on 30 July 2026."""

    def on(day: date) -> Decimal:
        return catalogue_rates({"gpt-5.6-luna": "openai"}, day).models["gpt-5.6-luna"].rates["output_tokens"]

    assert [on(date(2026, 7, 29)), on(date(2026, 7, 30)), on(DAY)] == [D("6"), D("1.2"), D("1.2")]


def test_rates__a_provider_that_is_not_known_is_not_guessed_from_the_name() -> None:
    wanted = {"gpt-4o": "our-own-servers", "chat-large": "cumulus", "no-such-model": "openai", "nothing-like-it": ""}
    assert catalogue_rates(wanted, DAY).models == {}


def test_rates__without_a_provider_by_the_name_alone() -> None:
    found = catalogue_rates({"openai/gpt-4o": "", "gemini-2.5-pro": ""}, DAY).models
    assert (found["openai/gpt-4o"].provider, found["gemini-2.5-pro"].provider) == ("openai", "google")


def test_rates__what_they_leave_out_is_said() -> None:
    found = catalogue_rates({"gemini-2.5-pro": "google", "deepseek-v4-pro": "deepseek"}, DAY)
    assert found.models["gemini-2.5-pro"].rates["input_tokens"] == D("1.25"), "2.50 for requests of over 200,000 tokens"
    assert found.models["deepseek-v4-pro"].rates["input_tokens"] == D("0.66"), "1.32 at two times of the day"
    assert found.notes == (
        "gemini-2.5-pro: requests of more than 200,000 tokens cost more at the provider; these are the rates of shorter ones",
        "deepseek-v4-pro: genai-prices has other prices at some hours of the day; these are those of the rest",
    )
