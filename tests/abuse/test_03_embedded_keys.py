"""A token that brings the key it is to be checked with, or says where to fetch it (Authlib CVE-2026-27962)."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from remit.tokens.check import TokenInvalid


def signed_by(world: Any, key: Any, token: str, **header: Any) -> str:
    """`token` with `header` merged in and a good signature by `key`."""
    head, body, _ = world.forge(token, header=header).split(".")
    return f"{head}.{body}.{world.b64(key.sign(f'{head}.{body}'.encode()))}"


@pytest.fixture
def listener() -> Any:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def headers(world: Any, listener: Any) -> list[dict[str, Any]]:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
    jwk = dict(world.instance_key.public.jwk)
    return [{"jwk": jwk}, {"jku": url}, {"x5u": url}, {"x5c": ["MIIB"]}, {"jku": url, "jwk": jwk}, {"x5t": "AA"}]


@pytest.mark.requirement("jose:embedded-key")
def test_a_key_that_comes_with_a_token_counts_for_nothing(world: Any, resource: Any, listener: Any) -> None:
    token = world.token()
    for header in headers(world, listener):
        with pytest.raises(TokenInvalid, match="the token is not valid"):
            world.check(signed_by(world, world.instance_key, token, **header))
        resource.refuses(signed_by(world, world.instance_key, token, **header))
    with pytest.raises(BlockingIOError):
        listener.accept()  # nobody came to fetch a key


def test_a_key_that_comes_with_an_assertion_counts_for_nothing(world: Any, listener: Any) -> None:
    for header in headers(world, listener):
        assertion = signed_by(world, world.instance_key, world.assertion(), **header)
        answer = world.post(world.form(client_assertion=assertion))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert len(world.entries("refused")) == len(headers(world, listener))


@pytest.mark.requirement("dpop:public-key")
def test_a_proof_with_a_private_key_in_it_proves_nothing(world: Any) -> None:
    from remit.keys import jose  # noqa: PLC0415 - one use

    private = jose.generate()
    key = jose.private_key(private)
    proof = signed_by(world, key, world.proof(key=key), jwk=private)
    answer = world.post(proof=proof)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert private["d"] not in json.dumps(world.entries())
