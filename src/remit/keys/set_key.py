"""The RSA keys that sign security event tokens (RS256, RFC 7518 section 3.3), and nothing else.

Receivers of SETs must take RS256 and need take nothing else (CAEP interoperability profile 1.0), so these keys are a
family of their own. They are of another type than the keys of access tokens (`jwk`): what checks access tokens knows
neither the algorithm nor the keys (RFC 8725 sections 2.8 and 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from remit.kernel.canonical import canonical
from remit.keys.base64url import decode, digest, encode
from remit.keys.jwk import JoseInvalid

RS256: Final = "RS256"
BITS: Final = 3072
"""As strong as P-256: 128 bits (NIST SP 800-57 part 1, table 2). 2048 would do until 2030 and be weaker than all else
that signs here; what 3072 costs more is 0.2 s when a key is made and half a millisecond an event."""
_EXPONENT: Final = 65537
_PUBLIC: Final = ("kty", "n", "e", "alg", "use", "kid")
_PRIVATE: Final = ("d", "p", "q", "dp", "dq", "qi")


@dataclass(frozen=True, slots=True)
class SetKey:
    """A private RSA key with its public half."""

    kid: str
    jwk: Mapping[str, Any]  # the public half
    key: rsa.RSAPrivateKey

    @property
    def algorithm(self) -> str:
        """`RS256`."""
        return RS256

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`: RSASSA-PKCS1-v1_5, the same for the same message."""
        return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def __repr__(self) -> str:
        return f"<set key {self.kid}>"


def generate_set_key() -> dict[str, str]:
    """A new private JWK, its kid the RFC 7638 thumbprint.

    Takes a processor for 0.1 to 0.5 s and lets other threads run: never call it where others wait, as in a change.
    """
    pair = rsa.generate_private_key(public_exponent=_EXPONENT, key_size=BITS)
    own = pair.private_numbers()
    public = {"kty": "RSA", "n": _text(own.public_numbers.n), "e": _text(own.public_numbers.e)}
    # RFC 7518 section 6.3.2: with one prime there are all, and dp, dq and qi beside them.
    numbers = (own.d, own.p, own.q, own.dmp1, own.dmq1, own.iqmp)
    private = {name: _text(number) for name, number in zip(_PRIVATE, numbers, strict=True)}
    return {**public, **private, "alg": RS256, "use": "sig", "kid": digest(canonical(public))}


def public_half(jwk: Mapping[str, Any]) -> dict[str, Any]:
    """What everybody may see of a private JWK. Named one by one: what is new in a key is private."""
    return {name: jwk[name] for name in _PUBLIC if name in jwk}


def set_key(jwk: Mapping[str, Any]) -> SetKey:
    """Import a private JWK that `generate_set_key` made and that was sealed since.

    Raises:
        JoseInvalid: No RSA key for RS256 of this size, or two halves of different keys.
    """
    if (jwk.get("kty"), jwk.get("alg"), jwk.get("use")) != ("RSA", RS256, "sig") or not isinstance(jwk.get("kid"), str):
        raise JoseInvalid("not a key for security event tokens")
    n, e = _number(jwk, "n"), _number(jwk, "e")
    d, p, q, dp, dq, qi = (_number(jwk, name) for name in _PRIVATE)
    if n.bit_length() != BITS or e != _EXPONENT:
        raise JoseInvalid(f"a key for security event tokens has {BITS} bits, and the exponent {_EXPONENT}")
    numbers = rsa.RSAPrivateNumbers(p=p, q=q, d=d, dmp1=dp, dmq1=dq, iqmp=qi, public_numbers=rsa.RSAPublicNumbers(e, n))
    try:
        # That the primes are the modulus is checked. That they are prime is not: it would take a sixth of a second at
        # each start, and the seal says whose they are.
        key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    except ValueError as error:
        raise JoseInvalid("the JWK is no valid key") from error
    return SetKey(kid=jwk["kid"], jwk=public_half(jwk), key=key)


def _text(number: int) -> str:
    return encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _number(jwk: Mapping[str, Any], name: str) -> int:
    value = jwk.get(name)
    try:
        octets = decode(value) if isinstance(value, str) else b""
    except ValueError as error:
        raise JoseInvalid(f"the JWK's {name} is not base64url") from error
    if not octets:
        raise JoseInvalid(f"the JWK's {name} is not there")
    return int.from_bytes(octets, "big")
