"""Two nodes on one PostgreSQL want to rotate the same secret at the same instant, again and again: one does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.vault.rotation_world import CHOSEN, DANA, FIRST, NAME, Entries, Wire

from remit.kernel.clock import SECOND, Micros, SystemClock
from remit.kernel.names import OwnerName
from remit.keys.keyfile import KeyfileProvider
from remit.keys.secret import Secret
from remit.keys.service import KeyRing
from remit.server import rotating
from remit.server.rotating import Rotating
from remit.storage.database import Database
from remit.storage.ports import Transaction
from remit.vault.document import Cause, Rotate, SecretDocument
from remit.vault.document_json import text
from remit.vault.model import Material, topic
from remit.vault.rotation import Outcome, Step
from remit.vault.rotation_sql import SqlRotations, Stored
from remit.vault.rotations import Came, Rotations
from remit.vault.rotators.http import Http
from remit.vault.service import Vault
from remit.vault.sql import SqlSecrets

ROTATE = Rotate(rotator="http", settings=CHOSEN, drain=Micros(0))


class Node:
    """One process of two, as far as rotations go."""

    def __init__(self, name: str, database: Database, keys: KeyRing, wire: Wire) -> None:
        self.database, self.vault, self.clock = database, Vault(keys), SystemClock()
        for follow, reload in ((keys.follow, keys.reload), (self.vault.follow, self.vault.reload)):
            database.feed.subscribe(follow, reload)
        database.follow()
        made = Rotations(versions=self.vault.versions, records=Entries(), clock=self.clock)
        self.engine = Rotating(
            vault=self.vault, rotations=made, rotators={"http": Http(wire)}, admin=_nobody, writer=database.writer,
            reader=database.reader, clock=self.clock, node=lambda: name, epoch=lambda: database.epoch,
            applied=self._elsewhere,
        )  # fmt: skip
        self.others: list[Node] = []
        self._moved = threading.Event()
        database.feed.subscribe(self._move, lambda _connection: self._moved.set())

    def _move(self, *_: object) -> None:
        self._moved.set()

    def _elsewhere(self, epoch: int) -> bool:
        for other in self.others:
            other.database.writer.nudge()  # as it is when it listens
        return all(other.database.writer.applied >= epoch for other in self.others)

    def lent(self) -> str:
        """What its calls use."""
        return self.vault.lend(NAME).value.text()

    def first(self, tx: Transaction) -> None:
        """A secret that works, and its document."""
        now = self.clock.now()
        made = self.vault.versions.begin(tx, NAME, Material(value=Secret(FIRST), attributes={"id": "k0"}), now=now)
        self.vault.versions.promote(tx, made, now=now)
        said = SecretDocument(secret=NAME, owner=OwnerName("dana"), rotate=ROTATE)
        SqlSecrets(tx.connection).put_document(NAME, text(said))
        tx.touch(topic(NAME))

    def ask(self) -> None:
        self.database.writer.change(lambda tx: self.engine.rotations.ask(tx, NAME, Cause.ASKED, DANA))

    def listing(self, most: int = 5000) -> list[Stored]:
        return self.database.reader.read(lambda connection: SqlRotations(connection).listing(most=most))

    def round(self, start: threading.Barrier, loop: asyncio.Runner) -> None:
        """Ask with the other one, and take what is due until nothing is under way.

        Who finds nothing to take looks again when something changed: two that look all the time keep one another from
        what they do.
        """
        start.wait()
        self.ask()
        while any(each.ended is None for each in self.listing(2)):
            self._moved.clear()
            if not loop.run(self.engine.tick()):
                self._moved.wait(rotating._SOON / SECOND)


def _nobody(name: str, **_: object) -> Material:
    raise AssertionError(name)


@pytest.fixture
def nodes(postgres_url: str, opened: Callable[[Path | str], Database], tmp_path: Path) -> tuple[Node, Node, Wire]:
    databases = [opened(postgres_url), opened(postgres_url)]
    provider, wire = KeyfileProvider.create(tmp_path / "k" / "keyfile"), Wire()
    databases[0].writer.change(lambda tx: KeyRing.create(tx, provider, now=SystemClock().now()))
    rings = [each.reader.read(lambda connection: KeyRing.open(connection, provider)) for each in databases]
    one, two = (Node(name, database, ring, wire) for name, database, ring in zip("ab", databases, rings, strict=True))
    one.database.writer.change(one.first)
    two.database.writer.change(lambda _tx: None)  # a change begins with what the other one committed
    one.others, two.others = [two], [one]
    return one, two, wire


@pytest.mark.parametrize("rounds", [30, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_each_rotation_has_one_winner(
    nodes: tuple[Node, Node, Wire], rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotating, "_SOON", 5_000)
    one, two, wire = nodes
    wire.before_delete = lambda key: used.append(key) if key in {one.lent(), two.lent()} else None
    used, start = list[str](), threading.Barrier(2)
    failed: list[BaseException] = []

    def race(node: Node) -> None:
        try:
            with asyncio.Runner() as loop:
                for _ in range(rounds):
                    node.round(start, loop)
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            failed.append(error)
            start.abort()

    threads = [threading.Thread(target=race, args=(node,)) for node in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    found = one.listing()
    # Who came a moment later, when the other one's had ended, began another: each is whole, and none was done twice.
    assert rounds <= len(found) <= 2 * rounds
    assert {each.rotation.step for each in found} == {Step.DONE}
    assert {(each.rotation.new, each.rotation.old) for each in found} == {(n, n - 1) for n in range(2, len(found) + 2)}
    assert wire.made == len(found)
    assert not used  # no key was taken away that calls of either node used
    assert wire.works() == {one.lent()} == {two.lent()}


def test_who_lost_a_step_records_nothing(nodes: tuple[Node, Node, Wire]) -> None:
    one, two, _ = nodes
    one.ask()
    (begun,) = one.listing()

    def take(node: Node) -> object:
        return node.database.writer.change(lambda tx: node.engine.rotations.take(tx, begun.rotation.rotation, node="n"))

    mine = take(one)
    assert take(two) is None
    late = replace(two.engine.rotations, clock=_Later(two.clock))
    theirs = two.database.writer.change(lambda tx: late.take(tx, begun.rotation.rotation, node="two"))
    assert mine is not None
    assert theirs is not None
    came = Came(Outcome.REFUSED, "no")
    assert one.database.writer.change(lambda tx: one.engine.rotations.record(tx, mine, came)) is None  # type: ignore[arg-type]
    assert one.listing() == [begun]
    two.database.writer.change(lambda tx: late.record(tx, theirs, came))
    assert [each.rotation.step for each in two.listing()] == [Step.UNDONE]


class _Later:
    """Half a minute ahead: the other one's claim is over."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock

    def now(self) -> Any:
        return self._clock.now() + 30_000_000
