"""HTTP/1.1 on a connection of the forward proxy: bounded heads, whole targets, and an end with its caller's token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from remit.enforcement.proxy_answers import H2_GOAWAY, H2_PREFACE
from remit.enforcement.proxy_intercept import TARGET
from remit.server.protocol import Protocol

_HEAD_SECONDS: Final = 20.0
_HEAD_BYTES: Final = 64 * 1024


class ProxyProtocol(Protocol):
    """uvicorn's, with what it leaves to the server before it."""

    ended: Callable[[], None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _end: asyncio.TimerHandle | None = None
    _size = 0
    _first = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own
        """It begins, and its first head is awaited."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._cancel()
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)
        if self.ended is not None:
            self.ended()

    def ends_in(self, seconds: float) -> None:
        """Serve what is under way in `seconds` to its end, and nothing more."""
        self._end = self.loop.call_later(seconds, self.shutdown)

    def data_received(self, data: bytes) -> None:
        """Something came: of a head, not too much."""
        if self._timer is not None:
            self._size += len(data)
            self._first = (self._first + data)[: len(H2_PREFACE)]
            if self._first == H2_PREFACE:
                self.transport.write(H2_GOAWAY)
                self.transport.close()
                return
        super().data_received(data)
        if self._timer is not None and self._size > _HEAD_BYTES:
            self.send_400_response("The head is too long")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        if self._timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._cancel()
        self.scope[TARGET] = self.url  # type: ignore[typeddict-unknown-key]  # a key of our own
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._size, self._first = 0, b""
        self._timer = self.loop.call_later(_HEAD_SECONDS, self._late)

    def _late(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
