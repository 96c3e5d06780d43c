"""An owner's change is read off what stands there: a rotation for it that came to nothing is begun again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.vault.rotation_world import CHOSEN, FIRST, Trouble, World
from tests.unit.vault.test_vault_rotation import BEGUN, version

from remit.kernel.clock import HOUR, MINUTE
from remit.vault.document import Cause, Rotate
from remit.vault.rotation import Rotation, Step
from remit.vault.rotation_wanted import PAUSE, also_of, owner_changed

PAST = st.builds(
    replace, st.just(BEGUN), cause=st.sampled_from(Cause), old=st.integers(0, 2), step=st.sampled_from(Step)
)


@given(st.sets(st.sampled_from(Cause)), st.lists(PAST, max_size=4))
def test_it_is_wanted_as_long_as_calls_use_what_the_owner_knew(on: set[Cause], past: list[Rotation]) -> None:
    missed = any((each.cause, each.old, each.step) == (Cause.OWNER_CHANGE, 1, Step.UNDONE) for each in past)
    rotate = Rotate(rotator="http", settings={}, on=tuple(on))
    assert owner_changed(rotate, version(), past) is (missed and Cause.OWNER_CHANGE in on)


@given(PAST, st.sampled_from(Cause))
def test_only_its_cause_changes_and_never_that_of_an_exposure(it: Rotation, cause: Cause) -> None:
    after = also_of(it, cause)
    assert replace(after, cause=it.cause) == it
    if it.cause is Cause.EXPOSURE or it.step in {Step.DRAIN, Step.REVOKE, Step.CONFIRM, Step.DONE, Step.UNDONE}:
        assert after == it


def refuse(world: World) -> None:
    """The provider makes none."""
    world.wire.troubles[:] = [Trouble.NONE, Trouble.SAYS_NO]
    world.tick()
    world.settle()
    assert world.lent() == FIRST


def later(world: World) -> list[tuple[Cause, Step]]:
    world.clock.at += PAUSE + MINUTE
    world.tick()
    world.settle()
    return [(each.rotation.cause, each.rotation.step) for each in world.listing()]


def test_it_is_begun_again_and_once() -> None:
    world = World(CHOSEN)
    world.ask(Cause.OWNER_CHANGE)
    refuse(world)
    found = [(Cause.OWNER_CHANGE, Step.DONE), (Cause.OWNER_CHANGE, Step.UNDONE)]
    assert later(world) == found
    assert world.wire.works() == {world.lent()} != {FIRST}
    assert later(world) == found


@pytest.mark.parametrize("on", [(Cause.OWNER_CHANGE,), ()])
def test_it_is_not_lost_in_one_that_is_under_way(on: tuple[Cause, ...]) -> None:
    world = World(CHOSEN, on=on)
    world.ask()
    world.ask(Cause.OWNER_CHANGE)
    refuse(world)
    begun = [(Cause.OWNER_CHANGE, Step.DONE), (Cause.OWNER_CHANGE, Step.UNDONE)]
    assert later(world) == (begun if on else [(Cause.ASKED, Step.UNDONE)])


def test_what_is_replaced_already_is_no_owners_any_more() -> None:
    world = World(CHOSEN, drain=HOUR)
    world.ask()
    world.tick()
    world.ask(Cause.OWNER_CHANGE)
    assert [(each.rotation.cause, each.rotation.step) for each in world.listing()] == [(Cause.ASKED, Step.DRAIN)]
