"""What the authorization server says of itself (pure): RFC 8414 section 2. Lists no agent, purpose or server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from remit.agents.bindings.mtls import SELF_SIGNED, SIGNED
from remit.attestation import service as attestation
from remit.tokens import asserted, details, dpop

TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path
JWKS_PATH = "/oauth2/jwks"
INTROSPECTION_PATH = "/oauth2/introspect"
REVOCATION_PATH = "/oauth2/revoke"
AUTHORIZE_PATH = "/oauth2/authorize"
METADATA_PATH = "/.well-known/oauth-authorization-server"
_AUTHORIZATION: Final[dict[str, Any]] = {  # what there is once a person can consent in a browser
    "response_modes_supported": ["query"],
    "code_challenge_methods_supported": ["S256"],  # RFC 7636: MCP clients go no further without it
    "authorization_response_iss_parameter_supported": True,  # RFC 9207 section 3
    "client_id_metadata_document_supported": True,  # draft-ietf-oauth-client-id-metadata-document section 5
}


def asks_people(grants: Iterable[str]) -> bool:
    """Whether a person can be asked at the authorization endpoint."""
    return "authorization_code" in grants


def metadata_paths(issuer: str) -> tuple[str, ...]:
    """Where the metadata of `issuer` stands: between its host and its path (RFC 8414 section 3).

    Behind a proxy that strips the path, it is asked for without one.
    """
    path = urlsplit(issuer).path.rstrip("/")
    return (METADATA_PATH, METADATA_PATH + path) if path else (METADATA_PATH,)


def server_metadata(issuer: str, *, grants: Iterable[str], methods: Sequence[str]) -> dict[str, Any]:
    """The metadata document of `issuer`, with the grant types and client authentication methods that it takes.

    `scopes_supported` is left out: it would list purposes, and MCP clients would ask for all
    of them. The authorization endpoint is named because stock MCP clients refuse metadata
    without one; where no person can consent, it refuses every response type.
    """
    types = sorted(grants)
    profiles = {"authorization_grant_profiles_supported": [asserted.PROFILE]} if asserted.GRANT in types else {}
    bound = {"tls_client_certificate_bound_access_tokens": True} if {SIGNED, SELF_SIGNED} & set(methods) else {}
    return {
        "issuer": issuer,
        "token_endpoint": issuer + TOKEN_PATH,
        "jwks_uri": issuer + JWKS_PATH,
        "authorization_endpoint": issuer + AUTHORIZE_PATH,
        "response_types_supported": ["code"] if asks_people(types) else [],
        "grant_types_supported": types,
        "token_endpoint_auth_methods_supported": list(methods),
        "token_endpoint_auth_signing_alg_values_supported": list(attestation.ALGORITHMS),
        "introspection_endpoint": issuer + INTROSPECTION_PATH,
        # RFC 8414 section 2: also the token types that are taken; an enforcement point shows its own as Bearer.
        "introspection_endpoint_auth_methods_supported": [*(each for each in methods if each != "none"), "Bearer"],
        "introspection_endpoint_auth_signing_alg_values_supported": list(attestation.ALGORITHMS),
        "revocation_endpoint": issuer + REVOCATION_PATH,
        "revocation_endpoint_auth_methods_supported": list(methods),
        "revocation_endpoint_auth_signing_alg_values_supported": list(attestation.ALGORITHMS),
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
        "authorization_details_types_supported": [details.TYPE],
        # draft-ietf-oauth-identity-assertion-authz-grant section 7; RFC 8705 section 3.3, at the same endpoints: there
        # is no second listener, so no `mtls_endpoint_aliases`.
        **(_AUTHORIZATION if asks_people(types) else {}),
        **profiles,
        **bound,
    }
