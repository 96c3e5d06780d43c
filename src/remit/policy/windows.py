"""Is a time window open, and when does the next one open (pure: of the time and the zones' rules).

A window is told by the clocks of its zone. Where they go back an hour, that hour is there twice and
the window is open twice; where they go forward, what they leave out is not there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from remit.access.conditions import Window
from remit.access.zones import zone
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant

_THURSDAY: Final = 3  # 1 January 1970; 0 is Monday
_WEEK: Final = 7
_AHEAD: Final = 9 * DAY  # whatever the clocks do, a window that ever opens does so within these
_STEP: Final = 6 * HOUR  # no zone changes its clocks twice within one


def is_open(windows: Iterable[Window], now: int) -> bool:
    """Whether one of them is open."""
    return any(_open(window, now + _offset(window.zone, now)) for window in windows)


def opens(windows: Iterable[Window], now: int) -> Instant | None:
    """When the next of them opens, `now` at the earliest; None if none does within the next week."""
    found = [at for window in windows if (at := _next(window, now)) is not None]
    return Instant(min(found)) if found else None


def _open(window: Window, local: int) -> bool:
    day, time = divmod(local, DAY)
    return _weekday(day) in window.days and window.start * MINUTE <= time < window.end * MINUTE


def _next(window: Window, now: int) -> int | None:
    """Stretch by stretch between two changes of the clocks; within one, time is even."""
    at, last = now, now + _AHEAD
    while at < last:
        until = _changes(window.zone, at, last)
        if (found := _within(window, at, until, _offset(window.zone, at))) is not None:
            return found
        at = until
    return None


def _within(window: Window, start: int, until: int, offset: int) -> int | None:
    first = (start + offset) // DAY
    for day in range(first, first + _AHEAD // DAY + 1):
        if _weekday(day) in window.days:
            opening = max(day * DAY + window.start * MINUTE, start + offset)
            if opening < day * DAY + window.end * MINUTE:
                return opening - offset if opening - offset < until else None
    return None


def _changes(name: str, start: int, last: int) -> int:
    """When the clocks next change after `start`; `last` if they do not before it."""
    before, at = _offset(name, start), start
    while at < last:
        after = min(at + _STEP, last)
        if _offset(name, after) != before:
            low, high = at // SECOND, after // SECOND  # they change at a whole second
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(name, middle * SECOND) == before else (low, middle)
            return high * SECOND
        at = after
    return last


def _offset(name: str, instant: int) -> int:
    """By how much the clocks of a zone are ahead of UTC at an instant; in microseconds."""
    there = dt.datetime.fromtimestamp(instant // SECOND, tz=zone(name)).utcoffset() or dt.timedelta()
    return (there.days * 86_400 + there.seconds) * SECOND


def _weekday(day: int) -> int:
    """Of a day, counted from 1970: 0 is Monday."""
    return (day + _THURSDAY) % _WEEK
