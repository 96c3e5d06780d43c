"""Header members that must be understood and are not (PyJWT CVE-2026-32597), and unencoded payloads."""

from __future__ import annotations

from typing import Any

import pytest

from remit.keys.jwk import SigningKey
from remit.tokens.check import TokenInvalid

HEADERS = [
    {"crit": ["exp"], "exp": 1},
    {"crit": []},
    {"crit": ["b64"], "b64": False},
    {"b64": False},
    {"b64": True},
    {"crit": "b64"},
    {"zip": "DEF"},
    {"enc": "A256GCM"},
]


def signed(world: Any, key: SigningKey, token: str, header: dict[str, Any]) -> str:
    head, body, _ = world.forge(token, header=header).split(".")
    return f"{head}.{body}.{world.b64(key.sign(f'{head}.{body}'.encode()))}"


@pytest.mark.parametrize("header", HEADERS, ids=str)
@pytest.mark.requirement("jose:crit")
def test_what_is_critical_and_not_understood_is_refused(world: Any, resource: Any, header: dict[str, Any]) -> None:
    # Even by our own key: the signature is good, and still it is no token of ours.
    token = signed(world, world.ring.token_keys.active, world.token(), header)
    with pytest.raises(TokenInvalid, match="the token is not valid"):
        world.check(token)
    assertion = signed(world, world.client_key, world.assertion(), header)
    answer = world.post(world.form(client_assertion=assertion))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    proof = signed(world, world.instance_key, world.proof(), header)
    answer = world.post(proof=proof)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert [entry["error"] for entry in world.entries("refused")] == ["invalid_client", "invalid_dpop_proof"]
    resource.refuses(token)
