"""How many may wait: laws of the limit, and of what one caller may hold of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement.congestion import Bounds, adjusted, share
from remit.kernel.clock import Micros

BOUNDS = Bounds(least=64, most=1024, target=Micros(100_000))
limits = st.integers(BOUNDS.least, BOUNDS.most)


@given(limits, st.integers(1, 10_000), st.integers(0, 10**12))
def test_the_limit_stays_within_its_bounds(limit: int, count: int, waited: int) -> None:
    assert BOUNDS.least <= adjusted(limit, count=count, waited=waited, bounds=BOUNDS) <= BOUNDS.most


@given(limits, st.integers(1, 10_000), st.integers(0, 10**9))
def test_who_waits_longer_never_lets_more_wait(limit: int, count: int, waited: int) -> None:
    shorter = adjusted(limit, count=count, waited=waited, bounds=BOUNDS)
    assert adjusted(limit, count=count, waited=2 * waited + 1, bounds=BOUNDS) <= shorter


@given(limits, st.integers(1, 10_000))
def test_long_waits_shrink_it_and_short_ones_let_it_grow(limit: int, count: int) -> None:
    late, soon = count * BOUNDS.target + 1, count * BOUNDS.target
    assert adjusted(limit, count=count, waited=late, bounds=BOUNDS) < limit or limit == BOUNDS.least
    assert adjusted(limit, count=count, waited=soon, bounds=BOUNDS) > limit or limit == BOUNDS.most


@given(st.integers(2, 10_000), st.integers(1, 10_000))
def test_one_caller_leaves_half_to_others(limit: int, callers: int) -> None:
    mine = share(limit, callers)
    assert 1 <= mine <= max(1, limit // 2)
    assert share(limit, callers + 1) <= mine, "the more there are, the less each gets"


def test_a_limit_of_one_serves_somebody() -> None:
    assert share(1, 1) == 1


def test_equal_bounds_fix_it() -> None:
    fixed = Bounds(least=256, most=256, target=Micros(1))
    assert adjusted(256, count=1, waited=10**9, bounds=fixed) == 256
    assert adjusted(256, count=1, waited=0, bounds=fixed) == 256
