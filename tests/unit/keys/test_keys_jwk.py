from typing import Any

import pytest

from remit.keys.jose import JoseInvalid, generate, private_key, public_key, thumbprint

PRIVATE = generate()
PUBLIC = {name: value for name, value in PRIVATE.items() if name != "d"}
BARE = {name: PUBLIC[name] for name in ("kty", "crv", "x", "y")}
ED = {name: value for name, value in generate("Ed25519").items() if name != "d"}


def test_a_bare_key_and_a_described_one_are_the_same_key() -> None:
    assert public_key(BARE).thumbprint == public_key(PUBLIC).thumbprint == PUBLIC["kid"] == thumbprint(BARE)


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "RSA"},
        {"kty": "oct", "k": "AAAA"},
        {"kty": None},
        {"kty": ["EC"]},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"crv": "Ed25519"},
        {"alg": "ES384"},
        {"alg": "none"},
        {"alg": None},
        {"use": "enc"},
        {"use": ""},
        {"key_ops": ["encrypt"]},
        {"key_ops": ["sign"]},
        {"key_ops": []},
        {"key_ops": "verify"},
        {"kid": 7},
        {"x": PUBLIC["y"], "y": PUBLIC["x"]},
        {"x": PUBLIC["x"][:-1]},
        {"x": PUBLIC["x"] + "A"},
        {"x": PUBLIC["x"] + "="},
        {"x": "AA" + PUBLIC["x"]},
        {"x": ""},
        {"x": 5},
        {"y": "A" * 43},
        {"d": PRIVATE["d"]},
        {"k": "AAAA"},
        {"p": "AQAB"},
        {"n": 0.5},
        {"filler": "x" * 3000},
        {1: "number as a name"},
    ],
)
def test_a_key_that_does_not_fit_is_refused(change: dict[Any, Any]) -> None:
    with pytest.raises(JoseInvalid):
        public_key({**PUBLIC, **change})


@pytest.mark.parametrize("missing", ["kty", "crv", "x", "y"])
def test_a_key_that_lacks_something_is_refused(missing: str) -> None:
    with pytest.raises(JoseInvalid):
        public_key({name: value for name, value in PUBLIC.items() if name != missing})


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(JoseInvalid):
        public_key(value)


def test_an_ed25519_key_is_not_an_es256_key() -> None:
    with pytest.raises(JoseInvalid):
        public_key({**ED, "alg": "ES256"})


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
def test_a_generated_key_imports_and_signs(algorithm: str) -> None:
    jwk = generate(algorithm)
    key = private_key(jwk)
    assert (key.algorithm, key.kid) == (algorithm, jwk["kid"])
    assert key.public.verifies(key.sign(b"m"), b"m")
    assert not key.public.verifies(key.sign(b"m"), b"n")
    assert jwk["d"] not in repr(key)


@pytest.mark.parametrize(
    "change",
    [
        {"d": generate()["d"]},
        {"d": "AA"},
        {"d": None},
        {"d": "A" * 43},
        {"d": "_" * 42 + "8"},
        {"key_ops": ["verify"]},
        {"use": "enc"},
    ],
)
def test_a_private_key_that_does_not_fit_is_refused_and_not_shown(change: dict[str, Any]) -> None:
    with pytest.raises(JoseInvalid) as refusal:
        private_key({**PRIVATE, **change})
    assert str(change.get("d", PRIVATE["d"])) not in f"{refusal.value} {refusal.value.detail}"


def test_a_public_key_does_not_sign() -> None:
    with pytest.raises(JoseInvalid):
        private_key(PUBLIC)


def test_other_algorithms_are_not_made() -> None:
    with pytest.raises(JoseInvalid):
        generate("RS256")
