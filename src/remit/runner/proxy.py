"""The loopback proxy of one run: what the command sends there goes to Remit's forward proxy, with token and proof.

Stock clients know a proxy with a user and a password, and can make no proof. So this end holds the key, as it does for
MCP: it takes the run's own processes and a password that nobody can guess, and asks Remit for each connection anew.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import h11

from remit.kernel.errors import RemitError
from remit.runner import headers
from remit.runner.asking import PROBLEM, media_type
from remit.runner.line import Line, TooLong
from remit.runner.processes import Address
from remit.runner.proxy_upstream import Broken, Proxied, RemitProxy
from remit.runner.tally import API, Tally
from remit.runner.tokens import Tokens

_USER: Final = "run"
_BODY: Final = 16 << 20
_CHUNK: Final = 1 << 16
_HEAD_SECONDS: Final = 10.0
_REFUSAL: Final = 1 << 16
_OURS: Final = b'{"type":"urn:remit:'  # as Remit begins what it says in the place of an API


@dataclass(frozen=True, slots=True)
class _Refused(Exception):
    """What a client is told instead."""

    status: int
    reason: str


class LoopbackProxy:
    """Serves one run.

    Args:
        remit: Remit's forward proxy.
        tokens: The run's token.
        admits: Whether a connection, told by its client's end and ours, is the run's own; asked in a thread.
        tally: Counts what happens.
    """

    def __init__(
        self, *, remit: RemitProxy, tokens: Tokens, admits: Callable[[Address, Address], bool], tally: Tally
    ) -> None:
        self._remit = remit
        self._tokens = tokens
        self._admits = admits
        self._tally = tally
        self._secret = secrets.token_urlsafe(32)
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[Any] | None] = {}
        self.url = ""

    async def start(self) -> None:
        """Listen on a free port; `url` is what the command is told from then on."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://{_USER}:{self._secret}@127.0.0.1:{port}"

    async def close(self) -> None:
        """Stop: no connection goes on, whoever holds it."""
        if self._server is None:
            return
        self._server.close()
        tasks = [task for task in self._open.values() if task is not None]
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        line = Line(h11.SERVER, reader, writer)
        ends = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        abort = False
        try:
            own = await asyncio.to_thread(self._admits, ends[0][:2], ends[1][:2])
            while await self._exchange(line, reader, writer, own=own):
                pass
        except h11.RemoteProtocolError as error:
            await _plain(line, error.error_status_hint, "this is not HTTP")
        except TimeoutError:
            abort = True
        except (OSError, Broken, h11.LocalProtocolError):
            abort = True  # what was begun is no whole answer, and must not look like one
        finally:
            line.close(abort=abort)
            del self._open[writer]

    async def _exchange(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, own: bool
    ) -> bool:
        """Answer one request; whether the connection goes on."""
        async with asyncio.timeout(_HEAD_SECONDS if line.http.states[h11.CLIENT] is h11.IDLE else None):
            request = await line.event()
        if not isinstance(request, h11.Request):
            return False
        try:
            self._judge(request, own=own)
            if request.method == b"CONNECT":
                await self._tunnelled(request, line, reader, writer)
                return False
            await self._relayed(request, line)
        except _Refused as refused:
            await _plain(line, refused.status, refused.reason)
            return False
        except RemitError as error:
            await _plain(line, 502, error.public)
            return False
        if line.http.our_state is not h11.DONE or line.http.their_state is not h11.DONE:
            return False
        line.http.start_next_cycle()
        return True

    def _judge(self, request: h11.Request, *, own: bool) -> None:
        """See that the run itself asks.

        Raises:
            _Refused: Somebody else does.
        """
        if not own:
            self._tally.strangers += 1
            raise _Refused(403, "this proxy is for the processes of one run")
        shown = [value for name, value in request.headers if name == b"proxy-authorization"]
        wanted = b"Basic " + base64.b64encode(f"{_USER}:{self._secret}".encode())
        if len(shown) != 1 or not hmac.compare_digest(shown[0], wanted):
            raise _Refused(407, "this proxy needs the password in HTTPS_PROXY")

    async def _tunnelled(
        self, request: h11.Request, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        early, _ = line.http.trailing_data
        found = await self._remit.connect(request.target.decode("latin-1"), self._tokens)
        try:
            if not found.established:
                self._tally.turned_away(found.body)
                writer.write(found.answer)
                await writer.drain()
                return
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            found.writer.write(early)
            await _both((reader, writer), (found.reader, found.writer))
        finally:
            found.writer.transport.abort()

    async def _relayed(self, request: h11.Request, line: Line) -> None:
        """One request whose target is a whole URL."""
        try:
            body = await line.body(_BODY)
        except TooLong:
            raise _Refused(413, "the body is over 16 MiB") from None
        method, target = request.method.decode("ascii"), request.target.decode("latin-1")
        async with contextlib.aclosing(self._remit.request(method, target, request.headers, body, self._tokens)) as got:
            head = await anext(got)
            if not isinstance(head, h11.Response):
                raise Broken
            await line.send(h11.Response(status_code=head.status_code, headers=headers.response(head.headers)))
            begun = b""  # of what Remit says itself, which is short: a refusal is counted once it has come
            async for event in got:
                if isinstance(event, h11.Data) and media_type(head) == PROBLEM and len(begun) < _REFUSAL:
                    begun += bytes(event.data)
                await line.send(event)
        if begun.startswith(_OURS):
            self._tally.turned_away(begun)
        else:
            self._tally.answered(API, None, status=200)


async def _both(client: Proxied, remit: Proxied) -> None:
    """Carry bytes both ways until Remit's end is done, or one breaks."""
    there = asyncio.ensure_future(_one_way(client[0], remit[1]))
    back = asyncio.ensure_future(_one_way(remit[0], client[1]))
    waiting = {there, back}
    try:
        while back in waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
    finally:
        for each in (there, back):
            each.cancel()
        await asyncio.gather(there, back, return_exceptions=True)


async def _one_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _plain(line: Line, status: int, reason: str) -> None:
    if line.http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
        return
    body = reason.encode("utf-8")
    head = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    if status == 407:  # noqa: PLR2004 - HTTP's own
        head.append((b"proxy-authenticate", b'Basic realm="remit run"'))
    with contextlib.suppress(OSError, h11.LocalProtocolError):
        await line.send(h11.Response(status_code=status, headers=head), h11.Data(data=body), h11.EndOfMessage())
