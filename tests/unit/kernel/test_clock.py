import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    SystemClock,
    parse_date_end,
    parse_duration,
    rfc3339,
    spoken,
    window_end,
    window_start,
)
from remit.kernel.errors import Malformed

NOON = int(dt.datetime(2026, 11, 24, 12, 30, 15, 250_000, tzinfo=dt.UTC).timestamp() * SECOND)


def test_a_date_ends_at_midnight_utc() -> None:
    assert rfc3339(parse_date_end("2026-12-31")) == "2027-01-01T00:00:00.000000Z"
    assert parse_date_end(dt.date(2026, 12, 31)) == parse_date_end("2026-12-31")


def test_a_time_with_offset_is_that_instant() -> None:
    assert rfc3339(parse_date_end("2026-12-31T12:00:00+02:00")) == "2026-12-31T10:00:00.000000Z"


@pytest.mark.parametrize("text", ["2026-13-01", "", "tomorrow", "2026-12-31T12:00:00", None, 5])
def test_what_is_no_date_is_refused(text: object) -> None:
    with pytest.raises(Malformed):
        parse_date_end(text)


@pytest.mark.parametrize(
    ("text", "micros"),
    [("20s", 20 * SECOND), ("30m", 30 * MINUTE), ("8h", 8 * HOUR), ("7d", 7 * DAY), ("500ms", 500_000)],
)
def test_durations(text: str, micros: int) -> None:
    assert parse_duration(text) == micros


@pytest.mark.parametrize("text", ["0s", "-1s", "1.5h", "7 d", "7", "d", "1w", None, 7, "1s\n"])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(Malformed):
        parse_duration(text)


@given(st.integers(0, 4_000_000_000 * SECOND), st.sampled_from(["second", "min", "hour", "day", "month"]))
def test_now_is_always_inside_its_window(now: int, per: str) -> None:
    start, end = window_start(per, now), window_end(per, now)
    assert start <= now < end
    assert window_start(per, end) == end
    assert window_start(per, start) == start


def test_a_month_is_a_calendar_month() -> None:
    assert rfc3339(window_start("month", NOON)) == "2026-11-01T00:00:00.000000Z"
    assert rfc3339(window_end("month", NOON)) == "2026-12-01T00:00:00.000000Z"


def test_the_clock_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    first = clock.now()
    monkeypatch.setattr("time.time_ns", lambda: (first - HOUR) * 1000)
    assert clock.now() == first


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (86_308, "23 h 58 min"), (86_400, "1 d"),
     (89_999, "1 d"), (90_000, "1 d 1 h"), (7 * 86_400, "7 d")],
)  # fmt: skip
def test_a_length_of_time_is_spoken_in_its_two_largest_units(seconds: int, said: str) -> None:
    assert spoken(seconds) == said
