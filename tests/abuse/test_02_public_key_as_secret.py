"""The public key used as an HMAC secret (python-jose CVE-2024-33663)."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from remit.tokens.check import TokenInvalid


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.requirement("jose:confusion")
def test_an_hmac_with_a_public_key_is_no_signature(world: Any, resource: Any, alg: str) -> None:
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[alg]
    token = world.token()
    public = world.ring.token_keys.jwks()["keys"][0]
    for secret in (json.dumps(public).encode(), world.unb64(public["x"]), public["x"].encode()):
        head, body, _ = world.forge(token, header={"alg": alg}).split(".")
        mac = hmac.new(secret, f"{head}.{body}".encode(), digest).digest()
        with pytest.raises(TokenInvalid, match="the token is not valid"):
            world.check(f"{head}.{body}.{world.b64(mac)}")
        resource.refuses(f"{head}.{body}.{world.b64(mac)}", reason="algorithm")


def test_an_assertion_signed_with_the_public_key_is_none(world: Any) -> None:
    public = world.client_key.public.jwk
    head, body, _ = world.forge(world.assertion(), header={"alg": "HS256"}).split(".")
    mac = hmac.new(world.unb64(public["x"]), f"{head}.{body}".encode(), hashlib.sha256).digest()
    answer = world.post(world.form(client_assertion=f"{head}.{body}.{world.b64(mac)}"))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert len(world.entries("refused")) == 1
