"""The same part for every target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from finledger.core.model import Pool

PLATFORM_WEIGHS = False


def weights(pool: Pool, targets: Sequence[str], use: Mapping[str, Any]) -> Mapping[str, Decimal]:
    return {target: Decimal(1) for target in targets}
