"""Windows are sets of time: each law is checked against a set of moments."""

from __future__ import annotations

import random
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.certification.usage.windows import Coverage, Stretch, Windows, holes, stretched, windows

EDGE = st.integers(0, 40)
SPANS = st.lists(st.tuples(EDGE, EDGE), max_size=8)
MOMENTS = range(41)


def moments(spans: Collection[tuple[int, int]]) -> set[int]:
    return {at for start, until in spans for at in range(start, until)}


@given(SPANS)
def test_windows_are_disjoint_in_order_and_hold_the_same_moments(spans: list[tuple[int, int]]) -> None:
    found = windows(spans)
    assert moments(found.spans) == moments(spans)
    assert all(left[1] < right[0] for left, right in zip(found.spans, found.spans[1:], strict=False))
    assert all(start < until for start, until in found.spans)


@given(SPANS, EDGE, EDGE)
def test_measure_counts_the_moments(spans: list[tuple[int, int]], start: int, until: int) -> None:
    found = windows(spans)
    within = moments(spans) & set(range(start, until))
    assert found.measure(start, until) == len(within)
    assert found.covers(start, until) == (within == set(range(start, until)))


@given(SPANS, SPANS)
def test_merge_intersect_and_without_are_those_of_sets(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    one, other = windows(a), windows(b)
    assert one.merge(other) == windows([*a, *b])
    assert moments(one.intersect(other).spans) == moments(a) & moments(b)
    assert moments(one.without(other).spans) == moments(a) - moments(b)
    assert one.intersect(other) == other.intersect(one)


@given(SPANS, EDGE, EDGE)
def test_gaps_are_what_is_left(spans: list[tuple[int, int]], start: int, until: int) -> None:
    found = windows(spans)
    assert moments(found.gaps(start, until).spans) == set(range(start, until)) - moments(spans)


def test_windows_that_touch_are_one_and_empty_ones_none() -> None:
    assert windows([(5, 9), (1, 5), (9, 9), (20, 10)]).spans == ((1, 9),)
    assert windows([]) == Windows()
    assert Windows().measure(0, 99) == 0


@given(st.dictionaries(st.integers(0, 60), st.integers(1, 10**6), min_size=1, max_size=40), st.randoms())
def test_stretches_are_the_same_in_whatever_order_numbers_came(told: dict[int, int], order: random.Random) -> None:
    numbers = list(told)
    order.shuffle(numbers)
    found: list[Stretch] = []
    while numbers:
        some = [numbers.pop() for _ in range(min(len(numbers), order.randint(1, 5)))]
        found = stretched(found, {number: told[number] for number in some})
    assert found == stretched([], told)
    assert {n for each in found for n in range(each.low, each.high + 1)} == set(told)
    assert all((each.first, each.last) == (told[each.low], told[each.high]) for each in found)


def test_a_number_that_is_told_twice_stays_as_it_was_told_first() -> None:
    known = [Stretch(1, 3, 10, 30)]
    assert stretched(known, {1: 99, 2: 99, 3: 99}) == known


def test_a_missing_number_takes_the_time_between_its_neighbours_and_gives_it_back() -> None:
    told = {1: 100, 2: 200, 4: 400, 5: 500}
    assert holes(stretched([], told)).spans == ((200, 401),)
    assert holes(stretched(stretched([], told), {3: 300})).spans == ()
    claim = windows([(0, 1000)])
    assert claim.without(holes(stretched([], told))).spans == ((0, 200), (401, 1000))


@pytest.mark.parametrize(("first", "lost"), [(0, ()), (1, ()), (2, ((0, 70),))])
def test_numbers_before_the_first_take_all_before_it(first: int, lost: tuple[tuple[int, int], ...]) -> None:
    assert holes(stretched([], {first: 70, first + 1: 80})).spans == lost


def test_neighbours_out_of_order_lose_the_time_between_them_all_the_same() -> None:
    assert holes(stretched([], {1: 500, 3: 300})).spans == ((300, 501),)


def test_coverage_knows_servers_that_sources_tell_of() -> None:
    found = Coverage({"s": windows([(0, 5)])})
    assert found.of("s") == windows([(0, 5)])
    assert found.of("other") is None
    assert Coverage().of("s") is None
