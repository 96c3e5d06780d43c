"""What people do while a secret is being changed, and what the provider's answers are worth."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.unit.vault.rotation_world import CHOSEN, DANA, FIRST, NAME, PROPOSED, World

from remit.kernel.clock import HOUR, SECOND
from remit.keys.secret import Secret
from remit.server.exposing import Exposing
from remit.vault.document import Cause
from remit.vault.forgetting import forget
from remit.vault.rotation import Step
from remit.vault.rotator import Answered
from remit.vault.rotators.http import Http


def on(world: World) -> list[tuple[Step, str]]:
    """Time passes, and whatever is due is done."""
    for _ in range(3):
        world.clock.at += 20 * SECOND
        world.tick()
    return [(each.rotation.step, each.rotation.said) for each in world.listing()]


@pytest.mark.parametrize("known", [{}, {"id": "k0"}], ids=["nothing said", "with its id"])
def test_who_goes_back_to_the_old_one_keeps_it(known: dict[str, str]) -> None:
    world = World({**CHOSEN, "by_hand": {}})
    world.ask()
    world.tick()
    world.writer.change(lambda tx: world.vault.put(tx, NAME, Secret(FIRST), now=world.clock.now(), attributes=known))
    [(step, said)] = on(world)
    assert world.lent() == FIRST
    assert FIRST in world.wire.works()
    assert (step, "set again by hand" in said) == (Step.DONE, True)


@pytest.mark.parametrize("settings", [CHOSEN, PROPOSED], ids=["chosen", "proposed"])
def test_of_what_was_removed_nobody_says_that_it_is_gone(settings: dict[str, object]) -> None:
    world = World(settings)
    world.ask()
    world.tick()
    world.writer.change(lambda tx: forget(world.vault.versions, tx, NAME, now=world.clock.now()))
    [(step, said)] = on(world)
    assert (step, "its provider was not asked" in said) == (Step.DONE, True)
    told = [each["told"] for each in world.records.said if each.get("step") in {"revoke", "confirm"}]
    assert len(told) == 2  # each entry says so


def test_an_admin_that_may_not_look_confirms_nothing() -> None:
    world = World(CHOSEN)
    world.ask()
    world.tick()

    async def lying(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        if method == "DELETE":
            return Answered(204, b"")
        return Answered(403, b"{}") if "/keys/" in url else await world.wire(method, url, headers, body)

    world.nodes[0].rotators = {"http": Http(lying)}
    [(step, said)] = on(world)
    assert FIRST in world.wire.works()
    assert (step, said) == (Step.CONFIRM, "the provider answered 403 to confirm")


def test_the_old_one_does_not_drain_once_it_is_known_elsewhere() -> None:
    world = World(CHOSEN, drain=HOUR)
    world.ask()
    world.tick()
    marks = Exposing(
        vault=world.vault, writer=world.writer, records=world.records, clock=world.clock,
        rotate=world.nodes[0].rotations.ask,
    )  # fmt: skip
    found = marks.expose(NAME, 1, reason="seen in a chat", by=DANA)
    assert (found.used, found.news) == (False, True)
    on(world)
    assert [(each.rotation.step, each.rotation.cause) for each in world.listing()] == [(Step.DONE, Cause.EXPOSURE)]
    assert world.wire.works() == {world.lent()}


def test_a_failed_or_revoked_version_asks_for_nothing() -> None:
    world = World(CHOSEN)
    world.ask()
    world.settle()
    marks = Exposing(
        vault=world.vault, writer=world.writer, records=world.records, clock=world.clock,
        rotate=world.nodes[0].rotations.ask,
    )  # fmt: skip
    marks.expose(NAME, 1, reason="seen in a chat", by=DANA)
    assert len(world.listing()) == 1
