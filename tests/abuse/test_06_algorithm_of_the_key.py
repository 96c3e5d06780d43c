"""The header names an algorithm that is allowed, and a key for another one signed (PyJWT CVE-2026-48523)."""

from __future__ import annotations

from typing import Any

import pytest

from remit.kernel.clock import Instant
from remit.tokens.check import TokenInvalid


def signed(world: Any, key: Any, token: str, **header: Any) -> str:
    head, body, _ = world.forge(token, header=header).split(".")
    return f"{head}.{body}.{world.b64(key.sign(f'{head}.{body}'.encode()))}"


@pytest.mark.parametrize(("alg", "made"), [("Ed25519", "ES256"), ("ES256", "Ed25519"), ("EdDSA", "Ed25519")])
@pytest.mark.requirement("jose:key-algorithm")
def test_a_key_signs_with_its_own_algorithm_only(world: Any, alg: str, made: str) -> None:
    key = world.new_key(made)
    world.register(world.agent("other-bot", key, "pay-invoices"))
    assertion = signed(world, key, world.assertion("other-bot", key=key), alg=alg)
    answer = world.post(world.form(client_assertion=assertion))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    answer = world.post(proof=signed(world, key, world.proof(key=key), alg=alg))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert [entry["error"] for entry in world.entries("refused")] == ["invalid_client", "invalid_dpop_proof"]


@pytest.mark.parametrize("made", ["ES256", "Ed25519"])
def test_an_access_token_by_another_key_is_none(world: Any, resource: Any, made: str) -> None:
    other = world.new_key(made)
    for header in ({"alg": made}, {"alg": "ES256"}, {"alg": made, "kid": other.kid}):
        with pytest.raises(TokenInvalid):
            world.check(signed(world, other, world.token(), **header))
        resource.refuses(signed(world, other, world.token(), **header))


@pytest.mark.requirement("jose:typ")
def test_no_token_stands_in_for_another_type(world: Any, resource: Any) -> None:
    """RFC 8725 section 2.8: an assertion is no access token, an access token no assertion, neither a proof."""
    token, key = world.token(), world.ring.token_keys.active
    for typ in ("JWT", "", "dpop+jwt", "remit-mandate+jwt", "at+jwt+x", 1, None):
        with pytest.raises(TokenInvalid):
            world.check(signed(world, key, token, typ=typ))
        resource.refuses(signed(world, key, token, typ=typ))
    for typ in ("at+jwt", "dpop+jwt", "remit-mandate+jwt"):
        assertion = signed(world, world.client_key, world.assertion(), typ=typ)
        assert world.post(world.form(client_assertion=assertion)).status_code == 401
    for typ in ("JWT", "at+jwt", ""):
        assert world.post(proof=signed(world, world.instance_key, world.proof(), typ=typ)).status_code == 400


def test_our_own_key_signs_nothing_that_is_not_complete(world: Any) -> None:
    token, key = world.token(), world.ring.token_keys.active
    for name in (
        "iss",
        "sub",
        "client_id",
        "aud",
        "exp",
        "iat",
        "jti",
        "scope",
        "purpose",
        "run",
        "run_exp",
        "instance",
        "cred",
    ):
        head, body, _ = world.forge(token, claims={name: ...}).split(".")
        with pytest.raises(TokenInvalid):
            world.check(f"{head}.{body}.{world.b64(key.sign(f'{head}.{body}'.encode()))}")
    strange: list[dict[str, Any]] = [
        {"cnf": {}},
        {"cnf": {"jkt": 1}},
        {"cnf": "x"},
        {"client_id": "other"},
        {"scope": "purpose:other"},
    ]
    for claims in strange:
        head, body, _ = world.forge(token, claims=claims).split(".")
        with pytest.raises(TokenInvalid):
            world.check(f"{head}.{body}.{world.b64(key.sign(f'{head}.{body}'.encode()))}")
    assert world.check(token, now=Instant(world.now))
