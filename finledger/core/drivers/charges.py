"""By the direct charges of the month, before any pool; a target in credit weighs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from finledger.core.model import Pool

PLATFORM_WEIGHS = False


def weights(pool: Pool, targets: Sequence[str], use: Mapping[str, Any]) -> Mapping[str, Decimal]:
    return {target: max(use[target].charges, Decimal(0)) if target in use else Decimal(0) for target in targets}
