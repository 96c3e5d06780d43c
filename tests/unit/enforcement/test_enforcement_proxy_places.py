"""Places in the forward proxy: none too many, a fair part for each, and one for who comes later."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement.proxy_places import Place, Places, may_take

STEPS = st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=200)


@given(st.integers(0, 40), STEPS)
def test_no_more_are_taken_than_there_are_and_none_is_lost(most: int, steps: list[tuple[str, bool]]) -> None:
    places, held = Places(most), dict[str, list[Place]]()
    for agent, takes in steps:
        mine = held.setdefault(agent, [])
        if takes and (place := places.take(agent)) is not None:
            mine.append(place)
        elif not takes and mine:
            mine[0].leave()
            mine.pop(0).leave()  # twice is once
        assert places.taken == sum(map(len, held.values())) <= most
        assert +places.held == places.held  # who holds none is forgotten
    for place in (each for mine in held.values() for each in mine):
        place.leave()
    assert (places.taken, places.held) == (0, {})


@given(st.integers(1, 4096), st.integers(1, 12))
def test_however_greedy_those_before_were_the_next_finds_a_place(most: int, agents: int) -> None:
    """As long as there are two to the power of their number."""
    places = Places(most)
    for agent in map(str, range(agents)):
        before = most - places.taken
        while places.take(agent) is not None:
            pass
        assert places.held[agent] == (before + 1) // 2
    assert most - places.taken == most >> agents
    assert (places.take("next") is None) is (most < 1 << agents)


@given(st.integers(0, 50), st.integers(0, 50))
def test_who_holds_none_may_take_any_and_who_holds_more_never_sooner(held: int, free: int) -> None:
    assert may_take(0, free) is (free > 0)
    assert may_take(held, free) or not may_take(held + 1, free)
