"""What this node knows of what is spent: only ever enough to refuse early, and never in another window's place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import HOUR, Instant
from remit.policy.view import Counters
from remit.storage.model import Release, Reserve

ONE, TWO, THREE = (Instant(number * HOUR) for number in range(3))


def reserve(window: Instant, amount: int = 1) -> Reserve:
    return Reserve("rate hour b a", window, Instant(window + HOUR), amount, 10)


def release(window: Instant, amount: int = 1) -> Release:
    return Release("rate hour b a", window, amount)


def test_each_window_is_its_own() -> None:
    counters = Counters()
    assert counters.used("rate hour b a", TWO) is None
    counters.note(reserve(TWO), 7)
    assert [counters.used("rate hour b a", window) for window in (ONE, TWO, THREE)] == [None, 7, None]
    assert counters.used("rate hour b other", TWO) is None


def test_news_of_an_older_window_come_too_late() -> None:
    counters = Counters()
    counters.note(reserve(TWO), 3)
    counters.note(reserve(ONE), 9)
    assert counters.used("rate hour b a", TWO) == 3
    counters.note(reserve(THREE), 1)
    assert counters.used("rate hour b a", THREE) == 1


def test_news_out_of_order_lower_nothing() -> None:
    """Two commits may be told the other way round: the higher figure is the later one."""
    counters = Counters()
    counters.note(reserve(TWO), 5)
    counters.note(reserve(TWO), 4)
    assert counters.used("rate hour b a", TWO) == 5


def test_a_release_is_of_its_own_window_and_never_below_nothing() -> None:
    counters = Counters()
    counters.release(release(TWO))
    assert counters.used("rate hour b a", TWO) is None
    counters.note(reserve(TWO), 5)
    counters.release(release(ONE, 4))  # reserved before the hour, given back after it
    assert counters.used("rate hour b a", TWO) == 5
    counters.release(release(TWO, 2))
    assert counters.used("rate hour b a", TWO) == 3
    counters.release(release(TWO, 4))
    assert counters.used("rate hour b a", TWO) == 0


@given(st.lists(st.tuples(st.sampled_from([ONE, TWO, THREE]), st.integers(0, 10))))
def test_it_never_says_more_than_it_was_told(told: list[tuple[Instant, int]]) -> None:
    counters = Counters()
    for window, used in told:
        counters.note(reserve(window), used)
    for window in (ONE, TWO, THREE):
        heard = [used for at, used in told if at == window]
        assert counters.used("rate hour b a", window) in {None, max(heard, default=None)}


def test_what_is_counted_for_runs_does_not_fill_the_memory() -> None:
    """A run is begun for every piece of work: what a node knows of those that are over must not stay for ever."""
    counters = Counters()
    for number in range(20_000):
        counters.note(Reserve(f"run run_{number} b a", Instant(0), Instant(9), 1, 5), 1)
    assert counters.used("run run_19999 b a", Instant(0)) == 1
    assert counters.used("run run_0 b a", Instant(0)) is None
    counters.release(Release("run run_19999 b a", Instant(0), 1))
    assert counters.used("run run_19999 b a", Instant(0)) == 0
