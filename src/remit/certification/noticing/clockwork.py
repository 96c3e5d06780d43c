"""Calls like a clock's: on many days, and the silence between one day's calls and the next one's always as long (pure).

The silence is measured from the last call of a day to the first of the next day that has any, so a call an hour and a
call a week both show, and what is called all day long by whoever has work for it does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from remit.certification.usage.days import Calls, UseDay, added_up
from remit.kernel.clock import DAY, Instant

# Published in docs/certification.md.
WINDOW_DAYS: Final = 60
LEAST_DAYS: Final = 8  # with calls, in the window
_EVEN: Final = 50  # the gaps' standard deviation is below their mean divided by this: 2 %
_VAIN: Final = 10  # at most one call in so many came to something
_MISSED: Final = 2  # gaps without a call: then it is over


class Clockwork(NamedTuple):
    """How evenly something is called."""

    days: int  # UTC days with calls, in the window
    every: int  # microseconds of silence between two of them, rounded down
    first: Instant  # call in the window
    last: Instant


def since(now: Instant) -> int:
    """The first UTC day of the window."""
    return now // DAY - WINDOW_DAYS + 1


def even(gaps: Sequence[int]) -> bool:
    """Whether the coefficient of variation of `gaps` is below 2 %: n sum(g^2) - sum(g)^2 against sum(g)^2."""
    total = sum(gaps)
    spread = len(gaps) * sum(gap * gap for gap in gaps) - total * total
    return total > 0 and _EVEN * _EVEN * spread < total * total


def clockwork(rows: Iterable[UseDay], *, now: Instant) -> Clockwork | None:
    """How evenly one entitlement is called; None if it is not, or if it is over.

    Over it is when nothing came for twice a gap, and for a day.

    Args:
        rows: Its days, of any sources, in any order.
        now: The window ends with its day.
    """
    days = added_up(each._replace(key=each.key._replace(source="")) for each in _within(rows, now))
    gaps = [right.first - left.last for left, right in pairwise(days)]
    if len(days) < LEAST_DAYS or not even(gaps):
        return None
    every = sum(gaps) // len(gaps)
    if now - days[-1].last > max(DAY, _MISSED * every):
        return None
    return Clockwork(len(days), every, Instant(days[0].first), Instant(days[-1].last))


def _within(rows: Iterable[UseDay], now: Instant) -> list[UseDay]:
    return [each for each in rows if since(now) <= each.key.day <= now // DAY]


def in_vain(calls: Calls) -> bool:
    """Whether most of these calls came to nothing: they were refused, or came to an error."""
    return calls.all > 0 and _VAIN * calls.uses <= calls.all


def keep_alive(rows: Iterable[UseDay], *, now: Instant) -> Clockwork | None:
    """Whether one entitlement is called like a clock and it comes to nothing, and how; of the rows of `clockwork`."""
    mine = _within(rows, now)
    sums = (sum(each.uses for each in mine), sum(each.denied for each in mine), sum(each.errors for each in mine))
    return clockwork(mine, now=now) if in_vain(Calls(*sums)) else None


def used_like_a_clock(rows: Iterable[UseDay], *, now: Instant) -> Clockwork | None:
    """Whether one entitlement is used like a clock, whatever else was called beside. An honest job does that too."""
    return clockwork((each for each in rows if each.uses), now=now)
