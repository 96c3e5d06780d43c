"""An exchange that asks for more than its subject has: another scope, a longer life, a longer chain."""

from __future__ import annotations

from typing import Any

import pytest
from tests.abuse.delegation import Chain, claims, is_refused

from remit.kernel.clock import MINUTE, SECOND
from remit.keys import jose


@pytest.fixture
def chain(world: Any) -> Chain:
    return Chain(world)


@pytest.mark.requirement("exchange:monotone")
@pytest.mark.parametrize("scope", ["purpose:audit-invoices", "purpose:pay-invoices purpose:audit-invoices", "openid"])
def test_no_other_scope(chain: Chain, scope: str) -> None:
    is_refused(chain, chain.ask("helper", chain.world.token(), scope=scope), "invalid_scope")


def test_no_longer_life(chain: Chain) -> None:
    subject = chain.world.token()
    chain.world.clock.at += 2 * MINUTE
    acting = claims(chain, chain.acting("helper", subject))
    assert acting["exp"] <= claims(chain, subject)["exp"]
    assert acting["run_exp"] <= claims(chain, subject)["run_exp"]
    assert acting["txn"] == claims(chain, subject)["txn"]


@pytest.mark.requirement("exchange:act")
def test_the_chain_is_said_and_ends(chain: Chain) -> None:
    token = chain.world.token()
    for who in ("helper", "aide", "third"):
        token = chain.acting(who, token)
    said = claims(chain, token)
    assert (said["sub"], said["client_id"]) == ("invoice-bot", "third")
    assert said["act"]["sub"] == "third"
    assert said["act"]["act"]["sub"] == "aide"
    assert said["act"]["act"]["act"] == {"iss": chain.world.base, "sub": "helper", "sub_profile": "ai_agent"}
    is_refused(chain, chain.ask("fourth", token), "invalid_request", "delegation_too_deep")


def test_the_person_behind_it_goes_along_and_nobody_can_name_another(chain: Chain) -> None:
    """Who acts for an agent that acts for lee uses lee's account, not its owner's, and not one of its choice."""
    token = chain.world.token()
    assert "person" not in claims(chain, chain.acting("helper", token))
    for_lee = jose.sign(claims(chain, token) | {"person": "lee"}, typ="at+jwt", key=chain.world.ring.token_keys.active)
    acting = chain.acting("aide", chain.acting("helper", for_lee, person="dana"), person="dana")
    assert claims(chain, acting)["person"] == "lee"


def test_nobody_acts_for_itself_by_a_detour(chain: Chain) -> None:
    chain.world.change("aide", agent_delegates=("helper",))
    token = chain.acting("aide", chain.acting("helper", chain.world.token()))
    is_refused(chain, chain.ask("helper", token), "invalid_request", "does not act for itself")


def test_a_token_that_has_expired_is_no_subject(chain: Chain) -> None:
    subject = chain.world.token()
    chain.world.clock.at += 5 * MINUTE + SECOND
    is_refused(chain, chain.ask("helper", subject), "invalid_request", "not valid")
