"""The forward proxy's front: CONNECT, and `GET http://...`. An agent that knows nothing of Remit is governed behind it.

A connection in order: (1) its head, bounded in size and time; (2) who asks; (3) whether anybody registered what it
asks for, and whether this agent may see that: if not, no packet leaves; (4) a tunnel, or interception.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from remit.attestation.model import Caller
from remit.catalog.model import Proxied, Server
from remit.enforcement import asgi, http_answers, proxy_answers, proxy_head
from remit.enforcement.model import EnforcementUnavailable
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.proxy_door import ProxyDoor
from remit.enforcement.proxy_head import Destination
from remit.enforcement.proxy_intercept import TARGET, Connection, HttpProtocol, Intercept
from remit.enforcement.proxy_targets import Targets
from remit.enforcement.proxy_tunnel import Asked, Ends, Tunnel
from remit.kernel.errors import Malformed
from remit.kernel.names import ServerName
from remit.logs import logger
from remit.policy.denial import undecided
from remit.storage.model import ConsumeProof
from remit.tokens.check import TokenInvalid

log = logger(__name__)

_CONNECT: Final = b"CONNECT "
_BUFFER: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much one proxy takes at once; times are seconds."""

    connections: int = 1024
    head: float = 10.0


@dataclass(slots=True, kw_only=True)
class ForwardProxy:
    """Serves connections. Belongs to the event loop.

    Args:
        door: Who asks.
        pipeline: Records what is refused.
        targets: Where may be asked for.
        tunnel: Carries bytes.
        intercept: Ends TLS.
        visible: Whether a caller may see a server: whether its boundaries name anything there.
        protocol: Makes a server's side of HTTP/1.1, for requests that are not encrypted.
        handed_over: How many connections are HTTP's by now.
        nonce: The newest nonce for proofs; None where none is asked for.
    """

    door: ProxyDoor
    pipeline: Pipeline
    targets: Targets
    tunnel: Tunnel
    intercept: Intercept
    visible: Callable[[Caller, Server], bool]
    protocol: Callable[[], HttpProtocol]
    nonce: Callable[[], str | None] = lambda: None
    handed_over: Callable[[], int] = lambda: 0
    bounds: Bounds = field(default_factory=Bounds)
    fronts: set[Front] = field(default_factory=set)
    tunnels: Counter[str] = field(default_factory=Counter)  # that are open, by agent

    def accept(self) -> Front:
        """A protocol for a new connection."""
        return Front(self)

    async def close(self) -> None:
        """End every connection that is not HTTP's, tunnels among them."""
        tasks = [front.task for front in self.fronts if front.task is not None]
        for front in list(self.fronts):
            front.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def connect(self, front: Front, head: bytes, early: bytes) -> None:
        """Answer one CONNECT."""
        said: proxy_answers.Said | None = None
        try:
            said = await self._connected(front, head, early)
        except Malformed as error:
            said = proxy_answers.malformed(error.public)
        except TokenInvalid as error:
            said = await self._unauthenticated(error, front.peer)
        except EnforcementUnavailable as error:
            said = http_answers.denied(error.told or undecided())
        if said is not None:
            front.say(said)

    async def _connected(self, front: Front, head: bytes, early: bytes) -> proxy_answers.Said | None:
        where, headers = proxy_head.connect(head)
        caller, proof = self.door.caller(headers, method="CONNECT", where=where)
        servers = self.targets.at(where, secure=True)
        if servers and servers[0].proxy is Proxied.TUNNEL:
            asked = Asked(
                where=where, server=servers[0], caller=caller, proof=proof, early=early, say=front.say,
                streams=front.streams,
            )  # fmt: skip
            return await self._carried(asked)
        if (said := await self._nowhere(servers, where, caller, proof)) is not None:
            return said
        if early:
            return proxy_answers.malformed("Nothing is said before the connection is established")
        found = Connection(where=where, servers=servers, caller=caller, proof=proof)
        await self.intercept.begin(front.handed_over(), found)
        return None

    async def _carried(self, asked: Asked) -> proxy_answers.Said | None:
        """Carry a tunnel to its end, if its agent has not its share of them.

        Attack: one agent opens as many as there may be, lets them idle, and nobody else comes through.
        """
        agent = asked.caller.agent
        if self.tunnels[agent] >= self.bounds.connections // 2:
            return proxy_answers.busy()
        self.tunnels[agent] += 1
        try:
            await self.tunnel.carry(asked)
        finally:
            self.tunnels[agent] -= 1
            self.tunnels += Counter()  # what is none is forgotten
        return None

    async def _nowhere(
        self, servers: tuple[Server, ...], where: Destination, caller: Caller, proof: ConsumeProof | None
    ) -> proxy_answers.Said | None:
        """The answer, once recorded, if nothing is there that this caller may see; None if something is."""
        if any(self.visible(caller, server) for server in servers):
            return None
        name = servers[0].server if servers else ServerName("")
        reason = "not_visible" if servers else "egress_blocked"
        if not await self.pipeline.refuse(caller, proof, server=name, reason=reason, host=where.authority):
            raise TokenInvalid("invalid_dpop_proof", "the proof was used before", "DPoP")
        return proxy_answers.blocked()

    async def _unauthenticated(self, error: TokenInvalid, peer: str) -> proxy_answers.Said:
        if error.error and self.door.wrong_once_more(peer):
            self.pipeline.metrics.refused.labels("too_many").inc()
            return proxy_answers.too_many()
        try:
            await self.pipeline.doorstep.turn_away(error, server="")
        except EnforcementUnavailable:
            return http_answers.denied(undecided())
        return proxy_answers.unauthenticated(error, nonce=self.nonce())

    async def plain(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request whose target is a whole URL (RFC 9112 section 3.2.2): an ASGI application."""
        if scope["type"] != "http":
            return
        try:
            said = await self._plainly(scope, receive, send)
        except Malformed as error:
            said = proxy_answers.malformed(error.public)
        except TokenInvalid as error:
            said = await self._unauthenticated(error, (scope.get("client") or ("",))[0])
        except EnforcementUnavailable as error:
            said = http_answers.denied(error.told or undecided())
        if said is not None:
            await asgi.answer(send, said[0], said[1], [*said[2], (b"connection", b"close")])

    async def _plainly(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> proxy_answers.Said | None:
        where, path, query = proxy_head.absolute(scope[TARGET])
        headers = proxy_head.once(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if not where.named_by(host, default=80):
            raise Malformed("Host is not what the target names")
        caller, proof = self.door.caller(headers, method=scope["method"], where=where, path=path.decode("latin-1"))
        servers = self.targets.at(where, secure=False)
        if (said := await self._nowhere(servers, where, caller, proof)) is not None:
            return said
        found = Connection(where=where, servers=servers, caller=caller, proof=proof)
        await self.intercept.answer(scope, receive, send, found, path=path, query=query, secure=False)
        return None


class Front(asyncio.Protocol):
    """One connection until its head is read."""

    def __init__(self, proxy: ForwardProxy) -> None:
        self._proxy = proxy
        self._octets = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = False
        self.task: asyncio.Task[None] | None = None
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        self._transport = transport  # type: ignore[assignment]  # TCP transports are
        self.peer = str((transport.get_extra_info("peername") or ("",))[0])
        self._proxy.fronts.add(self)
        if len(self._proxy.fronts) + self._proxy.handed_over() > self._proxy.bounds.connections:
            self.say(proxy_answers.busy())
            return
        # A head that comes byte by byte would hold a connection for as long as its sender likes.
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._proxy.bounds.head, self.say, proxy_answers.late())

    def data_received(self, data: bytes) -> None:
        """Something of the head came."""
        if self._over or self._transport is None:
            return
        self._octets += data
        if self._octets[: len(_CONNECT)] != _CONNECT[: len(self._octets)]:
            self._plain()
            return
        try:
            whole = proxy_head.split(self._octets)
        except Malformed as error:
            self.say(proxy_answers.malformed(error.public))
            return
        if whole is None:
            return
        self._stop_timer()
        self._over = True
        self._transport.pause_reading()  # what comes next is for whoever takes the connection over
        self.task = asyncio.get_running_loop().create_task(self._served(*whole))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """It has ended before it was handed over."""
        self._stop_timer()
        self._proxy.fronts.discard(self)
        if self.task is not None and not self.task.done():
            self.task.cancel()

    def say(self, said: proxy_answers.Said) -> None:
        """Answer, and end the connection."""
        self._stop_timer()
        self._over = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(proxy_answers.written(said))
            self._transport.close()

    def streams(self) -> Ends:
        """Hand the connection over, as streams."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_BUFFER, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport = self.handed_over()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        transport.resume_reading()
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def handed_over(self) -> asyncio.Transport:
        """The connection, for another protocol.

        Raises:
            ConnectionResetError: It has ended.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the client went away")
        return self._transport

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()
        if self.task is not None:
            self.task.cancel()

    async def _served(self, head: bytes, early: bytes) -> None:
        try:
            await self._proxy.connect(self, head, early)
        except (OSError, asyncio.IncompleteReadError) as error:
            log.info("a proxied connection broke", error=repr(error)[:200])
            self._abort()
        except Exception:
            log.exception("a proxied connection failed")
            self._abort()
        finally:
            self._proxy.fronts.discard(self)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _plain(self) -> None:
        """Not CONNECT: the connection is the HTTP protocol's, whose requests name whole URLs."""
        self._stop_timer()
        self._over = True
        protocol: Any = self._proxy.protocol()
        protocol.app = self._proxy.plain
        transport = self.handed_over()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(self._octets)
        self._proxy.fronts.discard(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
