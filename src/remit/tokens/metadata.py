"""What the authorization server says of itself (pure): RFC 8414 section 2. Lists no agent, purpose or server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from remit.attestation import service as attestation
from remit.tokens import details, dpop

TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path
JWKS_PATH = "/oauth2/jwks"
INTROSPECTION_PATH = "/oauth2/introspect"
REVOCATION_PATH = "/oauth2/revoke"
AUTHORIZE_PATH = "/oauth2/authorize"
METADATA_PATH = "/.well-known/oauth-authorization-server"


def server_metadata(issuer: str, *, grants: Iterable[str], methods: Sequence[str]) -> dict[str, Any]:
    """The metadata document of `issuer`, with the grant types and client authentication methods that it takes.

    `scopes_supported` is left out: it would list purposes, and MCP clients would ask for all
    of them. The authorization endpoint is named because stock MCP clients refuse metadata
    without one; it refuses every response type.
    """
    return {
        "issuer": issuer,
        "token_endpoint": issuer + TOKEN_PATH,
        "jwks_uri": issuer + JWKS_PATH,
        "authorization_endpoint": issuer + AUTHORIZE_PATH,
        "response_types_supported": [],
        "grant_types_supported": sorted(grants),
        "token_endpoint_auth_methods_supported": list(methods),
        "token_endpoint_auth_signing_alg_values_supported": list(attestation.ALGORITHMS),
        "introspection_endpoint": issuer + INTROSPECTION_PATH,
        # RFC 8414 section 2: also the token types that are taken; an enforcement point shows its own as Bearer.
        "introspection_endpoint_auth_methods_supported": [*methods, "Bearer"],
        "introspection_endpoint_auth_signing_alg_values_supported": list(attestation.ALGORITHMS),
        "revocation_endpoint": issuer + REVOCATION_PATH,
        "revocation_endpoint_auth_methods_supported": list(methods),
        "revocation_endpoint_auth_signing_alg_values_supported": list(attestation.ALGORITHMS),
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
        "authorization_details_types_supported": [details.TYPE],
    }
