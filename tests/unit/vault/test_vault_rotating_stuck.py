"""A rotation that its provider lets nobody end: people are told, and the secret can be changed all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.vault.rotation_world import CHOSEN, DANA, FIRST, NAME, Trouble, World
from tests.unit.vault.test_vault_rotating_owners import PAST

from remit.kernel.clock import MINUTE, SECOND, Instant
from remit.server.exposing import Exposing
from remit.storage.credential_schema import due
from remit.vault.document import Cause
from remit.vault.rotation import Rotation, Step
from remit.vault.rotation_wanted import leaves


@given(PAST, st.none() | st.integers(0, 9), st.sampled_from(Cause), st.booleans())
def test_nothing_is_left_but_what_people_were_told_of(
    it: Rotation, told: int | None, cause: Cause, exposed: object
) -> None:
    it = replace(it, incident=None if told is None else Instant(told))
    if leaves(it, cause, exposed=bool(exposed)):
        assert told is not None
        assert it.step in {Step.REVOKE, Step.CONFIRM, Step.UNDO}
        assert cause is Cause.ASKED or (cause is Cause.EXPOSURE and exposed and it.step is not Step.UNDO)


def stuck(minutes: int) -> World:
    """The provider takes nothing away, and says so."""
    world = World(CHOSEN)
    world.ask()
    world.tick()
    world.clock.at += SECOND
    for _ in range(minutes):
        world.wire.troubles[:] = [Trouble.SAYS_NO]
        world.tick()
        world.clock.at += MINUTE
    world.wire.troubles.clear()
    return world


def found(world: World) -> list[tuple[Cause, Step]]:
    return [(each.rotation.cause, each.rotation.step) for each in world.listing()]


def test_a_person_goes_on_once_people_were_told() -> None:
    world = stuck(10)
    world.ask()
    assert found(world) == [(Cause.ASKED, Step.REVOKE)]
    world = stuck(20)
    second = world.lent()
    world.ask()
    world.settle()
    assert found(world) == [(Cause.ASKED, Step.DONE), (Cause.ASKED, Step.UNDONE)]
    assert world.wire.works() == {FIRST, world.lent()} != {FIRST, second}
    assert "version 1 may work there" in world.listing()[1].rotation.said
    known = world.vault.find(NAME)
    assert known is not None
    assert set(known.held) == {1, 3}  # what works somewhere is looked for in answers
    world.tick()
    assert world.writer.read(lambda connection: connection.execute(due.select()).all()) == []


@pytest.mark.parametrize("minutes", [10, 20])
def test_an_exposure_of_what_calls_use_does_not_wait_for_it(minutes: int) -> None:
    world = stuck(minutes)
    marks = Exposing(
        vault=world.vault, writer=world.writer, records=world.records, clock=world.clock,
        rotate=world.nodes[0].rotations.ask,
    )  # fmt: skip
    marks.expose(NAME, None, reason="seen in a chat", by=DANA)
    for _ in range(12):
        if world.listing()[0].rotation.new == 2:
            world.wire.troubles[:] = [Trouble.SAYS_NO]
        world.tick()
        world.clock.at += MINUTE
    world.settle()
    assert found(world)[0] == (Cause.EXPOSURE, Step.DONE)
    assert world.wire.works() == {FIRST, world.lent()}
    assert "version 1 may work there" in world.listing()[-1].rotation.said


def test_an_exposure_of_the_old_one_leaves_nothing() -> None:
    world = stuck(20)
    marks = Exposing(
        vault=world.vault, writer=world.writer, records=world.records, clock=world.clock,
        rotate=world.nodes[0].rotations.ask,
    )  # fmt: skip
    marks.expose(NAME, 1, reason="seen in a chat", by=DANA)
    world.settle()
    assert [step for _, step in found(world)] == [Step.DONE]
    assert world.wire.works() == {world.lent()}
