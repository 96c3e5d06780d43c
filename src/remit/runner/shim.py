"""A client that only speaks stdio, before a gateway that only speaks HTTP: each line is a request, each answer a line.

The client's era of MCP goes through. A session that the gateway has forgotten (an idle end, a restart) is begun
again with the client's own `initialize`, so that a desktop agent that is open for days does not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import h11

from remit.kernel.errors import RemitError
from remit.runner import envelope
from remit.runner.asking import UNDECIDED, Asking, Way, failure, media_type
from remit.runner.envelope import Headers, Messages, NotOne, Said
from remit.runner.model import Unreachable
from remit.runner.tally import Asked, Events, Tally, refused
from remit.runner.upstream import Broken, Gateway, Upstream

Write = Callable[[bytes], Awaitable[None]]

_JSON: Final = b"application/json"
_STREAM: Final = b"text/event-stream"
_NOT_FOUND: Final = 404
_OK: Final = 200
_LAST_SECONDS: Final = 2.0  # for what is still open when the client leaves
_HEADER_MARK: Final = b"x-mcp-header"


class Shim:
    """One client and one server.

    Args:
        gateway: Where it leads.
        asking: Asks with the run's token.
        server: The MCP server's name.
        write: Gives the client one message.
        tally: Counts what happens.
    """

    def __init__(self, *, gateway: Gateway, asking: Asking, server: str, write: Write, tally: Tally) -> None:
        self._gateway = gateway
        self._asking = asking
        self._path = f"/mcp/{server}"
        self._write = write
        self._tally = tally
        self._hello: bytes | None = None  # the client's `initialize`
        self._session: str | None = None
        self._version: str | None = None
        self._schemas: dict[str, Any] = {}  # of tools whose arguments stand in headers too
        self._begun = asyncio.Lock()
        self._idle: list[Upstream] = []
        self._open: dict[asyncio.Task[None], str | int | None] = {}
        self._listening: asyncio.Task[None] | None = None

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Relay until the client closes its end."""
        try:
            while line := await reader.readline():
                if line.strip():
                    await self._heard(line.strip())
            if self._open:
                await asyncio.wait(self._open, timeout=_LAST_SECONDS)
        finally:
            await self._close()

    async def _heard(self, line: bytes) -> None:
        try:
            said = envelope.read(line)
        except NotOne as fault:
            await self._write(fault.answer())
            return
        if said is None:
            return
        if said.id is None:
            await self._noted(said)
            return
        task = asyncio.get_running_loop().create_task(self._request(said))
        self._open[task] = said.id
        task.add_done_callback(lambda done: self._open.pop(done, None))

    async def _noted(self, said: Said) -> None:
        """A notification: nobody waits for an answer, and what comes next must not overtake it."""
        if said.method == "notifications/cancelled" and self._session is None:
            # The modern era: closing the response is the cancellation.
            wanted = said.params.get("requestId")
            for task in [task for task, number in self._open.items() if number == wanted]:
                task.cancel()
            return
        with contextlib.suppress(RemitError, Broken):
            await self._exchange(said, self._headers(said))
        if said.method == "notifications/initialized" and self._session is not None and self._listening is None:
            self._listening = asyncio.get_running_loop().create_task(self._listen())

    async def _request(self, said: Said) -> None:
        asked = Asked(said.method, said.id)
        try:
            if said.method == "initialize":
                self._hello, self._session, self._version = said.body, None, None
            session = self._session
            status = await self._exchange(said, self._headers(said), last=session is None)
            if status == _NOT_FOUND and session is not None:
                await self._again(session)
                await self._exchange(said, self._headers(said))
        except Broken:
            self._tally.failed(asked)
            await self._write(
                failure(said.id, "outcome_unknown", "The connection to Remit broke while it was asked", "")
            )
        except RemitError as error:
            self._tally.failed(asked)
            code = UNDECIDED if isinstance(error, Unreachable) else error.code
            await self._write(failure(said.id, code, error.public, error.detail))

    def _headers(self, said: Said) -> Headers:
        if (version := said.version) is not None:
            return [*envelope.modern(said, version), *self._mirrored(said)]
        return envelope.handshake(self._version, None if said.method == "initialize" else self._session)

    def _mirrored(self, said: Said) -> Headers:
        """The arguments that a tool's schema wants in headers too."""
        schema, arguments = self._schemas.get(str(said.params.get("name"))), said.params.get("arguments")
        if schema is None or not isinstance(arguments, Mapping):
            return []
        from mcp.shared.inbound import mcp_param_headers, x_mcp_header_map  # noqa: PLC0415 - takes a second to load

        return [
            (n.lower().encode(), v.encode()) for n, v in mcp_param_headers(x_mcp_header_map(schema), arguments).items()
        ]

    async def _exchange(self, said: Said, headers: Headers, *, last: bool = True, quiet: bool = False) -> int:
        """Send it and give the client what comes; the HTTP status.

        Unless `last`, the client is not told of an unknown session; with `quiet`, of nothing.

        Raises:
            RemitError: It was not sent.
            Broken: No whole answer came.
        """
        way = Way(method="POST", path=self._path, headers=headers, body=said.body, asked=Asked(said.method, said.id))
        upstream = self._idle.pop() if self._idle else Upstream(self._gateway)
        whole = False
        try:
            head, begun, whole = await self._asking.answer(upstream, way)
            if said.method == "initialize":
                self._session = _header(head, b"mcp-session-id")
            if media_type(head) == _STREAM:
                await self._streamed(upstream, said, begun, _nowhere if quiet else self._write)
                whole = True
            elif not whole or begun or said.id is not None:
                body = await _rest(upstream, begun, whole=whole)
                whole = True
                if not quiet and (last or head.status_code != _NOT_FOUND):
                    await self._plain(said, head, body)
                elif said.method == "initialize":
                    self._keep(said, body)
            return int(head.status_code)
        finally:
            # What was not read to its end ends here, and with it what the gateway does for it.
            if whole:
                self._idle.append(upstream)
            else:
                upstream.close()

    async def _plain(self, said: Said, head: h11.Response, body: bytes) -> None:
        self._tally.answered(Asked(said.method, said.id), refused(body), status=head.status_code)
        if said.id is None:
            return
        if media_type(head) == _JSON:
            self._keep(said, body)
            # An answer to an unreadable request may lack the id: the client still waits for this one.
            await self._write(_with_id(body, said.id))
        else:
            await self._write(failure(said.id, "unexpected", f"Remit answered {head.status_code}", ""))

    async def _streamed(self, upstream: Upstream, said: Said, begun: bytes, write: Write) -> None:
        events, messages = Events(), Messages()
        chunk: bytes | None = begun
        while chunk is not None:
            events.passed(chunk)
            for message in messages.feed(chunk):
                self._keep(said, message)
                await write(message)
            chunk = await upstream.chunk()
        self._tally.answered(Asked(said.method, said.id), events.cut, status=_OK)

    def _keep(self, said: Said, body: bytes) -> None:
        """Keep of an answer what later requests need."""
        with contextlib.suppress(ValueError, RecursionError, LookupError, TypeError):
            if said.method == "initialize":
                self._version = json.loads(body)["result"]["protocolVersion"]
            elif said.method == "tools/list" and _HEADER_MARK in body:
                self._schemas |= {each["name"]: each["inputSchema"] for each in json.loads(body)["result"]["tools"]}

    async def _again(self, lost: str) -> None:
        """Begin the client's session anew.

        Raises:
            RemitError: It cannot be begun.
            Broken: The gateway did not answer.
        """
        async with self._begun:
            if self._session != lost or self._hello is None:
                return
            greeting, version = envelope.read(self._hello), self._version
            if greeting is None:
                return
            await self._exchange(greeting, envelope.handshake(None, None), quiet=True)
            told = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
            self._version = self._version or version
            note = Said("notifications/initialized", None, {}, told)
            await self._exchange(note, envelope.handshake(self._version, self._session), quiet=True)
            if self._listening is not None:
                self._listening.cancel()
                self._listening = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        """What the server says of its own accord, for as long as it does."""
        upstream = Upstream(self._gateway)
        headers = [(b"accept", _STREAM), *envelope.handshake(self._version, self._session)[2:]]
        way = Way(method="GET", path=self._path, headers=headers, body=b"", asked=Asked())
        try:
            head, begun, _ = await self._asking.answer(upstream, way)
            if media_type(head) != _STREAM:
                return
            messages = Messages()
            chunk: bytes | None = begun
            while chunk is not None:
                for message in messages.feed(chunk):
                    await self._write(message)
                chunk = await upstream.chunk()
        except (RemitError, Broken):
            return  # only what nobody asked for is lost
        finally:
            upstream.close()

    async def _close(self) -> None:
        for task in (*self._open, *([self._listening] if self._listening else [])):
            task.cancel()
        await asyncio.gather(*self._open, *([self._listening] if self._listening else []), return_exceptions=True)
        if self._session is not None:
            headers = envelope.handshake(self._version, self._session)
            way = Way(method="DELETE", path=self._path, headers=headers, body=b"", asked=Asked())
            upstream = Upstream(self._gateway)
            with contextlib.suppress(RemitError, Broken, TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await self._asking.answer(upstream, way)
            upstream.close()
        for each in self._idle:
            each.close()


async def _rest(upstream: Upstream, begun: bytes, *, whole: bool) -> bytes:
    """All of an answer's body."""
    parts = [begun]
    while not whole:
        chunk = await upstream.chunk()
        whole = chunk is None
        parts.append(chunk or b"")
    return b"".join(parts)


async def _nowhere(_message: bytes) -> None:
    """The client has had this answer before."""


def _header(head: h11.Response, wanted: bytes) -> str | None:
    return next((value.decode("latin-1") for name, value in head.headers if name == wanted), None)


def _with_id(body: bytes, wanted: str | int | None) -> bytes:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return failure(wanted, "unexpected", "Remit's answer is no JSON", "")
    if isinstance(said, dict) and said.get("id") is None and "error" in said:
        return json.dumps({**said, "id": wanted}).encode()
    return body.replace(b"\n", b" ").replace(b"\r", b" ")
