"""A response's head and its body leave in one packet: uvicorn writes them one after the other.

Two writes are two system calls here and two wake-ups at the other end, which was a measurable part of a call.
"""

from __future__ import annotations

import asyncio
from typing import Any

_START, _END = b"HTTP/1.1 ", b"\r\n\r\n"
_MOST = 1 << 16  # bytes


class Joined:
    """A transport that keeps a response's head back until its body comes, or the loop turns."""

    __slots__ = ("_held", "_loop", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Write `data`, behind what was kept back."""
        if self._held and len(data) <= _MOST:
            data, self._held = self._held + data, b""
        elif self._held:
            self.flush()  # a large body is not copied for the sake of its head
        elif data.startswith(_START) and data.endswith(_END):
            self._held = data
            self._loop.call_soon(self.flush)
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Write what was kept back."""
        if self._held:
            data, self._held = self._held, b""
            self._transport.write(data)

    def close(self) -> None:
        """Close once all is written."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a transport has
        return getattr(self._transport, name)
