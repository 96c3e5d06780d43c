"""The root keys that this process holds, by generation, and what opens those that others made.

What is new is always sealed under the newest generation that the transaction finds (`newest`), whatever this process
had heard of: so a node that a message did not reach yet writes nothing that an older root seals.

Opening a root may take long (Argon2id: half a second; a service elsewhere: a round trip). A node that hears of one that
another node made opens it on a thread of its own, and what needs it meanwhile waits for that.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from remit.kernel.clock import Instant
from remit.kernel.errors import Conflict, IntegrityFailed, RemitError
from remit.keys.derive import WRAP, derive
from remit.keys.generations import FIRST, root_place
from remit.keys.ports import Provider
from remit.keys.roots_sql import SqlRoots, StoredRoot
from remit.keys.seal import KEY_BYTES, SealingKey
from remit.keys.secret import Secret
from remit.keys.signing import Wrapping
from remit.logs import logger

_log = logger("remit.keys")


@dataclass(frozen=True, slots=True)
class Held:
    """A root key that is open."""

    generation: int
    root: Secret
    wrapping: SealingKey  # what it seals with
    wrapped: bytes  # what stood in its row when it was opened


class Roots:
    """The open root keys of one deployment. Reading is safe from any thread.

    Args:
        deployment: Its id.
        provider: Opens them; kept, for those that other nodes will make.
    """

    def __init__(self, deployment: str, provider: Provider) -> None:
        self._deployment = deployment
        self._provider = provider
        self._held: Mapping[int, Held] = {}
        self._live: tuple[int, ...] = ()
        self._made: Held | None = None
        self._swap = threading.Lock()
        self._opening = threading.Lock()

    @classmethod
    def make(cls, deployment: str, provider: Provider, *, generation: int = FIRST) -> Held:
        """A new root key, wrapped. It is in no row yet."""
        root = os.urandom(KEY_BYTES)
        return _held(generation, Secret(root), provider.wrap(root, aad=root_place(deployment, generation)))

    @property
    def live(self) -> tuple[int, ...]:
        """The generations that are not retired, oldest first, as this node knows: two while one replaces the other."""
        return self._live

    def next(self) -> Held:
        """The root key that may come after the newest, seen to open. Takes as long as the provider does: never within
        a change.

        Raises:
            IntegrityFailed: The provider does not open what it wrapped.
        """
        made = self.make(self._deployment, self._provider, generation=self._live[-1] + 1)
        _check(self._provider, made.wrapped, made.root, root_place(self._deployment, made.generation))
        return made

    def load(self, rows: Iterable[StoredRoot]) -> None:
        """Open all that are live.

        Raises:
            KeyfileWrong: The provider's key is not the one that wrapped them.
            IntegrityFailed: There is none.
        """
        held = {row.generation: self.opened(row) for row in rows if row.wrapped is not None}
        if not held:
            raise IntegrityFailed("the database has no root key")
        with self._swap:
            self._held, self._live = held, tuple(held)

    def follow(self, rows: Iterable[StoredRoot]) -> None:
        """They changed, and that is committed: forget what was retired, and have opened what is new."""
        live = {row.generation: row for row in rows if row.wrapped is not None}
        with self._swap:
            held = {at: each for at, each in self._held.items() if at in live}
            if (made := self._made) is not None and made.generation in live:
                if made.wrapped == live[made.generation].wrapped:
                    held[made.generation] = made
                self._made = None
            self._held, self._live = held, tuple(live)
        if unknown := [row for at, row in live.items() if at not in held]:
            threading.Thread(target=self._learn, args=(unknown,), name="remit-roots", daemon=True).start()

    def reading(self, connection: Connection) -> Wrapping:
        """What the root of a generation seals with, for rows that are read on this connection.

        What it returns raises IntegrityFailed for one that was retired, KeyfileWrong for one that does not open.
        """

        def wrapping(generation: int) -> SealingKey:
            held = self._held.get(generation)
            return (held or self._met(connection, generation)).wrapping

        return wrapping

    def newest(self, connection: Connection) -> tuple[int, bytes]:
        """The newest generation within an open transaction, and what it seals with.

        Raises:
            KeyfileWrong: Another node made it, with another keyfile or passphrase.
        """
        generation = _live(SqlRoots(connection).all())[-1].generation
        return generation, self.reading(connection)(generation)

    def begin(self, connection: Connection, made: Held, *, now: Instant) -> None:
        """Store `made`, which is the newest from the commit on.

        Raises:
            Conflict: A re-key is under way, or another one was quicker; or what opens the database is not what this
                node was started with: it would make a root key that the next start cannot open.
        """
        rows = SqlRoots(connection)
        live = _live(rows.all())
        if len(live) > 1 or live[0].generation + 1 != made.generation:
            raise Conflict("the root key was changed meanwhile", try_="remit key rekey --status")
        held = self._held.get(live[0].generation)
        if held is None or held.wrapped != live[0].wrapped:
            raise Conflict(
                "another keyfile or passphrase opens this database now",
                try_="start this server again, with that one",
            )
        rows.add(StoredRoot(made.generation, made.wrapped, now, None))
        self._made = made

    def opened(self, row: StoredRoot) -> Held:
        """The root key of a row. It is not kept: the row may be of a change that is not committed.

        Raises:
            IntegrityFailed: It was retired.
            KeyfileWrong: The provider's key is not the one that wrapped it.
        """
        if row.wrapped is None:
            raise IntegrityFailed("a key is sealed by a root key that was retired", detail=f"{row.generation}")
        if (known := self._held.get(row.generation)) is not None:
            return known
        if (made := self._made) is not None and (made.generation, made.wrapped) == (row.generation, row.wrapped):
            return made
        root = self._provider.unwrap(row.wrapped, aad=root_place(self._deployment, row.generation))
        return _held(row.generation, Secret(root), row.wrapped)

    def rewrap(self, connection: Connection, provider: Provider) -> None:
        """Wrap all that are live anew: from the commit on `provider` opens them, and what did so before does not."""
        rows = SqlRoots(connection)
        for row in _live(rows.all()):
            root, place = self.opened(row).root, root_place(self._deployment, row.generation)
            wrapped = provider.wrap(root.reveal(), aad=place)
            _check(provider, wrapped, root, place)
            rows.rewrap(row.generation, wrapped)

    def check(self, rows: Iterable[StoredRoot], provider: Provider) -> None:
        """See that `provider` opens all that are live in `rows`, and to what is in memory.

        Raises:
            KeyfileWrong: It does not open one.
            IntegrityFailed: It opens another root key than the one in memory, or there is none.
        """
        for row in _live(rows):
            root = Secret(provider.unwrap(row.wrapped or b"", aad=root_place(self._deployment, row.generation)))
            held = self._held.get(row.generation)
            if held is not None and held.root != root:
                raise IntegrityFailed("the database's root key is another one than at the start")

    def first(self) -> Secret | None:
        """The root key of the first generation, while it is live."""
        held = self._held.get(FIRST)
        return None if held is None else held.root

    def _met(self, connection: Connection, generation: int) -> Held:
        """One that this process does not hold: a moment ago it did not exist, or it is retired and a row is older."""
        with self._opening:
            if (held := self._held.get(generation)) is not None:
                return held
            for row in SqlRoots(connection).all():
                if row.generation == generation:
                    return self.opened(row)
        raise IntegrityFailed("a key is sealed by a root key that there is not", detail=f"{generation}")

    def _learn(self, rows: Iterable[StoredRoot]) -> None:
        """Open what another node made, on a thread of its own."""
        for row in rows:
            try:
                with self._opening:
                    held = self.opened(row)
            except RemitError as error:
                # Whoever needs it is told the same. Until then this node goes on with what it has.
                _log.error(
                    "a root key that another node made does not open", generation=row.generation, error=f"{error}"
                )
                continue
            with self._swap:
                if row.generation in self._live:
                    self._held = {**self._held, row.generation: held}


def _check(provider: Provider, wrapped: bytes, root: Secret, place: bytes) -> None:
    """What would not open again must not take another's place."""
    if provider.unwrap(wrapped, aad=place) != root.reveal():
        raise IntegrityFailed("the root key does not open again")


def _live(rows: Iterable[StoredRoot]) -> list[StoredRoot]:
    found = [row for row in rows if row.wrapped is not None]
    if not found:
        raise IntegrityFailed("the database has no root key")
    return found


def _held(generation: int, root: Secret, wrapped: bytes) -> Held:
    return Held(generation, root, SealingKey(derive(root, WRAP)), wrapped)
