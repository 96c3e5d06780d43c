"""Time windows, minute by minute against the clocks themselves, over two changes of them."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.thorough import examples

from remit.access.conditions import DAY_NAMES, MINUTES, Window
from remit.access.zones import version, zone
from remit.kernel.clock import MINUTE, SECOND
from remit.kernel.errors import Malformed
from remit.policy.windows import is_open, opens

# Each zone with a week in which its clocks change: twice in the year, by an hour, by half an hour, at midnight.
WEEKS = [
    (name, dt.datetime(*day, tzinfo=dt.UTC))
    for name, *days in (
        ("Europe/Berlin", (2026, 3, 26), (2026, 10, 22)),
        ("America/New_York", (2026, 3, 5), (2026, 10, 29)),
        ("Australia/Lord_Howe", (2026, 4, 2), (2026, 10, 1)),
        ("Africa/Cairo", (2026, 4, 22), (2026, 10, 28)),
        ("Asia/Kolkata", (2026, 3, 26)),
    )
    for day in days
]


@st.composite
def windows(draw: st.DrawFn, name: str) -> Window:
    days = draw(st.sets(st.integers(0, 6), min_size=1))
    start = draw(st.integers(0, MINUTES - 1))
    return Window(
        days=tuple(sorted(days)), start=start, end=draw(st.integers(start + 1, MINUTES)), zone=name
    )  # fmt: skip


def by_the_clock(window: Window, at: dt.datetime) -> bool:
    """The oracle: what a clock on that wall shows."""
    local = at.astimezone(zone(window.zone))
    return local.weekday() in window.days and window.start <= local.hour * 60 + local.minute < window.end


def instant(at: dt.datetime) -> int:
    return int(at.timestamp()) * SECOND


@settings(deadline=None, max_examples=examples(15))
@pytest.mark.parametrize(("name", "begins"), WEEKS)
@given(data=st.data())
def test_every_minute_of_a_week_in_which_the_clocks_change(name: str, begins: dt.datetime, data: st.DataObject) -> None:
    found = [data.draw(windows(name)) for _ in range(data.draw(st.integers(1, 2)))]
    minutes = [begins + dt.timedelta(minutes=each) for each in range(8 * MINUTES)]
    shown = [any(by_the_clock(window, at) for window in found) for at in minutes]
    assert [is_open(found, instant(at)) for at in minutes] == shown
    # When it opens, to the second: asked at some minutes, and a little after the minute.
    for place in range(data.draw(st.integers(0, 40)), 7 * MINUTES, 487):
        coming = next((each for each in range(place, len(minutes)) if shown[each]), None)
        if coming is not None:
            assert opens(found, instant(minutes[place])) == instant(minutes[coming])
            later = instant(minutes[place]) + 1_500_000
            after = coming if coming > place else None
            assert opens(found, later) == (later if after is None else instant(minutes[after]))


def test_a_window_that_never_opens() -> None:
    """The clocks leave 02:00 to 03:00 out on that Sunday; it opens the Sunday after."""
    window = Window(days=(6,), start=120, end=180, zone="Europe/Berlin")
    before = instant(dt.datetime(2026, 3, 28, 12, tzinfo=dt.UTC))
    assert opens([window], before) == instant(dt.datetime(2026, 4, 5, 0, 0, tzinfo=dt.UTC))
    assert opens([], before) is None


def test_an_hour_that_is_there_twice_is_open_twice() -> None:
    window = Window(days=(6,), start=150, end=165, zone="Europe/Berlin")
    first = instant(dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC))
    assert opens([window], first - MINUTE) == first
    assert opens([window], first + 20 * MINUTE) == first + 60 * MINUTE


@pytest.mark.parametrize(
    "name", ["", "Nowhere/City", "../etc/passwd", "/etc/localtime", "Europe/../Europe/Berlin", "E" * 300]
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        zone(name)


def test_the_rules_of_zones_have_a_release() -> None:
    assert version()[:2] == "20"
    assert DAY_NAMES[0] == "mon"
