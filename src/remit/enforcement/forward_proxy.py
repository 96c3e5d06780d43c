"""The forward proxy's front: CONNECT, and `GET http://...`. An agent that knows nothing of Remit is governed behind it.

A connection in order: (1) its head, bounded in size and time; (2) who asks; (3) whether anybody registered what it
asks for, and whether this agent may see that: if not, no packet leaves; (4) a tunnel, or interception.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from remit.attestation.model import Caller
from remit.catalog.model import Proxied, Server
from remit.enforcement import http_answers, proxy_answers, proxy_head
from remit.enforcement.model import EnforcementUnavailable
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.proxy_door import ProxyDoor
from remit.enforcement.proxy_head import Destination
from remit.enforcement.proxy_intercept import Connection, HttpProtocol, Intercept
from remit.enforcement.proxy_places import FULL, Places
from remit.enforcement.proxy_plain import Plain
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
_BLANK: Final = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much one proxy takes at once; times are seconds.

    `connections` are those of agents, each of which has its share; `heads` those of which it is not known yet whose
    they are.
    """

    connections: int = 1024
    heads: int = 256
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
    fronts: dict[Front, None] = field(default_factory=dict)  # the oldest first
    places: Places = field(init=False)

    def __post_init__(self) -> None:
        self.places = Places(self.bounds.connections)

    def accept(self) -> Front:
        """A protocol for a new connection."""
        return Front(self)

    def crowded(self) -> bool:
        """Whether more have come than are looked at, of whom it is not known yet who they are.

        Whoever has said least for longest makes room. Attack: connections that say nothing, opened anew as they end,
        keep the door closed for all; now as many must be opened in the moment in which another says who it is.
        """
        unknown = len(self.fronts) + 1 + self.handed_over() - self.places.taken
        if unknown <= self.bounds.heads:
            return False
        self.places.refused[FULL] += 1  # which is recorded in sum: an entry for each would be the very load
        self.pipeline.metrics.refused.labels("overloaded").inc()
        oldest = next((front for front in self.fronts if front.silent), None)
        if oldest is None:
            return True
        oldest.say(proxy_answers.busy())
        self.fronts.pop(oldest)
        return False

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
            said = await self.unauthenticated(error, front.peer)
        except EnforcementUnavailable as error:
            said = http_answers.denied(error.told or undecided())
        if said is not None:
            front.say(said)

    async def _connected(self, front: Front, head: bytes, early: bytes) -> proxy_answers.Said | None:
        where, headers = proxy_head.connect(head)
        caller, proof = self.door.caller(headers, method="CONNECT", where=where)
        servers = self.targets.at(where, secure=True)
        place = self.places.take(caller.agent)
        if place is None:
            return await self.shared_out(servers, where, caller, proof)
        if servers and servers[0].proxy is Proxied.TUNNEL:
            asked = Asked(
                where=where, server=servers[0], caller=caller, proof=proof, early=early, say=front.say,
                streams=front.streams,
            )  # fmt: skip
            try:
                await self.tunnel.carry(asked)
            finally:
                place.leave()
            return None
        try:
            if (said := await self.nowhere(servers, where, caller, proof)) is not None:
                return said
            if early:
                return proxy_answers.malformed("Nothing is said before the connection is established")
            found = Connection(where=where, servers=servers, caller=caller, proof=proof)
            if await self.intercept.begin(front.handed_over(), found, ended=place.leave):
                place = None  # it ends with the connection
        finally:
            if place is not None:
                place.leave()
        return None

    async def shared_out(
        self, servers: tuple[Server, ...], where: Destination, caller: Caller, proof: ConsumeProof | None
    ) -> proxy_answers.Said:
        """The answer to an agent that has its share of connections, once recorded.

        Attack: agents open as many as there may be, let them idle, and nobody else comes through.
        """
        if (said := await self.nowhere(servers, where, caller, proof)) is not None:
            return said  # first, for the other answer would tell that something is there
        name, host = servers[0].server, where.authority
        if not await self.pipeline.refuse(caller, proof, server=name, reason="overloaded", host=host):
            raise TokenInvalid("invalid_dpop_proof", "the proof was used before", "DPoP")
        return proxy_answers.busy()

    async def nowhere(
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

    async def unauthenticated(self, error: TokenInvalid, peer: str) -> proxy_answers.Said:
        """The answer to who showed no token, or no good one, once recorded; `peer` may not be wrong too often."""
        if error.error and self.door.wrong_once_more(peer):
            self.pipeline.metrics.refused.labels("too_many").inc()
            return proxy_answers.too_many()
        try:
            await self.pipeline.doorstep.turn_away(error, server="", door="proxy")
        except EnforcementUnavailable:
            return http_answers.denied(undecided())
        return proxy_answers.unauthenticated(error, nonce=self.nonce())


def _awaited(octets: bytes) -> bool:
    """Whether more of a head that begins so, and is no CONNECT's, is waited for before HTTP gets it (pure)."""
    return octets[:1].isalpha() and len(octets) <= proxy_head.MOST and _BLANK.search(octets) is None


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
        crowded = self._proxy.crowded()
        self._proxy.fronts[self] = None
        if crowded:
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
            if not _awaited(self._octets):
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
        self._proxy.fronts.pop(self, None)
        if self.task is not None and not self.task.done():
            self.task.cancel()

    def say(self, said: proxy_answers.Said) -> None:
        """Answer, and end the connection."""
        self._stop_timer()
        self._over = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(proxy_answers.written(said))
            self._transport.close()

    @property
    def silent(self) -> bool:
        """Whether its head is still awaited."""
        return self._timer is not None

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
            self._proxy.fronts.pop(self, None)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _plain(self) -> None:
        """Not CONNECT: the connection is the HTTP protocol's, whose requests name whole URLs."""
        self._stop_timer()
        self._over = True
        protocol = self._proxy.protocol()
        protocol.app = plain = Plain(self._proxy)
        protocol.ended = plain.ended
        transport = self.handed_over()
        transport.set_protocol(protocol)  # type: ignore[arg-type]  # it is one in all that is called
        protocol.connection_made(transport)
        protocol.data_received(self._octets)
        self._proxy.fronts.pop(self, None)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
