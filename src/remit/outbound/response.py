"""One HTTP/1.1 exchange over a connection of aiohttp's: what is written, and the answer as it is read.

aiohttp's connector dials and pools, and its parser reads. What its session does around them (cookies,
redirects, proxies, middlewares, compression, a writer's task) is nothing that Remit wants of a request, and
was a good part of what a call through the gateway cost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDictProxy

from remit.outbound.model import OutboundFailed, Streamed
from remit.outbound.sending import Upload

Headers = Mapping[str, str] | Collection[tuple[str, str]]

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # RFC 9110 section 5.6.2
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# They say where a message ends and whom it is for: two sayings about that are how one request carries a second.
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "trailer"})
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_BUFFER: Final = 1 << 16
_INTERIM = range(100, 200)
_SWITCHING: Final = 101
_BROKEN: Final = (aiohttp.ClientError, OSError, TimeoutError)


class Response:
    """A server's answer, its body unread. Release it once the body was read, close it if it was not."""

    __slots__ = ("_back", "_connection", "content", "headers", "status")

    def __init__(
        self, connection: Connection, status: int, headers: CIMultiDictProxy[str], content: aiohttp.StreamReader,
        back: Callable[[Connection], None] = Connection.release,
    ) -> None:  # fmt: skip
        self._connection: Connection | None = connection
        self._back = back
        self.status = status
        self.headers = headers
        self.content = content
        """The body as it comes. Its own readers raise aiohttp's errors, OSError or TimeoutError."""
        content.on_eof(self._ended)

    @property
    def content_length(self) -> int | None:
        """The length of the body, if it was announced."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    async def read(self) -> bytes:
        """The whole body.

        Raises:
            OutboundFailed: The connection broke, or was silent.
        """
        try:
            if self.content.is_eof():  # most bodies come with their head, and nothing is to be waited for
                return self.content.read_nowait()
            return await self.content.read()
        except _BROKEN as error:
            self.close()
            raise _broke_off(error) from error
        except BaseException:
            self.close()
            raise

    async def some(self) -> bytes:
        """What has come of the body since; waits for it, and is empty at its end.

        Raises:
            OutboundFailed: The connection broke, or was silent.
        """
        try:
            return await self.content.readany()
        except _BROKEN as error:
            raise _broke_off(error) from error

    def release(self) -> None:
        """Let the connection go: back to the pool if the whole answer was read, else closed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._back(connection)

    def close(self) -> None:
        """Close the connection, unless the whole answer was read and it went back to the pool already."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self.content.exception() is None:
                self.content.set_exception(aiohttp.ClientConnectionError("the connection was closed"))
            connection.close()

    def _ended(self) -> None:
        connection = self._connection
        if connection is not None and connection.protocol is not None and not connection.protocol.upgraded:
            self.release()

    def __del__(self) -> None:
        self.release()


def written(method: str, path: str, host: str, headers: Headers, data: bytes | Streamed | None) -> bytes:
    """A whole request as it goes over the wire; of one whose body is streamed, its head.

    Raises:
        ValueError: A method, name or value that could end its line, or a header that says how the message is framed.
    """
    if not _TOKEN.match(method):
        raise ValueError("not an HTTP method")
    lines = [f"{method} {path} HTTP/1.1\r\nHost: {host}"]
    pairs: Iterable[tuple[str, str]] = headers.items() if isinstance(headers, (dict, Mapping)) else headers
    lines += [_field(name) + value for name, value in pairs]
    if isinstance(data, Streamed):
        lines.append("Transfer-Encoding: chunked" if data.length is None else f"Content-Length: {data.length}")
    elif data is not None or method not in _WITHOUT_BODY:
        lines.append(f"Content-Length: {len(data or b'')}")
    head = "\r\n".join(lines)
    # Only the line ends made here; a tab is the one control character that a value may have (RFC 9110 section 5.5).
    if _CONTROL.search("".join(lines[1:])) or _CONTROL.search(path) or _CONTROL.search(host):
        raise ValueError("a header with a control character")
    return head.encode() + b"\r\n\r\n" + (data if isinstance(data, bytes) else b"")


@lru_cache(maxsize=256)  # the same few names are in every request
def _field(name: str) -> str:
    if not _TOKEN.match(name) or name.lower() in _OURS:
        raise ValueError("a header that a caller cannot set")
    return f"{name}: "


async def exchange(
    connection: Connection, request: bytes, method: str, *, silence: float | None, body: Streamed | None = None,
    back: Callable[[Connection], None] = Connection.release,
) -> Response:  # fmt: skip
    """Write `request` and read the head of its answer; the connection is the response's from then on.

    Args:
        connection: Of a connector; not used for anything else.
        request: As `written` made it.
        method: The request's method: an answer to HEAD has no body.
        silence: Seconds until a server that says nothing is given up.
        back: What becomes of the connection once the whole answer was read.
        body: What is sent behind `request`, as it comes. A server that answers before its end is sent no more.

    Raises:
        ClientError, HttpProcessingError, OSError, TimeoutError: No answer.
    """
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or transport.is_closing():
        raise aiohttp.ClientConnectionError("the connection was closed while it was written to")
    protocol.set_response_params(
        skip_payload=method == "HEAD",
        read_until_eof=True,
        auto_decompress=False,
        read_timeout=silence,
        read_bufsize=_BUFFER,
    )
    transport.write(request)
    upload = None if body is None else Upload(protocol, body)
    if upload is not None:
        await upload.sent()
    protocol.start_timeout()
    while True:
        message, content = await (protocol.read() if upload is None else upload.read())
        if message.code not in _INTERIM or message.code == _SWITCHING:
            return Response(connection, message.code, message.headers, content, back)


def _broke_off(error: Exception) -> OutboundFailed:
    late = isinstance(error, TimeoutError)
    public = "the server did not answer in time" if late else "the answer broke off"
    return OutboundFailed(public, sent=True, detail=repr(error)[:300])


FAILURES: Final = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError, ValueError)
