"""What is called like a clock, and what is called in vain: pure rules, held against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from remit.certification.noticing.clockwork import (
    LEAST_DAYS,
    WINDOW_DAYS,
    Clockwork,
    even,
    in_vain,
    keep_alive,
    used_like_a_clock,
)
from remit.certification.usage.days import Calls, DayKey, UseDay
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant

TODAY = 20_700
NOON = TODAY * DAY + 12 * HOUR
NOW = Instant(NOON + HOUR)


def row(
    at: int, *, uses: int = 0, denied: int = 0, errors: int = 0, until: int | None = None, source: str = "remit"
) -> UseDay:
    key = DayKey("bot", "work", "s/t", "s", at // DAY, source)
    return UseDay(key, uses, denied, errors, at, at if until is None else until)


def failing(*times: int) -> list[UseDay]:
    return [row(at, errors=1) for at in times]


def daily(count: int, *, every: int = DAY, last: int = NOON) -> list[int]:
    return [last - back * every for back in range(count)]


@given(st.lists(st.integers(1, 10 * DAY), min_size=1, max_size=60))
def test_even_is_a_coefficient_of_variation_below_two_percent(gaps: list[int]) -> None:
    mean = Fraction(sum(gaps), len(gaps))
    variance = sum(((gap - mean) ** 2 for gap in gaps), Fraction(0)) / len(gaps)
    assert even(gaps) is (variance < (mean * Fraction(2, 100)) ** 2)


def test_nothing_is_not_even() -> None:
    assert not even([])
    assert not even([0, 0])


@given(
    st.integers(LEAST_DAYS, WINDOW_DAYS),
    st.lists(st.integers(-5 * MINUTE, 5 * MINUTE), min_size=WINDOW_DAYS, max_size=WINDOW_DAYS),
    st.randoms(use_true_random=False),
)
def test_a_call_a_day_with_some_minutes_of_jitter_is_a_clock(count: int, jitter: list[int], random: Random) -> None:
    times = [at + more for at, more in zip(daily(count), jitter, strict=False)]
    rows = failing(*times)
    random.shuffle(rows)
    found = keep_alive(rows, now=NOW)
    assert found == Clockwork(count, (times[0] - times[-1]) // (count - 1), Instant(times[-1]), Instant(times[0]))


@pytest.mark.parametrize("every", [30 * MINUTE, HOUR, 5 * HOUR, 7 * HOUR, 25 * HOUR, 40 * HOUR, 7 * DAY])
def test_whatever_the_clock_strikes_the_silence_overnight_is_as_long(every: int) -> None:
    """Written down are days: what is left of a call an hour is the first and the last of each."""
    times = [at for at in daily(60 * DAY // every, every=every) if at // DAY > TODAY - WINDOW_DAYS]
    days = {at // DAY: [other for other in times if other // DAY == at // DAY] for at in times}
    rows = [row(min(some), errors=len(some), until=max(some)) for some in days.values()]
    found = keep_alive(rows, now=NOW)
    assert found is not None
    assert found.every == every


def test_who_has_work_all_day_is_no_clock() -> None:
    """The silence over midnight is then as long as work happens to leave it."""
    silences = [3, 40, 11, 95, 2, 31, 7, 60, 18, 5]
    rows = [
        row((TODAY - back) * DAY + silence * SECOND, uses=5_000, until=(TODAY - back + 1) * DAY - silence * SECOND)
        for back, silence in enumerate(silences, 1)
    ]
    assert used_like_a_clock(rows, now=NOW) is None


@given(st.lists(st.integers(0, DAY - 1), min_size=LEAST_DAYS, max_size=30))
def test_what_comes_when_it_comes_is_no_clock(moments: list[int]) -> None:
    times = sorted((TODAY - back) * DAY + moment for back, moment in enumerate(moments, 1))
    gaps = [right - left for left, right in pairwise(times)]
    assume(not even(gaps))
    assert keep_alive(failing(*times), now=NOW) is None


def test_seven_days_say_nothing() -> None:
    assert keep_alive(failing(*daily(LEAST_DAYS - 1)), now=NOW) is None
    assert keep_alive(failing(*daily(LEAST_DAYS)), now=NOW) is not None


def test_only_the_last_sixty_days_are_read() -> None:
    weekly = daily(LEAST_DAYS, every=8 * DAY)
    assert keep_alive(failing(*weekly), now=NOW) is not None
    nine_daily = daily(LEAST_DAYS, every=9 * DAY)  # the first of them is too long ago
    assert keep_alive(failing(*nine_daily), now=NOW) is None


def test_it_is_over_when_nothing_came_for_twice_a_gap_and_a_day() -> None:
    rows = failing(*daily(20))
    assert keep_alive(rows, now=Instant(NOON + 2 * DAY)) is not None
    assert keep_alive(rows, now=Instant(NOON + 2 * DAY + 1)) is None
    hourly = [row(at, errors=12, until=at + 23 * HOUR) for at in daily(20, last=TODAY * DAY)]
    newest = TODAY * DAY + 23 * HOUR
    assert keep_alive(hourly, now=Instant(newest + DAY - 1)) is not None
    assert keep_alive(hourly, now=Instant(newest + DAY + 1)) is None


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_in_vain_is_at_most_one_use_in_ten_calls(uses: int, denied: int, errors: int) -> None:
    calls = Calls(uses, denied, errors)
    assert in_vain(calls) is (calls.all > 0 and Fraction(uses, calls.all) <= Fraction(1, 10))


def test_what_succeeds_is_no_keep_alive_and_what_fails_no_use() -> None:
    good, bad = [row(at, uses=1) for at in daily(20)], failing(*daily(20))
    assert keep_alive(good, now=NOW) is None
    assert used_like_a_clock(good, now=NOW) is not None
    assert used_like_a_clock(bad, now=NOW) is None
    mostly = [row(at, denied=9, uses=1) for at in daily(20)]
    assert keep_alive(mostly, now=NOW) is not None
    assert keep_alive([*mostly, row(NOON, uses=1, source="other")], now=NOW) is None


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=12, max_size=12))
def test_which_source_told_it_makes_no_difference(sources: list[str]) -> None:
    times = daily(12)
    rows = [row(at, denied=1, source=source) for at, source in zip(times, sources, strict=True)]
    assert keep_alive(rows, now=NOW) == keep_alive([row(at, denied=1) for at in times], now=NOW)
