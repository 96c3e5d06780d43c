"""Who hands a token on does not make the proof of its own key any newer: an old or stolen one wakes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from tests.abuse.delegation import Chain, claims

from remit.attestation.model import Caller
from remit.kernel.clock import MINUTE, SECOND, Instant
from remit.keys import jose
from remit.tokens.check import TYPE


@pytest.fixture
def chain(world: Any) -> Chain:
    return Chain(world)


def caller(chain: Chain, token: str) -> Caller:
    found = chain.world.checker.read(token, now=chain.world.now)
    assert found is not None
    said: Caller = found.caller
    return said


def signed(world: Any, said: dict[str, Any]) -> str:
    return jose.sign(said, typ=TYPE, key=world.ring.token_keys.active)


def test_what_is_handed_on_is_as_old_as_the_oldest_proof(chain: Chain, world: Any) -> None:
    first = Instant(world.now - world.now % SECOND)
    token = world.token()
    assert caller(chain, token).attested == first
    for who in ("helper", "aide", "third"):
        world.clock.at += MINUTE
        token = chain.acting(who, token)
        found = caller(chain, token)
        assert (found.agent, found.attested) == (who, first), "the oldest of the chain counts"
    assert [each.attested for each in found.links] == [first] * 3


def test_the_own_proof_counts_where_it_is_older(chain: Chain, world: Any) -> None:
    acting = chain.acting("helper", world.token())
    mine = claims(chain, acting)["iat"] * SECOND
    assert caller(chain, acting).attested == mine


def test_a_link_that_does_not_say_when_proves_nothing(chain: Chain, world: Any) -> None:
    said = claims(chain, chain.acting("helper", world.token()))
    for link in said["delegation"]["links"]:
        del link["attested"]
    assert caller(chain, signed(world, said)).attested == 0


def test_a_time_that_is_none_is_no_token_of_ours(chain: Chain, world: Any) -> None:
    said = claims(chain, chain.acting("helper", world.token()))
    said["delegation"]["links"][0]["attested"] = "now"
    assert world.checker.read(signed(world, said), now=world.now) is None
