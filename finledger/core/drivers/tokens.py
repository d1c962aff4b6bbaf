"""By tokens, all four buckets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from finledger.core.model import Pool

PLATFORM_WEIGHS = True


def weights(pool: Pool, targets: Sequence[str], use: Mapping[str, Any]) -> Mapping[str, Decimal]:
    return {target: use[target].tokens if target in use else Decimal(0) for target in targets}
