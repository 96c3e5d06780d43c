"""The few lines of ASGI that the endpoints need; nothing on the hot path makes a Request or Response object."""

from __future__ import annotations

import asyncio
import contextlib
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, MutableMapping
from typing import Any, Final

from remit.kernel.errors import Malformed, TooLarge

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

JSON: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
EVENTS: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
)
# How long a body may take: who asks was judged by the headers, and a proof's use is not remembered for ever.
BODY_SECONDS: Final = 30.0
# A call that is answered at once needs nobody to watch its connection.
_WATCH_AFTER: Final = 0.05


class Gone(Exception):
    """The client went away before its request was read."""


async def body_of(receive: Receive, *, declared: str | None, limit: int) -> bytes:
    """The request's whole body.

    Raises:
        TooLarge: Over `limit` bytes, declared or sent.
        Malformed: It did not come in time.
        Gone: The client went away.
    """
    whole = _whole(receive, declared=declared, limit=limit)
    try:
        # Nearly every body came with its headers. Then it is read in one step, and there is nothing to set a timer for.
        waits = whole.send(None)
    except StopIteration as read:
        body: bytes = read.value
        return body
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _going_on(whole, waits)
    except TimeoutError as error:
        raise Malformed("the body did not come in time") from error


@types.coroutine
def _going_on(begun: Coroutine[Any, Any, bytes], waits: object) -> Generator[Any, Any, bytes]:
    """What was begun, from what it waits for on: that is handed to the event loop, and so is all that follows."""
    with contextlib.closing(begun):
        while True:
            yield waits
            try:
                waits = begun.send(None)
            except StopIteration as read:
                body: bytes = read.value
                return body


async def _whole(receive: Receive, *, declared: str | None, limit: int) -> bytes:
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise TooLarge("the body is over the limit")
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge("the body is over the limit")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def answer(send: Send, status: int, body: bytes = b"", headers: Headers = JSON) -> None:
    """Send a whole response."""
    length = (b"content-length", str(len(body)).encode("ascii"))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


class Watch:
    """Hears of a client that goes away while its call runs, once the call has taken a while."""

    def __init__(self, receive: Receive, gone: Callable[[], None]) -> None:
        self._receive = receive
        self._tell = gone
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_WATCH_AFTER, self._start)
        self.gone = False

    def stop(self) -> None:
        """Stop watching."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            self._task = None  # where it was cancelled holds this: a cycle for the collector, of every longer call

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._tell()
