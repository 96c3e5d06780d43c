"""Requests to the forward proxy that are not encrypted: each names a whole URL, on a connection of one agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from remit.enforcement import asgi, http_answers, proxy_answers, proxy_head
from remit.enforcement.model import EnforcementUnavailable
from remit.enforcement.proxy_intercept import TARGET, Connection
from remit.enforcement.proxy_places import Place
from remit.kernel.errors import Malformed
from remit.policy.denial import undecided
from remit.tokens.check import TokenInvalid

if TYPE_CHECKING:
    from remit.enforcement.forward_proxy import ForwardProxy


@dataclass(slots=True)
class Plain:
    """The ASGI application of one connection that is not encrypted: each request's target is a whole URL."""

    proxy: ForwardProxy
    _place: Place | None = None
    _gone: bool = False

    def ended(self) -> None:
        """The connection has ended."""
        self._gone = True
        if self._place is not None:
            self._place.leave()

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request (RFC 9112 section 3.2.2)."""
        if scope["type"] != "http":
            return
        proxy = self.proxy
        try:
            said = await self._answered(scope, receive, send)
        except Malformed as error:
            said = proxy_answers.malformed(error.public)
        except TokenInvalid as error:
            said = await proxy.unauthenticated(error, (scope.get("client") or ("",))[0])
        except EnforcementUnavailable as error:
            said = http_answers.denied(error.told or undecided())
        if said is not None:
            await asgi.answer(send, said[0], said[1], [*said[2], (b"connection", b"close")])

    async def _answered(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> proxy_answers.Said | None:
        where, path, query = proxy_head.absolute(scope[TARGET])
        headers = proxy_head.once(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if not where.named_by(host, default=80):
            raise Malformed("Host is not what the target names")
        proxy = self.proxy
        caller, proof = proxy.door.caller(headers, method=scope["method"], where=where, path=path.decode("latin-1"))
        servers = proxy.targets.at(where, secure=False)
        if not self._placed(caller.agent):
            return await proxy.shared_out(servers, where, caller, proof)
        if (said := await proxy.nowhere(servers, where, caller, proof)) is not None:
            return said
        found = Connection(where=where, servers=servers, caller=caller, proof=proof)
        await proxy.intercept.answer(scope, receive, send, found, path=path, query=query, secure=False)
        return None

    def _placed(self, agent: str) -> bool:
        """Whether the connection has a place of this agent's: it is held from its first request to its end."""
        if self._gone:
            return True  # nobody is there who would hold one
        if self._place is None or self._place.agent != agent:
            if self._place is not None:
                self._place.leave()
            self._place = self.proxy.places.take(agent)
        return self._place is not None
