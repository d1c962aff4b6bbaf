"""By weights read from a file beside finledger.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from finledger.core.model import Pool

PLATFORM_WEIGHS = False


def weights(pool: Pool, targets: Sequence[str], use: Mapping[str, Any]) -> Mapping[str, Decimal]:
    return {target: pool.shares.get(target, Decimal(0)) for target in targets}
