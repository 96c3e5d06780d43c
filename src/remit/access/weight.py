"""How much an entitlement weighs when privilege is summed up (pure; integers only).

    w = level x sensitivity x reach

The level follows the risk tier. Sensitivity is 1 to 10, and 1 until something says otherwise. Reach is
1 + log2 of the resources in scope, rounded down, so that twice as many resources are one step and no more.
Today a scope is a whole server, which counts as one resource: the weight is the level.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remit.catalog.model import Tier

LEVELS: Final[Mapping[Tier, int]] = {Tier.CRITICAL: 40, Tier.HIGH: 10, Tier.MEDIUM: 3, Tier.LOW: 1}
MOST_SENSITIVE: Final = 10


def weight(tier: Tier, *, sensitivity: int = 1, resources: int = 1) -> int:
    """The weight of one entitlement, in points.

    Raises:
        ValueError: A sensitivity outside 1..10, or no resource at all.
    """
    if not 1 <= sensitivity <= MOST_SENSITIVE or resources < 1:
        raise ValueError("a sensitivity is 1 to 10, and an entitlement reaches one resource at least")
    return LEVELS[tier] * sensitivity * resources.bit_length()
