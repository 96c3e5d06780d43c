"""Use that another node saw is read before what it used counts as idle here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from tests.unit.policy.test_policy_facts import NOWHERE, Nothing, Stored

from remit.kernel.clock import HOUR, SECOND, FixedClock, Instant, Micros
from remit.policy.activations import Activations
from remit.policy.entitlement import key_of
from remit.policy.facts import Facts
from remit.policy.service import PolicyService

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

    from remit.policy.model import Call


class World:
    """Facts of a node whose neighbour writes down use now and then."""

    def __init__(self, build: Build) -> None:
        self.flushes: tuple[tuple[str, int], ...] = ()
        self.stored = Stored(build)
        self.facts = Facts(
            source=self.stored, engine=build.engine, contact=lambda: Instant(build.NOON), reader=Nothing(),
            written=lambda: self.flushes,
        )  # fmt: skip
        self.facts.load(NOWHERE, epoch=1)
        self.clock = FixedClock(build.NOON + HOUR)
        self.policy = PolicyService(
            facts=self.facts, engine=build.engine, clock=self.clock, mac=lambda _value: "", docs="/errors"
        )
        self.call: Call = build.call()

    def asked(self) -> int:
        """A call is decided; how often the database was read by then."""
        if not self.policy.ready(self.call):
            self.policy.prepare(self.call.caller.principal)
        assert self.policy.ready(self.call)
        return len([each for each in self.stored.reads if each.startswith("activations")])


@pytest.fixture
def world(build: Build) -> World:
    return World(build)


def test_alone_nothing_is_read_twice(world: World) -> None:
    assert [world.asked() for _ in range(3)] == [1, 1, 1]


def test_it_is_read_once_after_each_flush_of_another_node(world: World) -> None:
    found = [world.asked()]
    for flush in (1, 2):
        world.flushes = (("nod_2", flush),)
        found += [world.asked() for _ in range(3)]
    assert found == [1, 2, 2, 2, 3, 3, 3]


def test_what_was_just_used_here_is_not_read_again(world: World) -> None:
    world.asked()
    world.facts.view().activations.used(key_of(world.call), Instant(world.clock.at - 5 * SECOND))
    world.flushes = (("nod_2", 1),)
    assert world.asked() == 1
    world.clock.at += 6 * SECOND
    assert world.asked() == 2


@pytest.mark.parametrize("reading", [None, lambda: Micros(90)])
def test_a_use_is_stamped_by_the_clocks_own_reading(world: World, reading: Callable[[], Micros] | None) -> None:
    world.asked()
    key = key_of(world.call)
    known = Activations(lambda: Micros(30), reading)
    known.load(key.agent, lambda: world.facts.view().activations.of(key.agent))
    known.used(key, world.clock.now())
    found = known.find(key)
    assert found is not None
    assert found.usage.covered == (90 if reading else 30)
