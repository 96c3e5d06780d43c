"""What a node holds of activations in memory: news that is older than what it knows changes nothing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from remit.access.activation import Activation, ActivationState, Usage
from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.policy.activations import Activations

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

BOT = "invoice-bot"
ACTIVE, LAPSED = ActivationState.ACTIVE, ActivationState.LAPSED


def held(*activations: Activation) -> Activations:
    known = Activations(lambda: Micros(7))
    known.load(BOT, lambda: activations)
    return known


def test_what_was_read_before_a_transition_does_not_undo_it(build: Build) -> None:
    """A reader may have begun before the commit that this node already heard of."""
    old = build.activation(state=ACTIVE, serial=3)
    new = dataclasses.replace(old, state=LAPSED, serial=4)
    for known in (held(old), held(new)):
        known.put(new)
        known.put(old)
        assert known.find(old.key) == new
        known.load(BOT, lambda: [old], again=True)
        assert known.find(old.key) == new
    newest = dataclasses.replace(old, serial=5)
    known.load(BOT, lambda: [newest], again=True)
    assert known.find(old.key) == newest


def test_reading_again_does_not_forget_use_that_is_not_written_yet(build: Build) -> None:
    stored = build.activation(serial=3)
    known = held(stored)
    known.used(stored.key, Instant(build.NOON + DAY))
    seen = Usage(Instant(build.NOON + DAY), Micros(7), 1)
    lapsed = dataclasses.replace(stored, state=LAPSED, serial=4)
    known.load(BOT, lambda: [lapsed], again=True)
    assert known.find(stored.key) == dataclasses.replace(lapsed, usage=seen)
    assert [each.usage for each in known.take_unwritten()] == [seen]
    assert known.take_unwritten() == []


def test_use_that_another_node_wrote_is_taken_over(build: Build) -> None:
    stored = build.activation(serial=3)
    known = held(stored)
    written = dataclasses.replace(stored, usage=Usage(Instant(build.NOON + 2 * DAY), Micros(9), 2, (1,)))
    known.load(BOT, lambda: [written], again=True)
    assert known.find(stored.key) == written


@pytest.mark.parametrize("again", [True, False])
def test_it_is_read_when_it_is_asked_for_and_not_otherwise(build: Build, again: bool) -> None:  # noqa: FBT001 - a case
    known = Activations()
    known.load(BOT, lambda: [build.activation()], again=again)
    assert known.knows(BOT) is not again
    assert (known.find(build.key()) is None) is again
    assert known.of("other-bot") == []


def test_what_is_let_go_of_keeps_what_was_not_written(build: Build) -> None:
    stored = build.activation()
    known = held(stored)
    known.used(stored.key, Instant(build.NOON + HOUR))
    known.forget()
    assert known.knows(BOT)
    known.unwritten(known.take_unwritten(), known.take_seen())
    assert len(known.take_unwritten()) == 1
    known.forget()
    assert not known.knows(BOT)
