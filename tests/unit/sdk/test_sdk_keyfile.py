from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from remit.keys import jose
from remit.sdk.keyfile import KeyFileInvalid, fresh, from_jwk, load


def written(path: Path, jwk: Any, mode: int = 0o600) -> Path:
    path.write_text(json.dumps(jwk), encoding="utf-8")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
def test_what_the_sdk_signs_the_server_verifies(tmp_path: Path, algorithm: str) -> None:
    jwk = jose.generate(algorithm)
    key = load(written(tmp_path / "a.jwk", jwk))
    server = jose.private_key(jwk).public
    assert key.thumbprint == server.thumbprint
    token = key.sign({"a": 1}, typ="JWT")
    header, claims = jose.verify(token, typ="jwt", algorithms=(algorithm,), key=lambda _: server)
    assert (claims, header["kid"]) == ({"a": 1}, key.thumbprint)
    proof = key.sign({"jti": "1"}, typ="dpop+jwt")
    header, _ = jose.verify(proof, typ="dpop+jwt", algorithms=(algorithm,), key=lambda _: None)
    assert jose.thumbprint(header["jwk"]) == key.thumbprint
    assert "d" not in header["jwk"]


def test_a_key_does_not_print_itself() -> None:
    assert "private" not in repr(fresh()).lower()


@pytest.mark.parametrize("mode", [0o604, 0o606, 0o777])
def test_a_key_others_can_get_at_is_no_key(tmp_path: Path, mode: int) -> None:
    with pytest.raises(KeyFileInvalid, match="chmod 600"):
        load(written(tmp_path / "a.jwk", jose.generate(), mode))


@pytest.mark.parametrize(
    "change", [{"d": None}, {"d": "AAAA"}, {"kty": "RSA"}, {"crv": "P-384"}, {"x": "AAAA"}, {"d": "A" * 43}]
)
def test_what_is_no_private_key_is_refused(change: dict[str, Any]) -> None:
    jwk = {name: value for name, value in (jose.generate() | change).items() if value is not None}
    with pytest.raises(KeyFileInvalid):
        from_jwk(jwk)


@pytest.mark.parametrize("content", ["", "[]", "not json", '"text"', " " * 9000])
def test_what_is_no_jwk_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.jwk"
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(KeyFileInvalid):
        load(path)
