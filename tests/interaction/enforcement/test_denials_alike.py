"""One refusal, the same words at every door: an agent that learned to read one of them can read them all.

The attack this stops is small and common: a door that says more than another, or something else, is
the door that is asked. Only what is of one decision alone may differ, and how a door carries it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import httpx2
import pytest
from asking_world import Asking  # type: ignore[import-not-found] # beside
from gateway_world import (  # type: ignore[import-not-found] # beside
    FAR,
    World,
    at_most,
    bearer,
    budget,
    modern_request,
    rule,
    run_in_world,
)

from remit.access.conditions import Conditions, Window
from remit.access.model import Purpose, PurposeState, Rate, Rule
from remit.agents.model import AgentState
from remit.catalog.model import Server, Tier
from remit.freezes.model import FreezeKind
from remit.kernel.clock import FixedClock, Instant
from remit.kernel.names import PurposeName, ServerName
from remit.policy.model import Code
from remit.policy.windows import is_open
from remit.server.door import Ask
from remit.server.http_decisions import Decisions
from remit.server.me import Me
from remit.server.me_can import MeCan

NOON = Instant(1_795_608_000_000_000)
TRANSFER = "payments/transfer"
SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "number"}, "currency": {"type": "string"}},
    "required": ["amount"],
}
GOOD = {"amount": 100, "currency": "EUR"}
OF_ONE_DECISION = ("decision_id", "epoch", "evaluated_at")
META = "dev.remit/denial"


SUNDAY = Window(days=(6,), start=0, end=1, zone="Europe/Madrid")
assert not is_open((SUNDAY,), NOON)  # and its zone is read


class Doors:
    """Every way to ask about one call of `bot`, each with the denial taken out of how it travels."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.evaluation = Asking(world).app
        world.source.all_servers["payments"] = Server(
            server=ServerName("payments"), url="http://127.0.0.1:9/mcp", credential=None, tiers=(),
            review="pin-on-first-use", tools={}, set_pin="",
        )  # fmt: skip
        world.pin("payments", {"name": "transfer", "inputSchema": SCHEMA})
        me = Me(
            base="http://remit.test", path="/v1/me/can", method="POST", checker=cast("Any", world.tokens),
            writer=world.writer, records=world.recorder, bad_tokens=cast("Any", None), clock=world.clock,
        )  # fmt: skip
        self.me_can = MeCan(me=me, policy=world.policy, body_limit=4096)
        self.decisions = Decisions(policy=world.policy, log=cast("Any", None), accountable=cast("Any", None))

    async def mcp(self, arguments: Mapping[str, Any], *, modern: bool) -> list[Any]:
        """`tools/call`; one denial for each place it stands in."""
        params = {"name": "transfer", "arguments": dict(arguments)}
        if modern:
            answer = await self.world.modern("payments", "tools/call", params)
        else:
            call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
            answer = await self.world.post("payments", call)
        said = answer.json()
        if "error" in said:
            assert said["error"]["code"] == -32603
            return [said["error"]["data"]]
        result = said["result"]
        assert result["isError"] is True
        return [json.loads(result["content"][0]["text"]), result["structuredContent"], result["_meta"][META]]

    async def authzen(self, arguments: Mapping[str, Any], purpose: str = "work") -> Any:
        question = {
            "subject": {"type": "agent", "id": "bot"},
            "action": {"name": TRANSFER},
            "resource": {"type": "server", "id": "payments"},
            "context": {"purpose": purpose, "arguments": dict(arguments)},
        }
        status, body = await _posted(self.evaluation, "/access/v1/evaluation", question, "Bearer token-edge")
        if status == 503:
            return body
        assert (status, body["decision"]) == (200, False)
        return body["context"]

    async def own(self, arguments: Mapping[str, Any]) -> Any:
        question = {"action": TRANSFER, "arguments": dict(arguments)}
        status, body = await _posted(self.me_can, "/v1/me/can", question, bearer("bot", "work", "i1"))
        assert (status, body["decision"]) == (200, False)
        return body["denial"]

    async def operators(self, arguments: Mapping[str, Any]) -> Any:
        asked = {"agent": "bot", "purpose": "work", "action": TRANSFER, "arguments": _exact(arguments)}
        told = self.decisions.can(Ask(operator=cast("Any", None), path={}, body=asked))
        assert told["decision"] is False
        return json.loads(json.dumps(told["denial"], default=str))

    async def all(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What each door says of one call, in the order in which nothing is spent."""
        found = {
            "remit can": await self.operators(arguments),
            "/v1/me/can": await self.own(arguments),
            "/access/v1/evaluation": await self.authzen(arguments),
        }
        for era in ("modern", "handshake"):
            told = await self.mcp(arguments, modern=era == "modern")
            found |= {f"MCP {era}, place {place}": each for place, each in enumerate(told)}
        return found


async def _posted(app: Any, path: str, body: object, authorization: str) -> tuple[int, Any]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://remit.test", trust_env=False) as http:
        answer = await http.post(path, json=body, headers={"authorization": authorization})
    return answer.status_code, answer.json()


def _exact(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as the one parser reads them."""
    return {name: Decimal(str(each)) if isinstance(each, float) else each for name, each in arguments.items()}


# What leads to each code: the world is changed so, and this call is made -----------------------------
Case = Callable[[World], Mapping[str, Any]]


def granted(world: World, *rules: Rule, **how: Any) -> None:
    world.agent("bot", *(rules or (rule(TRANSFER, at_most("amount", "500.00")),)), **how)


def not_granted(world: World) -> Mapping[str, Any]:
    granted(world, purpose="audit")
    second(world, ("*",))
    return GOOD


def second(world: World, actions: tuple[str, ...], state: PurposeState = PurposeState.ACTIVE) -> None:
    """The agent also has the purpose `work`, for which no boundary speaks."""
    world.source.all_purposes["work"] = Purpose(
        purpose=PurposeName("work"), statement="Work", actions=actions, data_classes=(), not_after=FAR, state=state
    )
    bot = world.source.all_agents["bot"]
    world.source.all_agents["bot"] = replace(bot, purposes=tuple({*bot.purposes, PurposeName("work")}))
    world.change("purpose:work", "agent:bot")


def invalid_arguments(world: World) -> Mapping[str, Any]:
    granted(world)
    return {"amount": "12"}


def inexact(world: World) -> Mapping[str, Any]:
    granted(world)
    return {"amount": 1.00001}


def constraint_violated(world: World) -> Mapping[str, Any]:
    granted(world, rule(TRANSFER, at_most("amount", "500.00"), approval_above=(("amount", Decimal("200.00")),)))
    return {"amount": 600.01, "currency": "EUR"}


def forbidden_by_policy(world: World) -> Mapping[str, Any]:
    granted(world)
    text = '@id("no-transfers") @title("No transfers") forbid (principal, action, resource);'
    world.source.all_policies = {"organisation.cedar": text}
    world.change("policies")
    return GOOD


def outside_window(world: World) -> Mapping[str, Any]:
    granted(world, rule(TRANSFER, conditions=Conditions(windows=(SUNDAY,))))
    return GOOD


def rate_limited(world: World) -> Mapping[str, Any]:
    granted(world, rule(TRANSFER, rate=Rate(count=1, per="hour")))
    return GOOD


def budget_exhausted(world: World) -> Mapping[str, Any]:
    granted(world, rule(TRANSFER, budget=budget("amount", "150.00")))
    return GOOD


def new(world: World) -> Mapping[str, Any]:
    granted(world, rule(TRANSFER, first_use=None))
    return GOOD


def closed(world: World) -> Mapping[str, Any]:
    granted(world)
    (own,) = world.source.all_boundaries
    world.source.all_boundaries = [replace(own, break_glass=True)]
    world.change("agent:bot")
    return GOOD


def purpose_mismatch(world: World) -> Mapping[str, Any]:
    granted(world, purpose="audit")
    second(world, ("payments/list_*",))
    return GOOD


def purpose_closed(world: World) -> Mapping[str, Any]:
    granted(world)
    second(world, ("*",), PurposeState.CLOSED)
    return GOOD


def over_the_threshold(world: World) -> Mapping[str, Any]:
    granted(world, rule(TRANSFER, approval_above=(("amount", Decimal("50.00")),)))
    return GOOD


def each_call(world: World) -> Mapping[str, Any]:
    payments = world.source.all_servers["payments"]
    tools = {name: replace(tool, tier=Tier.CRITICAL) for name, tool in payments.tools.items()}
    world.source.all_servers["payments"] = replace(payments, tools=tools)
    world.change("server:payments")
    granted(world, rule(TRANSFER, first_use=None))
    return GOOD


def tool_definition_changed(world: World) -> Mapping[str, Any]:
    granted(world)
    world.pin("payments", {"name": "transfer", "description": "Another", "inputSchema": SCHEMA})
    return GOOD


def agent_suspended(world: World) -> Mapping[str, Any]:
    granted(world, state=AgentState.SUSPENDED)
    return GOOD


def revoked(world: World) -> Mapping[str, Any]:
    granted(world)
    world.freeze(FreezeKind.AGENT, "bot")
    return GOOD


def stale(world: World) -> Mapping[str, Any]:
    granted(world)
    world.contact = lambda: Instant(0)
    world.change("agent:bot")
    return GOOD


def no_engine(world: World) -> Mapping[str, Any]:
    granted(world)
    world.source.all_policies = {"organisation.cedar": "permit ("}
    world.change("policies")
    return GOOD


CASES: dict[str, tuple[Code, Case]] = {
    "not granted": (Code.NOT_GRANTED, not_granted),
    "arguments": (Code.INVALID_ARGUMENTS, invalid_arguments),
    "an inexact number": (Code.INVALID_ARGUMENTS, inexact),
    "a bound": (Code.CONSTRAINT_VIOLATED, constraint_violated),
    "a policy": (Code.FORBIDDEN_BY_POLICY, forbidden_by_policy),
    "a window": (Code.OUTSIDE_WINDOW, outside_window),
    "a rate": (Code.RATE_LIMITED, rate_limited),
    "a budget": (Code.BUDGET_EXHAUSTED, budget_exhausted),
    "never used": (Code.ACTIVATION_LAPSED, new),
    "for emergencies": (Code.ACTIVATION_LAPSED, closed),
    "another purpose": (Code.PURPOSE_MISMATCH, purpose_mismatch),
    "a closed purpose": (Code.PURPOSE_CLOSED, purpose_closed),
    "a threshold": (Code.APPROVAL_REQUIRED, over_the_threshold),
    "each call": (Code.APPROVAL_REQUIRED, each_call),
    "another tool": (Code.TOOL_DEFINITION_CHANGED, tool_definition_changed),
    "suspended": (Code.AGENT_SUSPENDED, agent_suspended),
    "frozen": (Code.REVOKED, revoked),
    "a stale view": (Code.ENFORCEMENT_UNAVAILABLE, stale),
    "no engine": (Code.ENFORCEMENT_UNAVAILABLE, no_engine),
}
SPENT_FIRST = {"a rate", "a budget"}
# Told differently on purpose, or by no door here (`test_evaluation.py`, RFC 9449); and what hangs on what a run has
# done or on a chain of agents, which the kinds of callers here do not share: an enforcement point's calls have no run;
# and what a credential of an API asks for, which is met where it is put in (`test_http_injection.py`).
ELSEWHERE = {
    Code.NOT_VISIBLE, Code.REPLAYED_PROOF, Code.FLOW_BLOCKED, Code.DELEGATION_TOO_DEEP, Code.SEQUENCE_REQUIRED,
    Code.APPROVAL_DENIED, Code.STEP_UP_REQUIRED,
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_a_refused_call_is_told_alike_at_every_door(what: str) -> None:
    code, case = CASES[what]

    async def scenario(world: World) -> None:
        doors = Doors(world)
        arguments = case(world)
        if what in SPENT_FIRST:
            status, body = await _posted(
                doors.evaluation, "/access/v1/evaluation", _allowed(arguments), "Bearer token-edge"
            )
            assert (status, body) == (200, {"decision": True})
        told = await doors.all(arguments)
        assert len(told) in {5, 9}
        plain = {door: {k: v for k, v in said.items() if k not in OF_ONE_DECISION} for door, said in told.items()}
        expected = plain["MCP modern, place 0"]
        assert expected["code"] == code
        assert {"type", "title", "status", "action", "resource", "purpose", "violations", "remedies", "retryable",
                "retry_after", "docs"} <= expected.keys()  # fmt: skip
        assert {door: said for door, said in plain.items() if said != expected} == {}
        # What is of one decision stands wherever the bodies of two answers need not be equal.
        assert {door for door, said in told.items() if "epoch" not in said} == {"/access/v1/evaluation"}

    run_in_world(scenario, clock=FixedClock(NOON))


def _allowed(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "subject": {"type": "agent", "id": "bot"},
        "action": {"name": TRANSFER},
        "resource": {"type": "server", "id": "payments"},
        "context": {"arguments": dict(arguments)},
    }


def test_without_a_record_both_doors_that_record_say_so_alike() -> None:
    """A dry run writes nothing, so it has nothing to say of a disk that is gone."""

    async def scenario(world: World) -> None:
        doors = Doors(world)
        granted(world)
        world.writer.gone = True
        evaluated, (called,) = await doors.authzen(GOOD), await doors.mcp(GOOD, modern=True)
        assert called["code"] == "enforcement_unavailable"
        assert called["decision_id"] is None  # there is none
        assert evaluated == {name: each for name, each in called.items() if name not in OF_ONE_DECISION}

    run_in_world(scenario, clock=FixedClock(NOON))


def test_another_method_carries_the_denial_that_a_tool_would_get() -> None:
    async def scenario(world: World) -> None:
        doors = Doors(world)
        granted(world)
        world.freeze(FreezeKind.AGENT, "bot")
        body, headers = modern_request("tools/list")
        error = (await world.post("payments", body, **headers)).json()["error"]
        (told, *_) = await doors.mcp(GOOD, modern=True)
        assert error["code"] == -32010
        own = ("action", "decision_id")
        assert {k: v for k, v in error["data"].items() if k not in own} == {
            k: v for k, v in told.items() if k not in own
        }

    run_in_world(scenario, clock=FixedClock(NOON))


def test_every_code_is_compared() -> None:
    assert {code for code, _ in CASES.values()} == set(Code) - ELSEWHERE
