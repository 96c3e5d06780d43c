"""A rotation ends at the provider where it was begun, whatever its document says by then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.vault.rotation_world import CHOSEN, FIRST, NAME, PROPOSED, Trouble, World

from remit.kernel.clock import HOUR, SECOND
from remit.storage.ports import Transaction
from remit.vault.model import topic
from remit.vault.rotation import Step
from remit.vault.rotator import Answered
from remit.vault.rotators.http import Http
from remit.vault.sql import SqlSecrets


def elsewhere(world: World) -> list[str]:
    """The document names another provider from here on, which has nothing; what it is asked for."""
    asked: list[str] = []

    async def both(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        if not url.startswith("https://new.test"):
            return await world.wire(method, url, headers, body)
        asked.append(url)
        return Answered(404, b"{}")

    for node in world.nodes:
        node.rotators = {"http": Http(both)}
    world.settings = json.loads(json.dumps(world.settings).replace("keys.test", "new.test"))
    world.writer.change(world.document)
    return asked


@pytest.mark.parametrize("settings", [CHOSEN, PROPOSED], ids=["chosen", "proposed"])
def test_a_document_that_moves_in_mid_drain_moves_no_rotation(settings: dict[str, Any]) -> None:
    world = World(settings, drain=HOUR)
    world.ask()
    world.tick()
    asked = elsewhere(world)
    world.clock.at += HOUR + SECOND
    world.settle()
    assert [each.rotation.step for each in world.listing()] == [Step.DONE]
    assert world.wire.works() == {world.lent()} != {FIRST}
    assert asked == []


def test_what_was_made_is_taken_back_where_it_was_made() -> None:
    world = World(CHOSEN)
    world.ask()
    world.wire.troubles[:] = [Trouble.NONE, Trouble.NONE, Trouble.LOST]  # it waits for a key that is being verified
    world.tick()
    asked = elsewhere(world)
    world.wire.checked.clear()
    world.clock.at += SECOND
    world.wire.troubles[:] = [Trouble.SAYS_NO]
    world.tick()
    world.settle()
    assert [each.rotation.step for each in world.listing()] == [Step.UNDONE]
    assert world.wire.works() == {FIRST}
    assert asked == []


def test_a_rotation_outlives_its_document() -> None:
    world = World(CHOSEN, drain=HOUR)
    world.ask()
    world.tick()

    def without(tx: Transaction) -> None:
        SqlSecrets(tx.connection).put_document(NAME, json.dumps({"secret": NAME, "owner": "dana"}))
        tx.touch(topic(NAME))

    world.writer.change(without)
    world.clock.at += HOUR + SECOND
    world.settle()
    assert world.wire.works() == {world.lent()} != {FIRST}


def test_what_was_not_begun_elsewhere_goes_by_the_document_as_it_is() -> None:
    world = World(CHOSEN)
    world.ask()
    asked = elsewhere(world)
    world.tick()
    assert set(asked) == {"https://new.test/keys"}
    assert world.wire.seen == []
