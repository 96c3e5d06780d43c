"""A request's body as it comes: written behind its head, no faster than the server takes it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import aiohttp
from aiohttp import StreamReader
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import RawResponseMessage
from aiohttp.http_writer import StreamWriter

from remit.outbound.model import Streamed

_PIECE: Final = 1 << 16
Head = tuple[RawResponseMessage, StreamReader]


class Upload:
    """Sends one body over a connection whose request's head was written."""

    def __init__(self, protocol: ResponseHandler, body: Streamed) -> None:
        self._protocol = protocol
        self._body = body
        self._early: asyncio.Future[Head] | None = None

    async def sent(self) -> None:
        """Send it, or as much as the server wants: one that answers before the end is sent no more.

        Raises:
            ClientError: The connection broke, or the body is not as long as was said.
        """
        # Read beside it: a server may refuse what is too large in its first bytes, and close.
        self._early = asyncio.ensure_future(self._protocol.read())
        try:
            await self._write(self._early)
        except BaseException:
            self._early.cancel()
            with contextlib.suppress(BaseException):
                await self._early
            raise

    async def read(self) -> Head:
        """The next head of an answer."""
        early, self._early = self._early, None
        return await (self._protocol.read() if early is None else early)

    async def _write(self, early: asyncio.Future[Head]) -> None:
        writer = StreamWriter(self._protocol, asyncio.get_running_loop())
        if self._body.length is None:
            writer.enable_chunking()
        left = self._body.length
        try:
            async for chunk in self._body.chunks:
                if early.done():
                    # The rest would be read as the next request: the connection serves no other.
                    self._protocol.force_close()
                    return
                left = None if left is None else left - len(chunk)
                if left is not None and left < 0:
                    raise aiohttp.ClientPayloadError("the body is longer than was said")
                for at in range(0, len(chunk), _PIECE):
                    await writer.write(chunk[at : at + _PIECE])
        except aiohttp.ClientConnectionResetError:
            if not early.done():
                raise
            self._protocol.force_close()
            return
        if left:
            raise aiohttp.ClientPayloadError("the body is shorter than was said")
        if self._body.length is None:
            self._protocol.transport.write(b"0\r\n\r\n")  # type: ignore[union-attr]  # written to a moment ago
