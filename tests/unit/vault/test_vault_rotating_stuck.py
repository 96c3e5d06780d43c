"""A rotation that its provider lets nobody end: people are told, and the secret can be changed all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.vault.rotation_world import CHOSEN, DANA, FIRST, NAME, Trouble, World
from tests.unit.vault.test_vault_rotating_owners import PAST

from remit.kernel.clock import MINUTE, SECOND, Instant
from remit.kernel.errors import Conflict, NotFound
from remit.server.exposing import Exposing
from remit.storage.credential_schema import due
from remit.vault.document import Cause
from remit.vault.leaving import end
from remit.vault.model import Material, Version, VersionState
from remit.vault.rotation import Rotation, Step
from remit.vault.rotation_wanted import leaves
from remit.vault.rotations import CLAIMED
from remit.vault.rotator import HOLDS, Doubtful, Plan, Refused, Unclear
from remit.vault.rotators.http import Http
from remit.vault.sql import SqlSecrets


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


class Strange(Http):
    """A provider where something stands that a person may have made."""

    async def create(self, *_: object) -> Material:
        raise Refused("there is no place for another")

    async def revoke(self, *_: object) -> None:
        raise Doubtful("K2 may be a person's")


def test_what_may_be_a_persons_is_told_at_once_and_left() -> None:
    world = World(CHOSEN)
    world.nodes[0].rotators = {"http": Strange(world.wire)}
    world.ask()
    world.tick()
    assert found(world) == [(Cause.ASKED, Step.UNDONE)]
    assert world.listing()[0].rotation.said == "K2 may be a person's"
    (incident,) = [each for each in world.records.said if each["kind"] == "incident"]
    assert incident["told"] == "K2 may be a person's"
    assert [each.state for each in world.writer.read(lambda c: SqlSecrets(c).versions(NAME))] == ["active", "failed"]


def test_each_attempt_is_recorded_before_it_asks() -> None:
    world = World(CHOSEN)
    world.ask()
    for _ in range(3):
        world.wire.troubles[:] = [Trouble.LOST]
        world.tick()
        world.clock.at += MINUTE
    (it,) = world.listing()
    assert len(it.rotation.asked) == 3
    assert [each["change"] for each in world.records.said if each.get("step") == "create"].count("ask") == 2
    seen: list[Plan] = []

    class Looks(Http):
        async def create(self, plan: Plan, proposed: Material | None) -> Material:
            seen.append(plan)
            return await super().create(plan, proposed)

    world.nodes[0].rotators = {"http": Looks(world.wire)}
    world.tick()
    assert [began for began, _ in seen[0].asked] == list(it.rotation.asked)
    assert all(end == began + CLAIMED for began, end in seen[0].asked)


def test_a_step_is_held_until_its_time_is_nearly_over_or_another_has_it() -> None:
    world = World(CHOSEN)
    held: list[tuple[bool, bool]] = []

    class Slow(Http):
        async def create(self, plan: Plan, proposed: Material | None) -> Material:  # noqa: ARG002 - the port's
            first = plan.holds()
            world.clock.at += CLAIMED - HOLDS + 1
            held.append((first, plan.holds()))
            raise Unclear("no answer")

    world.nodes[0].rotators = {"http": Slow(world.wire)}
    world.ask()
    world.tick()
    assert held == [(True, False)]


def test_who_lost_a_step_does_not_hold_it() -> None:
    world = World(CHOSEN)
    held: list[bool] = []

    class Late(Http):
        async def create(self, plan: Plan, proposed: Material | None) -> Material:
            world.clock.at += CLAIMED
            await world.nodes[1].tick()
            held.append(plan.holds())
            return await super().create(plan, proposed)

    world.nodes[0].rotators = {"http": Late(world.wire)}
    world.ask()
    world.tick()
    assert held == [False]


def ended(world: World, version: int) -> Version:
    return world.writer.change(lambda tx: end(world.nodes[0].rotations, tx, NAME, version, by=DANA))


def held(world: World) -> set[int]:
    known = world.vault.find(NAME)
    assert known is not None
    return set(known.held)


def test_a_person_ends_what_a_rotation_left_behind() -> None:
    world = stuck(20)
    world.ask()
    world.settle()
    assert held(world) == {1, 3}
    assert ended(world, 1).state is VersionState.REVOKED
    assert held(world) == {3}
    assert {"change": "end", "version": 1, "state": "revoked", "by": "dana"}.items() <= world.records.said[-1].items()
    for version in (1, 3):
        with pytest.raises(Conflict):
            ended(world, version)
    with pytest.raises(NotFound):
        ended(world, 9)
    assert held(world) == {3}


@pytest.mark.parametrize(("minutes", "over"), [(10, False), (20, True)])
def test_what_a_rotation_has_in_hand_is_ended_once_people_were_told(minutes: int, *, over: bool) -> None:
    world = stuck(minutes)
    used = world.lent()
    if not over:
        with pytest.raises(Conflict, match="in hand"):
            ended(world, 1)
        assert held(world) == {1, 2}
        return
    ended(world, 1)
    assert found(world) == [(Cause.ASKED, Step.UNDONE)]
    assert (held(world), world.lent()) == ({2}, used)
    world.settle()
    assert [step for _, step in found(world)] == [Step.UNDONE]
