"""Whether a source has gone silent, measured by its own habit (pure; integers only).

What counts is the end of the newest window for which it told everything. How old that end was each time when
more came is its habit: it holds the time between two deliveries and how late they are. A source is silent once
the end is three times as old as its longest usual wait, and 26 hours at least: a day's delivery may be late.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from remit.certification.usage.windows import Windows
from remit.kernel.clock import DAY, HOUR, Instant, Micros

Waits = tuple[tuple[int, int], ...]
"""(UTC day, the longest wait that ended on it, in microseconds), by day."""

LEAST: Final = 26 * HOUR
LONGEST: Final = 35 * DAY  # a wait counts as this at most: a history that is brought in at once is no habit
_TIMES: Final = 3
_DAYS: Final = 60  # days with a delivery that are remembered
_ENOUGH: Final = 5  # waits from which on the longest is taken for an accident
_FIRST: Final = 12 * DAY  # at most this is taken from the length of what a source told first


class Hearing(NamedTuple):
    """Whether a source is heard."""

    heard: bool
    until: Instant  # the end of what it told; where it told nothing yet, or was registered later, its registration
    expected: Instant  # by when it was to tell more
    told: Instant | None  # the end of its newest complete window; None: it never said that its record is complete


def waited(waits: Waits, *, ended: Instant | int, now: Instant) -> Waits:
    """The habit with one more wait: more came at `now`, and what was there before had ended at `ended`."""
    day, wait = now // DAY, max(0, min(now - ended, LONGEST))
    found = dict(waits)
    found[day] = max(wait, found.get(day, 0))
    return tuple(sorted(found.items()))[-_DAYS:]


def usual(waits: Waits) -> Micros:
    """The longest wait; of five and more, the longest but one: an outage that was made good is no habit. 0 of none."""
    ordered = sorted(wait for _, wait in waits)
    skipped = 2 if len(ordered) >= _ENOUGH else 1
    return Micros(ordered[-skipped]) if ordered else Micros(0)


def hearing(told: Windows, waits: Waits, *, registered: Instant, now: Instant) -> Hearing:
    """Whether a source is heard at `now`.

    Before its second delivery there is no habit: then the length of what it told stands for it, 12 days at most.

    Args:
        told: When it told everything.
        waits: Its habit.
        registered: When it was registered; what it said before then (it was taken off since) makes it no older.
        now: The time.
    """
    newest = told.spans[-1] if told.spans else None
    until = registered if newest is None else Instant(max(newest[1], registered))
    wait = usual(waits) if waits or newest is None else Micros(min(newest[1] - newest[0], _FIRST))
    expected = Instant(until + max(LEAST, _TIMES * wait))
    return Hearing(now < expected, until, expected, None if newest is None else Instant(newest[1]))
