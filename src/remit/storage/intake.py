"""What waits for the writer, and how each caller is answered: threads, event loops, changes.

Per-work cost counts here, because it is paid on the event loop. So the works of one loop
iteration are handed over together, and answered together with one wake-up.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from remit.kernel.errors import InDoubt, Overloaded, StorageUnavailable
from remit.storage.model import Committed, Work

Answer = Committed | Exception
AsyncFutures = list[asyncio.Future[Committed]]
STOP = object()
NUDGE = object()  # wakes the writer, and is nothing to do by itself
CLOSING = "the server is shutting down"
_MAX_BATCH = 4096  # works in one transaction: bounds how long the last of them waits for the first


def unavailable(detail: str = "") -> StorageUnavailable:
    """What a caller gets when its work was not recorded."""
    return StorageUnavailable("the database is not available; nothing was recorded", detail=detail)


def in_doubt(detail: str) -> InDoubt:
    """What a caller gets when its work was being committed and nobody knows how that ended."""
    return InDoubt("the database is not available; what was asked may not have been recorded", detail=detail)


class LoopWorks:
    """Works of one event loop; answered on it."""

    __slots__ = ("futures", "loop", "works")

    def __init__(self, loop: asyncio.AbstractEventLoop, works: list[Work], futures: AsyncFutures) -> None:
        self.loop = loop
        self.works = works
        self.futures = futures


class ThreadWork:
    """One work of a thread."""

    __slots__ = ("future", "works")

    def __init__(self, work: Work, future: Future[Committed]) -> None:
        self.works = [work]
        self.future = future


class PendingChange:
    """A change of state whose caller waits in its own thread."""

    __slots__ = ("apply", "future")

    def __init__(self, apply: Callable[[Any], Any], future: Future[Any]) -> None:
        self.apply = apply
        self.future = future


class Batch:
    """All that waited at one moment; answered exactly once, by whoever claims it first."""

    def __init__(self) -> None:
        self.groups: list[LoopWorks | ThreadWork] = []
        self.works: list[Work] = []
        self.changes: list[PendingChange] = []
        self._claim = threading.Lock()

    def add(self, item: LoopWorks | ThreadWork | PendingChange) -> None:
        """Take one item into the batch."""
        if isinstance(item, PendingChange):
            self.changes.append(item)
        else:
            self.groups.append(item)
            self.works += item.works

    def claim(self) -> bool:
        """Whether the caller is the one who answers; true once."""
        return self._claim.acquire(blocking=False)

    def answer(self, answers: Sequence[Answer], changed: Sequence[tuple[Any, BaseException | None]]) -> None:
        """Answer every work and every change. The claim must be held."""
        at = 0
        for group in self.groups:
            mine = answers[at : at + len(group.works)]
            at += len(mine)
            if isinstance(group, LoopWorks):
                _on_loop(group.loop, group.futures, mine)
            else:
                _settle(group.future, *((mine[0], None) if isinstance(mine[0], Committed) else (None, mine[0])))
        for change, (value, error) in zip(self.changes, changed, strict=True):
            _settle(change.future, value, error)

    def fail(self, why: str, error: Callable[[str], StorageUnavailable] = unavailable) -> None:
        """Tell everybody that nothing was recorded (or that it is in doubt). Safe to call whoever holds the claim."""
        if self.claim():
            self.answer([error(why) for _ in self.works], [(None, error(why)) for _ in self.changes])


def _settle(future: Future[Any], value: object, error: BaseException | None) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


def _on_loop(loop: asyncio.AbstractEventLoop, futures: AsyncFutures, answers: Sequence[Answer]) -> None:
    try:
        loop.call_soon_threadsafe(_resolve, futures, answers)
    except RuntimeError:
        return  # the loop is closed: nobody waits any more, and what was committed stays committed


def _resolve(futures: AsyncFutures, answers: Sequence[Answer]) -> None:
    for future, answer in zip(futures, answers, strict=True):
        if future.done():  # its caller went away; the work is committed all the same
            continue
        if isinstance(answer, Committed):
            future.set_result(answer)
        else:
            future.set_exception(answer)


class _Door:
    """The works that one event loop submitted in this iteration."""

    __slots__ = ("_intake", "futures", "loop", "works")

    def __init__(self, intake: Intake, loop: asyncio.AbstractEventLoop) -> None:
        self._intake = intake
        self.loop = loop
        self.works: list[Work] = []
        self.futures: AsyncFutures = []

    def flush(self) -> None:
        """Hand over what the callers of this iteration submitted."""
        works, futures = self.works, self.futures
        self.works, self.futures = [], []
        if self._intake.refusing is None:
            self._intake.put(LoopWorks(self.loop, works, futures), len(works))
        else:
            _resolve(futures, [unavailable(self._intake.refusing) for _ in works])


class Intake:
    """The queue before the writer: bounded, from any thread and any event loop.

    `refusing` is why nothing is taken now, or None. While the database is gone callers are
    refused at once, because a call that waits for it holds an agent up for nothing.
    """

    def __init__(self, *, capacity: int) -> None:
        self.refusing: str | None = None
        self._capacity = capacity
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._depth = 0
        self._closed = False
        self._lock = threading.Lock()
        self._local = threading.local()

    def refuse(self, why: str) -> None:
        """Refuse what comes from here on."""
        with self._lock:
            self.refusing = self.refusing if self._closed else why

    def accept(self) -> None:
        """Take work again, unless this was closed."""
        with self._lock:
            self.refusing = self.refusing if self._closed else None

    def put(self, item: object, size: int) -> None:
        """Queue `item`, which counts as `size` works."""
        with self._lock:
            self._depth += size
        self._queue.put(item)

    def work(self, work: Work) -> Future[Committed]:
        """Queue a thread's work."""
        future: Future[Committed] = Future()
        if self.refusing is not None:
            future.set_exception(unavailable(self.refusing))
        elif self._depth >= self._capacity:
            future.set_exception(self._overloaded())
        else:
            self.put(ThreadWork(work, future), 1)
        return future

    def change(self, apply: Callable[[Any], Any]) -> Future[Any]:
        """Queue a change; it is never turned away for load, because a freeze must get through."""
        future: Future[Any] = Future()
        if self.refusing is not None:
            future.set_exception(unavailable(self.refusing))
        else:
            self.put(PendingChange(apply, future), 1)
        return future

    def work_async(self, work: Work) -> asyncio.Future[Committed]:
        """Queue the running loop's work; it leaves with the others of this iteration."""
        loop = asyncio.get_running_loop()
        door: _Door | None = getattr(self._local, "door", None)
        if door is None or door.loop is not loop:
            door = self._local.door = _Door(self, loop)
        future: asyncio.Future[Committed] = loop.create_future()
        works = door.works
        if self._depth + len(works) >= self._capacity:
            future.set_exception(self._overloaded())
            return future
        if not works:
            loop.call_soon(door.flush)
        works.append(work)
        door.futures.append(future)
        return future

    def take(self, timeout: float) -> tuple[Batch | None, bool]:
        """All that waits (None: nothing within `timeout` seconds), and whether STOP was met."""
        try:
            item = self._queue.get(timeout=timeout) if timeout > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None, False
        batch = Batch()
        while item is not STOP:
            if item is not NUDGE:
                batch.add(item)
            if len(batch.works) >= _MAX_BATCH:
                break
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
        with self._lock:
            self._depth -= len(batch.works) + len(batch.changes)
        return batch, item is STOP

    def close(self) -> None:
        """Refuse for good; the writer still meets what was queued before, then STOP."""
        self.refuse(CLOSING)
        with self._lock:
            self._closed = True
        self._queue.put(STOP)

    def fail(self, why: str) -> None:
        """Refuse everything that is queued now."""
        while True:
            batch, stop = self.take(0)
            if batch is not None:
                batch.fail(why)
            if stop:
                self._queue.put(STOP)
            if stop or batch is None:
                return

    def _overloaded(self) -> Overloaded:
        return Overloaded("too much waits to be recorded; try again shortly", detail=f"{self._depth} works are queued")
