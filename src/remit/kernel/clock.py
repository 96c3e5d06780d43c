"""Time: integer microseconds since the epoch, UTC; the only place that reads the wall clock."""

from __future__ import annotations

import datetime as dt
import re
import time
from functools import lru_cache
from typing import NewType, Protocol

from remit.kernel.errors import Malformed

Instant = NewType("Instant", int)
Micros = NewType("Micros", int)

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
EPOCH = Instant(0)

_DURATION = re.compile(r"([1-9][0-9]{0,8})(ms|s|m|h|d)\Z")
_UNIT = {"ms": 1000, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}


class Clock(Protocol):
    """Where `now` comes from."""

    def now(self) -> Instant:
        """The current time; never goes back within one process."""
        ...


class SystemClock:
    """The wall clock, held still while the wall clock is behind what was already said."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> Instant:
        """The wall clock's time, or the last time told if the wall clock went back."""
        now = time.time_ns() // 1000
        if now > self._last:  # noqa: PLR1730 - every decision asks several times, and `max` takes twice as long
            self._last = now
        return Instant(self._last)


class FixedClock:
    """A clock that moves only when told; for tests, replay and demonstrations."""

    def __init__(self, at: int) -> None:
        self.at = at

    def now(self) -> Instant:
        """The time it was last set to."""
        return Instant(self.at)


def spoken(seconds: int) -> str:
    """A length of time for people, in its two largest units: `2 d 3 h`, `23 h 58 min`, `40 s`. Pure.

    Args:
        seconds: At least 0.
    """
    for size, unit, smaller, part in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            left = seconds % size // smaller
            return f"{seconds // size} {unit}" + (f" {left} {part}" if left else "")
    return f"{seconds} s"


def rfc3339(instant: int) -> str:
    """`instant` as RFC 3339 in UTC with microseconds: `2026-11-24T10:00:00.000000Z`."""
    seconds, micros = divmod(instant, SECOND)
    return f"{_to_the_second(seconds)}.{micros:06d}Z"


@lru_cache(maxsize=64)  # several entries are made within one second, each with its time
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def parse_date_end(text: object) -> Instant:
    """The end (24:00 UTC) of a date `YYYY-MM-DD`, or the instant of an RFC 3339 time with an offset.

    Raises:
        Malformed: Neither.
    """
    try:
        if isinstance(text, dt.datetime):
            return _instant(text)
        if isinstance(text, dt.date):
            day = text
        elif isinstance(text, str) and "T" in text:
            return _instant(dt.datetime.fromisoformat(text))
        else:
            day = dt.date.fromisoformat(str(text))
        start = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
        return Instant(int(start.timestamp()) * SECOND + DAY)
    except (ValueError, OverflowError) as error:
        raise Malformed("a date is YYYY-MM-DD, or an RFC 3339 time with offset", detail=repr(text)[:80]) from error


def _instant(when: dt.datetime) -> Instant:
    if when.tzinfo is None:
        raise Malformed("a time needs an offset, such as Z")
    delta = when - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return Instant((delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds)


def parse_duration(text: object) -> Micros:
    """A duration such as `500ms`, `20s`, `30m`, `8h`, `7d`, in microseconds.

    Raises:
        Malformed: It is not one.
    """
    match = _DURATION.match(text) if isinstance(text, str) else None
    if match is None:
        raise Malformed("a duration is a number and one of ms, s, m, h, d", detail=repr(text)[:80])
    return Micros(int(match[1]) * _UNIT[match[2]])


def window_start(per: str, now: int) -> Instant:
    """The start of the UTC calendar unit (`second`, `min`, `hour`, `day`, `month`) that `now` is in."""
    if per == "month":
        then = dt.datetime.fromtimestamp(now // SECOND, tz=dt.UTC)
        return _instant(dt.datetime(then.year, then.month, 1, tzinfo=dt.UTC))
    unit = {"second": SECOND, "min": MINUTE, "hour": HOUR, "day": DAY}[per]
    return Instant(now - now % unit)


def window_end(per: str, now: int) -> Instant:
    """The end of the UTC calendar unit that `now` is in."""
    start = window_start(per, now)
    if per == "month":
        then = dt.datetime.fromtimestamp(start // SECOND, tz=dt.UTC)
        year, month = (then.year + 1, 1) if then.month == 12 else (then.year, then.month + 1)  # noqa: PLR2004 - December
        return _instant(dt.datetime(year, month, 1, tzinfo=dt.UTC))
    return Instant(start + {"second": SECOND, "min": MINUTE, "hour": HOUR, "day": DAY}[per])
