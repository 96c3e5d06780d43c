from __future__ import annotations

import dataclasses
import json
from itertools import product

import pytest

from remit.access.draft import Draft, Version
from remit.access.model import BoundaryState, Rule
from remit.catalog.labels import Labels
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.kernel.clock import Instant
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName, ServerName, ToolName
from remit.server.lowered import lowered, notices

NOON = Instant(1_795_521_600_000_000)
CHANGE = {"transfer": "critical to low"}
ORDER = [Tier.LOW, Tier.MEDIUM, Tier.HIGH, Tier.CRITICAL]


def server(**tiers: Tier) -> Server:
    tools = {
        ToolName(name): Tool(name=ToolName(name), tier=tier, pin="", definition={}, seen=None, state=PinState.APPROVED)
        for name, tier in tiers.items()
    }
    return Server(
        server=ServerName("payments"), url="https://payments.test/mcp", credential=None, tiers=(),
        review="pin-on-first-use", tools=tools, set_pin="",
    )  # fmt: skip


def version(state: BoundaryState, *actions: str, agent: str = "bot") -> Version:
    draft = Draft(
        boundary=BoundaryName("pay"), agent=AgentName(agent), purpose=PurposeName("work"), allow=(), not_after=NOON
    )
    rules = {ActionName(action): Rule(action=ActionName(action)) for action in actions}
    return Version(draft=draft, version=1, state=state, rules=rules)


@pytest.mark.parametrize(("old", "new"), list(product(ORDER, ORDER)))
def test_a_tier_that_goes_down_is_told_and_one_that_stays_or_goes_up_is_not(old: Tier, new: Tier) -> None:
    down = ORDER.index(new) < ORDER.index(old)
    told = {"transfer": f"{old.value} to {new.value}"} if down else {}
    assert lowered(server(transfer=old), server(transfer=new)) == told


def test_what_is_no_longer_said_of_a_tools_data_is_told() -> None:
    """Taking a label away lets data be carried out: nobody should learn of it by the loss."""
    plain = server(transfer=Tier.LOW, read=Tier.LOW)
    said = (("*", Labels(carries_out=True)), ("read", Labels(returns=("private", "untrusted"))))
    less = (("read", Labels(returns=("private",))),)
    before, after = dataclasses.replace(plain, labels=said), dataclasses.replace(plain, labels=less)
    assert lowered(before, after) == {
        "transfer": "no longer carries_out", "read": "no longer returns untrusted, carries_out",
    }  # fmt: skip
    assert lowered(after, before) == {}


def test_a_tool_or_server_that_was_not_there_before_was_not_lowered() -> None:
    assert lowered(None, server(transfer=Tier.LOW)) == {}
    assert lowered(server(), server(transfer=Tier.LOW)) == {}
    assert lowered(server(transfer=Tier.CRITICAL), server()) == {}


@pytest.mark.parametrize("state", list(BoundaryState))
def test_only_boundaries_in_force_are_told_of(state: BoundaryState) -> None:
    told = list(notices("payments", CHANGE, [version(state, "payments/transfer")], now=NOON))
    assert len(told) == (1 if state is BoundaryState.ACTIVE else 0)


def test_the_owners_of_those_who_name_the_tool_are_told_which_change_it_was() -> None:
    other = version(BoundaryState.ACTIVE, "payments/list", "crm/transfer", agent="other")
    ((agent, body),) = notices(
        "payments", CHANGE, [other, version(BoundaryState.ACTIVE, "payments/transfer")], now=NOON
    )
    assert agent == "bot"
    assert json.loads(body) == {
        "what": "tier_lowered", "action": "payments/transfer", "purpose": "work", "boundary": "pay",
        "change": "critical to low", "at": "2026-11-24T12:00:00.000000Z",
    }  # fmt: skip
