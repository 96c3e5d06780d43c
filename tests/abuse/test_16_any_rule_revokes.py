"""What is revoked by one rule while others let it be (Keycloak CVE-2026-8922): any that matches is enough."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.abuse.delegation import Chain, is_refused
from tests.interaction.tokens.test_token_status import EXACTLY_INACTIVE, Status

from remit.access.model import PurposeState
from remit.agents.model import AgentState

RULES: dict[str, dict[str, Any]] = {
    "the agent is frozen": {"frozen": True},
    "its owner is gone": {"owner_active": False},
    "it is suspended": {"agent_state": AgentState.SUSPENDED},
    "it is retired": {"agent_state": AgentState.RETIRED},
    "its instance is frozen": {"frozen_instances": "instance"},
    "its client key is frozen": {"frozen_credentials": "client"},
    "its client key is withdrawn": {"agent_keys": "another"},
    "its purposes are taken away": {"purposes": ()},
    "its purpose is closed": {"purposes": "closed"},
}
# A key that is frozen or withdrawn authenticates nobody; a purpose that is closed is no scope; the rest may not ask.
REFUSED = {
    "its client key is withdrawn": (401, "invalid_client"),
    "its purposes are taken away": (400, "invalid_scope"),
    "its purpose is closed": (400, "invalid_scope"),
}


def applied(world: Any, change: dict[str, Any]) -> None:
    standing = world.standing.agents["invoice-bot"]
    meant = {
        "instance": frozenset({world.instance_key.public.thumbprint}),
        "client": frozenset({world.client_key.public.thumbprint}),
        "another": (dict(world.new_key().public.jwk),),
        "closed": tuple(replace(each, state=PurposeState.CLOSED) for each in standing.purposes),
    }
    for name, said in change.items():
        world.change("invoice-bot", **{name: meant.get(said, said) if type(said) is str else said})


@pytest.mark.requirement("introspection:inactive")
@pytest.mark.parametrize("rule", RULES)
def test_each_rule_alone_ends_a_token_and_gives_no_other(world: Any, rule: str) -> None:
    status = Status(world)
    token = world.token()
    assert status.active(token)
    applied(world, RULES[rule])
    assert status.edge(token).content == EXACTLY_INACTIVE
    answer = world.post()
    assert (answer.status_code, answer.json()["error"]) == REFUSED.get(rule, (400, "unauthorized_client"))
    (entry,) = world.entries("refused")
    assert entry["error"] == answer.json()["error"]
    assert entry["reason"]


@pytest.mark.requirement("revocation:at-once")
def test_a_token_that_was_revoked_is_none_whatever_else_holds(world: Any) -> None:
    from tests.abuse.resource import Resource  # noqa: PLC0415 - over the checker of the line below

    status = Status(world)
    token = world.token()
    assert status.agent("revoke", token).status_code == 200
    assert status.edge(token).content == EXACTLY_INACTIVE
    entry = Resource(world).refuses(token, reason="the token was revoked")
    assert [each["name"] for each in world.entries("change")] == [entry["token"]]
    assert world.post().status_code == 200  # and its agent is not what was revoked


def test_what_stops_any_of_them_stops_the_exchange(world: Any) -> None:
    chain = Chain(world)
    token = chain.acting("helper", chain.world.token())
    chain.world.change("invoice-bot", frozen=True)
    is_refused(chain, chain.ask("aide", token), "invalid_request", "subject")
