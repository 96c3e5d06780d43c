"""What an agent asks and reports for itself, at the paths that enforcement points use: with its own access token.

So a process that keeps to the answers by itself (`remit.sdk.guard`) needs no second secret. What it is told is what its
own call would be told; what it may ask is nothing but that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from remit.enforcement import authzen, authzen_self
from remit.enforcement.metadata import resources
from remit.enforcement.model import EnforcementUnavailable
from remit.enforcement.points import Points, ProofUsed
from remit.kernel.canonical import encode, parse
from remit.kernel.errors import UnsupportedMediaType
from remit.policy.facts import Facts
from remit.server.app import EVALUATION, OUTCOMES
from remit.server.door import checked, read_body
from remit.server.me import Me, used_before

_OWN: Final = frozenset({EVALUATION, OUTCOMES})
_OUTCOME_FIELDS: Final = {"decision": "string", "outcome": "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfEvaluation:
    """An ASGI endpoint on the event loop, whose decisions wait for the disk and for nothing else."""

    me: Me
    points: Points
    facts: Facts
    body_limit: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: 200, 400, 401, 403, 404, 405, 409, 413, 415, 503."""
        answer = self._decided if scope["path"] == EVALUATION else self._settled
        await replace(self.me, path=scope["path"], method="POST").serve(scope, receive, send, answer)

    async def _decided(self, request: Request) -> Response:
        asked = authzen.question(await self._body(request))
        # (1) Who asks: a token for the deployment, or for the server that the call would go to.
        me, server = replace(self.me, path=EVALUATION, method="POST"), authzen_self.server_of(asked)
        caller, proof = await me.shown(request, {me.base} if server is None else resources(me.base, server))
        # (2) The decision, durable; the proof's use goes with it.
        try:
            found = await self.points.evaluate_own(asked, caller, proof)
        except ProofUsed:
            raise used_before() from None
        except EnforcementUnavailable as error:
            body = encode(authzen.undecided(error.told))
            return Response(body, 503, headers={"Retry-After": "1"}, media_type="application/problem+json")
        return _json(encode(found.body), found.decision)

    async def _settled(self, request: Request) -> Response:
        body = checked(await self._body(request), _OUTCOME_FIELDS)
        me, servers = replace(self.me, path=OUTCOMES, method="POST"), self.facts.view().servers
        # (1) Who reports: what it decided it with opens this too. Only what this copy asked for is its own to report.
        audiences = frozenset[str]({me.base}).union(*(resources(me.base, name) for name in servers))
        caller = await me.caller(request, audiences)
        # (2) An outcome that is durable.
        try:
            await self.points.report(authzen_self.point_of(caller), body["decision"], body["outcome"])
        except EnforcementUnavailable as error:
            said = encode(authzen.undecided(error.told))
            return Response(said, 503, headers={"Retry-After": "1"}, media_type="application/problem+json")
        return _json(encode({"decision": body["decision"], "outcome": body["outcome"]}))

    async def _body(self, request: Request) -> object:
        raw = await read_body(request, limit=self.body_limit)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType("this call takes application/json")
        return parse(raw)


@dataclass(frozen=True, slots=True)
class PointsOrAgents:
    """Tells who asks at the same path: the token of an enforcement point is told from an access token by its form."""

    points: ASGIApp
    agents: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request on."""
        own = scope["path"] in _OWN and _shows_access_token(scope)
        await (self.agents if own else self.points)(scope, receive, send)


def _shows_access_token(scope: Scope) -> bool:
    shown = [value.lower() for name, value in scope["headers"] if name == b"authorization"]
    return any(each.startswith(b"dpop ") or (each.startswith(b"bearer ") and b"." in each) for each in shown)


def _json(body: bytes, decision: str = "") -> Response:
    headers = {"Cache-Control": "no-store", **({"Remit-Decision": decision} if decision else {})}
    return Response(body, headers=headers, media_type="application/json")
