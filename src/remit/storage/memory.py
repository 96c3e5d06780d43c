"""The writer without a disk: for unit tests, and as the benchmarks' baseline. Never a setting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import StaticPool

from remit.storage import approve, renew
from remit.storage.commit import ChangeTransaction
from remit.storage.effects import NOTHING_FAILED, CounterKey, RowKey, settle, wanted
from remit.storage.every_table import metadata
from remit.storage.feed import LocalFeed
from remit.storage.model import Committed, Entry, Work
from remit.storage.ports import Transaction

T = TypeVar("T")


class MemoryWriter:
    """Implements remit.storage.ports.Writer in dicts; `change` and `read` use a SQLite database in memory."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.proofs: dict[str, int] = {}
        self.counters: dict[CounterKey, int] = {}
        self.serials: dict[RowKey, int] = {}
        self.notices: list[str] = []
        self.epoch = 0
        self.feed = LocalFeed()
        self._lock = threading.RLock()

    def submit(self, work: Work) -> Future[Committed]:
        """Apply now; the future is already resolved."""
        future: Future[Committed] = Future()
        answer = self._apply(work)
        if isinstance(answer, Committed):
            future.set_result(answer)
        else:
            future.set_exception(answer)
        return future

    def submit_async(self, work: Work) -> asyncio.Future[Committed]:
        """The same for the running event loop."""
        future: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        answer = self._apply(work)
        if isinstance(answer, Committed):
            future.set_result(answer)
        else:
            future.set_exception(answer)
        return future

    def change(self, apply: Callable[[Transaction], T]) -> T:
        """Run `apply` now; what it raises undoes it."""
        with self._lock:
            with self._engine.begin() as connection:
                transaction = ChangeTransaction(connection)
                value = apply(transaction)
            self.entries += transaction.entries
            if transaction.topics:
                self.epoch += 1
                epoch, topics = self.epoch, tuple(transaction.topics)
                self.read(lambda connection: self.feed.deliver(epoch, topics, connection))
            return value

    def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` on what `change` wrote."""
        with self._lock, self._engine.connect() as connection:
            return query(connection)

    @cached_property
    def _engine(self) -> Engine:
        engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        metadata.create_all(engine)
        return engine

    def _apply(self, work: Work) -> Committed | Exception:
        if (work.unless or work.given) and not self._due(work):
            return NOTHING_FAILED
        if not work.effects:
            self.entries += work.entries
            return NOTHING_FAILED
        with self._lock:
            wants = wanted([work])
            # Not by subtracting the keys: that walks over every proof there ever was.
            fresh = {key for key in wants.proofs if key not in self.proofs}
            self.proofs.update({key: wants.proofs[key] for key in fresh})
            runs = self.read(lambda connection: renew.going(connection, wants.runs)) if wants.runs else {}
            asked = wants.approvals
            approvals = self.read(lambda connection: approve.standing(connection, asked)) if asked else {}
            settled = settle(
                [work], fresh=fresh, used=self.counters, serials=self.serials, runs=runs, approvals=approvals
            )
            if settled.renewed or settled.approved:
                with self._engine.begin() as connection:
                    if settled.renewed:
                        renew.write(connection, settled.renewed)
                    if settled.approved:
                        approve.write(connection, settled.approved)
            self.counters.update(settled.counters)
            self.serials.update({key: each.row.serial for key, each in settled.activations.items()})
            self.notices += [each.notice for each in settled.notices if each.notice is not None]
            self.entries += settled.entries
            return settled.answers[0]

    def _due(self, work: Work) -> bool:
        known = {entry.id for entry in self.entries}
        return work.unless not in known and (work.given is None or work.given in known)
