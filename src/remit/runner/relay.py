"""The loopback URL of one run: what the command says there goes to the gateway, with the run's token and a fresh proof.

It lives on 127.0.0.1 under a path that nobody can guess and that ends with the run. Whoever
connects must be one of the run's own processes. Nothing here leads to OAuth: no metadata,
no challenge; the command has nothing to log in with and needs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Final

import h11

from remit.kernel.errors import RemitError
from remit.runner import headers
from remit.runner.asking import PROBLEM, UNDECIDED, Asking, Way, failure, media_type, problem
from remit.runner.line import Line, TooLong
from remit.runner.model import Unreachable
from remit.runner.processes import Address
from remit.runner.tally import API, Asked, Events, Tally, refused
from remit.runner.tokens import Tokens
from remit.runner.upstream import Broken, Gateway, Upstream

_PATH: Final = re.compile(
    r"/([A-Za-z0-9_-]+)"
    r"(/mcp/([a-z0-9-]{1,63})|/servers/([a-z0-9-]{1,63})/mcp|/http/([a-z0-9-]{1,63})(?:/[\x21-\x7e]*)?|/v1/me)\Z"
)
_HTTP: Final = "/http/"
_ME: Final = "/v1/me"  # who the command is: it reads this, and changes nothing by it
_METHODS: Final = {"POST", "GET", "DELETE"}
_REQUEST: Final = 16 << 20  # bytes; the gateway's own limit is the setting of the server
_JSON: Final = b"application/json"
_REFUSED: Final = b'{"type":"urn:remit:error:'  # as the gateway begins what it says of a path


class Relay:
    """Serves the loopback URL.

    Args:
        gateway: Where it leads.
        tokens: The run's token.
        servers: The only servers that can be asked for; empty for any.
        admits: Whether a connection, told by its client's end and ours, is the run's own; asked in a thread.
        tally: Counts what happens.
    """

    def __init__(
        self,
        *,
        gateway: Gateway,
        tokens: Tokens,
        servers: tuple[str, ...],
        admits: Callable[[Address, Address], bool],
        tally: Tally,
    ) -> None:
        self._gateway = gateway
        self._asking = Asking(tokens)
        self._servers = servers
        self._admits = admits
        self._tally = tally
        self._secret = secrets.token_urlsafe(32)
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[Any] | None] = {}
        self._hosts: frozenset[str] = frozenset()
        self.base = ""

    async def start(self) -> None:
        """Listen on a free port; `base` is the URL from then on."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        self.base = f"http://127.0.0.1:{port}/{self._secret}"

    async def close(self) -> None:
        """Stop: no connection goes on, whoever holds it."""
        if self._server is None:
            return
        self._server.close()
        tasks = [task for task in self._open.values() if task is not None]
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    def url(self, server: str) -> str:
        """The URL of one MCP server."""
        return f"{self.base}/mcp/{server}"

    def http_url(self, server: str) -> str:
        """The base URL of one HTTP API."""
        return f"{self.base}{_HTTP}{server}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        line, upstream = Line(h11.SERVER, reader, writer), Upstream(self._gateway)
        ends = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        abort = False
        try:
            own = await asyncio.to_thread(self._admits, ends[0][:2], ends[1][:2])
            while await self._exchange(line, upstream, own=own):
                pass
        except h11.RemoteProtocolError as error:
            await _plain(line, error.error_status_hint, "this is not HTTP")
        except (OSError, Broken, h11.LocalProtocolError):
            abort = True  # what was begun is no whole answer, and must not look like one
        finally:
            upstream.close()
            line.close(abort=abort)
            del self._open[writer]

    async def _exchange(self, line: Line, upstream: Upstream, *, own: bool) -> bool:
        """Answer one request; whether the connection goes on."""
        request = await line.event()
        if not isinstance(request, h11.Request):
            return False
        try:
            body = await line.body(_REQUEST)
        except TooLong:
            await _plain(line, 413, "the body is over 16 MiB")
            return False
        way = self._judged(request, body, own=own)
        if isinstance(way, tuple):
            await _plain(line, *way)
        else:
            await _watched(line, self._relayed(line, upstream, way))
        if not own or line.http.our_state is not h11.DONE or line.http.their_state is not h11.DONE:
            return False
        line.http.start_next_cycle()
        return True

    def _judged(  # noqa: PLR0911 - one for each step
        self, request: h11.Request, body: bytes, *, own: bool
    ) -> Way | tuple[int, str]:
        """The request if it may pass; else status and reason."""
        # (1) Another process of this machine, whoever's.
        if not own:
            self._tally.strangers += 1
            return 403, "this URL is for the processes of one run"
        # (2) A web page that was led here (DNS rebinding): it does not name this address, or names its own origin.
        found = {name: value.decode("latin-1") for name, value in request.headers}
        origin = found.get(b"origin")
        if found.get(b"host") not in self._hosts:
            return 403, "Host is not this URL's"
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            return 403, "Origin is not this URL's"
        # (3) The path: of an MCP server, or who the run is. Anything else, OAuth discovery too, is not here.
        path, mark, query = request.target.decode("latin-1").partition("?")
        match = _PATH.match(path)
        if match is None or not hmac.compare_digest(match[1], self._secret):
            return 404, "there is nothing here"
        if self._servers and match[2] != _ME and (match[3] or match[4] or match[5]) not in self._servers:
            return 404, "there is nothing here"
        method = request.method.decode("ascii")
        if match[2] == _ME and method != "GET":
            return 405, "this path takes GET"
        if match[5] is not None:
            asked = match[2] + mark + query
            return Way(method=method, path=asked, headers=request.headers, body=body, asked=API, http=True)
        if method not in _METHODS:
            return 405, "this path takes POST, GET and DELETE"
        return Way(method=method, path=match[2], headers=request.headers, body=body, asked=Asked.of(body))

    async def _relayed(self, line: Line, upstream: Upstream, way: Way) -> None:
        try:
            head, begun, whole = await self._asking.answer(upstream, way)
        except RemitError as error:
            self._tally.failed(way.asked)
            code = UNDECIDED if isinstance(error, Unreachable) else error.code
            await _failed(line, way, code, error.public, error.detail)
            return
        except Broken:
            self._tally.failed(way.asked)
            await _failed(line, way, "outcome_unknown", "The connection to Remit broke while it was asked", "")
            return
        kept = headers.response(head.headers)
        await line.send(h11.Response(status_code=head.status_code, headers=kept), *_data(begun))
        if whole:
            self._tally.answered(way.asked, refused(begun), status=head.status_code)
        elif way.http:
            await self._passed(line, upstream, way, head)
        else:
            await self._streamed(line, upstream, way, begun, status=head.status_code)
        await line.send(h11.EndOfMessage())

    async def _passed(self, line: Line, upstream: Upstream, way: Way, head: h11.Response) -> None:
        """An API's own answer, or one that looks like it: of the gateway, about a path that is not there."""
        chunk = await upstream.chunk()
        if media_type(head) == PROBLEM and chunk is not None and chunk.startswith(_REFUSED):
            self._tally.turned_away(chunk)
        else:
            self._tally.answered(way.asked, None, status=200)
        while chunk is not None:
            await line.send(*_data(chunk))
            chunk = await upstream.chunk()

    async def _streamed(self, line: Line, upstream: Upstream, way: Way, begun: bytes, *, status: int) -> None:
        events = Events()
        events.passed(begun)
        while (chunk := await upstream.chunk()) is not None:
            events.passed(chunk)
            await line.send(*_data(chunk))
        self._tally.answered(way.asked, events.cut, status=status)


async def _watched(line: Line, work: Coroutine[Any, Any, None]) -> None:
    """Do the work unless the client goes away: then it is stopped, and with it what the gateway does for it."""
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(line.reader.read(1 << 16))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if watch.done() and not task.done():
            if not watch.result():
                raise ConnectionResetError(None, "the client went away")
            line.http.receive_data(watch.result())
        await task
    finally:
        for each in (task, watch):
            each.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await each


def _data(body: bytes) -> list[h11.Data]:
    return [h11.Data(data=body)] if body else []


async def _failed(line: Line, way: Way, code: str, public: str, detail: str) -> None:
    """Say what went wrong in MCP's own words, or an API's: never with a status that would start a login."""
    if way.http:
        await _whole(line, 503, problem(code, public, detail), media=PROBLEM)
        return
    await _whole(line, 200 if way.asked.id is not None else 503, failure(way.asked.id, code, public, detail))


async def _plain(line: Line, status: int, reason: str) -> None:
    """Refuse before anything was relayed."""
    if line.http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
        return
    with contextlib.suppress(OSError, h11.LocalProtocolError):
        await _whole(line, status, json.dumps({"error": reason}).encode("utf-8"))


async def _whole(line: Line, status: int, body: bytes, *, media: bytes = _JSON) -> None:
    head = [
        (b"content-type", media),
        (b"cache-control", b"no-store"),
        (b"content-length", b"%d" % len(body)),
    ]
    await line.send(h11.Response(status_code=status, headers=head), h11.Data(data=body), h11.EndOfMessage())
