"""Interception by the forward proxy: TLS ends here, and every request in it is one of the HTTP gateway's.

One connection is of one caller and one destination, both known from its CONNECT. What is asked in it is decided like
any other call; there is no other way to decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from remit.attestation.model import Caller
from remit.catalog.model import Server
from remit.enforcement import asgi, http_answers, proxy_answers, proxy_targets
from remit.enforcement.http import HttpGateway
from remit.enforcement.model import EnforcementUnavailable
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.placeholder import Foreign, Placeholders
from remit.enforcement.proxy_head import Destination, once
from remit.enforcement.proxy_targets import Targets
from remit.kernel.clock import DAY, SECOND, Clock
from remit.kernel.errors import Malformed
from remit.keys.interception import Authority
from remit.logs import logger
from remit.policy.denial import undecided
from remit.storage.model import ConsumeProof

log = logger(__name__)

TARGET: Final = "remit.target"  # in a scope: the request's target as it came, in bytes
_HANDSHAKE_SECONDS: Final = 10.0


class HttpProtocol(Protocol):
    """A server's side of HTTP/1.1 on one transport, which calls the ASGI application `app`, and `ended` at its end."""

    app: Any
    ended: Callable[[], None] | None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """It begins."""
        ...

    def data_received(self, data: bytes) -> None:
        """Something came."""
        ...

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        ...

    def ends_in(self, seconds: float) -> None:
        """Serve what is under way in `seconds` to its end, and nothing more."""
        ...


class _Holding(asyncio.Protocol):
    """Keeps what comes between the end of the handshake and the moment when somebody is there to read it."""

    def __init__(self) -> None:
        self.came: list[bytes] = []
        self.lost: tuple[Exception | None] | None = None

    def data_received(self, data: bytes) -> None:
        self.came.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = (exc,)


@dataclass(slots=True, kw_only=True)
class Connection:
    """What is known of an intercepted connection, or of one plain request, before anything of it is read."""

    where: Destination
    servers: Sequence[Server]
    caller: Caller
    proof: ConsumeProof | None  # used by the first request that comes


@dataclass(slots=True, kw_only=True)
class Intercept:
    """Ends TLS and hands requests to the gateway.

    Args:
        authority: Makes the certificates.
        gateway: Decides and forwards.
        pipeline: Records what is refused before that.
        targets: The servers, as they are when a request comes.
        placeholders: Of the worthless keys.
        protocol: Makes a server's side of HTTP/1.1.
        clock: Where `now` comes from.
    """

    authority: Authority
    gateway: HttpGateway
    pipeline: Pipeline
    targets: Targets
    placeholders: Placeholders
    protocol: Callable[[], HttpProtocol]
    clock: Clock
    seconds: float = field(default=_HANDSHAKE_SECONDS)

    async def begin(self, transport: asyncio.Transport, found: Connection, *, ended: Callable[[], None]) -> bool:
        """End the TLS of a client that was told to begin. Its connection is the HTTP protocol's from then on.

        False if it went away meanwhile; if not, `ended` is called at the connection's end.

        Raises:
            OSError: The handshake failed: the client does not believe our authority, or asked for another host.
        """
        loop = asyncio.get_running_loop()
        context = await asyncio.to_thread(self.authority.context, found.where.host, now=self.clock.now())
        transport.write(proxy_answers.ESTABLISHED)
        holding = _Holding()
        # What is read before a protocol is set would be lost, so something holds it.
        tls = await loop.start_tls(transport, holding, context, server_side=True, ssl_handshake_timeout=self.seconds)
        if tls is None or holding.lost is not None:
            return False
        protocol = self.protocol()
        protocol.app, protocol.ended = Inside(self, found), ended
        tls.set_protocol(protocol)  # type: ignore[arg-type]  # it is one in all that is called
        protocol.connection_made(tls)
        # A request that comes after the token's end could only be told so: a client connects anew by itself.
        protocol.ends_in(min(max(0, found.caller.expires - self.clock.now()), DAY) / SECOND)
        for data in holding.came:
            protocol.data_received(data)
        return True

    async def answer(
        self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send, found: Connection, *, path: bytes,
        query: bytes, secure: bool,
    ) -> None:  # fmt: skip
        """Answer one request by the gateway of the server that its path is below."""
        # As they are now: the connection may be older than the last change.
        asked = proxy_targets.below(self.targets.at(found.where, secure=secure), path)
        if asked is None:
            await self.refuse(send, found, "not_visible", http_answers.hidden())
            return
        server, rest = asked
        try:
            query = self.placeholders.taken(server.credential, found.caller, server.server, scope["headers"], query)
        except Foreign as error:
            said = http_answers.problem(403, "forbidden", error.public)
            await self.refuse(send, found, "foreign_placeholder", said)
            return
        scope["query_string"] = query
        proof, found.proof = found.proof, None
        await self.gateway.serve(
            scope, receive, send, server=server, caller=found.caller, proof=proof, path=rest,
            here=proxy_targets.here(server, found.where), door="proxy",
        )  # fmt: skip

    async def refuse(self, send: asgi.Send, found: Connection, reason: str, said: proxy_answers.Said) -> None:
        """Answer what no server is asked, once that is recorded."""
        proof, found.proof = found.proof, None
        name = found.servers[0].server
        try:
            await self.pipeline.refuse(found.caller, proof, server=name, reason=reason, host=found.where.authority)
        except EnforcementUnavailable as error:
            said = http_answers.denied(error.told or undecided())
        await asgi.answer(send, said[0], said[1], [*said[2], (b"connection", b"close")])


@dataclass(slots=True)
class Inside:
    """The ASGI application of one intercepted connection."""

    intercept: Intercept
    found: Connection

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        found, refuse = self.found, self.intercept.refuse
        target: bytes = scope[TARGET]
        # (1) What is asked in here is asked of whom the connection was asked for (domain fronting by Host).
        try:
            host = once(scope["headers"]).get(b"host", b"").decode("latin-1")
        except Malformed as error:
            await refuse(send, found, "malformed", proxy_answers.malformed(error.public))
            return
        if not found.where.named_by(host, default=443):
            await refuse(send, found, "egress_blocked", http_answers.blocked())
            return
        # (2) A target that names a host of its own is no request to an origin (RFC 9112 section 3.2.1).
        if not target.startswith(b"/"):
            await refuse(send, found, "malformed", proxy_answers.malformed("A path is expected"))
            return
        path, _, query = target.partition(b"?")
        await self.intercept.answer(scope, receive, send, found, path=path, query=query, secure=True)
