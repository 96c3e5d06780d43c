"""Signed tokens of Remit and its agents, verified as strictly as Remit verifies them (RFC 7515, RFC 7519, RFC 8725)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from remit.sdk.strict_json import NotJson, an_object

PROOF: Final = "dpop+jwt"
_COORDINATE: Final = 32
_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\Z")
_KINDS: Final = {("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "Ed25519"}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
# crit: nothing critical is understood. b64: RFC 7797. jku, x5u, x5c: a key the sender chose. enc, zip: JWE.
_REFUSED: Final = frozenset({"crit", "b64", "jku", "x5u", "x5c", "enc", "zip"})
_TIMES: Final = ("exp", "nbf", "iat", "run_exp")


class JwsInvalid(ValueError):
    """No token that is taken; the reason holds nothing of it."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A P-256 or Ed25519 key, which checks signatures of one algorithm."""

    algorithm: str
    kid: str | None
    thumbprint: str  # RFC 7638, SHA-256, base64url
    key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` (64 bytes, RFC 7518 section 3.4) is this key's over `message`."""
        if len(signature) != 2 * _COORDINATE:
            return False
        try:
            if isinstance(self.key, ed25519.Ed25519PublicKey):
                self.key.verify(signature, message)
            else:
                r, s = (int.from_bytes(part) for part in (signature[:_COORDINATE], signature[_COORDINATE:]))
                self.key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def verify(
    token: str, *, typ: str, key: Callable[[str], PublicKey | None], max_size: int = 8192
) -> tuple[dict[str, Any], PublicKey]:
    """Check one token; its claims, and the key that signed it. Times and audiences are the caller's to judge.

    Args:
        token: Compact form.
        typ: The type it must be of. For `dpop+jwt` the key is the header's own `jwk`, and `key` is not asked.
        key: The key of a `kid`, or None.
        max_size: In characters.

    Raises:
        JwsInvalid: Anything else than a well-formed token of that type with a good signature by that key.
    """
    # (1) Size and grammar, before anything is decoded.
    match = _COMPACT.match(token) if isinstance(token, str) and len(token) <= max_size else None
    if match is None:
        raise JwsInvalid("not a compact token")
    # (2) The header: nothing critical, no key but a proof's own, the type asked for (RFC 8725 section 3.11).
    header = _object(match[1])
    if not _REFUSED.isdisjoint(header) or _typ(header) != typ:
        raise JwsInvalid("the token is of another type, or asks for what is not done here")
    # (3) The algorithm is the one that the key is for (RFC 8725 section 3.1).
    signer = _signer(header, proof=typ == PROOF, key=key)
    if signer is None or signer.algorithm != header.get("alg"):
        raise JwsInvalid("the token's key is unknown, or for another algorithm")
    # (4) The signature, before the claims are looked at.
    if not signer.verifies(octets(match[3]), f"{match[1]}.{match[2]}".encode("ascii")):
        raise JwsInvalid("the token's signature is wrong")
    claims = _object(match[2])
    if any(name in claims and type(claims[name]) is not int for name in _TIMES):
        raise JwsInvalid("a time is not a whole number of seconds")
    return claims, signer


def public_key(jwk: object) -> PublicKey:
    """The key in a public JWK (RFC 7517).

    Raises:
        JwsInvalid: Another kind of key, a private one, one for another use, or not on its curve.
    """
    if not isinstance(jwk, Mapping) or _PRIVATE & jwk.keys():
        raise JwsInvalid("not a public JWK")
    kty, crv, kid = jwk.get("kty"), jwk.get("crv"), jwk.get("kid")
    algorithm = _KINDS.get((kty, crv)) if isinstance(kty, str) and isinstance(crv, str) else None
    if algorithm is None or jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig":
        raise JwsInvalid("only P-256 and Ed25519 keys for signatures are taken")
    if not isinstance(jwk.get("key_ops", []), list) or "verify" not in jwk.get("key_ops", ["verify"]):
        raise JwsInvalid("the JWK is not for this operation")
    if kid is not None and not isinstance(kid, str):
        raise JwsInvalid("the JWK's kid is not text")
    names = ("crv", "kty", "x", "y") if kty == "EC" else ("crv", "kty", "x")
    x = _member(jwk, "x")
    try:
        key = (
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + x + _member(jwk, "y"))
            if kty == "EC"
            else ed25519.Ed25519PublicKey.from_public_bytes(x)
        )
    except ValueError as error:
        raise JwsInvalid("the JWK is no valid key") from error
    canonical = json.dumps({name: jwk[name] for name in names}, separators=(",", ":"), sort_keys=True)
    return PublicKey(algorithm, kid, base64url(hashlib.sha256(canonical.encode()).digest()), key)


def octets(segment: str) -> bytes:
    """What a base64url text stands for.

    Raises:
        JwsInvalid: Another alphabet, padding, or bits behind the value: two texts for one signature were two tokens.
    """
    try:
        found = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise JwsInvalid("not base64url") from error
    if base64url(found) != segment:
        raise JwsInvalid("not base64url in its one spelling")
    return found


def base64url(data: bytes) -> str:
    """`data` in base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _signer(header: Mapping[str, Any], *, proof: bool, key: Callable[[str], PublicKey | None]) -> PublicKey | None:
    if proof:
        return public_key(header.get("jwk"))
    if "jwk" in header:
        raise JwsInvalid("the token brings its own key")  # CVE-2018-0114
    kid = header.get("kid")
    return key(kid) if isinstance(kid, str) else None


def _typ(header: Mapping[str, Any]) -> str:
    """RFC 7515 section 4.1.9: a media type, its `application/` usually left out."""
    typ = header.get("typ")
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else ""


def _object(segment: str) -> dict[str, Any]:
    try:
        members = an_object(octets(segment))
    except NotJson as error:
        raise JwsInvalid("not strict JSON") from error
    if any(isinstance(value, Decimal) for value in members.values()):
        raise JwsInvalid("a number that is not an integer")
    return members


def _member(jwk: Mapping[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    found = octets(value) if isinstance(value, str) else b""
    if len(found) != _COORDINATE:
        raise JwsInvalid(f"the JWK's {name} is not 32 bytes")
    return found
