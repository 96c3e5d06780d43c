"""The agent's side of one exchange over plain HTTP: who asks, and the answer as it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from remit.attestation.model import Caller
from remit.catalog.model import Server
from remit.enforcement import asgi, http_answers
from remit.enforcement.streams import Running
from remit.kernel.names import ServerName
from remit.storage.model import ConsumeProof

_LAST_WORD_SECONDS: Final = 1.0
_BODILESS: Final = frozenset({204, 304})  # RFC 9110 section 8.6
Raw = Sequence[tuple[bytes, bytes]]


@dataclass(slots=True, kw_only=True)
class HttpExchange:
    """One authenticated exchange."""

    send: asgi.Send
    receive: asgi.Receive
    method: str
    raw: Raw  # the request's headers as they came
    headers: Mapping[str, str]
    query: bytes
    caller: Caller
    proof: ConsumeProof | None
    server: ServerName
    here: str  # the path under which the server is reached, for redirects
    challenged: str  # the path that a 401 names, of the resource
    door: str = "http"  # at which it came in, for the log: also `proxy`, `ext_authz`
    known: Server | None = None  # as the newest view has it when the request came
    decided: bool = False  # its question went to the pipeline, which uses its proof and records what comes of it
    running: Running | None = None
    started: bool = False  # its answer's head has gone to the agent
    events: bool = False  # and its body is an event stream
    ended: bool = False
    gone: bool = False
    extra: list[tuple[bytes, bytes]] = field(default_factory=list)

    def leaves(self) -> None:
        """From here on something of it may have reached the server."""
        if self.running is not None:
            self.running.sent = True

    def answering(self) -> None:
        """Its server has begun to answer."""
        if self.running is not None:
            self.running.answering = True

    async def whole(self, status: int, body: bytes, headers: http_answers.Headers) -> None:
        """Send a whole answer, unless one was begun."""
        if self.gone or self.started:
            return
        self.started = self.ended = True
        said = any(name == b"content-length" for name, _ in headers)  # of the body that HEAD does not get
        if said or status in _BODILESS:
            await self.send({"type": "http.response.start", "status": status, "headers": [*headers, *self.extra]})
            await self.send({"type": "http.response.body", "body": body})
        else:
            await asgi.answer(self.send, status, body, [*headers, *self.extra])

    async def begin(self, status: int, headers: http_answers.Headers) -> None:
        """Send the head of an answer."""
        self.started = True
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, *self.extra]})

    async def part(self, chunk: bytes) -> None:
        """Send a piece of its body."""
        await self.send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self, last: bytes = b"") -> None:
        """End a body as one that is whole."""
        if self.gone or self.ended:
            return
        self.ended = True
        try:
            # A client that does not read must not hold up the end of its own call.
            async with asyncio.timeout(_LAST_WORD_SECONDS):
                await self.send({"type": "http.response.body", "body": last, "more_body": False})
        except TimeoutError:
            self.gone = True
