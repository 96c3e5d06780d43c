"""What the writer asks of one database: one open transaction on one connection, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from sqlalchemy import Connection

from remit.storage.effects import CounterKey, Wanted
from remit.storage.feed import Beat, News


class Journal(Protocol):
    """The writer's connection. Used by the writer's thread only; every method may raise the driver's error.

    The transaction is driven by plain statements on the driver's connection; `connection` is
    SQLAlchemy's face of the same one, in autocommit mode, so that it never ends a transaction.
    """

    content_errors: tuple[type[Exception], ...]
    """Driver errors that say the rows are wrong and the database is well."""

    failures: tuple[type[Exception], ...]
    """Driver errors that say the database is not well: full, locked, gone."""

    shared: bool
    """Whether other nodes may write to the same database."""

    node: str | None
    """The registered node that writes here, once it is: what it stores is refused after it was given up."""

    @property
    def connection(self) -> Connection:
        """The SQLAlchemy Core connection that changes of state use."""
        ...

    def begin(self, *, changes: bool) -> None:
        """Open the write transaction. Without `changes`, it may be opened only when something is held or written."""
        ...

    def turn(self) -> None:
        """Take the turn to change state, until the end of the transaction: one node at a time."""
        ...

    def hold(self) -> None:
        """Hold on to what is read from here on until the end of the transaction."""
        ...

    def commit(self) -> None:
        """Make it durable. When this returns, it survives a power cut."""
        ...

    def rollback(self) -> None:
        """End the transaction without effect, if one is open."""
        ...

    def savepoint(self) -> None:
        """Begin what `release` keeps and `undo` takes back."""
        ...

    def release(self) -> None:
        """Keep what was done since the savepoint."""
        ...

    def undo(self) -> None:
        """Take back what was done since the savepoint."""
        ...

    def recorded(self, ids: Sequence[str]) -> set[str]:
        """Those of these ids whose entries are in the log."""
        ...

    def consume(self, proofs: Mapping[str, int]) -> set[str]:
        """Insert the proofs (key: expires) and return those that were not there before."""
        ...

    def used(self, wanted: Wanted) -> dict[CounterKey, int]:
        """The wanted counters that exist, locked until the end of the transaction."""
        ...

    def keep(self, counters: Mapping[CounterKey, int], wanted: Wanted) -> None:
        """Write counters that `used` has locked."""
        ...

    def store(self, ids: Sequence[str], headers: bytes, payloads: bytes | None) -> None:
        """Append one bundle: its compressed headers, an index row per entry, its payloads."""
        ...

    def epoch(self) -> int:
        """The number of the last change of state."""
        ...

    def raise_epoch(self, topics: Sequence[str], now: int) -> int:
        """Take the next number for a change of state, and tell the other nodes what it touched once it commits."""
        ...

    def look(self, applied: int, *, beat: Beat | None = None) -> News:
        """Show that the database is the one that was opened and answers, and what changed after `applied`.

        With `beat`, and outside of a transaction, also that this node lives.

        Raises:
            GivenUp: The other nodes took this one for dead, and settled what it left.
        """
        ...

    def tell(self, beat: Beat) -> None:
        """Say how far this node's view has come, between two looks."""
        ...

    def prune(self, before: int) -> None:
        """Drop what changed before that moment from what the other nodes are told."""
        ...

    def probe(self) -> None:
        """Commit a write that changes nothing: after a failure, the proof that commits work again."""
        ...

    def rest(self, *, idle: bool) -> None:
        """Housekeeping after a batch, or (`idle`) while nothing waits."""
        ...

    def close(self) -> None:
        """Let the connection go; never raises."""
        ...


OpenJournal = Callable[[], Journal]
