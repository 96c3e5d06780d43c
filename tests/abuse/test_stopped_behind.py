"""Somebody in a chain was stopped: nobody hears that the token is good, and nobody exchanges it for another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.abuse.delegation import Chain, is_refused
from tests.interaction.tokens.test_token_status import EXACTLY_INACTIVE, Status

from remit.access.model import PurposeState
from remit.agents.model import AgentState, SenderConstraint
from remit.tokens.grants.token_exchange import TYPE

Stop = Callable[[Chain, str], None]


@pytest.fixture
def chain(world: Any) -> Chain:
    return Chain(world)


def changing(**changes: Any) -> Stop:
    return lambda chain, who: chain.world.change(who, **changes)


def instance_frozen(chain: Chain, who: str) -> None:
    key = chain.world.instance_key if who == "invoice-bot" else chain.proofs[who]
    chain.world.change(who, frozen_instances=frozenset({key.public.thumbprint}))


def key_frozen(chain: Chain, who: str) -> None:
    key = chain.world.client_key if who == "invoice-bot" else chain.keys[who]
    chain.world.change(who, frozen_credentials=frozenset({key.public.thumbprint}))


def key_removed(chain: Chain, who: str) -> None:
    chain.world.change(who, agent_keys=(dict(chain.world.new_key().public.jwk),))


def purpose_closed(chain: Chain, who: str) -> None:
    found = chain.world.standing.agents[who].purposes
    chain.world.change(who, purposes=tuple(replace(each, state=PurposeState.CLOSED) for each in found))


def not_registered(chain: Chain, who: str) -> None:
    del chain.world.standing.agents[who]


STOPS: dict[str, Stop] = {
    "frozen": changing(frozen=True),
    "suspended": changing(agent_state=AgentState.SUSPENDED),
    "retired": changing(agent_state=AgentState.RETIRED),
    "ended": changing(agent_not_after=0),
    "owner gone": changing(owner_active=False),
    "instance frozen": instance_frozen,
    "key frozen": key_frozen,
    "key removed": key_removed,
    "purpose taken": changing(agent_purposes=()),
    "purpose closed": purpose_closed,
    "purpose gone": changing(purposes=()),
    "no delegate": changing(agent_delegates=()),
    "not registered": not_registered,
}
EVERY = pytest.mark.parametrize("stop", list(STOPS.values()), ids=list(STOPS))


@EVERY
@pytest.mark.parametrize("who", ["invoice-bot", "helper"])
@pytest.mark.requirement("introspection:inactive")
def test_a_token_of_who_acts_for_one_that_was_stopped_is_inactive(chain: Chain, stop: Stop, who: str) -> None:
    status = Status(chain.world)
    chain.world.service.grants[TYPE] = replace(chain.exchange, checker=chain.world.checker)
    token = chain.acting("aide", chain.acting("helper", chain.world.token()))
    assert status.active(token)
    stop(chain, who)
    assert status.edge(token).content == EXACTLY_INACTIVE


@EVERY
@pytest.mark.requirement("exchange:errors")
def test_what_no_call_would_be_allowed_with_is_exchanged_for_nothing(chain: Chain, stop: Stop) -> None:
    """The subject is the helper's, who acts for the invoice-bot: that one was stopped."""
    subject = chain.acting("helper", chain.world.token())
    stop(chain, "invoice-bot")
    is_refused(chain, chain.ask("aide", subject), "invalid_request", "subject: ")


@pytest.mark.parametrize("stop", [each for name, each in STOPS.items() if name != "no delegate"])
def test_the_subject_itself_was_stopped(chain: Chain, stop: Stop) -> None:
    subject = chain.world.token()
    stop(chain, "invoice-bot")
    is_refused(chain, chain.ask("helper", subject), "invalid_request", "subject: ")


def test_a_token_that_is_bound_to_nothing_where_it_has_to_be_is_inactive(chain: Chain) -> None:
    """Its agent may have plain tokens no more: no gateway takes the one that it had."""
    world, where = chain.world, chain.world.base + "/mcp/payments"
    status, token = Status(world), world.bearer()
    assert status.edge(token, where).json()["active"]
    world.change("plain-bot", agent_sender_constraint=SenderConstraint.DPOP)
    assert status.edge(token, where).content == EXACTLY_INACTIVE
