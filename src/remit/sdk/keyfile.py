"""An agent's private key: the file that `remit agent keygen` wrote, and what is signed with it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

_COORDINATE: Final = 32
_MAX_FILE: Final = 8192


class KeyFileInvalid(ValueError):
    """The file holds no private key this SDK signs with, or others on the machine may read it."""


@dataclass(frozen=True, slots=True)
class Key:
    """A private P-256 (ES256) or Ed25519 key."""

    algorithm: str
    public: Mapping[str, str]  # the members of the public JWK that RFC 7638 names
    thumbprint: str
    _private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey = field(repr=False)

    def sign(self, claims: Mapping[str, Any], *, typ: str) -> str:
        """A compact JWT over `claims`. A DPoP proof carries the public key, any other the key's thumbprint as kid."""
        named = {"jwk": dict(self.public)} if typ == "dpop+jwt" else {"kid": self.thumbprint}
        signed = f"{_json({'alg': self.algorithm, 'typ': typ, **named})}.{_json(claims)}"
        return f"{signed}.{_base64url(self._signature(signed.encode('ascii')))}"

    def _signature(self, message: bytes) -> bytes:
        if isinstance(self._private, ed25519.Ed25519PrivateKey):
            return self._private.sign(message)
        # RFC 7518 section 3.4: R and S, 32 bytes each, instead of DER.
        r, s = decode_dss_signature(self._private.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_COORDINATE, "big") + s.to_bytes(_COORDINATE, "big")


def load(path: str | os.PathLike[str]) -> Key:
    """Read the private JWK in the file `path`.

    Raises:
        KeyFileInvalid: It is no such key, or users other than its owner and group can get at it.
        OSError: It cannot be read.
    """
    file = Path(path)
    if stat.S_IMODE(file.stat().st_mode) & 0o007:
        raise KeyFileInvalid(f"{file} is open to other users of this machine; chmod 600 it")
    text = file.read_bytes()
    try:
        jwk = json.loads(text) if len(text) <= _MAX_FILE else None
    except ValueError as error:
        raise KeyFileInvalid(f"{file} is not a JWK") from error
    return from_jwk(jwk)


def fresh() -> Key:
    """A new P-256 key that lives in this process only."""
    return _elliptic(ec.generate_private_key(ec.SECP256R1()))


def from_jwk(jwk: object) -> Key:
    """The key in a private JWK (RFC 7517).

    Raises:
        KeyFileInvalid: It is none, or its two halves are not of one key.
    """
    if not isinstance(jwk, dict):
        raise KeyFileInvalid("not a JWK")
    try:
        secret = base64.urlsafe_b64decode(str(jwk["d"]) + "=" * (-len(str(jwk["d"])) % 4))
        kind = (jwk["kty"], jwk["crv"])
        if kind == ("EC", "P-256"):
            key = _elliptic(ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1()))
        elif kind == ("OKP", "Ed25519"):
            key = _edwards(ed25519.Ed25519PrivateKey.from_private_bytes(secret))
        else:
            raise KeyFileInvalid("only P-256 and Ed25519 keys are used")
    except (KeyError, ValueError) as error:
        raise KeyFileInvalid("not a private JWK") from error
    if any(jwk.get(name) != value for name, value in key.public.items()):
        raise KeyFileInvalid("the public and the private half are of different keys")
    return key


def _elliptic(private: ec.EllipticCurvePrivateKey) -> Key:
    numbers = private.public_key().public_numbers()
    x, y = (_base64url(number.to_bytes(_COORDINATE, "big")) for number in (numbers.x, numbers.y))
    return _key("ES256", {"crv": "P-256", "kty": "EC", "x": x, "y": y}, private)


def _edwards(private: ed25519.Ed25519PrivateKey) -> Key:
    x = _base64url(private.public_key().public_bytes_raw())
    return _key("Ed25519", {"crv": "Ed25519", "kty": "OKP", "x": x}, private)


def _key(
    algorithm: str, public: dict[str, str], private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
) -> Key:
    # RFC 7638 section 3: the required members in the order of their names, no spaces.
    thumbprint = hashlib.sha256(json.dumps(public, separators=(",", ":"), sort_keys=True).encode()).digest()
    return Key(algorithm, public, _base64url(thumbprint), private)


def _json(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")
