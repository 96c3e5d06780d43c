"""`GET /v1/me/mandate`: an agent reads its own mandate, signed; and the schema that mandates keep to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from remit.attestation.model import Caller
from remit.kernel.canonical import encode
from remit.kernel.errors import Malformed
from remit.keys import jose
from remit.keys.model import TokenKeys
from remit.policy.mandate import TYPE
from remit.policy.mandates import Mandates, published
from remit.server.me import Me
from remit.tokens.threads import in_agents_thread

ME_MANDATE: Final = "/v1/me/mandate"
SCHEMA: Final = "/schemas/mandate.json"
_NO_STORE: Final = {"Cache-Control": "no-store"}
_SHORT: Final = {"Cache-Control": "public, max-age=300"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeMandate:
    """An ASGI endpoint; the mandate is made in a thread, the proof's use is all that is written."""

    me: Me
    mandates: Mandates
    keys: TokenKeys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: 200, 400, 401, 404, 405, 503."""
        await self.me.serve(scope, receive, send, self._answer)

    async def _answer(self, request: Request) -> Response:
        plain = _wants_json(request)
        # A token for the whole deployment, because the mandate speaks of all its servers.
        caller = await self.me.caller(request, (self.me.base,))
        return await in_agents_thread(self._told, caller, plain=plain)

    def _told(self, caller: Caller, *, plain: bool) -> Response:
        found: dict[str, Any] = self.mandates.of(caller)
        if plain:
            return Response(encode(found), headers=_NO_STORE, media_type="application/json")
        signed = jose.sign(found, typ=TYPE, key=self.keys.active)
        return Response(signed, headers=_NO_STORE, media_type="application/jwt")


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
