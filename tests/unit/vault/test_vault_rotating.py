"""A rotation from its beginning to its end, against a provider in memory that does what it is told to."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.vault.rotation_world import CHOSEN, FIRST, NAME, PROPOSED, World

from remit.vault.rotation import Step


@pytest.mark.parametrize("settings", [CHOSEN, PROPOSED], ids=["chosen", "proposed"])
def test_a_key_is_replaced(settings: dict[str, Any]) -> None:
    world = World(settings)
    world.ask()
    world.tick()
    assert [each.rotation.step for each in world.listing()] == [Step.DRAIN]
    assert world.lent() != FIRST
    assert world.wire.works() == {FIRST, world.lent()}
    world.settle()
    assert world.wire.works() == {world.lent()}
    assert [each.rotation.step for each in world.listing()] == [Step.DONE]
    held = world.vault.find(NAME)
    assert held is not None
    assert set(held.held) == {2}
