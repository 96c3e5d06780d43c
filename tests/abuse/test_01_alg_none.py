"""`alg: none` in every spelling, and no signature at all (Authlib CVE-2026-28802)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from remit.tokens.check import TokenInvalid

SPELLINGS = ["".join(letters) for letters in itertools.product("nN", "oO", "nN", "eE")]


@pytest.mark.parametrize("alg", [*SPELLINGS, "", None, 0, ["ES256"]])
@pytest.mark.parametrize("signature", ["", "AA", None])
@pytest.mark.requirement("jose:none")
def test_a_token_without_a_signature_is_none(world: Any, resource: Any, alg: Any, signature: str | None) -> None:
    token = world.forge(world.token(), header={"alg": alg}, signature=signature)
    with pytest.raises(TokenInvalid) as caught:
        world.check(token)
    assert caught.value.error == "invalid_token"
    resource.refuses(token)


@pytest.mark.parametrize("alg", SPELLINGS)
def test_an_assertion_without_a_signature_is_none(world: Any, alg: str) -> None:
    assertion = world.forge(world.assertion(), header={"alg": alg}, signature="AA")
    answer = world.post(world.form(client_assertion=assertion))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    (entry,) = world.entries("refused")
    assert entry["error"] == "invalid_client"


@pytest.mark.parametrize("alg", SPELLINGS)
def test_a_proof_without_a_signature_is_none(world: Any, alg: str) -> None:
    answer = world.post(proof=world.forge(world.proof(), header={"alg": alg}, signature="AA"))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    (entry,) = world.entries("refused")
    assert (entry["error"], entry["agent"]) == ("invalid_dpop_proof", "invoice-bot")
