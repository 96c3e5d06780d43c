"""Stolen tokens and borrowed proofs (RFC 9449 section 4.3), at the token endpoint and at a resource."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from remit.kernel.clock import SECOND
from remit.storage.model import Work
from remit.tokens.check import TokenInvalid

TOOLS_URL = "http://remit.test/mcp/payments"

BAD = [
    pytest.param({"htm": "GET"}, marks=pytest.mark.requirement("dpop:htm")),
    pytest.param({"htm": "post"}, marks=pytest.mark.requirement("dpop:htm")),
    pytest.param({"htm": None}, marks=pytest.mark.requirement("dpop:htm")),
    pytest.param({"htu": "http://remit.test/mcp/crm"}, marks=pytest.mark.requirement("dpop:htu")),
    pytest.param({"htu": "https://remit.test/mcp/payments"}, marks=pytest.mark.requirement("dpop:htu")),
    pytest.param({"htu": "http://remit.test:81/mcp/payments"}, marks=pytest.mark.requirement("dpop:htu")),
    pytest.param({"htu": "http://evil.test/mcp/payments"}, marks=pytest.mark.requirement("dpop:htu")),
    pytest.param({"htu": "http://a@remit.test/mcp/payments"}, marks=pytest.mark.requirement("dpop:htu")),
    pytest.param({"htu": "/mcp/payments"}, marks=pytest.mark.requirement("dpop:htu")),
    pytest.param({"htu": None}, marks=pytest.mark.requirement("dpop:htu")),
    pytest.param({"htu": ["http://remit.test/mcp/payments"]}, marks=pytest.mark.requirement("dpop:htu")),
    pytest.param({"iat": -60}, marks=pytest.mark.requirement("dpop:iat")),
    pytest.param({"iat": 61}, marks=pytest.mark.requirement("dpop:iat")),
    pytest.param({"iat": -3600}, marks=pytest.mark.requirement("dpop:iat")),
    pytest.param({"iat": None}, marks=pytest.mark.requirement("dpop:iat")),
    pytest.param({"jti": None}, marks=pytest.mark.requirement("dpop:claims")),
    pytest.param({"jti": ""}, marks=pytest.mark.requirement("dpop:claims")),
    pytest.param({"jti": "j" * 300}, marks=pytest.mark.requirement("dpop:claims")),
    pytest.param({"jti": 7}, marks=pytest.mark.requirement("dpop:claims")),
    pytest.param({"ath": None}, marks=pytest.mark.requirement("dpop:ath")),
    pytest.param({"ath": "AAAA"}, marks=pytest.mark.requirement("dpop:ath")),
]


def made(world: Any, claims: dict[str, Any]) -> dict[str, Any]:
    offset = claims.get("iat")
    return claims if offset is None else {"iat": world.now // SECOND + offset}


@pytest.mark.parametrize("claims", BAD, ids=str)
def test_a_proof_for_another_request_proves_nothing_here(world: Any, resource: Any, claims: dict[str, Any]) -> None:
    token = world.token()
    proof = world.proof(**{"url": TOOLS_URL, "token": token, **made(world, claims)})
    with pytest.raises(TokenInvalid) as caught:
        world.check(token, proof=proof)
    assert (caught.value.error, caught.value.scheme) == ("invalid_dpop_proof", "DPoP")
    entry = resource.refuses(token, proof=proof, error="invalid_dpop_proof")
    assert entry["token"] == world.entries("token")[-1]["id"]


@pytest.mark.parametrize("claims", BAD[:-2], ids=str)  # the last two are about the access token
def test_nor_does_it_at_the_token_endpoint(world: Any, claims: dict[str, Any]) -> None:
    answer = world.post(proof=world.proof(**made(world, claims)))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    (entry,) = world.entries("refused")
    assert (entry["error"], entry["agent"]) == ("invalid_dpop_proof", "invoice-bot")
    assert world.entries("token") == []


@pytest.mark.parametrize("offset", [-59, 0, 60])
@pytest.mark.requirement("dpop:iat")
def test_clocks_may_differ_by_a_minute(world: Any, offset: int) -> None:
    token = world.token()
    assert world.check(token, proof=world.proof(url=TOOLS_URL, token=token, iat=world.now // SECOND + offset))


@pytest.mark.parametrize(
    "htu", [TOOLS_URL, f"{TOOLS_URL}?x=1", f"{TOOLS_URL}#f", "HTTP://REMIT.test:80/mcp/%70ayments"]
)
@pytest.mark.requirement("dpop:htu")
def test_the_same_uri_may_be_written_differently(world: Any, htu: str) -> None:
    token = world.token()
    assert world.check(token, proof=world.proof(url=htu, token=token), url=f"{TOOLS_URL}?session=1")


@pytest.mark.requirement("dpop:other-key")
def test_a_thief_with_a_key_of_its_own_gets_nothing(world: Any, resource: Any) -> None:
    token = world.token()
    with pytest.raises(TokenInvalid) as caught:
        world.check(token, proof=world.proof(url=TOOLS_URL, token=token, key=world.new_key()))
    assert caught.value.error == "invalid_dpop_proof"
    stolen = world.proof(url=TOOLS_URL, token=token, key=world.new_key())
    resource.refuses(token, proof=stolen, error="invalid_dpop_proof", reason="another key")


@pytest.mark.requirement("dpop:ath")
def test_a_proof_for_one_token_opens_no_other(world: Any) -> None:
    one, other = world.token(), world.token()
    with pytest.raises(TokenInvalid, match="another token"):
        world.check(one, proof=world.proof(url=TOOLS_URL, token=other))


@pytest.mark.requirement("dpop:scheme")
def test_a_bound_token_is_no_bearer_token(world: Any, resource: Any) -> None:
    token = world.token()
    for proof in (None, ""):
        with pytest.raises(TokenInvalid) as caught:
            world.check(token, scheme="Bearer", proof=proof)
        assert (caught.value.error, caught.value.scheme) == ("invalid_token", "DPoP")
    resource.refuses(token, scheme="Bearer", proof=None, reason="needs a proof")


@pytest.mark.requirement("dpop:scheme")
def test_a_bearer_token_is_no_bound_token(world: Any) -> None:
    token = world.bearer()
    assert world.check(token, scheme="Bearer", proof=None)[1] is None
    with pytest.raises(TokenInvalid) as caught:
        world.check(token, scheme="DPoP")
    assert caught.value.error == "invalid_token"


@pytest.mark.requirement("dpop:one-header")
def test_no_proof_and_two_proofs_are_both_refused(world: Any, resource: Any) -> None:
    token = world.token()
    proofs = [world.proof(url=TOOLS_URL, token=token) for _ in range(2)]
    for proof in (None, ", ".join(proofs)):
        with pytest.raises(TokenInvalid) as caught:
            world.check(token, proof=proof)
        assert caught.value.error == "invalid_dpop_proof"
        resource.refuses(token, proof=proof, error="invalid_dpop_proof")
    assert world.post(proof=f"{world.proof()}, {world.proof()}").json()["error"] == "invalid_dpop_proof"


@pytest.mark.requirement("dpop:replay")
def test_a_proof_is_used_once_at_the_token_endpoint(world: Any) -> None:
    proof = world.proof()
    assert world.post(proof=proof).status_code == 200
    answer = world.post(proof=proof)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    (entry,) = world.entries("refused")
    assert entry["reason"] == "the proof was used before"
    assert len(world.entries("token")) == 1


@pytest.mark.requirement("dpop:replay")
def test_a_proof_is_used_once_at_a_resource(world: Any) -> None:
    """The checker remembers nothing: the same proof comes out as the same effect, which commits once."""
    token = world.token()
    proof = world.proof(url=TOOLS_URL, token=token)
    writer = world.database.writer
    effects = [world.check(token, proof=proof)[1] for _ in range(8)]
    failed: list[Any] = []
    threads = [
        threading.Thread(target=lambda e=effect: failed.append(writer.submit(Work((), (e,))).result().failed))
        for effect in effects
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each is None for each in failed) == [False] * 7 + [True]


@pytest.mark.requirement("token:expired")
def test_a_token_ends_when_it_says(world: Any, resource: Any) -> None:
    token = world.token()
    world.clock.at += 300 * SECOND - 1
    assert world.check(token)
    world.clock.at += 1
    with pytest.raises(TokenInvalid, match="expired") as caught:
        world.check(token)
    assert caught.value.error == "invalid_token"
    resource.refuses(token, reason="expired")


@pytest.mark.parametrize("authorization", [None, "", "DPoP", "DPoP ", "Basic YTpi", "Bearer a.b", "Token a.b.c"])
@pytest.mark.requirement("bearer:no-credential")
def test_no_credential_is_no_caller(world: Any, authorization: str | None) -> None:
    with pytest.raises(TokenInvalid) as caught:
        world.check("x", authorization=authorization)
    assert caught.value.error == ("" if authorization is None else "invalid_token")
