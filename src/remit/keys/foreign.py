"""Keys of others: the key sets that issuers publish, and what they sign with (RFC 7517, 7518, 8037).

Remit itself signs with P-256 and Ed25519 (`jwk`). Issuers whose word is taken sign as they please, within what
stands here: asymmetric, and at least 112 bits strong. There is no HMAC and no `none` to choose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from remit.kernel.canonical import parse
from remit.kernel.errors import Malformed
from remit.keys.base64url import decode
from remit.keys.jwk import JoseInvalid

_Key = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class _Way(NamedTuple):
    kind: str  # the kty
    curve: str  # the crv; empty for RSA
    digest: hashes.HashAlgorithm | None
    pss: bool = False


_WAYS: Final[Mapping[str, _Way]] = {
    "RS256": _Way("RSA", "", hashes.SHA256()),
    "RS384": _Way("RSA", "", hashes.SHA384()),
    "RS512": _Way("RSA", "", hashes.SHA512()),
    "PS256": _Way("RSA", "", hashes.SHA256(), pss=True),
    "PS384": _Way("RSA", "", hashes.SHA384(), pss=True),
    "PS512": _Way("RSA", "", hashes.SHA512(), pss=True),
    "ES256": _Way("EC", "P-256", hashes.SHA256()),
    "ES384": _Way("EC", "P-384", hashes.SHA384()),
    "ES512": _Way("EC", "P-521", hashes.SHA512()),
    "EdDSA": _Way("OKP", "Ed25519", None),
    "Ed25519": _Way("OKP", "Ed25519", None),
}
ALGORITHMS: Final = tuple(_WAYS)
SPIFFE_ALGORITHMS: Final = tuple(name for name in _WAYS if name[:2] in {"RS", "ES", "PS"})  # JWT-SVID section 2.1

_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_MOST_KEYS: Final = 100
_RSA_BITS: Final = range(2048, 8193)
_RSA_EXPONENT: Final = 65537


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A published key, for one algorithm. Fits `jose.verify`."""

    algorithm: str
    key: _Key

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature`, in JOSE form, is this key's over `message`."""
        way = _WAYS[self.algorithm]
        try:
            if isinstance(self.key, rsa.RSAPublicKey) and way.digest is not None:
                # RFC 7518 section 3.5: the salt is as long as the digest.
                scheme = (
                    padding.PSS(padding.MGF1(way.digest), way.digest.digest_size) if way.pss else padding.PKCS1v15()
                )
                self.key.verify(signature, message, scheme, way.digest)
            elif isinstance(self.key, ec.EllipticCurvePublicKey) and way.digest is not None:
                self.key.verify(_der(signature, self.key.curve.key_size), message, ec.ECDSA(way.digest))
            elif isinstance(self.key, ed25519.Ed25519PublicKey):
                self.key.verify(signature, message)
            else:
                return False
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Published:
    """One key of a set, with what its JWK says about its use."""

    kid: str
    key: _Key
    kind: str
    curve: str
    only: str | None  # its `alg`, where it has one
    use: str | None

    def for_algorithm(self, algorithm: str) -> ForeignKey | None:
        """The key for `algorithm`, if it is for that."""
        way = _WAYS.get(algorithm)
        if way is None or (way.kind, way.curve) != (self.kind, self.curve) or self.only not in (None, algorithm):
            return None
        return ForeignKey(algorithm, self.key)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one issuer that are for signatures. Never merged with another issuer's."""

    keys: tuple[Published, ...] = ()

    def knows(self, kid: str) -> bool:
        """Whether there is a key of that id."""
        return any(each.kid == kid for each in self.keys)

    def find(self, header: Mapping[str, Any]) -> ForeignKey | None:
        """The key that a token's header names by its `kid`, for the algorithm it names; a token without one has none.

        An issuer with several keys must name the one it used (OpenID Connect Core section 10.1); to try each would
        let a key stand in for another.
        """
        kid, algorithm = header.get("kid"), header.get("alg")
        for each in self.keys:
            if isinstance(kid, str) and each.kid == kid and (found := each.for_algorithm(str(algorithm))):
                return found
        return None


def key_set(document: Mapping[str, Any] | bytes, *, use: str = "sig") -> KeySet:
    """Read a JWK set, or the text of one. Keys for other uses, and of kinds that are not known here, are left out.

    Args:
        document: The set (RFC 7517 section 5).
        use: What a key's `use` must say, if it says one: `sig`; in a SPIFFE bundle it must say `jwt-svid`.

    Raises:
        JoseInvalid: It is no set; a private key stands in it; or no key of it can be used.
    """
    try:
        said = parse(document) if isinstance(document, bytes) else document
    except Malformed as error:
        raise JoseInvalid("the key set is not strict JSON") from error
    keys = said.get("keys") if isinstance(said, Mapping) else None
    if not isinstance(keys, list):
        raise JoseInvalid("the key set has no list of keys")
    if len(keys) > _MOST_KEYS:
        raise JoseInvalid(f"the key set has more than {_MOST_KEYS} keys")
    found = tuple(each for jwk in keys if (each := _published(jwk, use)) is not None)
    if not found:
        raise JoseInvalid("the key set has no key that can be used")
    return KeySet(found)


def _published(jwk: object, use: str) -> Published | None:
    if not isinstance(jwk, Mapping):
        raise JoseInvalid("the key set holds what is no key")
    if _PRIVATE & jwk.keys():
        # A private key that was shown is no one's key, and a symmetric one is a password.
        raise JoseInvalid("the key set holds a private or symmetric key")
    kid, kind, curve, only = jwk.get("kid"), jwk.get("kty"), jwk.get("crv", ""), jwk.get("alg")
    said = jwk.get("use", "sig" if use == "sig" else None)
    operations = jwk.get("key_ops", ["verify"])
    fits = isinstance(kid, str) and kid and said == use and isinstance(operations, list) and "verify" in operations
    if not fits or not isinstance(kind, str) or not isinstance(curve, str):
        return None
    if only is not None and only not in _WAYS:
        return None
    key = _imported(jwk, kind, curve)
    if key is None:
        return None
    return Published(kid=str(kid), key=key, kind=kind, curve=curve if kind != "RSA" else "", only=only, use=said)


def _imported(jwk: Mapping[str, Any], kind: str, curve: str) -> _Key | None:
    try:
        if kind == "RSA":
            return _rsa(_number(jwk, "n"), _number(jwk, "e"))
        if kind == "EC" and curve in _CURVES:
            size = (_CURVES[curve].key_size + 7) // 8
            point = b"\x04" + _octets(jwk, "x", size) + _octets(jwk, "y", size)
            return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve], point)  # checks that it is on the curve
        if kind == "OKP" and curve == "Ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(_octets(jwk, "x", 32))
    except ValueError as error:
        raise JoseInvalid("the key set holds a key that is none") from error
    return None


def _rsa(modulus: int, exponent: int) -> rsa.RSAPublicKey:
    if modulus.bit_length() not in _RSA_BITS:
        raise JoseInvalid("an RSA key has from 2048 to 8192 bits")
    if exponent < _RSA_EXPONENT or exponent.bit_length() > 32 or exponent % 2 == 0:  # noqa: PLR2004 - bits
        raise JoseInvalid("an RSA key's exponent is odd, and at least 65537")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _number(jwk: Mapping[str, Any], name: str) -> int:
    value = jwk.get(name)
    if not isinstance(value, str) or len(value) > 2048:  # noqa: PLR2004 - more than 8192 bits need
        raise ValueError(name)
    return int.from_bytes(decode(value), "big")


def _octets(jwk: Mapping[str, Any], name: str, size: int) -> bytes:
    value = jwk.get(name)
    octets = decode(value) if isinstance(value, str) else b""
    if len(octets) != size:
        raise ValueError(name)
    return octets


def _der(signature: bytes, bits: int) -> bytes:
    """RFC 7518 section 3.4: R and S, each as long as the curve, big-endian."""
    size = (bits + 7) // 8
    if len(signature) != 2 * size:
        raise ValueError("the signature's length")
    return encode_dss_signature(int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))
