"""RSA keys for security event tokens: made, opened again, and good for nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import Instant
from remit.keys import jose, signing
from remit.keys.base64url import decode, digest, encode
from remit.keys.foreign import key_set
from remit.keys.jwk import JoseInvalid
from remit.keys.rotation import KeyState
from remit.keys.set_key import BITS, SetKey, generate_set_key, public_half, set_key

JWK = generate_set_key()
KEY = set_key(JWK)
OTHER = generate_set_key()
NOW = Instant(1_800_000_000_000_000)


@pytest.mark.requirement("set:rs256")
def test_it_is_as_strong_as_the_other_keys_and_named_by_its_thumbprint() -> None:
    assert BITS == 3072
    assert len(decode(JWK["n"])) * 8 == BITS
    assert JWK["e"] == "AQAB"
    assert (JWK["kty"], JWK["alg"], JWK["use"]) == ("RSA", "RS256", "sig")
    # RFC 7638 section 3.2, written out.
    text = f'{{"e":"{JWK["e"]}","kty":"RSA","n":"{JWK["n"]}"}}'
    assert JWK["kid"] == KEY.kid == digest(text.encode())
    assert JWK["kid"] != OTHER["kid"]


def test_its_public_half_holds_nothing_private() -> None:
    assert set(public_half(JWK)) == {"kty", "n", "e", "alg", "use", "kid"}
    assert public_half({**JWK, "oth": "x", "new": "y"}) == public_half(JWK) == KEY.jwk
    assert repr(KEY) == f"<set key {KEY.kid}>"


@given(st.binary(max_size=200))
def test_what_it_signs_is_verified_by_its_public_half_alone(message: bytes) -> None:
    signature = KEY.sign(message)
    assert len(signature) * 8 == BITS
    assert signature == KEY.sign(message)
    verifier = key_set({"keys": [KEY.jwk]}).find({"kid": KEY.kid, "alg": "RS256"})
    assert verifier is not None
    assert verifier.verifies(signature, message)
    assert not verifier.verifies(signature, message + b"x")
    other = key_set({"keys": [public_half(OTHER)]}).find({"kid": OTHER["kid"], "alg": "RS256"})
    assert other is not None
    assert not other.verifies(signature, message)


@pytest.mark.parametrize("algorithm", ["PS256", "RS384", "RS512", "ES256", "HS256"])
def test_it_is_for_one_algorithm(algorithm: str) -> None:
    assert key_set({"keys": [KEY.jwk]}).find({"kid": KEY.kid, "alg": algorithm}) is None


def _short() -> dict[str, Any]:
    own = rsa.generate_private_key(65537, 2048).private_numbers()
    numbers = {
        "n": own.public_numbers.n, "d": own.d, "p": own.p, "q": own.q, "dp": own.dmp1, "dq": own.dmq1, "qi": own.iqmp,
    }  # fmt: skip
    return {name: encode(number.to_bytes((number.bit_length() + 7) // 8, "big")) for name, number in numbers.items()}


BAD: dict[str, dict[str, Any]] = {
    "another kind": {"kty": "EC"},
    "no algorithm": {"alg": None},
    "another algorithm": {"alg": "PS256"},
    "another use": {"use": "enc"},
    "no name": {"kid": None},
    "another's modulus": {"n": OTHER["n"]},
    "another's primes": {"p": OTHER["p"], "q": OTHER["q"]},
    "another exponent": {"e": "Aw"},
    "no private half": {"d": None},
    "a prime that is no text": {"p": 7},
    "an empty prime": {"q": ""},
    "no base64url": {"dp": "a+b="},
    "fewer bits": _short(),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_such_key_is_not_opened(what: str) -> None:
    with pytest.raises(JoseInvalid):
        set_key({**JWK, **BAD[what]})


def test_a_key_of_tokens_is_none_and_it_is_no_key_of_tokens() -> None:
    """RFC 8725 section 2.8: the two families do not meet."""
    with pytest.raises(JoseInvalid):
        set_key(jose.generate())
    for read in (jose.public_key, jose.private_key, jose.thumbprint):
        with pytest.raises(JoseInvalid):
            read(KEY.jwk if read is jose.public_key else JWK)
    with pytest.raises(JoseInvalid):
        jose.generate("RS256")


def test_it_makes_no_proof() -> None:
    with pytest.raises(JoseInvalid, match="a proof is signed"):
        jose.sign({"jti": "a"}, typ="dpop+jwt", key=KEY)


def test_none_is_made_within_a_change() -> None:
    assert signing.prepared("token") is None
    with pytest.raises(JoseInvalid):
        signing.new_signing_key(bytes(32), generation=1, use="set", algorithm="RS256", state=KeyState.PENDING, now=NOW)


def test_what_is_stored_of_it_in_clear_is_its_public_half(monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter([{**JWK, "kid": "-abc"}, JWK])
    monkeypatch.setattr(signing, "generate_set_key", lambda: next(made))
    jwk = signing.prepared("set")
    assert jwk == JWK, "no kid is taken for an option"
    row = signing.new_signing_key(
        bytes(32), generation=1, use="set", algorithm="RS256", state=KeyState.PENDING, now=NOW, jwk=jwk
    )
    for private in ("d", "p", "q", "dp", "dq", "qi"):
        assert JWK[private] not in row.public
        assert not re.search(f'"{private}"', row.public)
        assert JWK[private].encode() not in row.wrapped
    ((record, opened),) = signing.SigningKeys().open([row], lambda _generation: bytes(32))
    assert isinstance(opened, SetKey)
    assert (record.kid, opened.jwk, opened.sign(b"x")) == (KEY.kid, KEY.jwk, KEY.sign(b"x"))
