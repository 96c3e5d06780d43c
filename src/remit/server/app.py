"""The outermost ASGI callable: hot paths are answered before any router or middleware sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from remit.enforcement import asgi
from remit.enforcement.lanes import Ticket
from remit.enforcement.parse import header_map
from remit.enforcement.place import Place
from remit.server import problem
from remit.server.proxies import TrustedProxies
from remit.server.shedding import RETRY_AFTER, Shedding, refusal
from remit.tokens.metadata import TOKEN_PATH
from remit.tokens.nonce_http import NonceHeader

TICKET: Final = "remit.ticket"  # in a request's scope: the place that it was given when its headers were read
ME_CAN = "/v1/me/can"
ERRORS = "/errors"  # a page for each code
EVALUATION = "/access/v1/evaluation"
EVALUATIONS = "/access/v1/evaluations"
SEARCH = "/access/v1/search/"  # and what is searched for
REQUESTS = "/access/v1/requests"
OUTCOMES = "/v1/outcomes"
POINTS = frozenset({EVALUATION, EVALUATIONS, OUTCOMES, *(SEARCH + gap for gap in ("subject", "resource", "action"))})
_NAMED = frozenset({b"host", b"origin"})
_ELSEWHERE = "Host or Origin is not this server's"
_CALLED_BY = "call it by its own URL; remit up --url URL says which one that is"
_HTTP = "/http/"
_ENVOY = "/ext_authz/"
_GATEWAYS = (_HTTP, _ENVOY, "/mcp/", "/servers/", "/.well-known/oauth-protected-resource")


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Routes a request to the gateway, the agents' dry run, what enforcement points ask, or everything else."""

    place: Place
    http: ASGIApp  # /http/{server}/...
    ext_authz: ASGIApp  # /ext_authz/{server}/...
    gateway: ASGIApp  # /mcp/{server}, /servers/{server}/mcp and their metadata
    me_can: ASGIApp
    evaluation: ASGIApp  # what enforcement points ask and report
    requests: ASGIApp  # what agents and enforcement points ask people for
    token: ASGIApp  # POST /oauth2/token
    rest: ASGIApp
    proxies: TrustedProxies | None = None  # None: no header is believed to hold a client's certificate
    nonces: NonceHeader | None = None  # None: no proof needs a nonce
    shedding: Shedding | None = None  # None: nothing is refused for load

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, in the place that it has or now finds."""
        if self.shedding is None or scope["type"] != "http":
            await self._answer(scope, receive, send)
            return
        place = scope.get(TICKET)
        if place is None:  # it came while another one of its connection was answered
            shown = next((value for name, value in scope["headers"] if name.lower() == b"authorization"), None)
            place = self.shedding.enter(scope["path"], scope.get("query_string", b""), shown)
        if place is False:
            body, media = refusal(scope["path"])
            retry = (b"retry-after", str(RETRY_AFTER).encode("ascii"))
            await asgi.answer(send, 503, body, ((b"content-type", media), (b"cache-control", b"no-store"), retry))
        elif isinstance(place, Ticket):
            place.carry()
            try:
                await self.shedding.turns.next()
                await self._answer(scope, receive, send)
            finally:
                place.leave()
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            if self.proxies is not None:
                self.proxies.pass_on(scope)
            if self.nonces is not None:
                send = self.nonces.answering(path, send)
            if path.startswith(_GATEWAYS):  # they ask the same themselves, and answer in their own shape
                await self._gateway(path)(scope, receive, send)
                return
            if self._misplaced(scope):
                await problem.answer("forbidden", _ELSEWHERE, try_=_CALLED_BY)(scope, receive, send)
                return
            if path == ME_CAN:
                await self.me_can(scope, receive, send)
                return
            if path in POINTS:
                await self.evaluation(scope, receive, send)
                return
            if path == REQUESTS or path.startswith(REQUESTS + "/"):
                await self.requests(scope, receive, send)
                return
            if path == TOKEN_PATH and scope["method"] == "POST":
                await self.token(scope, receive, send)
                return
        await self.rest(scope, receive, send)

    def _gateway(self, path: str) -> ASGIApp:
        if path.startswith(_ENVOY):  # its Host is the one that Envoy was asked for
            return self.ext_authz
        return self.http if path.startswith(_HTTP) else self.gateway

    def _misplaced(self, scope: Scope) -> bool:
        shown, _ = header_map([each for each in scope["headers"] if each[0].lower() in _NAMED])
        at = scope.get("server")
        return self.place.misplaced(
            shown.get("host"), shown.get("origin"), at=(at[0], at[1]) if at and at[1] is not None else None
        )
