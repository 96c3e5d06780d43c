"""HTTP/1.1 over one connection, at either end of it; h11 does the grammar."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import h11

_CHUNK: Final = 64 * 1024
_HEAD: Final = 64 * 1024  # bytes of a request line or status line with its headers


class TooLong(Exception):
    """A body is over the limit."""


class Line:
    """One connection.

    Args:
        role: `h11.SERVER` or `h11.CLIENT`.
        reader: What comes in.
        writer: What goes out.
    """

    def __init__(self, role: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ANN401 - h11's sentinels have no type
        self.http = h11.Connection(role, max_incomplete_event_size=_HEAD)
        self.reader = reader
        self._writer = writer

    async def event(self) -> Any:  # noqa: ANN401 - one of h11's events
        """What comes next.

        Raises:
            h11.RemoteProtocolError: It is no HTTP, or ended in the middle.
            OSError: The connection broke.
        """
        while True:
            event = self.http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self.http.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            self.http.receive_data(await self.reader.read(_CHUNK))

    async def chunk(self) -> bytes | None:
        """The next piece of the body; None at its end."""
        event = await self.event()
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def body(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            TooLong: It is over `limit` bytes.
        """
        found = bytearray()
        while (chunk := await self.chunk()) is not None:
            found += chunk
            if len(found) > limit:
                raise TooLong
        return bytes(found)

    async def send(self, *events: Any) -> None:  # noqa: ANN401 - h11's events
        """Say something, and wait while the other end does not read."""
        self._writer.write(b"".join(self.http.send(event) or b"" for event in events))
        await self._writer.drain()

    def close(self, *, abort: bool = False) -> None:
        """End the connection; aborted, so that what was sent is no whole answer."""
        if abort:
            self._writer.transport.abort()
        else:
            self._writer.close()
