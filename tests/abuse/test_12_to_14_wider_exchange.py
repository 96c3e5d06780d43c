"""An exchange that asks for more: another audience, scope, a longer life, a longer chain, or with no right to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.abuse.delegation import Chain
from tests.interaction.tokens.token_world import TOOLS_URL

from remit.kernel.clock import MINUTE, SECOND


@pytest.fixture
def chain(world: Any) -> Chain:
    return Chain(world)


def claims(chain: Chain, token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(chain.world.unb64(token.split(".")[1]))
    return found


def is_refused(chain: Chain, answer: Any, error: str, reason: str = "") -> None:
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    (entry,) = chain.world.entries("refused")
    assert entry["error"] == error
    assert reason in entry["reason"]


@pytest.mark.requirement("exchange:audience")
def test_12_a_token_for_one_resource_is_lent_to_no_other(chain: Chain) -> None:
    subject = chain.world.token(chain.world.form(resource=TOOLS_URL))
    is_refused(chain, chain.ask("helper", subject, resource=f"{chain.world.base}/mcp/crm"), "invalid_target")


def test_12_nor_to_the_whole_deployment(chain: Chain) -> None:
    subject = chain.world.token(chain.world.form(resource=TOOLS_URL))
    is_refused(chain, chain.ask("helper", subject, resource=chain.world.base), "invalid_target")


@pytest.mark.requirement("exchange:monotone")
@pytest.mark.parametrize("scope", ["purpose:audit-invoices", "purpose:pay-invoices purpose:audit-invoices", "openid"])
def test_13_no_other_scope(chain: Chain, scope: str) -> None:
    is_refused(chain, chain.ask("helper", chain.world.token(), scope=scope), "invalid_scope")


def test_13_no_longer_life(chain: Chain) -> None:
    subject = chain.world.token()
    chain.world.clock.at += 2 * MINUTE
    acting = claims(chain, chain.acting("helper", subject))
    assert acting["exp"] <= claims(chain, subject)["exp"]
    assert acting["run_exp"] <= claims(chain, subject)["run_exp"]
    assert acting["txn"] == claims(chain, subject)["txn"]


def test_13_the_chain_is_said_and_ends(chain: Chain) -> None:
    token = chain.world.token()
    for who in ("helper", "aide", "third"):
        token = chain.acting(who, token)
    said = claims(chain, token)
    assert (said["sub"], said["client_id"]) == ("invoice-bot", "third")
    assert said["act"]["sub"] == "third"
    assert said["act"]["act"]["sub"] == "aide"
    assert said["act"]["act"]["act"] == {"iss": chain.world.base, "sub": "helper", "sub_profile": "ai_agent"}
    is_refused(chain, chain.ask("fourth", token), "invalid_request", "delegation_too_deep")


def test_13_nobody_acts_for_itself_by_a_detour(chain: Chain) -> None:
    chain.world.change("aide", agent_delegates=("helper",))
    token = chain.acting("aide", chain.acting("helper", chain.world.token()))
    is_refused(chain, chain.ask("helper", token), "invalid_request", "does not act for itself")


@pytest.mark.requirement("exchange:may-act")
def test_14_without_a_right_to_it(chain: Chain) -> None:
    is_refused(chain, chain.ask("stranger", chain.world.token()), "unauthorized_client", "may not act")


def test_14_a_right_that_was_taken_back_is_none(chain: Chain) -> None:
    """The token still says `may_act`; what is registered does not any more."""
    subject = chain.world.token()
    chain.world.change("invoice-bot", agent_delegates=())
    is_refused(chain, chain.ask("helper", subject), "unauthorized_client", "may not act")


def test_14_a_token_that_never_said_so_is_none(chain: Chain) -> None:
    chain.world.change("invoice-bot", agent_delegates=())
    subject = chain.world.token()
    chain.world.change("invoice-bot", agent_delegates=("helper",))
    is_refused(chain, chain.ask("helper", subject), "unauthorized_client", "may not act")


def test_31_no_more_at_once_than_max_children(chain: Chain) -> None:
    """A delegation bomb: copies beyond the number that its owner registered get nothing."""
    subject = chain.world.token()
    for _ in range(2):
        chain.proofs["helper"] = type(chain.world).new_key()
        chain.acting("helper", subject)
    chain.acting("helper", subject)  # one that is known goes on
    chain.proofs["helper"] = type(chain.world).new_key()
    is_refused(chain, chain.ask("helper", subject), "unauthorized_client", "max_children")


def test_16_what_stops_any_of_them_stops_the_exchange(chain: Chain) -> None:
    token = chain.acting("helper", chain.world.token())
    chain.world.change("invoice-bot", frozen=True)
    is_refused(chain, chain.ask("aide", token), "invalid_request", "subject")


def test_a_token_that_has_expired_is_no_subject(chain: Chain) -> None:
    subject = chain.world.token()
    chain.world.clock.at += 5 * MINUTE + SECOND
    is_refused(chain, chain.ask("helper", subject), "invalid_request", "not valid")
