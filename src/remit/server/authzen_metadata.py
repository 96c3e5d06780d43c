"""`/.well-known/authzen-configuration`: what there is of the AuthZEN API, for who knows this server's URL alone."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from remit.kernel.canonical import encode
from remit.keys import jose
from remit.keys.model import TokenKeys
from remit.server.app import EVALUATION, EVALUATIONS, REQUESTS, SEARCH
from remit.tokens.metadata import JWKS_PATH

DISCOVERY: Final = "/.well-known/authzen-configuration"
TYPE: Final = "remit-authzen-metadata+jwt"  # of its own, so that it passes for no token
ACCESS_REQUEST: Final = "urn:openid:authzen:capability:access-request"
COAZ: Final = "urn:remit:authzen:capability:coaz-mcp-default-mapping"
_HEADERS: Final = {"Cache-Control": "public, max-age=300"}


def configuration(base: str) -> dict[str, Any]:
    """The metadata (AuthZEN 1.0, section "Policy Decision Point Metadata"), without its signature."""
    return {
        "policy_decision_point": base,
        "access_evaluation_endpoint": base + EVALUATION,
        "access_evaluations_endpoint": base + EVALUATIONS,
        "search_subject_endpoint": base + SEARCH + "subject",
        "search_resource_endpoint": base + SEARCH + "resource",
        "search_action_endpoint": base + SEARCH + "action",
        "access_request_endpoint": base + REQUESTS,
        "capabilities": [ACCESS_REQUEST, COAZ],
        "jwks_uri": base + JWKS_PATH,
    }


def discovery(base: str, keys: TokenKeys) -> Route:
    """The metadata, and the same signed by the key that signs tokens now."""
    plain = configuration(base)

    def found(_: Request) -> Response:
        """GET /.well-known/authzen-configuration: 200."""
        signed = jose.sign({**plain, "iss": base}, typ=TYPE, key=keys.active)
        body = encode({**plain, "signed_metadata": signed})
        return Response(body, headers=_HEADERS, media_type="application/json")

    return Route(DISCOVERY, found, methods=["GET"])
