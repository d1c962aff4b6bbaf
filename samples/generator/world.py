"""What the exports of the sample company share: its months, the provider's rates, random numbers, and what was metered."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

Month = tuple[int, int, int]  # year, number, days
MONTHS: tuple[Month, ...] = ((2026, 7, 31), (2026, 8, 31), (2026, 9, 30), (2026, 10, 31), (2026, 11, 30), (2026, 12, 31))
# From October the platform's meters sum ten hours of a feature into a row, and all but the sales team call the models
# directly for nine of ten of the calls that went through the gateway.
SUMMED_FROM, SUMMED = (2026, 10), 10
BUCKETS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens")

# USD per 1,000,000 tokens, by bucket: what the provider charges, which is what the quarter's price book says it does.
_THIRD: Mapping[str, tuple[str, str, str, str]] = {
    "chat-large": ("3.00", "0.30", "3.75", "12.00"),
    "chat-small": ("0.40", "0.04", "0.50", "1.60"),
    "reason-mid": ("3.00", "0.30", "3.75", "15.00"),
    "embed-small": ("0.10", "0", "0", "0"),
}
PROVIDER_RATES = {"2026-Q3": _THIRD, "2026-Q4": {**_THIRD, "chat-large": ("2.80", "0.28", "3.50", "11.20")}}
HOSTED = ("llama-3-70b",)


class Dice:
    """Whole random numbers of one section of the sample, so that a change in one section moves no other."""

    def __init__(self, seed: int, *section: object) -> None:
        self._random = random.Random(":".join(map(str, (seed, *section))))

    def between(self, low: int, high: int) -> int:
        return low + self._random.randrange(high - low + 1)

    def one_in(self, chances: int) -> bool:
        return self._random.randrange(chances) == 0

    def pick(self, choices: Sequence[str]) -> str:
        return choices[self._random.randrange(len(choices))]

    def around(self, mean: int) -> int:
        """A count within a quarter of the mean."""
        return mean * self.between(75, 125) // 100

    def hex(self, digits: int) -> str:
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def moment(self, month: Month) -> datetime:
        """An instant of the month: a working day rather than a weekend, office hours rather than night."""
        year, number, days = month
        while True:
            when = datetime(year, number, self.between(1, days), self.between(0, 23), tzinfo=UTC)
            busy = (6 if when.weekday() < 5 else 1) * (6 if 7 <= when.hour < 18 else 1)
            if self.between(1, 36) <= busy:
                return when + timedelta(seconds=self.between(0, 3599))


@dataclass
class Meter:
    """What the model provider could see: tokens by day, model and bucket. Its FOCUS export is made from it."""

    tokens: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def add(self, when: datetime, model: str, tokens: Mapping[str, int]) -> None:
        for bucket in BUCKETS:
            if model in _THIRD and tokens.get(bucket, 0):
                key = (f"{when:%Y-%m-%d}", model, bucket)
                self.tokens[key] = self.tokens.get(key, 0) + tokens[bucket]


def stamp(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def provider_rate(model: str, bucket: str, month: int) -> Decimal:
    return Decimal(PROVIDER_RATES[f"2026-Q{(month + 2) // 3}"][model][BUCKETS.index(bucket)])


def provider_cost(model: str, bucket: str, tokens: int, month: int) -> Decimal:
    return tokens * provider_rate(model, bucket, month) / 1_000_000


def summed(month: Month) -> int:
    """How many rows of an earlier month one row of this month stands for."""
    return SUMMED if month[:2] >= SUMMED_FROM else 1
