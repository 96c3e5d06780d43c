"""The one writer thread: takes all that waits, commits it durably, tells the views, answers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import structlog

from remit.kernel.clock import Clock
from remit.kernel.errors import StorageUnavailable
from remit.storage import intake
from remit.storage.activate import Seal
from remit.storage.activate import as_it_is as unsealed
from remit.storage.commit import (
    CHANGE_SECONDS,
    STAGE_SECONDS,
    Complete,
    Result,
    Touched,
    as_it_is,
    bound_statements,
    commit,
)
from remit.storage.feed import LocalFeed
from remit.storage.intake import Batch, Intake
from remit.storage.journal import Journal, OpenJournal
from remit.storage.model import Committed, Work
from remit.storage.ports import Reader, Transaction
from remit.storage.sweep import Sweeper

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_HEARTBEAT = 1.0  # seconds; a view counts itself stale after five
_FIRST_RETRY, _LAST_RETRY = 0.05, 0.5  # seconds between attempts while the database is gone
_WATCH = 0.2  # seconds between looks at a commit that may hang
_FAILED = "the database failed"
_HANGS = "the database does not answer"
_SWEEP_AT_LEAST, _SWEEP_AT_MOST = 500, 2000  # rows looked at for expiry: each second, and sooner when more came


class GroupCommitWriter:
    """Implements remit.storage.ports.Writer over one journal.

    If the database fails, everybody who waits is refused, nothing is acknowledged, and new work
    is refused at once until a probing commit has gone through again.
    """

    def __init__(
        self, open_journal: OpenJournal, *, reader: Reader, feed: LocalFeed, clock: Clock, capacity: int = 100_000
    ) -> None:
        self._open_journal = open_journal
        self._reader = reader
        self._feed = feed
        self._clock = clock
        self._intake = Intake(capacity=capacity)
        self._journal: Journal | None = None
        self._undelivered: list[Touched] = []
        self._retry, self._next_try = _FIRST_RETRY, 0.0
        self._sweeper = Sweeper()
        self._next_sweep = 0.0
        self._to_sweep = 0  # expiring rows written since the last sweep
        self._in_flight: Batch | None = None
        self._deadline = float("inf")
        self._stopped = threading.Event()
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="remit-writer", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="remit-writer-watch", daemon=True)
        self.epoch = 0
        self.last_contact = 0.0
        self.complete: Complete = as_it_is
        """What is done at the end of each change, within it, with the entries that it recorded."""
        self.seal: Seal = unsealed
        """What makes of an activation's body what is stored."""

    # what callers see -----------------------------------------------------------------------

    @property
    def healthy(self) -> bool:
        """Whether work is being taken: the last commit or probe went through and nothing hangs."""
        return self._intake.refusing is None

    def submit(self, work: Work) -> Future[Committed]:
        """Queue a decision or outcome; the future resolves once it is durable."""
        return self._intake.work(work)

    def submit_async(self, work: Work) -> asyncio.Future[Committed]:
        """The same for the running event loop."""
        return self._intake.work_async(work)

    def change(self, apply: Callable[[Transaction], T]) -> T:
        """Run `apply` in the writer's transaction and wait until it is durable and every view has it."""
        if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the one way to ask without an exception
            raise RuntimeError("change() waits for the disk: call it from a worker thread, not from an event loop")
        if threading.current_thread() is self._thread:
            raise RuntimeError("change() inside a change or a feed subscriber would wait for itself")
        result: T = self._intake.change(apply).result()
        return result

    def start(self) -> None:
        """Open the database and start; raises what opening raised."""
        self._thread.start()
        self._started.result()
        self._watcher.start()

    def stop(self) -> None:
        """Commit what is queued, answer it, and close. What comes later is refused."""
        if self._stopped.is_set():
            return
        self._intake.close()
        self._thread.join()
        self._stopped.set()
        self._watcher.join()

    # the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._journal = self._open_journal()
            bound_statements(self._journal.connection, self._allow)
            self.epoch = self._journal.epoch()
            self.last_contact = time.monotonic()
        except BaseException as error:  # noqa: BLE001 - raised again by start(), in its caller
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        stopping = False
        while not stopping:
            stopping = self._turn()
        self._intake.fail(intake.CLOSING)
        if self._journal is not None:
            with contextlib.suppress(Exception):  # whatever it leaves is found when it is opened again
                self._journal.rest(idle=True)
            self._journal.close()

    def _turn(self) -> bool:
        """Take and process one batch, or one pause; whether it was the last."""
        batch, stopping = self._intake.take(_HEARTBEAT if self._journal is not None else self._retry)
        try:
            if batch is not None and (batch.works or batch.changes):
                self._process(batch)
            self._between(idle=batch is None)
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread must live to refuse and to recover
            self._lost(error)
        return stopping

    def _process(self, batch: Batch) -> None:
        if self._journal is None:
            batch.fail(self._intake.refusing or "")
            return
        self._in_flight = batch
        try:
            result = self._committed(self._journal, batch)
            if result.touched:
                self._allow(CHANGE_SECONDS)
                self._tell(batch, result)
            if batch.claim():
                batch.answer(result.answers, result.changed)
        finally:
            self._in_flight, self._deadline = None, float("inf")

    def _committed(self, journal: Journal, batch: Batch) -> Result:
        try:
            result = self._commit(journal, batch)
        except Exception as error:
            self._intake.refuse(_FAILED)  # before anybody hears of it, so that nobody queues after it
            batch.fail(repr(error)[:500], intake.in_doubt)
            raise
        self.last_contact = time.monotonic()
        self._to_sweep += result.expiring
        return result

    def _commit(self, journal: Journal, batch: Batch) -> Result:
        changes = [change.apply for change in batch.changes]
        try:
            return commit(journal, batch.works, changes, allow=self._allow, complete=self.complete, seal=self.seal)
        except journal.content_errors as error:
            # One work with rows the database will not have must not take the others with it.
            _log.warning("a batch was refused by the database; recording its works one by one", error=repr(error))
            return self._singly(journal, batch, error)

    def _singly(self, journal: Journal, batch: Batch, why: Exception) -> Result:
        """Each work in a transaction of its own. Changes are not run a second time: their callers may."""
        result = Result([], changed=[(None, intake.unavailable(repr(why)[:500])) for _ in batch.changes])
        for work in batch.works:
            try:
                result.answers += commit(journal, [work], [], allow=self._allow, seal=self.seal).answers
            except journal.content_errors as error:
                result.answers.append(intake.unavailable(repr(error)[:500]))
        return result

    def _tell(self, batch: Batch, result: Result) -> None:
        """The views apply what was committed, before its callers are answered."""
        self._undelivered += result.touched
        self.epoch = result.touched[-1][0]
        try:
            self._deliver()
        except Exception as error:
            # Committed, but a view here may lack it (a freeze!): its caller hears no success, and nothing is
            # decided until every view has it.
            late = StorageUnavailable("recorded, but not yet applied by this node", detail=repr(error)[:500])
            if batch.claim():
                batch.answer(result.answers, [(None, failed or late) for _, failed in result.changed])
            raise

    def _deliver(self) -> None:
        def tell(epoch: int, topics: tuple[str, ...]) -> None:
            self._reader.read(lambda connection: self._feed.deliver(epoch, topics, connection))

        while self._undelivered:
            tell(*self._undelivered[0])
            del self._undelivered[0]

    # health ---------------------------------------------------------------------------------

    def _allow(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def _lost(self, error: Exception) -> None:
        """The database failed: refuse until a probe goes through."""
        self._deadline = float("inf")
        if self._journal is not None:
            _log.error("the database failed; refusing until it works again", error=repr(error))
        self._intake.refuse(_FAILED)
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._next_try = time.monotonic() + self._retry

    def _between(self, *, idle: bool) -> None:
        """What is done between batches: recovery, the heartbeat, housekeeping."""
        now = time.monotonic()
        if self._journal is None:
            if now >= self._next_try:
                self._recover()
            return
        if self._intake.refusing is not None:
            self._intake.accept()  # a commit that seemed to hang came through
        self._allow(STAGE_SECONDS)
        if idle:
            self._journal.ping()
            self.last_contact = time.monotonic()
        self._journal.rest(idle=idle)
        if now >= self._next_sweep or self._to_sweep >= _SWEEP_AT_MOST:
            rows = max(_SWEEP_AT_LEAST, 2 * self._to_sweep)  # faster than rows come, so that it keeps up at any rate
            self._sweeper.sweep(self._journal.connection, now=self._clock.now(), rows=rows)
            self._next_sweep, self._to_sweep = now + 1.0, 0
        self._deadline = float("inf")

    def _recover(self) -> None:
        self._retry = min(self._retry * 2, _LAST_RETRY)
        journal = self._open_journal()
        try:
            journal.probe()
            self.epoch = max(self.epoch, journal.epoch())
            self._deliver()
        except BaseException:
            journal.close()
            raise
        bound_statements(journal.connection, self._allow)
        self._journal = journal
        self._retry = _FIRST_RETRY
        self.last_contact = time.monotonic()
        self._intake.accept()
        _log.info("the database works again")

    def _watch(self) -> None:
        """Refuse what waits for a commit that hangs (a network that swallows packets, a dying disk)."""
        while not self._stopped.wait(_WATCH):
            if time.monotonic() < self._deadline:
                continue
            self._intake.refuse(_HANGS)
            if (batch := self._in_flight) is not None:
                batch.fail(_HANGS, intake.in_doubt)
            self._intake.fail(_HANGS)
