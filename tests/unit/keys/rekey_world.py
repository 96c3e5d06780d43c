"""One database and the nodes on it, for tests of re-keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, create_engine, delete, select
from sqlalchemy.pool import StaticPool

from remit.kernel.clock import FixedClock, Instant
from remit.kernel.errors import KeyfileWrong
from remit.keys.generations import data_key_place, read
from remit.keys.rekey import Batch, Rekey
from remit.keys.seal import KEY_BYTES, seal_bytes, unseal, unseal_bytes
from remit.keys.service import DERIVED, KeyRing
from remit.storage.every_table import metadata
from remit.storage.model import Entry
from remit.storage.schema import data_keys, roots

NOW = Instant(1_800_000_000_000_000)


class Cabinet:
    """A provider with a key of its own."""

    def __init__(self, number: int = 0) -> None:
        self.key = bytes([number]) * KEY_BYTES

    def wrap(self, plaintext: bytes, *, aad: bytes) -> bytes:
        return seal_bytes(self.key, plaintext, aad)

    def health(self) -> str:
        return "a cabinet"

    def unwrap(self, wrapped: bytes, *, aad: bytes) -> bytes:
        try:
            return unseal_bytes(self.key, wrapped, aad)
        except Exception as error:
            raise KeyfileWrong("another one") from error


@dataclass
class Change:
    """A transaction of a change, as far as keys see it."""

    connection: Connection
    touched: list[str] = field(default_factory=list)

    def record(self, entry: Entry) -> None:
        raise AssertionError(f"keys record nothing: {entry}")

    def touch(self, *topics: str) -> None:
        self.touched += topics


class Node:
    """A ring, and what it was not told yet."""

    def __init__(self, connection: Connection, provider: Cabinet) -> None:
        self.connection = connection
        self.provider = provider
        self.reopen()

    def reopen(self) -> None:
        """As after a crash: what was in memory is gone."""
        self.ring = KeyRing.open(self.connection, self.provider, clock=FixedClock(NOW))
        self.rekey = Rekey(self.ring)
        self.untold: list[str] = []
        self.made: Batch | None = None

    def hear(self) -> None:
        """It is told what was committed."""
        if self.untold:
            topics, self.untold = tuple(self.untold), []
            self.ring.follow(1, topics, self.connection)


class World:
    """A database in memory, and two nodes."""

    def __init__(self, *, old: bool = False) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        metadata.create_all(self.engine)
        self.connection = self.engine.connect()
        self.provider = Cabinet()
        KeyRing.create(Change(self.connection), self.provider, now=NOW)
        if old:  # as it was before others were derived from a key of their own
            self.connection.execute(delete(data_keys).where(data_keys.c.owner == DERIVED))
        self.nodes = [Node(self.connection, self.provider) for _ in range(2)]

    def change(self, node: Node, work: Any) -> Any:
        """A change by one node: it is undone if it raises, else everybody will be told, this node at once."""
        change = Change(self.connection)
        with self.connection.begin_nested():
            found = work(change)
        for each in self.nodes:
            each.untold += change.touched
        node.hear()
        return found

    def rekeyed(self, node: Node) -> None:
        """A whole re-key by one node."""
        root = node.rekey.prepared()
        self.change(node, lambda tx: node.rekey.begin(tx, root, now=NOW))
        while (batch := node.rekey.batch(self.connection)).keys:
            self.change(node, lambda tx, batch=batch: node.rekey.store(tx, batch))
        assert self.change(node, lambda tx: node.rekey.end(tx, now=NOW)) is not None

    def live(self) -> list[int]:
        """Root keys that are not wiped."""
        query = select(roots.c.generation).where(roots.c.wrapped.is_not(None)).order_by(roots.c.generation)
        return list(self.connection.execute(query).scalars())

    def generations(self) -> dict[str, int]:
        """Of every data key that was not erased, by owner."""
        query = select(data_keys.c.owner, data_keys.c.generation).where(data_keys.c.wrapped.is_not(None))
        return {owner: read(at) for owner, at in self.connection.execute(query)}

    def everything(self) -> dict[str, bytes]:
        """What each row of the table opens to for somebody who has the provider."""
        ring = KeyRing.open(self.connection, self.provider)
        wrapping = ring.roots.reading(self.connection)
        query = select(data_keys).where(data_keys.c.wrapped.is_not(None))
        return {
            row.owner: unseal(
                wrapping(read(row.generation)), row.wrapped,
                aad=data_key_place(row.owner, row.version, read(row.generation)),
            )
            for row in self.connection.execute(query)
        }  # fmt: skip

    def close(self) -> None:
        self.connection.close()
        self.engine.dispose()
