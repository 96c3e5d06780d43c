"""What enforcement points are told: every state change, every freeze, in order, and a heartbeat.

The feed calls `follow` on the writer's thread before a change is answered; each open stream
has a queue on the event loop. A point that does not read is dropped: it begins anew with the
whole state, or its lease runs out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection

from remit.freezes.model import Freeze
from remit.kernel.canonical import encode
from remit.storage.feed import EVERYTHING

HEARTBEAT_SECONDS: Final = 2.0
_WAITING: Final = 1000  # events that a point may leave unread
_FREEZES: Final = "freezes"
_Frame = bytes | None  # None: the stream ends


class Announcer:
    """Streams of changes to enforcement points.

    Args:
        freezes: The freezes in force, from the newest view.
        epoch: The newest epoch that this node has applied.
        begun: Is told of each freeze that begins, and its epoch, before any point can have heard of it.
    """

    def __init__(
        self,
        *,
        freezes: Callable[[], Mapping[Any, Freeze]],
        epoch: Callable[[], int],
        begun: Callable[[str, int], None] = lambda _freeze, _epoch: None,
    ) -> None:
        self._told = begun
        self._freezes = freezes
        self._epoch = epoch
        self._known = {freeze.id: freeze for freeze in freezes().values()}
        self._began = dict.fromkeys(self._known, epoch())
        self._open: set[asyncio.Queue[_Frame]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say which loop the streams are on."""
        self._loop = loop

    def began(self, freeze: str) -> int:
        """The epoch at which a freeze took effect on this node; one that it has not met yet, takes effect now."""
        return self._began.get(freeze, self._epoch())

    def follow(self, epoch: int, topics: tuple[str, ...], _connection: Connection) -> None:
        """What to subscribe to the feed, after the facts."""
        frames = []
        if _FREEZES in topics or EVERYTHING in topics:
            now = {freeze.id: freeze for freeze in self._freezes().values()}
            begun = [freeze for id_, freeze in now.items() if id_ not in self._known]
            ended = [freeze for id_, freeze in self._known.items() if id_ not in now]
            self._began = {id_: self._began.get(id_, epoch) for id_ in now}
            self._known = now
            for freeze in begun:
                self._told(freeze.id, epoch)
            frames = [_of("freeze", freeze) for freeze in begun] + [_of("unfreeze", freeze) for freeze in ended]
        frames.append(_frame("epoch", {"epoch": epoch, "topics": list(topics)}))
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, frames)

    async def stream(self, still: Callable[[], bool]) -> AsyncIterator[bytes]:
        """The events for one point, from the whole state on, for as long as `still` holds."""
        with self._listening() as queue:
            for freeze in list(self._freezes().values()):
                yield _of("freeze", freeze)
            yield _frame("epoch", {"epoch": self._epoch(), "topics": ["*"]})
            while still():
                try:
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        frame = await queue.get()
                except TimeoutError:
                    frame = _frame("heartbeat", {"epoch": self._epoch()})
                if frame is None:
                    return
                if frame:
                    yield frame

    @contextlib.contextmanager
    def _listening(self) -> Iterator[asyncio.Queue[_Frame]]:
        queue: asyncio.Queue[_Frame] = asyncio.Queue()
        self._open.add(queue)
        try:
            yield queue
        finally:
            self._open.discard(queue)

    def _tell(self, frames: list[bytes]) -> None:
        for queue in list(self._open):
            if queue.qsize() + len(frames) > _WAITING:
                self._open.discard(queue)
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
                continue
            for frame in frames:
                queue.put_nowait(frame)


def _of(kind: str, freeze: Freeze) -> bytes:
    return _frame(kind, {"kind": freeze.kind.value, "name": freeze.name, "id": freeze.id})


def _frame(event: str, data: Mapping[str, Any]) -> bytes:
    return b"event: " + event.encode("ascii") + b"\ndata: " + encode(data) + b"\n\n"
