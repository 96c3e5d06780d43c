"""The agent's side of one exchange: who asks, what, and the answer as it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from remit.attestation.model import Caller
from remit.enforcement import asgi, era, events, parse
from remit.enforcement.model import Message, Outcome, RpcId
from remit.enforcement.sessions import Session
from remit.enforcement.streams import Running
from remit.kernel.names import ServerName
from remit.storage.model import ConsumeProof

_LAST_WORD_SECONDS: Final = 1.0


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One authenticated HTTP exchange with an agent."""

    send: asgi.Send
    receive: asgi.Receive
    headers: Mapping[str, str]
    caller: Caller
    proof: ConsumeProof | None
    server: ServerName
    modern: bool
    message: Message | None = None
    session: Session | None = None
    streaming: bool = False
    gone: bool = False
    decided: bool = False  # its question went to the pipeline, which uses its proof and records what comes of it
    asked: bool = False  # its server has asked something of the agent
    opening: Callable[[str], None] | None = None  # told the server's id of the session that `initialize` opens
    ending: Callable[[], bool] | None = None  # forgets its session; false if that was done before
    running: Running | None = None  # while it is served where a state change can cut it
    extra: list[tuple[bytes, bytes]] = field(default_factory=list)
    listening: dict[str, Any] | None = None  # what a `subscriptions/listen` asked for, as far as it was granted
    outcome: Outcome | None = None  # of what was forwarded
    grants: Callable[[Exchange], frozenset[str]] = lambda _: frozenset()  # of it: holding it here would be a cycle
    _granted: frozenset[str] | None = None

    @property
    def id(self) -> RpcId:
        """The id of the request, if there is one."""
        return self.message.id if self.message else None

    @property
    def method(self) -> str:
        """The JSON-RPC method, or empty."""
        return self.message.method if self.message else ""

    @property
    def granted(self) -> frozenset[str]:
        """The methods of this server that a boundary grants the agent, as they were when this was first asked."""
        if self._granted is None:
            self._granted = self.grants(self)
        return self._granted

    @property
    def named(self) -> str | None:
        """The tool, prompt or resource it is about."""
        return parse.named(self.message) if self.message else None

    @property
    def version(self) -> str:
        """The protocol version that is spoken."""
        if self.modern:
            return era.MODERN[-1]
        return self.session.version if self.session else era.handshake_version(self.headers)

    def leaves(self) -> None:
        """From here on something of it may have reached the server."""
        if self.running is not None:
            self.running.sent = True

    def answering(self) -> None:
        """Its server has begun to answer with a stream: what it does from here on is seen."""
        if self.running is not None:
            self.running.answering = True

    async def event(self, data: bytes) -> None:
        """Pass one message on, beginning the stream if this is the first."""
        await self._write(events.written(data))

    async def ping(self) -> None:
        """Keep the connection open."""
        await self._write(events.PING)

    async def begin(self) -> None:
        """Begin an event stream."""
        if not self.streaming and not self.gone:
            self.streaming = True
            start = {"type": "http.response.start", "status": 200, "headers": [*asgi.EVENTS, *self.extra]}
            await self.send(start)

    async def finish(self, body: bytes, status: int = 200) -> None:
        """The last word: the end of the stream if one was begun, else the whole answer."""
        if self.gone:
            return
        if not self.streaming:
            headers = [*asgi.JSON, *self.extra] if body else self.extra
            await asgi.answer(self.send, status, body, headers)
            return
        last = events.written(body) if body else b""
        try:
            # A client that does not read must not hold up the end of its own call.
            async with asyncio.timeout(_LAST_WORD_SECONDS):
                await self.send({"type": "http.response.body", "body": last, "more_body": False})
        except TimeoutError:
            self.gone = True

    async def _write(self, frame: bytes) -> None:
        if self.gone:
            return
        await self.begin()
        await self.send({"type": "http.response.body", "body": frame, "more_body": True})
