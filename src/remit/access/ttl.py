"""How long an activation lasts without use, by tier and by its own habit (pure; integers only).

Measured on twelve years of automation accounts: no fixed window is safe, so the window follows
the gaps between the activation's own days of use, and safety comes from reactivation.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from remit.access.activation import Usage
from remit.access.parameters import SHIPPED, Parameters
from remit.catalog.model import Tier
from remit.kernel.clock import DAY, Micros


class Habit(msgspec.Struct, frozen=True, kw_only=True):
    """What its use so far, and its owner, say of how long it may be silent."""

    days: int  # distinct UTC days of use
    q95: int = 0  # of the gaps between them, in days
    flaps: bool = False  # it came back after a lapse again and again
    cadence: int | None = None  # microseconds: its owner says that it is used this often
    shorter: int | None = None  # microseconds: the boundary's own `ttl`

    def body(self) -> dict[str, int | bool | None]:
        """As it stands in a verdict's entry."""
        return {
            "days": self.days, "q95": self.q95, "flaps": self.flaps, "cadence": self.cadence, "shorter": self.shorter,
        }  # fmt: skip


def habit_of(
    usage: Usage,
    cycles: Sequence[int] = (),
    *,
    cadence: int | None = None,
    shorter: int | None = None,
    parameters: Parameters = SHIPPED,
) -> Habit:
    """The habit of an activation.

    Args:
        usage: Its own use so far.
        cycles: The days on which it came back after a lapse, the newest last.
        cadence: What its boundary declares, in microseconds.
        shorter: The boundary's own `ttl`; it may shorten the tier's and never lengthens it.
        parameters: The numbers of the rules.
    """
    newest = cycles[-parameters.flaps :]
    flaps = len(newest) == parameters.flaps and newest[-1] - newest[0] <= parameters.flaps_within
    return Habit(days=usage.days, q95=q95(usage.gaps), flaps=flaps, cadence=cadence, shorter=shorter)


def ttl(tier: Tier, habit: Habit, parameters: Parameters = SHIPPED) -> Micros:
    """Microseconds without use after which it lapses."""
    own = _of_tier(tier, habit, parameters)
    if tier is not Tier.CRITICAL:  # privilege, money and deletion do not last longer for being needed now and then
        own = 2 * own if habit.flaps else own
        own = own if habit.cadence is None else max(own, habit.cadence * parameters.cadence_percent // 100)
    return Micros(own if habit.shorter is None else min(own, habit.shorter))


def _of_tier(tier: Tier, habit: Habit, parameters: Parameters) -> int:
    if tier is Tier.CRITICAL:
        return parameters.critical
    if tier is Tier.HIGH:
        return parameters.high
    if habit.days < parameters.enough:
        return parameters.unknown
    times, most = (
        (parameters.medium_times, parameters.medium_most)
        if tier is Tier.MEDIUM
        else (parameters.low_times, parameters.low_most)
    )
    return max(parameters.least, min(most, times * habit.q95 * DAY))


def q95(gaps: Sequence[int]) -> int:
    """The 95th percentile by nearest rank: the smallest value that at least 95 % of `gaps` do not exceed; 0 of none."""
    ordered = sorted(gaps)
    return ordered[-(-95 * len(ordered) // 100) - 1] if ordered else 0
