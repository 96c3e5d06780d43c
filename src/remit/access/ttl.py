"""How long an activation lasts without use, by tier and by its own habit (pure; integers only).

Measured on twelve years of automation accounts: no fixed window is safe, so the window follows
the gaps between the activation's own days of use, and safety comes from reactivation.
"""

from __future__ import annotations

from collections.abc import Sequence

from remit.access.activation import Usage
from remit.catalog.model import Tier
from remit.kernel.clock import DAY, HOUR, Micros

_FIXED = {Tier.CRITICAL: 24 * HOUR, Tier.HIGH: 14 * DAY}
_TIMES = {Tier.MEDIUM: 3, Tier.LOW: 5}
_MOST = {Tier.MEDIUM: 180 * DAY, Tier.LOW: 365 * DAY}
_LEAST = 14 * DAY
_UNKNOWN = 30 * DAY  # until there are three days of use, nothing can be said of its gaps
_ENOUGH = 3


def ttl(tier: Tier, usage: Usage, *, shorter: Micros | None = None) -> Micros:
    """Microseconds without use after which it lapses.

    Args:
        tier: The action's risk tier.
        usage: Its own use so far.
        shorter: The boundary's own `ttl`; it may shorten the tier's and never lengthens it.
    """
    own = _FIXED.get(tier) or _adaptive(tier, usage)
    return Micros(own if shorter is None else min(own, shorter))


def _adaptive(tier: Tier, usage: Usage) -> int:
    if usage.days < _ENOUGH:
        return _UNKNOWN
    return max(_LEAST, min(_MOST[tier], _TIMES[tier] * q95(usage.gaps) * DAY))


def q95(gaps: Sequence[int]) -> int:
    """The 95th percentile by nearest rank: the smallest value that at least 95 % of `gaps` do not exceed; 0 of none."""
    ordered = sorted(gaps)
    return ordered[-(-95 * len(ordered) // 100) - 1] if ordered else 0
