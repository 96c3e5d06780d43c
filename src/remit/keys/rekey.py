"""A re-key: another root key takes the place of the one there is, while everything goes on.

    begin   one change: the new root key. What is made from then on is sealed by it
    step    a batch of keys that the older one seals, opened and sealed anew outside of any change, then put in place of
            the old seals in one change, where these still stand (compare and swap): what was erased meanwhile stays so
    end     one change that sees that nothing of the older one is left, and wipes its wrapping

All of it is in the database, so whoever looks next goes on: after a crash, or on another node. Nothing but keys is
sealed anew, and no key changes: what they sealed is not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from remit.kernel.clock import Instant
from remit.kernel.errors import Conflict
from remit.keys.generations import data_key_place
from remit.keys.roots import Held
from remit.keys.roots_sql import Resealed, SqlRoots, StoredRoot
from remit.keys.seal import seal, unseal
from remit.keys.service import TOPIC, KeyRing
from remit.keys.signing import Wrapping, place_of
from remit.keys.sql import WrappedDataKey, WrappedKey
from remit.storage.ports import Transaction

BATCH: Final = 1000
"""Keys in one change. Its statement takes the writer for some 5 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a re-key is."""

    roots: tuple[StoredRoot, ...]  # every generation there is or was, oldest first
    left: int  # keys that an older root than the newest seals
    total: int  # keys that a root seals

    @property
    def under_way(self) -> bool:
        """Whether an older root is still needed, or was not wiped yet."""
        return sum(root.wrapped is not None for root in self.roots) > 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Keys that were sealed anew, and are in no row yet."""

    generation: int
    keys: tuple[Resealed, ...]


class Rekey:
    """Re-keys what one ring holds."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def waits(self) -> bool:
        """Whether a re-key is under way, from memory."""
        return len(self._ring.roots.live) > 1

    def check_begin(self) -> None:
        """See that a re-key may begin.

        Raises:
            Conflict: One is under way.
        """
        if self.waits():
            raise Conflict("a re-key is under way", try_="remit key rekey --wait")

    def prepared(self) -> Held:
        """The new root key, made before the change: a provider may take long."""
        return self._ring.roots.next()

    def begin(self, tx: Transaction, root: Held, *, now: Instant) -> None:
        """Begin with a root key that was `prepared`.

        Raises:
            Conflict: One is under way, another one was quicker, or another keyfile opens the database by now.
        """
        self._ring.begin_rekey(tx, root, now=now)

    def batch(self, connection: Connection, most: int = BATCH) -> Batch:
        """Open at most so many keys of older roots, and seal them under the newest. Empty: there are none left.

        Raises:
            IntegrityFailed: One is damaged, or does not stand in its own row.
        """
        generation, wrapping = self._ring.roots.newest(connection)
        reading, rows = self._ring.roots.reading(connection), SqlRoots(connection)
        found: Sequence[WrappedKey | WrappedDataKey] = rows.older_signing_keys(generation)[
            :most
        ] or rows.older_data_keys(generation, most)
        return Batch(generation, tuple(_resealed(row, reading, generation, wrapping) for row in found))

    def store(self, tx: Transaction, batch: Batch) -> int:
        """Put a batch in place of what it was made of, where that still stands; how many keys that were.

        Nothing is told to anybody: the keys are what they were.
        """
        rows = SqlRoots(tx.connection)
        return rows.reseal_data_keys(batch.keys, batch.generation) + rows.reseal_signing_keys(
            batch.keys, batch.generation
        )

    def end(self, tx: Transaction, *, now: Instant) -> int | None:
        """Retire the older roots if nothing of theirs is left; the generation that remains, or None.

        Looked at and wiped in one change, in which nobody else writes: what is sealed later is of the newest.
        """
        rows = SqlRoots(tx.connection)
        newest, _ = self._ring.roots.newest(tx.connection)
        if rows.older_data_keys(newest, 1) or rows.older_signing_keys(newest):
            return None
        if not rows.retire(newest, now=now):
            return None  # another node was quicker
        tx.touch(TOPIC)
        return newest


def progress(connection: Connection) -> Progress:
    """How far the re-key is, or that there is none."""
    rows = SqlRoots(connection)
    found = tuple(rows.all())
    newest = max((root.generation for root in found), default=0)
    return Progress(roots=found, left=rows.left(newest), total=rows.total())


def _resealed(row: WrappedKey | WrappedDataKey, reading: Wrapping, generation: int, wrapping: bytes) -> Resealed:
    if isinstance(row, WrappedKey):
        old, new = place_of(row), place_of(row, generation)
    else:
        old = data_key_place(row.owner, row.version, row.generation)
        new = data_key_place(row.owner, row.version, generation)
    key = unseal(reading(row.generation), row.wrapped, aad=old)
    return Resealed(row, seal(wrapping, key, aad=new))
