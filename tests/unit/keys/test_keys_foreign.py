from __future__ import annotations

from typing import Any

import pytest
from tests.unit.attestation.issuer import Key, key_set

from remit.keys import foreign, jose
from remit.keys.jose import JoseInvalid

ALL = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
KEYS = {name: Key(name, name) for name in ALL}


def verified(token: str, *keys: Key, algorithms: tuple[str, ...] = foreign.ALGORITHMS) -> dict[str, Any]:
    found = foreign.key_set(key_set(*keys))
    return jose.verify(token, typ=("", "jwt"), algorithms=algorithms, key=found.find)[1]


@pytest.mark.parametrize("algorithm", ALL)
def test_each_algorithm(algorithm: str) -> None:
    key = KEYS[algorithm]
    token = key.sign({"sub": "x"})
    assert verified(token, *KEYS.values()) == {"sub": "x"}
    head, body, signature = token.split(".")
    other = key.sign({"sub": "y"}).split(".")[2]
    for lie in (f"{head}.{body}.{other}", f"{head}.{body}.{signature[:-4]}", f"{head}.{body}.AA"):
        with pytest.raises(JoseInvalid):
            verified(lie, *KEYS.values())


def test_a_key_is_for_the_algorithm_that_it_names() -> None:
    found = foreign.key_set({"keys": [{k: v for k, v in KEYS["RS256"].jwk.items() if k != "alg"}]})
    assert found.find({"kid": "RS256", "alg": "PS256"}) is not None
    named = foreign.key_set(key_set(KEYS["RS256"]))
    assert named.find({"kid": "RS256", "alg": "PS256"}) is None
    assert named.find({"kid": "RS256", "alg": "ES256"}) is None
    for algorithm in ("none", "HS256", "", None, "RS1"):
        assert found.find({"kid": "RS256", "alg": algorithm}) is None


@pytest.mark.parametrize("kid", [None, 7, "", "other", ["RS256"]])
def test_a_token_names_its_key(kid: object) -> None:
    assert foreign.key_set(key_set(KEYS["RS256"])).find({"kid": kid, "alg": "RS256"}) is None


@pytest.mark.parametrize(
    "jwk",
    [
        {**KEYS["ES256"].jwk, "use": "enc"},
        {**KEYS["ES256"].jwk, "key_ops": ["encrypt"]},
        {**KEYS["ES256"].jwk, "alg": "ECDH-ES"},
        {**KEYS["ES256"].jwk, "kid": 7},
        {k: v for k, v in KEYS["ES256"].jwk.items() if k != "kid"},
        {"kty": "future", "kid": "a"},
        {"kty": "EC", "crv": "secp256k1", "kid": "a", "x": "AA", "y": "AA"},
    ],
)
def test_what_is_not_for_signatures_here_is_left_out(jwk: dict[str, Any]) -> None:
    assert [each.kid for each in foreign.key_set({"keys": [jwk, KEYS["RS256"].jwk]}).keys] == ["RS256"]
    with pytest.raises(JoseInvalid, match="no key that can be used"):
        foreign.key_set({"keys": [jwk]})


@pytest.mark.parametrize(
    "document",
    [
        b"{", b"[]", {"keys": {}}, {"keys": [7]}, {"keys": [KEYS["ES256"].jwk] * 101},
        {"keys": [jose.generate()]}, {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]},
        {"keys": [{**KEYS["ES256"].jwk, "x": KEYS["ES256"].jwk["y"]}]},
        {"keys": [{**KEYS["RS256"].jwk, "e": "Aw"}]},
        {"keys": [{**KEYS["RS256"].jwk, "n": "AQAB"}]},
        {"keys": [{**KEYS["RS256"].jwk, "n": 65537}]},
    ],
)  # fmt: skip
def test_sets_that_are_none(document: Any) -> None:
    with pytest.raises(JoseInvalid):
        foreign.key_set(document)
