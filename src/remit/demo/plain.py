"""Authorisation as a stock client does it: the `mcp` SDK's own private_key_jwt provider, no DPoP.

Its tokens are bearer tokens: whoever steals one can use it for up to five minutes. Remit
issues them only to agents registered with `sender_constraint: none`, and calls that a finding.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from mcp.client.auth import TokenStorage
from mcp.client.auth.extensions.client_credentials import PrivateKeyJWTOAuthProvider, SignedJWTParameters
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken


class _Memory(TokenStorage):
    """Tokens of this process, kept nowhere else."""

    def __init__(self) -> None:
        self._tokens: OAuthToken | None = None
        self._client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._client = client_info


def plain_auth(url: str, issuer: str, agent: str, key_file: Path, purpose: str) -> httpx2.Auth:
    """The SDK's provider for `agent` on the server at `url`, asking for scope `purpose:PURPOSE`."""
    parameters = SignedJWTParameters(
        issuer=agent,
        subject=agent,
        signing_key=_pem(json.loads(key_file.read_text(encoding="utf-8"))),
        signing_algorithm="ES256",
    )
    return PrivateKeyJWTOAuthProvider(
        server_url=url,
        storage=_Memory(),
        client_id=agent,
        assertion_provider=parameters.create_assertion_provider(),
        scope=f"purpose:{purpose}",
        issuer=issuer,
    )


def _pem(jwk: dict[str, str]) -> str:
    """An EC key as the SDK's provider takes it."""
    secret = base64.urlsafe_b64decode(jwk["d"] + "=" * (-len(jwk["d"]) % 4))
    key = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
