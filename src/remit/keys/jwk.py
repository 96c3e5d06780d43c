"""JSON Web Keys, strictly: P-256 for ES256 and Ed25519, nothing else (RFC 7517, 7518, 8037, 9864)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from remit.kernel.canonical import canonical, parse
from remit.kernel.errors import Malformed, Unauthenticated
from remit.keys.base64url import decode, digest, encode

ES256 = "ES256"
ED25519 = "Ed25519"
_ECDSA = ec.ECDSA(hashes.SHA256())
_HASHED = ec.ECDSA(Prehashed(hashes.SHA256()))  # the same of a digest: hashing beforehand is a tenth quicker in all
_COORDINATE = 32
_SIGNATURE = 64
_MAX_JWK = 2048
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_KINDS = {("EC", "P-256"): ES256, ("OKP", "Ed25519"): ED25519}


class JoseInvalid(Unauthenticated):
    """A token or key that is not taken; the reason says why and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that checks signatures of one algorithm."""

    algorithm: str
    thumbprint: str  # RFC 7638, SHA-256, base64url
    kid: str | None
    jwk: Mapping[str, Any]
    key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` (64 bytes, JOSE form) is this key's over `message`."""
        if len(signature) != _SIGNATURE:
            return False
        try:
            if isinstance(self.key, ec.EllipticCurvePublicKey):
                # RFC 7518 section 3.4: R and S, 32 bytes each, big-endian. Zero and too large are refused below.
                r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
                self.key.verify(encode_dss_signature(r, s), sha256(message).digest(), _HASHED)
            else:
                self.key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its public half."""

    public: PublicKey
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

    @property
    def kid(self) -> str:
        """The key's id: the one it came with, else its thumbprint."""
        return self.public.kid or self.public.thumbprint

    @property
    def algorithm(self) -> str:
        """`ES256` or `Ed25519`."""
        return self.public.algorithm

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`, 64 bytes in JOSE form."""
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(self.key.sign(message, _ECDSA))
            return r.to_bytes(_COORDINATE, "big") + s.to_bytes(_COORDINATE, "big")
        return self.key.sign(message)

    def __repr__(self) -> str:
        return f"<signing key {self.kid}>"


def public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """Import a public JWK; cached, because the same few keys come with every call.

    Raises:
        JoseInvalid: Another kind of key, a private one, one for another use, or not on the curve.
    """
    try:
        return _import(canonical(dict(jwk)))
    except (Malformed, TypeError, ValueError) as error:
        raise JoseInvalid("not a JWK") from error


@lru_cache(maxsize=4096)
def _import(text: bytes) -> PublicKey:
    if len(text) > _MAX_JWK:
        raise JoseInvalid("the JWK is too large")
    jwk = parse(text)
    if _PRIVATE & jwk.keys():
        raise JoseInvalid("the JWK holds a private key")  # a key that was shown is no one's key
    algorithm = _algorithm(jwk, operation="verify")
    x = _member(jwk, "x")
    key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
    try:
        if algorithm == ES256:
            # Checks that the point is on the curve (invalid-curve attack).
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + x + _member(jwk, "y"))
        else:
            key = ed25519.Ed25519PublicKey.from_public_bytes(x)
    except ValueError as error:
        raise JoseInvalid("the JWK is no valid key") from error
    return PublicKey(algorithm=algorithm, thumbprint=thumbprint(jwk), kid=jwk.get("kid"), jwk=jwk, key=key)


def _algorithm(jwk: Mapping[str, Any], *, operation: str) -> str:
    """The one algorithm this key is for (RFC 7517 sections 4.2 to 4.4)."""
    kind = (jwk.get("kty"), jwk.get("crv"))
    if not all(isinstance(part, str) for part in kind) or kind not in _KINDS:
        raise JoseInvalid("only P-256 and Ed25519 keys are taken")
    algorithm = _KINDS[kind]
    if jwk.get("alg", algorithm) != algorithm:
        raise JoseInvalid("the JWK is for another algorithm")
    if jwk.get("use", "sig") != "sig":
        raise JoseInvalid("the JWK is not for signatures")
    operations = jwk.get("key_ops", [operation])
    if not isinstance(operations, list) or operation not in operations:
        raise JoseInvalid("the JWK is not for this operation")
    if not isinstance(jwk.get("kid", ""), str):
        raise JoseInvalid("the JWK's kid is not text")
    return algorithm


def _member(jwk: Mapping[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    try:
        octets = decode(value) if isinstance(value, str) else b""
    except ValueError as error:
        raise JoseInvalid(f"the JWK's {name} is not base64url") from error
    if len(octets) != _COORDINATE:
        raise JoseInvalid(f"the JWK's {name} is not 32 bytes")
    return octets


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The RFC 7638 SHA-256 thumbprint of an EC or OKP key, base64url.

    Raises:
        JoseInvalid: Another kind of key, or a required member is missing.
    """
    required = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}.get(str(jwk.get("kty")))
    if required is None or not all(isinstance(jwk.get(name), str) for name in required):
        raise JoseInvalid("not an EC or OKP key")
    return digest(canonical({name: jwk[name] for name in required}))


def generate(algorithm: str = ES256) -> dict[str, str]:
    """A new private JWK for `ES256` or `Ed25519`, its kid the thumbprint.

    Raises:
        JoseInvalid: Another algorithm.
    """
    if algorithm == ES256:
        pair = ec.generate_private_key(ec.SECP256R1())
        secret = pair.private_numbers().private_value.to_bytes(_COORDINATE, "big")
        jwk = {"kty": "EC", "crv": "P-256", **_point(pair.public_key())}
    elif algorithm == ED25519:
        edwards = ed25519.Ed25519PrivateKey.generate()
        secret = edwards.private_bytes_raw()
        jwk = {"kty": "OKP", "crv": "Ed25519", **_point(edwards.public_key())}
    else:
        raise JoseInvalid("only ES256 and Ed25519 keys are made")
    return {**jwk, "d": encode(secret), "alg": algorithm, "use": "sig", "kid": thumbprint(jwk)}


def _point(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> dict[str, str]:
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"x": encode(point[1:33]), "y": encode(point[33:])}
    return {"x": encode(key.public_bytes_raw())}


def private_key(jwk: Mapping[str, Any]) -> SigningKey:
    """Import a private JWK whose public half must be its own.

    Raises:
        JoseInvalid: No private P-256 or Ed25519 key for signing, or two halves of different keys.
    """
    algorithm = _algorithm(jwk, operation="sign")
    secret = _member(jwk, "d")
    key = _scalar(secret) if algorithm == ES256 else ed25519.Ed25519PrivateKey.from_private_bytes(secret)
    if any(jwk.get(name) != value for name, value in _point(key.public_key()).items()):
        raise JoseInvalid("the JWK's halves are of different keys")
    public = {name: jwk[name] for name in ("kty", "crv", "x", "y", "alg", "use", "kid") if name in jwk}
    return SigningKey(public=public_key(public), key=key)


def _scalar(secret: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        return ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())
    except ValueError as error:
        raise JoseInvalid("the JWK is no valid key") from error
