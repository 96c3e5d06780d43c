"""The token endpoint over HTTP, the keys, and the metadata: RFC 6749, RFC 7517, RFC 8414."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from remit.kernel.canonical import encode
from remit.kernel.errors import Overloaded, StorageUnavailable, Unauthenticated
from remit.tokens.authorize import MOST
from remit.tokens.certificate import of_connection
from remit.tokens.client_address import client_address
from remit.tokens.form import MAX_BODY, parse_form
from remit.tokens.metadata import (
    AUTHORIZE_PATH,
    INTROSPECTION_PATH,
    JWKS_PATH,
    REVOCATION_PATH,
    TOKEN_PATH,
    metadata_paths,
)
from remit.tokens.model import RETRY_AFTER, Asked, Form, OAuthError, TokenRefused
from remit.tokens.service import TokenService
from remit.tokens.status import TokenStatus
from remit.tokens.threads import in_agents_thread

# RFC 6749 section 5.1: no answer of the token endpoint may be stored, refusals included.
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_SHORT: Final = {"Cache-Control": "public, max-age=300"}
_BODY_SECONDS: Final = 30.0
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """POST /oauth2/token: 200, 400, 401 invalid_client, 413, 429, 503. An ASGI endpoint that needs no router."""

    service: TokenService

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, which is a POST."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        service = self.service
        try:
            asked = Asked(
                form=await _form(request, service),
                # RFC 9449 section 4.3 step 1: several proofs, joined, are one that is malformed.
                dpop=_joined(request, "dpop"),
                url=service.issuer + TOKEN_PATH,
                authorization=_joined(request, "authorization"),
                **_shown(request),
                address=client_address(request.scope),
            )
            granted = await _granted(service, asked)
        except TokenRefused as refused:
            return _refused(refused, request)
        except (StorageUnavailable, Overloaded) as error:
            return _refusal(503, "temporarily_unavailable", error.public, {"Retry-After": "1"})
        return _json(200, granted)


def routes(service: TokenService, *, consent_page: str | None = None) -> list[Route]:
    """The routes of the authorization server. `consent_page` is the path where a person is asked, if there is one."""

    def authorize(request: Request) -> Response:
        """GET /oauth2/authorize: 303 to the page where the person is asked, once they are signed in there.

        400 where no person can be asked, or the query is longer than any request is.
        """
        query = request.scope["query_string"]
        if consent_page is None:
            return _refusal(400, "unsupported_response_type", "agents ask at the token endpoint")
        if len(query) > MOST:
            return _refusal(400, "invalid_request", f"the query is over {MOST} bytes")
        # RFC 9700 section 4.12: 303, so that no browser sends on what it may have sent here.
        where = f"{service.issuer}{consent_page}?{query.decode('latin-1')}"
        return Response(status_code=303, headers={**_NO_STORE, "Location": where, "Referrer-Policy": "no-referrer"})

    def jwks(_: Request) -> Response:
        """GET /oauth2/jwks: the public keys that verify access tokens."""
        return Response(encode(service.jwks()), headers=_SHORT, media_type="application/jwk-set+json")

    def metadata(_: Request) -> Response:
        """GET /.well-known/oauth-authorization-server."""
        return Response(encode(service.metadata()), headers=_SHORT, media_type="application/json")

    return [
        Route(TOKEN_PATH, TokenEndpoint(service), methods=["POST"]),
        Route(AUTHORIZE_PATH, authorize, methods=["GET", "POST"] if consent_page is None else ["GET"]),
        Route(JWKS_PATH, jwks, methods=["GET"]),
        *(Route(path, metadata, methods=["GET"]) for path in metadata_paths(service.issuer)),
    ]


def status_routes(status: TokenStatus) -> list[Route]:
    """The routes that say what a token is worth, and end it."""

    async def served(request: Request, serve: Callable[..., dict[str, Any] | None]) -> Response:
        try:
            form = await _form(request, status.tokens)
            shown = _shown(request)
            answer = await in_agents_thread(serve, form, authorization=_joined(request, "authorization"), **shown)
        except TokenRefused as refused:
            return _refused(refused, request)
        except Unauthenticated as error:
            # RFC 7662 section 2.3, RFC 6750 section 3: a bearer token that is no enforcement point's.
            challenge = {"WWW-Authenticate": 'Bearer realm="remit", error="invalid_token"'}
            return _refusal(401, "invalid_token", error.public, challenge)
        except (StorageUnavailable, Overloaded) as error:
            return _refusal(503, "temporarily_unavailable", error.public, {"Retry-After": "1"})
        return Response(status_code=200, headers=_NO_STORE) if answer is None else _json(200, answer)

    async def introspect(request: Request) -> Response:
        """POST /oauth2/introspect: 200, 400, 401, 413, 429, 503."""
        return await served(request, status.introspect)

    async def revoke(request: Request) -> Response:
        """POST /oauth2/revoke: 200 (also for a token that is not known), 400, 401, 413, 429, 503."""
        return await served(request, status.revoke)

    return [
        Route(INTROSPECTION_PATH, introspect, methods=["POST"]),
        Route(REVOCATION_PATH, revoke, methods=["POST"]),
    ]


async def _granted(service: TokenService, asked: Asked) -> dict[str, Any]:
    """One more token of a run that goes on is made here; all else may wait, and does so in a thread."""
    renewal = service.renewal(asked)
    if renewal is None:
        return await in_agents_thread(service.answer, asked)
    try:
        answer = await service.renew(renewal)
    except TokenRefused as refused:
        await in_agents_thread(service.refuse, refused, attested=renewal.shown.attested)
        raise
    return await in_agents_thread(service.answer, asked, spent=True) if answer is None else answer


async def _form(request: Request, service: TokenService) -> Form:
    try:
        body = await _body(request)
        # Several, joined, are no media type: two readers could pick different ones.
        return parse_form(body, media_type=_joined(request, "content-type") or "")
    except TokenRefused as refused:
        await in_agents_thread(service.refuse, refused)
        raise


async def _body(request: Request) -> bytes:
    """The body, read no further than the limit."""
    body = bytearray()  # as bytes, every chunk would copy all before it
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            more = True
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise TokenRefused(OAuthError.INVALID_REQUEST, "the body ended early")
                body += message.get("body", b"")
                if len(body) > MAX_BODY:
                    raise TokenRefused(OAuthError.INVALID_REQUEST, "the body is over 64 KiB", status=413)
                more = message.get("more_body", False)
    except TimeoutError as error:
        raise TokenRefused(OAuthError.INVALID_REQUEST, "the body did not come in time", status=408) from error
    return bytes(body)


def _joined(request: Request, name: str) -> str | None:
    values = request.headers.getlist(name)
    return ", ".join(values) if values else None


def _shown(request: Request) -> dict[str, Any]:
    found = of_connection(request.scope)
    return {} if found is None else {"certificate": found.certificate, "chain": found.chain}


def _refused(refused: TokenRefused, request: Request) -> Response:
    scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
    # RFC 6749 section 5.2: a client that tried the Authorization header is answered in its scheme.
    basic = refused.error is OAuthError.INVALID_CLIENT and scheme == "basic"
    challenge = {"WWW-Authenticate": 'Basic realm="remit"'} if basic else {}
    if refused.status == _TOO_MANY:
        challenge["Retry-After"] = str(RETRY_AFTER)
    return _refusal(refused.status, refused.error, refused.public, challenge)


def _refusal(status: int, error: str, description: str, headers: dict[str, str] | None = None) -> Response:
    return _json(status, {"error": str(error), "error_description": description}, headers)


def _json(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(encode(body), status, headers={**_NO_STORE, **(headers or {})}, media_type="application/json")
