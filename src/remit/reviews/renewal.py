"""When a person must look at a boundary again (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from remit.catalog.model import Tier
from remit.kernel.clock import DAY, Instant, Micros

SERIOUS_EVERY: Final = Micros(90 * DAY)
EVERY: Final = Micros(180 * DAY)
_ORDER: Final = (Tier.CRITICAL, Tier.HIGH, Tier.MEDIUM, Tier.LOW)


def highest(tiers: Iterable[Tier]) -> Tier:
    """The most serious of them; low where there is none."""
    found = set(tiers)
    return next((tier for tier in _ORDER if tier in found), Tier.LOW)


def cadence(tier: Tier, own: Micros | None = None) -> Micros:
    """How often a boundary is looked at whose most serious action is of `tier`; `own` can only make it more often."""
    usual = SERIOUS_EVERY if tier in (Tier.CRITICAL, Tier.HIGH) else EVERY
    return usual if own is None else min(usual, own)


def due(every: Micros, *, approved: Instant, renewed: Instant | None) -> Instant:
    """When somebody must look again: a cadence after the later of its approval and of the last keep."""
    seen = approved if renewed is None else max(approved, renewed)
    return Instant(seen + every)
