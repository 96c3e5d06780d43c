"""What an answer would take away, in figures, before it is given (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remit.catalog.model import Tier
from remit.kernel.names import ActionName

LONG_DAYS: Final = 90
SHORT_DAYS: Final = 30
NEWBORN_DAYS: Final = 14
_SHOWN: Final = 20  # unused actions among the facts; the rest are counted, and the preview names them all


@dataclass(frozen=True, slots=True)
class UseDay:
    """Use of one action on one UTC day (days since 1970)."""

    action: ActionName
    day: int
    uses: int


@dataclass(frozen=True, slots=True)
class Used:
    """How one action was used. `last` is the newest day with a use, of all that is known; `since`, since when it may
    be used at all.
    """

    action: ActionName
    tier: Tier
    since: int
    uses_90: int = 0
    uses_30: int = 0
    last: int | None = None

    def idle(self, this_day: int) -> int | None:
        """Whole days since its last use; None if there was none."""
        return None if self.last is None else max(0, this_day - self.last)

    def unused(self, this_day: int) -> bool:
        """Whether it may be said that it is not used: nothing in 90 days, and it had two weeks to be."""
        long_ago = self.last is None or this_day - self.last >= LONG_DAYS
        return self.uses_90 == 0 and long_ago and this_day - self.since >= NEWBORN_DAYS


def used(
    actions: Mapping[ActionName, Tier],
    days: Iterable[UseDay],
    *,
    last: Mapping[ActionName, int],
    since: int,
    this_day: int,
) -> list[Used]:
    """How each of `actions` was used up to and with `this_day`, in order of their names.

    Args:
        actions: With their tiers.
        days: Use by day, in any order; several rows of one day are added up.
        last: The newest day of use where that is known from elsewhere.
        since: The day from which on they could be used.
        this_day: Days since 1970.
    """
    long: dict[ActionName, int] = {}
    short: dict[ActionName, int] = {}
    newest = dict(last)
    for each in days:
        if each.uses <= 0 or each.day > this_day:
            continue
        newest[each.action] = max(each.day, newest.get(each.action, each.day))
        if this_day - each.day < LONG_DAYS:
            long[each.action] = long.get(each.action, 0) + each.uses
        if this_day - each.day < SHORT_DAYS:
            short[each.action] = short.get(each.action, 0) + each.uses
    return [
        Used(name, tier, since, long.get(name, 0), short.get(name, 0), newest.get(name))
        for name, tier in sorted(actions.items())
    ]


def taken_by_narrowing(found: Sequence[Used], *, this_day: int, whole: bool) -> list[Used]:
    """What a narrowing would take: what is not used, and nothing where the record has holes."""
    return [each for each in found if each.unused(this_day)] if whole else []


def least(found: Sequence[Used]) -> Used | None:
    """The one that is used least; of several, the one that matters most, then the first by name."""
    weight = {tier: at for at, tier in enumerate((Tier.CRITICAL, Tier.HIGH, Tier.MEDIUM, Tier.LOW))}
    return min(found, key=lambda each: (each.uses_90, weight[each.tier], each.action), default=None)


def shown(taken: Collection[Used], *, this_day: int) -> dict[str, Any]:
    """The preview: all that goes, how much it was used, and what would have been denied in the last 30 days."""
    idle = [days for each in taken if (days := each.idle(this_day)) is not None]
    return {
        "actions": [each.action for each in taken],
        "count": len(taken),
        "uses_90": sum(each.uses_90 for each in taken),
        "would_be_denied_30": sum(each.uses_30 for each in taken),
        "idle_days": min(idle) if idle else None,
    }


def facts_of(found: Sequence[Used], *, this_day: int, whole: bool) -> dict[str, Any]:
    """The figures that recommendations are made from."""
    idle = [days for each in found if (days := each.idle(this_day)) is not None]
    unused = taken_by_narrowing(found, this_day=this_day, whole=whole)
    return {
        "actions": len(found),
        "unused": len(unused),
        "unused_actions": [each.action for each in unused][:_SHOWN],
        "uses_90": sum(each.uses_90 for each in found),
        "uses_30": sum(each.uses_30 for each in found),
        "idle_days": min(idle) if idle else None,
        "age_days": min((max(0, this_day - each.since) for each in found), default=0),
        "record_whole": whole,
    }
