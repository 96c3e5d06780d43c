"""The gateway, as one connection of the command's is relayed to it."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final
from urllib.parse import urlsplit

import h11

from remit.runner import headers
from remit.runner.line import Line
from remit.runner.model import Issued, Unreachable
from remit.runner.tokens import boot_seconds
from remit.sdk.grant import proof
from remit.sdk.keyfile import Key

_IDLE: Final = 30.0  # seconds; the server closes idle connections after more
_CONNECT: Final = 10.0
_PORTS: Final = {"http": 80, "https": 443}


class Broken(Exception):
    """The connection broke after a request was sent: whether it was answered is not known."""


class Gateway:
    """Where it is, and the key that proofs are made with."""

    def __init__(self, base: str, key: Key) -> None:
        parts = urlsplit(base)
        self.base = base
        self.prefix = parts.path
        self.host = parts.hostname or ""
        self.port = parts.port or _PORTS[parts.scheme]
        self.netloc = parts.netloc
        self.tls = parts.scheme == "https"
        self.key = key
        self.nonce: str | None = None  # the newest that Remit gave


class Upstream:
    """One connection, kept between requests for a short time."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._line: Line | None = None
        self._idle_since = 0.0

    async def send(
        self, method: str, path: str, given: headers.Headers, body: bytes | None, token: Issued
    ) -> h11.Response:
        """Send one request with a fresh proof (RFC 9449 section 7.1); the head of its answer.

        Raises:
            Unreachable: It was not sent.
            Broken: It was, and no answer came.
        """
        gateway = self._gateway
        line = await self._connected()
        sent = headers.request(
            given,
            host=gateway.netloc,
            authorization=f"DPoP {token.access_token}",
            proof=proof(gateway.key, method, gateway.base + path, token.access_token, nonce=gateway.nonce),
            body=body,
        )
        head = h11.Request(method=method, target=gateway.prefix + path, headers=list(sent))
        data = [h11.Data(data=body)] if body else []
        try:
            await line.send(head, *data, h11.EndOfMessage())
            while not isinstance(answer := await line.event(), h11.Response):
                if not isinstance(answer, h11.InformationalResponse):
                    raise Broken
        except (OSError, h11.RemoteProtocolError) as error:
            raise Broken from error
        for name, value in answer.headers:
            if name == b"dpop-nonce":
                gateway.nonce = value.decode("latin-1")
        return answer

    async def chunk(self) -> bytes | None:
        """The next piece of the answer's body; None at its end.

        Raises:
            Broken: It ended in the middle.
        """
        if self._line is None:
            return None
        try:
            chunk = await self._line.chunk()
        except (OSError, h11.RemoteProtocolError) as error:
            raise Broken from error
        if chunk is None:
            self._rest()
        return chunk

    async def upto(self, limit: int) -> tuple[bytes, bool]:
        """The body's beginning, and whether it is all of it."""
        found = bytearray()
        while len(found) <= limit:
            chunk = await self.chunk()
            if chunk is None:
                return bytes(found), True
            found += chunk
        return bytes(found), False

    def close(self) -> None:
        """End it, in the middle of an answer too: the gateway then stops what it does for it."""
        if self._line is not None:
            self._line.close(abort=True)
            self._line = None

    async def _connected(self) -> Line:
        line = self._line
        if line is not None and self._usable(line):
            return line
        self.close()
        gateway = self._gateway
        try:
            async with asyncio.timeout(_CONNECT):
                reader, writer = await asyncio.open_connection(
                    gateway.host, gateway.port, ssl=ssl.create_default_context() if gateway.tls else None
                )
        except OSError as error:
            raise Unreachable("Remit cannot be reached", detail=error.strerror or str(error)) from error
        self._line = Line(h11.CLIENT, reader, writer)
        return self._line

    def _usable(self, line: Line) -> bool:
        idle = boot_seconds() - self._idle_since
        return line.http.our_state is h11.IDLE and not line.reader.at_eof() and idle < _IDLE

    def _rest(self) -> None:
        """An answer is read: the connection may serve another."""
        if self._line is None:
            return
        try:
            self._line.http.start_next_cycle()
        except h11.LocalProtocolError:
            self.close()
        self._idle_since = boot_seconds()
