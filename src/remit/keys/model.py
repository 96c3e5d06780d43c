"""The keys of one deployment, as values the rooms above use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519

from remit.keys.jwk import PublicKey, SigningKey


@dataclass(frozen=True, slots=True)
class LogKey:
    """The Ed25519 key that signs the log's checkpoints, and the log's name."""

    origin: str  # "remit/" + deployment
    public: bytes  # 32 bytes
    key: SigningKey

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`."""
        return self.key.sign(message)


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """The ES256 keys of access tokens: one signs, all that are listed verify."""

    active: SigningKey
    verifying: Mapping[str, PublicKey]  # by kid, the active one among them

    def public(self, kid: str) -> PublicKey | None:
        """The key that verifies tokens with this kid, or None."""
        return self.verifying.get(kid)

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK set (RFC 7517 section 5)."""
        return {"keys": [dict(key.jwk) for key in self.verifying.values()]}


def log_key(deployment: str, key: SigningKey) -> LogKey:
    """The log key of `deployment`."""
    if not isinstance(key.key, ed25519.Ed25519PrivateKey):
        raise TypeError("the log key is Ed25519")
    return LogKey(origin=f"remit/{deployment}", public=key.key.public_key().public_bytes_raw(), key=key)
