"""The keys of one deployment, as values the rooms above use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ed25519

from remit.keys.jwk import ED25519, ES256, PublicKey, SigningKey
from remit.keys.set_key import SetKey

TOKEN_ALGORITHMS: Final = (ES256, ED25519)
"""What a token key may be for. Each key is for one of them alone (RFC 8725 section 3.1)."""


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
class _Held:
    active: SigningKey
    verifying: Mapping[str, PublicKey]
    distrusted: frozenset[str]


class TokenKeys:
    """The keys of access tokens as they are now: one signs, all that are published verify.

    Shared by whoever signs or verifies; `replace` swaps all of it at once under requests that are being served.

    Args:
        active: The key that signs.
        verifying: The published keys by kid: the pending one, the active one, those that only verify.
        distrusted: The kids of keys that were retired before their time.
    """

    __slots__ = ("_held",)

    def __init__(
        self, *, active: SigningKey, verifying: Mapping[str, PublicKey], distrusted: Iterable[str] = ()
    ) -> None:
        self._held = _Held(active, dict(verifying), frozenset(distrusted))

    @property
    def active(self) -> SigningKey:
        """The key that signs."""
        return self._held.active

    def public(self, kid: str) -> PublicKey | None:
        """The key that verifies tokens with this kid, or None."""
        return self._held.verifying.get(kid)

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK set (RFC 7517 section 5)."""
        return {"keys": [dict(key.jwk) for key in self._held.verifying.values()]}

    def distrusts(self, kid: str) -> bool:
        """Whether what this key signed counts no more, and what was begun with it must end."""
        return kid in self._held.distrusted

    def replace(self, other: TokenKeys) -> None:
        """From now on it is those keys. One reference is exchanged: no reader sees half of it."""
        self._held = other._held


@dataclass(frozen=True, slots=True)
class _HeldSets:
    active: SetKey | None
    published: tuple[Mapping[str, Any], ...]


class SetKeys:
    """The keys of security event tokens as they are now. Remit signs with one and checks nothing with any.

    Kept apart from `TokenKeys` by type, and published in a JWKS of their own: whoever takes access tokens by the keys
    of `/oauth2/jwks` takes none that one of these signed (RFC 8725 section 2.8).

    Args:
        active: The key that signs; None until the first one is made, a second or two after a first start.
        published: The public keys: of the pending one, the active one, those that are checked with only.
    """

    __slots__ = ("_held",)

    def __init__(self, *, active: SetKey | None = None, published: Iterable[Mapping[str, Any]] = ()) -> None:
        self._held = _HeldSets(active, tuple(published))

    @property
    def active(self) -> SetKey | None:
        """The key that signs, if there is one yet."""
        return self._held.active

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK set (RFC 7517 section 5)."""
        return {"keys": [dict(jwk) for jwk in self._held.published]}

    def replace(self, other: SetKeys) -> None:
        """From now on it is those keys. One reference is exchanged: no reader sees half of it."""
        self._held = other._held


def log_key(deployment: str, key: SigningKey) -> LogKey:
    """The log key of `deployment`."""
    if not isinstance(key.key, ed25519.Ed25519PrivateKey):
        raise TypeError("the log key is Ed25519")
    return LogKey(origin=f"remit/{deployment}", public=key.key.public_key().public_bytes_raw(), key=key)
