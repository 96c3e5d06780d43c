"""A good subject token of one flow with a good actor token of another; and tokens that are no subject at all."""

from __future__ import annotations

from typing import Any

import pytest
from tests.abuse.delegation import Chain

from remit.tokens.grants.token_exchange import ACCESS_TOKEN


@pytest.fixture
def chain(world: Any) -> Chain:
    return Chain(world)


def refused(chain: Chain) -> dict[str, Any]:
    (entry,) = chain.world.entries("refused")
    found: dict[str, Any] = entry
    return found


@pytest.mark.requirement("exchange:splicing")
def test_an_actor_token_of_another_agent_is_none(chain: Chain) -> None:
    answer = chain.ask("helper", chain.world.token(), actor_token=chain.own("aide"), actor_token_type=ACCESS_TOKEN)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert refused(chain)["reason"] == "chain_mismatch"


def test_an_actor_token_of_another_flow_is_none(chain: Chain) -> None:
    """What the helper has from acting for somebody else does not show who it is here."""
    subject = chain.world.token()
    spliced = chain.acting("helper", subject)
    answer = chain.ask("helper", subject, actor_token=spliced, actor_token_type=ACCESS_TOKEN)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert refused(chain)["reason"] == "chain_mismatch"


def test_an_actor_token_that_another_key_holds_is_none(chain: Chain) -> None:
    own = chain.own("helper")
    form = chain.form("helper", chain.world.token(), actor_token=own, actor_token_type=ACCESS_TOKEN)
    answer = chain.world.post(form, proof=chain.world.proof(key=chain.proofs["aide"]))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert refused(chain)["reason"] == "chain_mismatch"


def test_its_own_is_taken(chain: Chain) -> None:
    chain.acting("helper", chain.world.token(), actor_token=chain.own("helper"), actor_token_type=ACCESS_TOKEN)


@pytest.mark.requirement("exchange:errors")
@pytest.mark.parametrize(
    "more",
    [
        {"subject_token": "no.such.token"},
        {"subject_token": None},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        {"actor_token_type": ACCESS_TOKEN},
        {"actor_token": "x.y.z", "actor_token_type": ACCESS_TOKEN},
        {"actor_token": "x.y.z"},
    ],
)
def test_what_is_no_subject_or_actor_is_an_invalid_request(chain: Chain, more: dict[str, Any]) -> None:
    answer = chain.ask("helper", chain.world.token(), **more)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    entry = refused(chain)
    assert (entry["error"], entry["agent"]) == ("invalid_request", "helper")
    assert entry["reason"]
