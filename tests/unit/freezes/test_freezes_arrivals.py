"""How long each point took to confirm a freeze."""

from __future__ import annotations

from remit.freezes.arrivals import Arrivals


def test_only_the_first_confirmation_that_reaches_the_freeze_counts() -> None:
    at = [10.0]
    arrivals = Arrivals(lambda: at[0])
    arrivals.confirmed("edge", 4)
    arrivals.began("frz_1", 5)
    at[0] = 10.1
    arrivals.confirmed("edge", 4)
    assert arrivals.of("frz_1") == {}, "it had not heard of it"
    at[0] = 10.25
    arrivals.confirmed("edge", 7)
    at[0] = 11
    arrivals.confirmed("edge", 8)
    arrivals.confirmed("late", 8)
    assert arrivals.of("frz_1") == {"edge": 250, "late": 1000}
    assert arrivals.of("frz_2") == {}


def test_it_keeps_no_more_than_the_newest() -> None:
    arrivals = Arrivals(lambda: 1.0)
    for number in range(300):
        arrivals.began(f"frz_{number}", number)
        arrivals.confirmed("edge", number)
    assert arrivals.of("frz_0") == {}
    assert arrivals.of("frz_299") == {"edge": 0}
