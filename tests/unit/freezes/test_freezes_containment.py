"""When a stop is known to hold everywhere: confirmed, expired, or not yet."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.freezes.containment import BOUND, Acknowledgements, Heard, containment


@dataclass
class World:
    names: list[str]
    epoch: int = 7
    time: float = 100.0


@pytest.fixture
def world() -> World:
    return World(["one", "two"])


@pytest.fixture
def acknowledgements(world: World) -> Acknowledgements:
    return Acknowledgements(names=lambda: world.names, epoch=lambda: world.epoch, monotonic=lambda: world.time)


def test_the_gateway_has_confirmed_at_once(world: World, acknowledgements: Acknowledgements) -> None:
    world.names = []
    found = acknowledgements.of(7)
    assert (found.confirmed, found.expired, found.pending, found.contained) == (("gateway",), (), (), True)


def test_a_point_is_pending_until_it_confirms(world: World, acknowledgements: Acknowledgements) -> None:
    world.epoch = 8
    assert acknowledgements.of(8).pending == ("one", "two")
    assert acknowledgements.confirm("one", 8)
    found = acknowledgements.of(8)
    assert (found.confirmed, found.pending, found.contained) == (("gateway", "one"), ("two",), False)
    assert acknowledgements.confirm("two", 8)
    assert acknowledgements.of(8).contained


def test_a_silent_point_expires_after_its_lease_and_not_before(
    world: World, acknowledgements: Acknowledgements
) -> None:
    world.names = ["one"]
    assert acknowledgements.confirm("one", 7)
    world.epoch = 8
    world.time += BOUND
    assert acknowledgements.of(8).pending == ("one",)
    world.time += 0.001
    found = acknowledgements.of(8)
    assert (found.expired, found.contained) == (("one",), True)
    assert acknowledgements.confirm("one", 8)  # it is back, and knows
    assert acknowledgements.of(8).confirmed == ("gateway", "one")


def test_a_point_that_lags_behind_does_not_hold_its_lease(world: World, acknowledgements: Acknowledgements) -> None:
    world.names = ["one"]
    assert acknowledgements.confirm("one", 7)
    world.epoch = 8
    for _ in range(6):  # once a second it says what it knew before the freeze
        world.time += 1
        assert not acknowledgements.confirm("one", 7)
    assert acknowledgements.of(8).expired == ("one",)


def test_after_a_start_a_lease_of_before_may_still_run(world: World, acknowledgements: Acknowledgements) -> None:
    assert acknowledgements.of(7).pending == ("one", "two")
    world.time += BOUND + 1
    assert acknowledgements.of(7).expired == ("one", "two")


def test_a_point_that_is_removed_counts_no_more(world: World, acknowledgements: Acknowledgements) -> None:
    assert acknowledgements.confirm("one", 7)
    world.names = ["two"]
    assert acknowledgements.of(7).confirmed == ("gateway",)
    world.names = ["one", "two"]  # another one of that name starts from nothing
    assert acknowledgements.of(7).pending == ("one", "two")


def test_an_older_word_does_not_undo_a_newer_one(world: World, acknowledgements: Acknowledgements) -> None:
    world.epoch = 9
    assert acknowledgements.confirm("one", 9)
    assert not acknowledgements.confirm("one", 7)
    assert "one" in acknowledgements.of(9).confirmed


@given(
    st.sets(st.sampled_from("abcdef")),
    st.dictionaries(st.sampled_from("abcdefgh"), st.builds(Heard, st.integers(0, 5), st.floats(0, 20))),
    st.integers(0, 5),
    st.floats(0, 20),
)
def test_each_point_stands_in_one_place_and_only_silence_or_its_word_takes_it_from_pending(
    points: set[str], heard: dict[str, Heard], epoch: int, now: float
) -> None:
    found = containment(points, heard, epoch=epoch, now=now)
    assert sorted([*found.confirmed[1:], *found.expired, *found.pending]) == sorted(points)
    for name in found.confirmed[1:]:
        assert heard[name].epoch >= epoch
    for name in found.expired:
        assert name not in heard or now - heard[name].at > BOUND


def test_for_other_nodes_it_holds_as_far_as_the_last_point_that_may_go_on(
    world: World, acknowledgements: Acknowledgements
) -> None:
    assert acknowledgements.held(7) == 0  # a point may hold a lease that the process before this one gave it
    acknowledgements.confirm("one", 5)
    world.time += BOUND + 1
    assert acknowledgements.held(7) == 7  # silent for so long, it has refused by itself
    acknowledgements.confirm("one", 7)
    acknowledgements.confirm("two", 7)
    world.epoch = 8
    assert acknowledgements.held(8) == 7
    acknowledgements.confirm("one", 8)
    assert acknowledgements.held(8) == 7
    acknowledgements.confirm("two", 8)
    assert acknowledgements.held(8) == 8
    world.names = []
    assert acknowledgements.held(9) == 9


def test_a_node_that_may_lack_something_lets_no_point_go_on(world: World) -> None:
    current = [False]
    found = Acknowledgements(
        names=lambda: world.names, epoch=lambda: 7, current=lambda: current[0], monotonic=lambda: world.time
    )
    assert not found.confirm("one", 7)
    current[0] = True
    assert found.confirm("one", 7)


def test_a_point_is_connected_while_its_lease_runs(world: World, acknowledgements: Acknowledgements) -> None:
    assert acknowledgements.connected() == {"one": False, "two": False}
    world.epoch = 8
    assert not acknowledgements.confirm("two", 7)
    assert acknowledgements.confirm("one", 8)
    world.time += 1
    assert acknowledgements.connected()["one"]
    world.time += BOUND
    assert not acknowledgements.connected()["one"]
    world.names = ["two"]
    assert "one" not in acknowledgements.connected()
