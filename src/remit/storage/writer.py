"""The one writer thread: takes all that waits, commits it durably, tells the views, answers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from sqlalchemy import Connection

from remit.kernel.clock import MINUTE, Clock
from remit.kernel.errors import StorageUnavailable
from remit.logs import logger
from remit.storage import intake
from remit.storage.activate import Seal
from remit.storage.activate import as_it_is as unsealed
from remit.storage.commit import (
    CHANGE_SECONDS,
    STAGE_SECONDS,
    Complete,
    Result,
    as_it_is,
    bound_statements,
    commit,
)
from remit.storage.feed import Beat, GivenUp, LocalFeed, News, Touched
from remit.storage.intake import Batch, Intake
from remit.storage.journal import Journal, OpenJournal
from remit.storage.model import Committed, Work
from remit.storage.ports import Reader, Transaction
from remit.storage.sweep import Sweeper

T = TypeVar("T")
_log = logger(__name__)
_HEARTBEAT = 1.0  # seconds between two looks at what others changed; a view counts itself stale after five
_TOLD_FOR = 10 * MINUTE  # how long other nodes can learn what a change touched; who comes later reads everything
_QUIET = 0.9  # seconds without work after which there is time for housekeeping
_PRUNE_SECONDS = 60.0
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
        self._applied = 0  # the epoch up to which the views have everything, once they follow
        self._following = False
        self._look_wanted = False
        self._next_look = self._next_prune = self._quiet_since = 0.0
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
        self.node: str | None = None
        """The registered node that writes here; set before it serves anybody."""
        self.held: Callable[[int], int] = _as_applied
        """Up to which epoch the enforcement points that hang on this node have what its view has up to another."""
        self.given_up = False
        """Whether the other nodes took this one for dead. Nothing is recorded any more: the process must end."""
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

    @property
    def applied(self) -> int:
        """The epoch up to which the views of this node have everything, its own changes and those of others."""
        return self._applied if self._following else self.epoch

    def join(self, node: str) -> None:
        """From now on this node beats, and what it stores is refused once it was given up. It is registered."""
        self.node = node
        if self._journal is not None:
            self._journal.node = node
        self.nudge()

    def follow(self) -> None:
        """From now on the views are told of what other nodes change, too: everything is loaded and subscribed."""
        self._following = True
        self.nudge()

    def nudge(self) -> None:
        """From any thread: look at what others changed, now."""
        if not self._look_wanted:
            self._look_wanted = True
            self._intake.put(intake.NUDGE, 0)

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
            began = time.monotonic()
            self._journal = self._open_journal()
            bound_statements(self._journal.connection, self._allow)
            self.epoch = self._applied = self._journal.epoch()
            self.last_contact = began
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
        batch, stopping = self._intake.take(self._pause())
        if batch is not None:
            self._quiet_since = time.monotonic()
        try:
            if batch is not None and (batch.works or batch.changes):
                self._process(batch)
            self._between(idle=batch is None and time.monotonic() - self._quiet_since >= _QUIET)
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread must live to refuse and to recover
            self._lost(error)
        return stopping

    def _pause(self) -> float:
        """Seconds that nothing needs to be done."""
        if self._journal is None:
            return self._retry
        return min(max(self._next_look - time.monotonic(), 0.0), _HEARTBEAT)

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
        if not journal.shared:  # else a commit shows nothing of what others changed: only a look does
            self.last_contact = time.monotonic()
        self._to_sweep += result.expiring
        return result

    def _commit(self, journal: Journal, batch: Batch) -> Result:
        changes = [change.apply for change in batch.changes]
        try:
            return commit(
                journal, batch.works, changes, allow=self._allow, complete=self.complete, seal=self.seal,
                catch_up=lambda: self._catch_up(journal), now=self._clock.now(),
            )  # fmt: skip
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
        def tell(connection: Connection) -> None:
            while self._undelivered:
                epoch, topics = self._undelivered[0]
                self._feed.deliver(epoch, topics, connection)
                del self._undelivered[0]
                self.epoch = max(self.epoch, epoch)
                if self._following:
                    self._applied = epoch

        if self._undelivered:
            self._reader.read(tell)

    # other nodes ----------------------------------------------------------------------------

    def _catch_up(self, journal: Journal) -> None:
        """Before a change, while no other node can make one: the views get all that others changed."""
        if journal.shared and self._following:
            self._take(journal.look(self._applied))

    def _look(self, journal: Journal) -> None:
        """Apply what others changed. Only from the beginning of this look on is the view known to lack nothing."""
        self._look_wanted = False  # first: who asks from here on is asking for another look
        began = time.monotonic()
        found = journal.look(self._applied, beat=self._beat())
        if journal.shared and self._following and self._take(found):
            journal.tell(self._beat())
        self.last_contact = began
        self._next_look = began + _HEARTBEAT

    def _take(self, found: News) -> bool:
        """Deliver what a look found; whether there was any. What failed to be delivered before is among it."""
        self._undelivered = found.after(self._applied)
        if not found.whole:
            _log.warning("what changed elsewhere is not known; everything is read anew", applied=self._applied)
        some = bool(self._undelivered)
        self._deliver()
        return some

    def _beat(self) -> Beat:
        return Beat(self._applied, self.held(self._applied))

    # health ---------------------------------------------------------------------------------

    def _allow(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def _lost(self, error: Exception) -> None:
        """The database failed: refuse until a probe goes through."""
        self._deadline = float("inf")
        if isinstance(error, GivenUp) and not self.given_up:
            _log.error("this node was given up by the others; it ends", node=self.node)
            self.given_up = True
        elif self._journal is not None:
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
        if idle or self._look_wanted or now >= self._next_look:
            self._look(self._journal)
        self._journal.rest(idle=idle)
        if now >= self._next_sweep or self._to_sweep >= _SWEEP_AT_MOST:
            rows = max(_SWEEP_AT_LEAST, 2 * self._to_sweep)  # faster than rows come, so that it keeps up at any rate
            self._sweeper.sweep(self._journal.connection, now=self._clock.now(), rows=rows)
            self._next_sweep, self._to_sweep = now + 1.0, 0
        if now >= self._next_prune:
            self._journal.prune(self._clock.now() - _TOLD_FOR)
            self._next_prune = now + _PRUNE_SECONDS
        self._deadline = float("inf")

    def _recover(self) -> None:
        if self.given_up:
            return
        self._retry = min(self._retry * 2, _LAST_RETRY)
        journal = self._open_journal()
        journal.node = self.node
        try:
            journal.probe()
            self.epoch = max(self.epoch, journal.epoch())
            self._look(journal)
            self._deliver()
        except BaseException:
            journal.close()
            raise
        bound_statements(journal.connection, self._allow)
        self._journal = journal
        self._retry = _FIRST_RETRY
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


def _as_applied(applied: int) -> int:
    return applied
