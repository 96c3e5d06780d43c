"""Signed tokens: the one strict JOSE wrapper (RFC 7515 compact form, RFC 7519 claims, RFC 8725).

Written on `cryptography` itself: a token and a proof are verified on every call, and a
general library costs a third more there, takes 0.1 s to import and accepts padding bits
that make two texts of one token. What it would allow and nobody here needs does not exist:
encryption, symmetric keys, detached or unencoded content, keys fetched from a URL that a token names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol

from remit.kernel import canonical
from remit.kernel.errors import Malformed
from remit.keys.base64url import decode_checked, encode
from remit.keys.jwk import JoseInvalid, PublicKey, SigningKey, generate, private_key, public_key, thumbprint

__all__ = [
    "JoseInvalid",
    "PublicKey",
    "Signer",
    "SigningKey",
    "Verifier",
    "generate",
    "private_key",
    "proof_key",
    "public_key",
    "sign",
    "thumbprint",
    "verify",
]

PROOF = "dpop+jwt"
MAX_TOKEN = 8192
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\Z")
# crit: nothing critical is understood. b64: RFC 7797. jku, x5u, x5c: a key the sender chose. enc, zip: JWE.
_REFUSED = ("crit", "b64", "jku", "x5u", "x5c", "enc", "zip")
_TIMES = ("exp", "nbf", "iat", "auth_time")


class Verifier(Protocol):
    """What checks a signature: a key for one algorithm."""

    @property
    def algorithm(self) -> str:
        """The one it is for."""
        ...

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature`, in JOSE form, is this key's over `message`."""
        ...


class Signer(Protocol):
    """What makes a signature: a private key for one algorithm."""

    @property
    def kid(self) -> str:
        """Its id."""
        ...

    @property
    def algorithm(self) -> str:
        """The one it is for."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`, in JOSE form."""
        ...


@dataclass(frozen=True, slots=True)
class _Header:
    members: Mapping[str, Any]
    algorithm: str
    typ: str
    embedded: PublicKey | None


def sign(claims: Mapping[str, Any], *, typ: str, key: Signer) -> str:
    """A compact token over `claims`. A proof (`dpop+jwt`) carries its public key, all others the kid.

    Raises:
        JoseInvalid: A proof, by a key that makes none.
    """
    signed = f"{_own_header(typ, key)}.{encode(canonical.encode(claims))}"
    return f"{signed}.{encode(key.sign(signed.encode('ascii')))}"


def _own_header(typ: str, key: Signer) -> str:
    named: dict[str, Any] = {"kid": key.kid}
    if typ == PROOF:
        if not isinstance(key, SigningKey):
            raise JoseInvalid("a proof is signed with a P-256 or Ed25519 key")
        named = {"jwk": {name: key.public.jwk[name] for name in ("kty", "crv", "x", "y") if name in key.public.jwk}}
    return encode(canonical.encode({"alg": key.algorithm, "typ": typ, **named}))


def verify(
    token: str,
    *,
    typ: str | tuple[str, ...],
    algorithms: Sequence[str],
    key: Callable[[Mapping[str, Any]], Verifier | None],
    max_size: int = MAX_TOKEN,
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Check one token and return its header and claims. Times and audiences are the caller's to judge.

    Args:
        token: Compact form.
        typ: The type it must be of, or several; "" among them stands for a token without one.
            For `dpop+jwt` the key is the header's own `jwk`, and `key` is not asked.
        algorithms: Those allowed here: ES256 and Ed25519, or those of an issuer's own key set (`foreign`).
        key: The key for a header (by its kid), or None.
        max_size: In characters.

    Raises:
        JoseInvalid: Anything else than a well-formed token with a good signature by that key.
    """
    # (1) Size and grammar, before anything is decoded.
    if not isinstance(token, str) or len(token) > max_size or not _COMPACT.match(token):
        raise JoseInvalid("not a compact token")
    signed, _, signature = token.rpartition(".")
    head, _, body = signed.partition(".")
    # (2) The header: nothing critical, no key but a proof's own, the type asked for (RFC 8725 section 3.11).
    header = _header(head)
    if header.typ not in ((typ,) if isinstance(typ, str) else typ):
        raise JoseInvalid("the token is of another type")
    # (3) The algorithm is the one that is allowed here, and the one the key is for (RFC 8725 section 3.1).
    if header.algorithm not in algorithms:
        raise JoseInvalid("the token's algorithm is not allowed")
    signer: Verifier | None = header.embedded if header.typ == PROOF else key(header.members)
    if signer is None:
        raise JoseInvalid("the token's key is unknown")
    if signer.algorithm != header.algorithm:
        raise JoseInvalid("the token's key is for another algorithm")
    # (4) The signature, before the claims are looked at.
    if not signer.verifies(_octets(signature), signed.encode("ascii")):
        raise JoseInvalid("the token's signature is wrong")
    return header.members, _claims(_octets(body))


def proof_key(proof: str) -> PublicKey:
    """The key that a verified proof carries; read once, as `verify` reads it.

    Raises:
        JoseInvalid: It is no proof.
    """
    embedded = _header(proof.partition(".")[0]).embedded
    if embedded is None:
        raise JoseInvalid("the proof has no key")
    return embedded


@lru_cache(maxsize=2048)  # one per key and type in use; a sender's other headers only push each other out
def _header(segment: str) -> _Header:
    members = _object(_octets(segment), "header")
    if any(name in members for name in _REFUSED):
        raise JoseInvalid("the token's header asks for what is not done here")
    algorithm, typ = members.get("alg"), members.get("typ", "")
    if not isinstance(algorithm, str) or not isinstance(typ, str) or not isinstance(members.get("kid", ""), str):
        raise JoseInvalid("the token's header is malformed")
    # RFC 7515 section 4.1.9: a media type, its `application/` usually left out.
    typ = typ.lower().removeprefix("application/")
    embedded = None
    if typ == PROOF:
        if not isinstance(members.get("jwk"), dict):
            raise JoseInvalid("the proof has no key")
        embedded = public_key(members["jwk"])
    elif "jwk" in members:
        # CVE-2018-0114: a token that brings the key it is to be checked with.
        raise JoseInvalid("the token brings its own key")
    return _Header(members=members, algorithm=algorithm, typ=typ, embedded=embedded)


def _claims(octets: bytes) -> dict[str, Any]:
    claims = _object(octets, "claims")
    for name in _TIMES:
        if name in claims and type(claims[name]) is not int:
            raise JoseInvalid(f"the claim {name} is not an integer")
    if any(isinstance(value, Decimal) for value in claims.values()):
        raise JoseInvalid("a claim is a number that is not an integer")
    return claims


def _object(octets: bytes, what: str) -> dict[str, Any]:
    try:
        value = canonical.parse(octets)
    except Malformed as error:
        raise JoseInvalid(f"the token's {what} is not strict JSON") from error
    if not isinstance(value, dict):
        raise JoseInvalid(f"the token's {what} is not an object")
    return value


def _octets(segment: str) -> bytes:
    try:
        return decode_checked(segment)
    except ValueError as error:
        raise JoseInvalid("the token is not base64url in its one spelling") from error
