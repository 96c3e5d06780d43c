"""What the rooms above may ask of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from remit.storage.model import Committed, Entry, Work

T = TypeVar("T")


class Transaction(Protocol):
    """An open transaction of a state change, on the writer's own thread and connection."""

    @property
    def connection(self) -> Connection:
        """A SQLAlchemy Core connection inside the transaction; never commit or roll back on it."""
        ...

    def record(self, entry: Entry) -> None:
        """Append an entry that commits with this change."""
        ...

    def touch(self, *topics: str) -> None:
        """Say what changed (`agent:NAME`, `server:NAME`, `purpose:NAME`, `owner:NAME`, `freezes`, `policies`,
        `secret:NAME`, `operators`, `peps`, `token:ID`). Raises the epoch by one when the change commits.
        """
        ...


class Writer(Protocol):
    """One thread that commits all that waits in one durable transaction (group commit)."""

    def submit(self, work: Work) -> Future[Committed]:
        """Queue a decision or outcome. The future resolves once it is durable.

        Raises (from the future): StorageUnavailable.
        """
        ...

    def submit_async(self, work: Work) -> asyncio.Future[Committed]:
        """The same for the running event loop, one wake-up per batch and not per work."""
        ...

    def change(self, apply: Callable[[Transaction], T]) -> T:
        """Run `apply` in a transaction of its own savepoint and wait until it is durable **and** every
        subscriber of the feed on this node has applied it. Called from worker threads, never from the event loop.

        Raises: whatever `apply` raises (its savepoint is rolled back); StorageUnavailable.
        """
        ...


class Reader(Protocol):
    """Reads outside the writer: any thread, own connections, committed data only."""

    def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` on a pooled connection in a read transaction."""
        ...


class Feed(Protocol):
    """Tells this node's views of committed changes, in order of epochs, before the change is answered."""

    def subscribe(self, apply: Callable[[int, tuple[str, ...], Connection], None]) -> None:
        """`apply(epoch, topics, connection)` runs on the writer's thread after each commit that touched topics.
        It must be quick, must not raise and must not write.
        """
        ...
