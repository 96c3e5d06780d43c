"""Remit's forward proxy, as a run asks it: each connection with the run's token and a proof for its destination."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import h11

from remit.runner import headers
from remit.runner.line import Line
from remit.runner.model import Issued, Unreachable
from remit.runner.tokens import Tokens
from remit.sdk.grant import proof
from remit.sdk.keyfile import Key

_CONNECT: Final = 10.0
_ESTABLISHED: Final = 200
_AUTHENTICATION: Final = 407
_MOST: Final = 64 * 1024
_CHUNK: Final = 1 << 16
Proxied = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Broken(Exception):
    """The connection broke in the middle of an answer."""


@dataclass(frozen=True, slots=True)
class Connected:
    """What became of a CONNECT. If it was not established, `answer` is what Remit said, whole, and `body` its body."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    established: bool
    status: int = _ESTABLISHED
    answer: bytes = b""
    body: bytes = b""


class RemitProxy:
    """Asks Remit's forward proxy.

    Args:
        base: Remit's own URL: proofs are made for a path below it.
        url: Where the proxy listens.
        key: The run's.
    """

    def __init__(self, base: str, url: str, key: Key) -> None:
        parts = urlsplit(url)
        self._base = base
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._key = key
        self._nonce: str | None = None

    async def connect(self, target: str, tokens: Tokens) -> Connected:
        """Ask for a tunnel to `target`, once more with what the answer says is missing: a nonce, or a newer token.

        Raises:
            RemitError: There is no token, or no proxy.
        """
        token = await tokens.usable()
        found = await self._connect(target, token)
        if found.status == _AUTHENTICATION:
            found.writer.transport.abort()
            # A nonce was taken from the answer, if one was missing; else the token is no good any more.
            token = token if _says(found.body, "use_dpop_nonce") else await tokens.renewed(token)
            found = await self._connect(target, token)
        return found

    async def _connect(self, target: str, token: Issued) -> Connected:
        reader, writer = await self._opened()
        shown = self._shown("CONNECT", target.lower(), "", token)
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", *(f"{name}: {value}" for name, value in shown)]
        try:
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
            head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            writer.transport.abort()
            raise Unreachable("Remit's forward proxy did not answer", detail=str(error)) from error
        status = int(head.split(b" ", 2)[1])
        if status == _ESTABLISHED:
            return Connected(reader, writer, established=True)
        self._take_nonce(head)
        body = await reader.read()  # it ends the connection with its answer
        kept = b"\r\n".join(each for each in head.split(b"\r\n") if not each.lower().startswith(_FOR_US))
        return Connected(reader, writer, established=False, status=status, answer=kept + body, body=body)

    async def request(
        self, method: str, target: str, given: headers.Headers, body: bytes, tokens: Tokens
    ) -> AsyncGenerator[Any, None]:
        """Send one request for a whole URL; the head of its answer, and then what follows, as h11 reads it.

        Raises:
            RemitError: There is no token, or no proxy.
            Broken: The answer ended in the middle.
        """
        token = await tokens.usable()
        for last in (False, True):
            line = await self._sent(method, target, given, body, token)
            try:
                head = await line.event()
                if isinstance(head, h11.Response) and head.status_code == _AUTHENTICATION and not last:
                    said = b"".join([name + b": " + value + b"\r\n" for name, value in head.headers])
                    self._take_nonce(said)
                    text = await line.body(_MOST)
                    token = token if _says(text, "use_dpop_nonce") else await tokens.renewed(token)
                    continue
                yield head
                while not isinstance(event := await line.event(), h11.EndOfMessage):
                    yield event
                yield event
                break
            except (OSError, h11.RemoteProtocolError) as error:
                raise Broken from error
            finally:
                line.close(abort=True)

    async def _sent(self, method: str, target: str, given: headers.Headers, body: bytes, token: Issued) -> Line:
        where = urlsplit(target)
        try:
            authority = f"{where.hostname}:{where.port or 80}"
        except ValueError:
            raise Unreachable("the URL has no valid port") from None
        reader, writer = await self._opened()
        line = Line(h11.CLIENT, reader, writer)
        # Those that are the command's own at a server, and those of this connection, are Remit's to judge.
        kept = [each for each in given if each[0] not in (b"proxy-authorization", b"dpop", b"connection")]
        shown = [(name.encode(), value.encode()) for name, value in self._shown(method, authority, where.path, token)]
        try:
            await line.send(
                h11.Request(method=method, target=target, headers=[*kept, *shown, (b"connection", b"close")]),
                *([h11.Data(data=body)] if body else []), h11.EndOfMessage(),
            )  # fmt: skip
        except (OSError, h11.LocalProtocolError) as error:
            line.close(abort=True)
            raise Unreachable("the request could not be sent to Remit", detail=str(error)) from error
        return line

    async def _opened(self) -> Proxied:
        try:
            async with asyncio.timeout(_CONNECT):
                return await asyncio.open_connection(self._host, self._port, limit=_MOST)
        except OSError as error:
            raise Unreachable("Remit's forward proxy cannot be reached", detail=error.strerror or str(error)) from error

    def _shown(self, method: str, authority: str, path: str, token: Issued) -> list[tuple[str, str]]:
        url = f"{self._base}/proxy/{authority}{path}"
        made = proof(self._key, method, url, token.access_token, nonce=self._nonce)
        return [("Proxy-Authorization", f"DPoP {token.access_token}"), ("DPoP", made)]

    def _take_nonce(self, head: bytes) -> None:
        for each in head.split(b"\r\n"):
            name, _, value = each.partition(b":")
            if name.strip().lower() == b"dpop-nonce":
                self._nonce = value.strip().decode("latin-1")


# Nothing that asks the command for a password it has not, and nothing that is meant for the key's holder.
_FOR_US: Final = (b"proxy-authenticate:", b"dpop-nonce:")


def _says(body: bytes, error: str) -> bool:
    return error.encode("ascii") in body
