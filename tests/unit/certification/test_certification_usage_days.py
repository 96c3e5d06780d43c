"""Use by the day adds up in any order, and makes the usage that folding every use makes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.activation import Usage
from remit.certification.usage.days import DayKey, UseDay, added_up, day_of, together, usage_of
from remit.certification.usage.model import Kind, UsageEvent
from remit.kernel.clock import DAY, HOUR, Instant, Micros

CALLS = st.lists(
    st.tuples(st.integers(1, 60 * 24), st.sampled_from([Kind.USE, Kind.DENIAL, Kind.ERROR]), st.sampled_from("ab")),
    max_size=60,
)


def event(hour: int, kind: Kind = Kind.USE, source: str = "a") -> UsageEvent:
    return UsageEvent(source, f"{hour}{kind}", Instant(hour * HOUR), kind, agent="bot", action="s/t")


def covered(at: Instant) -> Micros:
    """Complete but for the third of ten days."""
    lost = sum(max(0, min(at, (start + 1) * DAY) - start * DAY) for start in range(2, 60, 10))
    return Micros(at - lost)


@given(CALLS, st.randoms())
def test_the_usage_is_what_folding_every_use_makes(calls: list[tuple[int, Kind, str]], order: random.Random) -> None:
    start = Usage(Instant(DAY // 2), covered(Instant(DAY // 2)))
    folded = start
    for hour, kind, _ in sorted(calls):
        if kind is Kind.USE:
            folded = folded.after(Instant(hour * HOUR), covered(Instant(hour * HOUR)))
    rows = added_up(day_of(event(*call), "work") for call in calls)
    order.shuffle(rows)
    assert usage_of(start, rows, covered) == folded


@given(CALLS, st.randoms())
def test_rows_add_up_the_same_however_they_are_split(calls: list[tuple[int, Kind, str]], order: random.Random) -> None:
    rows = [day_of(event(*call), "work") for call in calls]
    whole = added_up(rows)
    order.shuffle(rows)
    cut = order.randint(0, len(rows))
    assert added_up([*added_up(rows[cut:]), *added_up(rows[:cut])]) == whole


def test_a_row_says_when_it_was_used_and_else_when_it_was_tried() -> None:
    tried, used = day_of(event(1, Kind.DENIAL), "work"), day_of(event(9), "work")
    assert (tried.first, tried.last, tried.denied, tried.uses) == (HOUR, HOUR, 1, 0)
    for found in (together(tried, used), together(used, tried)):
        assert (found.first, found.last, found.denied, found.uses) == (9 * HOUR, 9 * HOUR, 1, 1)


def test_a_row_is_about_the_server_and_the_utc_day() -> None:
    found = day_of(event(25, Kind.ERROR, "b"), "")
    assert found == UseDay(DayKey("bot", "", "s/t", "s", 1, "b"), 0, 0, 1, 25 * HOUR, 25 * HOUR)


def test_without_a_use_nothing_changes_and_days_are_never_counted_twice() -> None:
    start = Usage(Instant(5), Micros(5))
    assert usage_of(start, [day_of(event(1, Kind.DENIAL), "work")], covered) == start
    with pytest.raises(ValueError, match="days alone"):
        usage_of(Usage(Instant(5), Micros(5), 1), [], covered)


@pytest.mark.parametrize("days", [20, 21, 22, 40])
def test_as_many_gaps_are_kept_as_folding_keeps(days: int) -> None:
    start, uses = Usage(Instant(0), Micros(0)), [number * (number + 1) // 2 for number in range(1, days + 1)]
    folded = start
    for day in uses:
        folded = folded.after(Instant(day * DAY), Micros(day * DAY))
    rows = [day_of(event(day * 24), "work") for day in uses]
    assert usage_of(start, rows, Micros) == folded
