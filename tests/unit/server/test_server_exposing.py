"""What came back is marked, whatever is in the way at first."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update
from tests.unit.vault.rotation_world import CHOSEN, DANA, FIRST, NAME, World

from remit.kernel.errors import StorageUnavailable
from remit.keys.secret import Secret
from remit.server.exposing import SAID, Exposing
from remit.storage.credential_schema import secret_versions
from remit.storage.ports import Transaction
from remit.vault.model import Material, topic
from remit.vault.sql import SqlSecrets


class Away:
    """A writer whose database is away for its first change."""

    def __init__(self, world: World) -> None:
        self._world, self.refuses = world, 1

    def change(self, apply: Callable[[Transaction], Any]) -> Any:
        if self.refuses:
            self.refuses -= 1
            raise StorageUnavailable("the database failed")
        return self._world.writer.change(apply)


def exposed(world: World) -> list[int]:
    versions = world.writer.read(lambda connection: SqlSecrets(connection).versions(NAME))
    return [each.version for each in versions if each.exposed is not None]


def marks(world: World, writer: Any, told: list[str]) -> Exposing:
    return Exposing(
        vault=world.vault, writer=writer, records=world.records, clock=world.clock, after=lambda: told.append("after")
    )  # fmt: skip


def test_what_came_back_while_the_database_was_away_is_marked_afterwards() -> None:
    world, told = World(CHOSEN), list[str]()
    it = marks(world, Away(world), told)
    it.came_back(NAME, FIRST.encode())
    with pytest.raises(StorageUnavailable):
        it.look()
    assert (it.waits, exposed(world)) == (True, [])
    assert it.look() == 1
    assert (it.waits, exposed(world), told) == (False, [1], ["after"])


@pytest.mark.parametrize("pasted", [FIRST, b64encode(FIRST.encode()).decode(), "key%3D" + FIRST])
def test_a_reason_with_the_value_in_it_marks_and_is_not_kept(pasted: str) -> None:
    """Somebody pastes the line in which it was seen; what stands in the log stands there for ever."""
    world = World(CHOSEN)
    it = marks(world, world.writer, [])
    assert it.expose(NAME, None, reason=f"in a ticket: {pasted}.", by=DANA).version.exposure == SAID
    assert exposed(world) == [1]
    assert pasted not in repr(world.records.said)
    assert SAID in repr(world.records.said)


def test_one_that_does_not_open_keeps_no_other_from_being_marked() -> None:
    world = World(CHOSEN)

    def second(tx: Transaction) -> None:
        made = world.vault.versions.begin(
            tx, NAME, Material(value=Secret("another-value-of-it")), now=world.clock.now()
        )
        row = secret_versions.c.version == made.version
        tx.connection.execute(update(secret_versions).where(row).values(sealed=b"damaged"))
        tx.touch(topic(NAME))

    world.writer.change(second)
    it = marks(world, world.writer, [])
    it.came_back("", FIRST.encode())
    assert it.look() == 1
    assert exposed(world) == [1]
