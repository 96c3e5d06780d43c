"""Whether a source is silent: by its own habit, never within 26 hours, and no outage or backfill hides the next one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.certification.usage.silence import LEAST, LONGEST, Waits, hearing, usual, waited
from remit.certification.usage.windows import Windows, windows
from remit.kernel.clock import DAY, HOUR, MINUTE, Instant

NOW = Instant(1_795_521_600_000_000)
START = NOW - 100 * DAY
WAITS = st.lists(st.integers(min_value=0, max_value=400 * DAY), max_size=70)


def told(*spans: tuple[int, int]) -> Windows:
    return windows(spans)


def habit(waits: list[int], *, every: int = DAY) -> Waits:
    """The habit of a source that let Remit wait like this, one delivery `every` so often."""
    found: Waits = ()
    for number, wait in enumerate(waits):
        at = Instant(START + number * every)
        found = waited(found, ended=at - wait, now=at)
    return found


@given(WAITS, st.integers(min_value=0, max_value=200 * DAY), st.integers(min_value=1, max_value=400 * DAY))
def test_none_is_silent_within_26_hours_and_each_is_after_105_days(waits: list[int], age: int, length: int) -> None:
    found = hearing(told((NOW - age - length, NOW - age)), habit(waits), registered=Instant(0), now=NOW)
    assert found.until == NOW - age
    assert found.heard is (found.expected > NOW)
    assert LEAST <= found.expected - found.until <= 3 * LONGEST
    if age < LEAST:
        assert found.heard
    if age >= 3 * LONGEST:
        assert not found.heard


@given(WAITS, st.integers(min_value=0, max_value=40 * DAY), st.integers(min_value=0, max_value=40 * DAY))
def test_who_is_silent_stays_so_until_it_tells_more(waits: list[int], age: int, later: int) -> None:
    spans, known = told((START - DAY, NOW - age)), habit(waits)
    first = hearing(spans, known, registered=Instant(START), now=NOW)
    second = hearing(spans, known, registered=Instant(START), now=Instant(NOW + later))
    assert first.expected == second.expected
    assert first.heard or not second.heard


def test_a_source_that_never_told_anything_is_silent_26_hours_after_it_was_registered() -> None:
    for age, heard in ((LEAST - 1, True), (LEAST, False)):
        found = hearing(told(), (), registered=Instant(NOW - age), now=NOW)
        assert (found.heard, found.until, found.told) == (heard, NOW - age, None)


def test_before_its_second_delivery_the_length_of_what_it_told_stands_for_its_habit() -> None:
    def bound(length: int) -> int:
        end = NOW - HOUR
        found = hearing(told((end - 900 * DAY, end - 800 * DAY), (end - length, end)), (), registered=NOW, now=NOW)
        return found.expected - NOW

    assert [bound(length) for length in (MINUTE, DAY, 31 * DAY, 400 * DAY)] == [LEAST, 3 * DAY, 36 * DAY, 36 * DAY]


def test_a_daily_source_is_silent_after_three_of_its_waits() -> None:
    known = habit([DAY + 6 * HOUR] * 10)
    end = Instant(NOW - 3 * (DAY + 6 * HOUR))
    assert not hearing(told((START, end)), known, registered=Instant(0), now=NOW).heard
    assert hearing(told((START, end + 1)), known, registered=Instant(0), now=NOW).heard


def test_weekends_are_a_habit() -> None:
    known = habit([DAY, DAY, DAY, DAY, 3 * DAY] * 8)
    assert usual(known) == 3 * DAY


def test_one_outage_that_was_made_good_is_no_habit() -> None:
    assert usual(habit([DAY, DAY, DAY, 20 * DAY])) == 20 * DAY
    assert usual(habit([DAY, DAY, DAY, DAY, 20 * DAY])) == DAY


def test_a_history_brought_in_at_once_counts_as_35_days_at_most_and_once() -> None:
    found: Waits = ()
    for age in (300, 200, 100, 1):
        found = waited(found, ended=NOW - age * DAY, now=NOW)
    assert found == ((NOW // DAY, LONGEST),)


def test_only_the_last_60_days_with_a_delivery_are_remembered() -> None:
    known = habit([30 * DAY, 30 * DAY] + [DAY] * 60)
    assert (len(known), usual(known)) == (60, DAY)


def test_what_it_told_before_it_was_taken_off_makes_it_no_older() -> None:
    found = hearing(told((START, START + DAY)), habit([DAY] * 3), registered=Instant(NOW - HOUR), now=NOW)
    assert (found.heard, found.until, found.told) == (True, NOW - HOUR, START + DAY)
