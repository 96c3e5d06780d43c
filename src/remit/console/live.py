"""Live entries: what was recorded since, read from the log only while somebody looks, and once for all who do.

One loop reads for all open pages. Each page has a short queue of its own: who takes slowly loses the oldest, is told
how many, and holds up nobody.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection

from remit.audit.sql import SqlLog
from remit.audit.stored import header, read_bundle
from remit.console.entries import line
from remit.kernel.clock import parse_date_end
from remit.kernel.errors import Malformed, RemitError
from remit.kernel.names import made_at
from remit.storage.ports import Reader

EVERY: Final = 0.3  # seconds between two looks
_HEARTBEAT: Final = 15.0  # seconds without news before a comment keeps the connection open
_SHOWN: Final = frozenset({"decision", "verdict", "refused", "unavailable", "incident", "change"})
_AT_ONCE: Final = 500  # commits read at once
_BEFORE: Final = 20  # commits shown to somebody who just came
_BEHIND: Final = 4000  # commits behind, from which on it goes on with the newest
_QUEUE: Final = 500  # entries that wait for one page


def newest(connection: Connection) -> int:
    """The number of the newest bundle."""
    return SqlLog(connection).newest_bundle()


def since(bundle: int, most: int = _AT_ONCE) -> Callable[[Connection], tuple[int, list[dict[str, Any]]]]:
    """A query for what was recorded after `bundle`: the newest bundle read, and its lines."""

    def query(connection: Connection) -> tuple[int, list[dict[str, Any]]]:
        at, lines = bundle, []
        for each in SqlLog(connection).after(bundle, most):
            at = each.bundle
            for raw in read_bundle(each.headers, each.count)[0]:
                try:
                    said = header(raw)
                except Malformed:
                    continue
                if said["kind"] == "outcome":
                    lines.append({"kind": "outcome", "took": _took(said)})
                elif said["kind"] in _SHOWN:
                    lines.append(line(said, None))
        return at, lines

    return query


@dataclass(eq=False, slots=True)
class Queue:
    """What waits for one page. `lost`: how many of it were dropped; `answers`: whether the database does."""

    held: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_QUEUE))
    news: asyncio.Event = field(default_factory=asyncio.Event)
    lost: int = 0
    answers: bool = True

    def put(self, lines: list[dict[str, Any]]) -> None:
        """More; the oldest make room."""
        self.lost += max(0, len(self.held) + len(lines) - _QUEUE)
        self.held.extend(lines)
        self.news.set()

    def take(self) -> tuple[list[dict[str, Any]], int]:
        """What waits, and how many were lost before it."""
        taken, lost = list(self.held), self.lost
        self.held.clear()
        self.lost = 0
        self.news.clear()
        return taken, lost


class Tail:
    """Reads the log's end for all pages that are open. Of one event loop."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._queues: set[Queue] = set()
        self._task: asyncio.Task[None] | None = None
        self._at = 0  # the newest bundle that was told
        self._step = asyncio.Lock()  # who comes between a look and its telling would hear of it twice, or never

    async def join(self) -> Queue:
        """A queue that is filled until `leave`; it begins with what was recorded last.

        Raises:
            StorageUnavailable: The database does not answer.
        """
        queue = Queue()
        async with self._step:
            alone = self._task is None or self._task.done()
            if alone:
                self._at = await asyncio.to_thread(self._reader.read, newest)
            query = since(max(0, self._at - _BEFORE), _BEFORE)
            queue.put((await asyncio.to_thread(self._reader.read, query))[1])
            self._queues.add(queue)
            if alone:
                self._task = asyncio.create_task(self._follow(self._at))
        return queue

    def leave(self, queue: Queue) -> None:
        """No more of it. With the last one, reading ends."""
        self._queues.discard(queue)

    async def _follow(self, at: int) -> None:
        while self._queues:
            await asyncio.sleep(EVERY)
            try:
                at = await self._read(at)
            except RemitError:
                self._tell(answers=False)
            else:
                self._tell(answers=True)

    async def _read(self, at: int) -> int:
        """All that came; of more than anybody can look at, only the end."""
        end = await asyncio.to_thread(self._reader.read, newest)
        at = max(at, end - _BEHIND)
        while at < end and self._queues:
            before = at
            async with self._step:
                at, lines = await asyncio.to_thread(self._reader.read, since(at))
                self._at = at
                for queue in self._queues if lines else ():
                    queue.put(lines)
            if at == before:
                break
        return at

    def _tell(self, *, answers: bool) -> None:
        for queue in self._queues:
            if queue.answers is not answers:
                queue.answers = answers
                queue.news.set()


async def events(tail: Tail, open_still: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Server-sent events, each a list of entries, until the session ends (the caller stops when the browser goes).

    The first is what was recorded before, also if that is nothing: a page takes it for that.
    """
    queue, first = await tail.join(), True
    try:
        yield b": open\n\n"
        while open_still():
            try:
                async with asyncio.timeout(_HEARTBEAT):
                    await queue.news.wait()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if not open_still():
                return  # what was recorded since is not for somebody who was signed out meanwhile
            lines, lost = queue.take()
            if not queue.answers:
                yield b"event: unavailable\ndata: {}\n\n"
            if lost:
                yield b"event: lost\ndata: %d\n\n" % lost
            if lines or first:
                yield b"data: " + json.dumps(lines).encode() + b"\n\n"
                first = False
            await asyncio.sleep(EVERY)  # one event for all that comes meanwhile
    finally:
        tail.leave(queue)


def _took(outcome: dict[str, Any]) -> int | None:
    """Milliseconds from a decision to its outcome; None where they cannot be told."""
    began = made_at(str(outcome.get("decision")))
    if began is None:
        return None
    try:
        return max(0, (parse_date_end(str(outcome["time"])) - began) // 1000)
    except Malformed:
        return None
