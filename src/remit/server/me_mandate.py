"""`GET /v1/me/mandate`: an agent reads its own mandate, signed; and the schema that mandates keep to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from remit.attestation.model import Caller
from remit.enforcement.metadata import challenge
from remit.kernel.canonical import encode
from remit.kernel.clock import Clock
from remit.kernel.errors import Malformed, RemitError
from remit.keys import jose
from remit.keys.model import TokenKeys
from remit.policy.mandate import TYPE
from remit.policy.mandates import Mandates, published
from remit.server import problem
from remit.storage.model import ConsumeProof, Work
from remit.storage.ports import Writer
from remit.tokens.check import TokenChecker, TokenInvalid

ME_MANDATE: Final = "/v1/me/mandate"
SCHEMA: Final = "/schemas/mandate.json"
_NO_STORE: Final = {"Cache-Control": "no-store"}
_SHORT: Final = {"Cache-Control": "public, max-age=300"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeMandate:
    """An ASGI endpoint; the mandate is made in a thread, the proof's use is all that is written."""

    base: str
    checker: TokenChecker
    mandates: Mandates
    keys: TokenKeys
    writer: Writer
    clock: Clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: 200, 400, 401, 404, 405, 503."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except TokenInvalid as error:
            response = problem.of(error)
            del response.headers["www-authenticate"]
            said = {"error": error.error, "description": error.description, "scheme": error.scheme}
            for value in challenge(self.base, ME_MANDATE, **said):
                response.headers.append("WWW-Authenticate", value)
        except RemitError as error:
            response = problem.of(error)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method != "GET":
            return problem.answer("method_not_allowed", "GET is the method here", headers={"Allow": "GET"})
        plain = _wants_json(request)
        # (1) Who asks: a token for the whole deployment, because the mandate speaks of all its servers.
        caller, proof = self.checker.check(
            authorization=_one(request, "authorization"),
            dpop=_one(request, "dpop"),
            method="GET",
            url=self.base + ME_MANDATE,
            audiences=frozenset({self.base}),
            now=self.clock.now(),
        )
        # (2) RFC 9449 section 11.1: a proof is used once.
        if proof is not None:
            await self._use(proof)
        # (3) What it may do now.
        return await run_in_threadpool(self._told, caller, plain=plain)

    def _told(self, caller: Caller, *, plain: bool) -> Response:
        found: dict[str, Any] = self.mandates.of(caller)
        if plain:
            return Response(encode(found), headers=_NO_STORE, media_type="application/json")
        signed = jose.sign(found, typ=TYPE, key=self.keys.active)
        return Response(signed, headers=_NO_STORE, media_type="application/jwt")

    async def _use(self, proof: ConsumeProof) -> None:
        done = await self.writer.submit_async(Work((), (proof,), lambda _: ()))
        if done.failed is not None:
            raise TokenInvalid("invalid_dpop_proof", "the proof was used before", "DPoP")


def routes(me: MeMandate) -> list[Route]:
    """The agent's mandate, and the published schema, which is no secret."""
    document = published()

    def schema(_: Request) -> Response:
        return Response(document, headers=_SHORT, media_type="application/schema+json")

    return [Route(ME_MANDATE, me, methods=["GET"]), Route(SCHEMA, schema, methods=["GET"])]


def _wants_json(request: Request) -> bool:
    pairs = request.query_params.multi_items()
    if pairs not in ([], [("format", "json")]):
        raise Malformed("the one parameter here is format=json")
    return bool(pairs)


def _one(request: Request, name: str) -> str | None:
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise Malformed(f"the header {name} stands there twice")
    return values[0] if values else None
