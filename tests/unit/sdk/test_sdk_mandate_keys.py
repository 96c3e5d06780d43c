"""A mandate is verified with the key that signed it, of whichever of the two kinds; Remit's keys rotate."""

from __future__ import annotations

import json
from typing import Any

import pytest

from remit.keys import jose
from remit.keys.base64url import encode
from remit.sdk.mandate import MandateInvalid, verify

ISSUER, NOW = "https://remit.example.test", 1_800_000_000
CLAIMS = {"iss": ISSUER, "sub": "bot", "iat": NOW, "exp": NOW + 300, "actions": []}
OLD, NEW = (jose.private_key(jose.generate(algorithm)) for algorithm in ("ES256", "Ed25519"))
JWKS = {"keys": [dict(key.public.jwk) for key in (OLD, NEW)]}


def signed(key: jose.SigningKey) -> str:
    return jose.sign(CLAIMS, typ="remit-mandate+jwt", key=key)


@pytest.mark.parametrize("key", [OLD, NEW])
def test_each_of_the_published_keys_verifies(key: jose.SigningKey) -> None:
    assert verify(signed(key), JWKS, issuer=ISSUER, now=NOW).claims["sub"] == "bot"
    with pytest.raises(MandateInvalid, match="read /oauth2/jwks again"):
        verify(signed(key), {"keys": []}, issuer=ISSUER, now=NOW)


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519", "EdDSA", "none", ["ES256"], {}, None])
@pytest.mark.parametrize("key", [OLD, NEW])
def test_an_algorithm_that_is_not_the_keys_is_none(key: jose.SigningKey, algorithm: Any) -> None:
    if algorithm == key.algorithm:
        return
    _, body, signature = signed(key).split(".")
    header = {"alg": algorithm, "typ": "remit-mandate+jwt", "kid": key.kid}
    forged = f"{encode(json.dumps(header).encode())}.{body}.{signature}"
    with pytest.raises(MandateInvalid):
        verify(forged, JWKS, issuer=ISSUER, now=NOW)


def test_a_signature_of_the_other_key_is_wrong() -> None:
    head, body, _ = signed(OLD).split(".")
    with pytest.raises(MandateInvalid, match="signature is wrong"):
        verify(f"{head}.{body}.{signed(NEW).split('.')[2]}", JWKS, issuer=ISSUER, now=NOW)
