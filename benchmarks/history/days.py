"""The calendar of a made-up estate: working days, ends of months, quarters. Days count from 0; times are micros."""

from __future__ import annotations

import datetime as dt

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
FIRST = dt.date(2025, 12, 1)  # a Monday; the first weeks hold the turn of the year, when people are away
START = (FIRST - dt.date(1970, 1, 1)).days * DAY
_YEARLY = frozenset({(1, 1), (5, 1), (12, 24), (12, 25), (12, 26), (12, 31)})
_EASTER = frozenset(dt.date(*each) for each in ((2026, 4, 3), (2026, 4, 6), (2027, 3, 26), (2027, 3, 29)))


def date(day: int) -> dt.date:
    """The date of a day."""
    return FIRST + dt.timedelta(days=day)


def moment(day: int, second: int = 0) -> int:
    """Micros since 1970 of a second of a day, UTC."""
    return START + day * DAY + second * SECOND


def day_of(at: int) -> int:
    """The day in which a moment falls."""
    return (at - START) // DAY


def working(day: int) -> bool:
    """Whether people work: no weekend, no holiday."""
    on = date(day)
    return on.weekday() < 5 and (on.month, on.day) not in _YEARLY and on not in _EASTER


def next_working(at: int) -> int:
    """The same time on the next working day: when a person has answered."""
    at += DAY
    while not working(day_of(at)):
        at += DAY
    return at


def working_days(first: int, end: int) -> list[int]:
    """The working days from `first`, before `end`."""
    return [day for day in range(first, end) if working(day)]


def month_ends(first: int, end: int) -> list[list[int]]:
    """For each month that ends in the time: its last two working days and the first of the next month."""
    days = working_days(first, end)
    turns = [at for at in range(1, len(days)) if date(days[at - 1]).month != date(days[at]).month]
    return [days[max(0, at - 2) : at + 1] for at in turns]


def quarters(first: int, end: int, shift: int) -> list[list[int]]:
    """The first five working days of each quarter that starts in the time, `shift` months late as fiscal years are."""
    days = working_days(first, end)
    found: dict[tuple[int, int], list[int]] = {}
    for day in days:
        on = date(day)
        if (on.month - 1 - shift) % 3 == 0:
            found.setdefault((on.year, on.month), []).append(day)
    return [each[:5] for each in found.values() if date(each[0]).day <= 7]
