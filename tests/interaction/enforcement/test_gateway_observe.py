"""A server in `mode: observe`: what would be denied is said so in the log and forwarded; nothing else is relaxed."""

from __future__ import annotations

import dataclasses
import socket
from typing import Any

import pytest
from tests.interaction.enforcement.gateway_world import (
    World,
    at_most,
    budget,
    payments,
    rule,
    run_in_world,
    streamable,
)

from remit.access.conditions import Conditions, Volume
from remit.access.model import Rate
from remit.agents.model import AgentState
from remit.catalog.labels import Labels
from remit.catalog.model import Mode
from remit.freezes.model import FreezeKind
from remit.kernel.names import ActionName
from remit.policy.limits import limits_of, reservation
from remit.storage.model import Work

NOBODY = 'forbid (principal, action == Remit::Action::"payments/list_invoices", resource);'


def transfer(amount: float) -> dict[str, Any]:
    return {"name": "transfer", "arguments": {"amount": amount, "currency": "EUR"}}


def call(name: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": name, "params": params or {}}


async def observed(world: World, mode: Mode = Mode.OBSERVE) -> None:
    await world.server("payments", streamable(payments(json_response=True), json_response=True, stateless=True))
    world.source.all_servers["payments"] = dataclasses.replace(world.source.all_servers["payments"], mode=mode)
    world.change("server:payments")


async def ask(world: World, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = (await world.modern("payments", method, params)).json()
    return found


def said(world: World) -> list[tuple[str, str | None, bool]]:
    return [(e["decision"], e.get("code"), e["forwarded"]) for e in world.entries("decision") if e["action"][8] == "/"]


def test_what_would_be_denied_is_forwarded_and_recorded_so() -> None:
    async def scenario(world: World) -> None:
        await observed(world)
        world.agent("bot", rule("payments/transfer", at_most("amount", "500.00")))
        assert "moved 900" in str(await ask(world, "tools/call", transfer(900)))  # over its bound
        assert "inv-1" in str(await ask(world, "tools/call", {"name": "list_invoices", "arguments": {}}))  # no boundary
        assert "moved 5" in str(await ask(world, "tools/call", transfer(5)))
        assert said(world) == [
            ("would_deny", "constraint_violated", True), ("would_deny", "not_granted", True), ("allow", None, True),
        ]  # fmt: skip
        assert len(world.calls()) == 3
        assert await world.outcomes() == ["ok", "ok", "ok"]
        assert [entry.get("observed") for entry in world.entries("outcome")] == [True, True, None]
        decisions = world.pipeline.metrics.decisions
        assert decisions.labels("allow", "")._value.get() == 1
        assert decisions.labels("would_deny", "not_granted")._value.get() == 1
        # No use either: nothing of it keeps an entitlement in force.
        days = world.facts.view().activations.take_seen().days
        assert [(key.action, uses) for (key, _), (uses, _, _) in days.items()] == [("payments/transfer", 1)]

    run_in_world(scenario)


def test_lists_are_whole_and_not_narrowed() -> None:
    async def scenario(world: World) -> None:
        await observed(world)
        world.agent("bot", rule("payments/transfer", at_most("amount", "500.00")))
        tools = (await ask(world, "tools/list"))["result"]["tools"]
        assert {tool["name"] for tool in tools} == {"list_invoices", "transfer", "delete_all", "count"}
        assert "500" not in str(tools)

    run_in_world(scenario)


def test_an_agent_without_a_boundary_is_seen_too() -> None:
    """The first thing about an agent that is put behind Remit: what does it do?"""

    async def scenario(world: World) -> None:
        await observed(world)
        world.agent("bot")
        assert (await ask(world, "tools/list"))["result"]["tools"]
        assert "gone" in str(await ask(world, "tools/call", {"name": "delete_all", "arguments": {}}))
        assert said(world) == [("would_deny", "not_granted", True)]

    run_in_world(scenario)


def test_a_policy_and_a_spent_budget_are_only_observed() -> None:
    async def scenario(world: World) -> None:
        await observed(world)
        world.source.all_policies = {"a.cedar": NOBODY}
        world.agent("bot", rule("payments/transfer", budget=budget("amount", "10.00")), rule("payments/list_invoices"))
        world.change("policies")
        await ask(world, "tools/call", {"name": "list_invoices", "arguments": {}})
        await ask(world, "tools/call", transfer(10))
        assert "moved" in str(await ask(world, "tools/call", transfer(10)))
        assert said(world) == [
            ("would_deny", "forbidden_by_policy", True),
            ("allow", None, True),
            ("would_deny", "budget_exhausted", True),
        ]

    run_in_world(scenario)


@pytest.mark.parametrize("bend", ["frozen", "suspended", "outside", "changed", "unknown", "stale"])
def test_nothing_else_is_relaxed(bend: str) -> None:
    """Attack: a server is put into observe so that who is stopped, or what changed, gets through."""

    async def scenario(world: World) -> None:
        await observed(world)
        world.agent("bot", rule("payments/list_invoices"))
        name = "list_invoices"
        if bend == "frozen":
            world.freeze(FreezeKind.AGENT, "bot")
        elif bend == "suspended":
            world.agent("bot", rule("payments/list_invoices"), state=AgentState.SUSPENDED)
        elif bend == "outside":
            purpose = world.source.all_purposes["work"]
            world.source.all_purposes["work"] = dataclasses.replace(purpose, actions=("other/*",))
            world.change("purpose:work")
        elif bend == "changed":
            world.pin("payments", {"name": name, "description": "other", "inputSchema": {"type": "object"}})
        elif bend == "unknown":
            name = "no_such_tool"
        elif bend == "stale":
            world.contact = lambda: world.clock.now() - 60_000_000  # type: ignore[assignment,return-value]
        answer = await ask(world, "tools/call", {"name": name, "arguments": {}})
        assert "inv-1" not in str(answer)
        assert world.calls() == []
        assert not [entry for entry in world.entries("decision") if entry["forwarded"]]
        if bend == "unknown":
            assert answer["error"]["message"] == "Unknown tool: no_such_tool"

    run_in_world(scenario)


def test_an_engine_that_does_not_decide_forwards_nothing() -> None:
    async def scenario(world: World) -> None:
        await observed(world)
        overflow = "forbid (principal, action, resource) when { 9223372036854775807 + 1 > 0 };"
        world.source.all_policies = {"a.cedar": overflow}
        world.agent("bot", rule("payments/list_invoices"))
        world.change("policies")
        answer = await ask(world, "tools/call", {"name": "list_invoices", "arguments": {}})
        assert answer["error"]["data"]["code"] == "enforcement_unavailable"
        assert world.calls() == []

    run_in_world(scenario)


def test_back_in_enforce_it_is_refused_again() -> None:
    async def scenario(world: World) -> None:
        await observed(world)
        world.agent("bot", rule("payments/transfer"))
        await observed_again(world)
        answer = await ask(world, "tools/call", {"name": "list_invoices", "arguments": {}})
        assert answer["error"]["message"] == "Unknown tool: list_invoices"

    async def observed_again(world: World) -> None:
        server = world.source.all_servers["payments"]
        world.source.all_servers["payments"] = dataclasses.replace(server, mode=Mode.ENFORCE)
        world.change("server:payments")

    run_in_world(scenario)


def test_a_server_beside_it_stays_enforced() -> None:
    """Attack: one server is observed, and the others are let go with it."""

    async def scenario(world: World) -> None:
        await observed(world)
        await world.server("books", streamable(payments(json_response=True), json_response=True, stateless=True))
        world.agent("bot", rule("books/transfer", at_most("amount", "500.00")))
        answer = (await world.modern("books", "tools/call", transfer(900))).json()
        assert answer["result"]["structuredContent"]["code"] == "constraint_violated"
        tools = (await world.modern("books", "tools/list")).json()["result"]["tools"]
        assert [tool["name"] for tool in tools] == ["transfer"]
        hidden = (await world.modern("books", "tools/call", {"name": "delete_all", "arguments": {}})).json()
        assert hidden["error"]["message"] == "Unknown tool: delete_all"
        assert world.calls() == []

    run_in_world(scenario)


def test_what_was_read_on_it_is_not_carried_out_by_one_that_is_enforced() -> None:
    """Attack: what nothing grants is read where it is only observed, and sent where that would have been refused."""

    async def scenario(world: World) -> None:
        await observed(world)
        await world.server("books", streamable(payments(json_response=True), json_response=True, stateless=True))
        for name, label in (("payments", Labels(returns=("private",))), ("books", Labels(carries_out=True))):
            server = world.source.all_servers[name]
            world.source.all_servers[name] = dataclasses.replace(server, labels=(("*", label),))
            world.change(f"server:{name}")
        world.agent("bot", rule("books/transfer"))
        assert "moved 5" in str((await world.modern("books", "tools/call", transfer(5))).json())
        assert "inv-1" in str(await ask(world, "tools/call", {"name": "list_invoices", "arguments": {}}))
        answer = (await world.modern("books", "tools/call", transfer(6))).json()
        assert answer["result"]["structuredContent"]["code"] == "flow_blocked"

    run_in_world(scenario)


@pytest.mark.parametrize("bound", [True, False])
def test_what_may_not_follow_it_does_not_follow_it(bound: bool) -> None:  # noqa: FBT001 - a case
    """Attack: the step after which another is forbidden is taken so that it would have been denied."""

    async def scenario(world: World) -> None:
        await observed(world)
        await world.server("books", streamable(payments(json_response=True), json_response=True, stateless=True))
        after = Conditions(forbidden_after=(ActionName("payments/transfer"),))
        pay = [rule("payments/transfer", at_most("amount", "500.00"))] if bound else []
        world.agent("bot", rule("books/transfer", conditions=after), *pay)
        assert "moved 5" in str((await world.modern("books", "tools/call", transfer(5))).json())
        assert "moved 900" in str(await ask(world, "tools/call", transfer(900)))
        answer = (await world.modern("books", "tools/call", transfer(6))).json()
        assert answer["result"]["structuredContent"]["code"] == "sequence_required"

    run_in_world(scenario)


def test_a_budget_that_others_spent_is_only_observed_too() -> None:
    """The writer alone knows it; what the call tried to reserve is undone, and nothing of it is given back later."""

    async def scenario(world: World) -> None:
        await observed(world)
        world.agent("bot", rule("payments/transfer", budget=budget("amount", "10.00")))
        await ask(world, "tools/call", transfer(5))
        (key,) = world.writer.counters
        world.writer.counters[key] = 100_000  # another node's calls
        assert "moved" in str(await ask(world, "tools/call", transfer(5)))
        assert said(world) == [("allow", None, True), ("would_deny", "budget_exhausted", True)]
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))  # and nobody listens there
        world.move("payments", listener.getsockname()[1])
        await ask(world, "tools/call", transfer(5))
        listener.close()
        assert await world.outcomes() == ["ok", "ok", "not_sent"]
        assert world.writer.counters[key] == 100_000

    run_in_world(scenario)


def test_a_result_over_the_volume_goes_on_too_and_what_was_left_is_used() -> None:
    async def scenario(world: World) -> None:
        await observed(world)
        volume = Conditions(volume=Volume(bytes=10, per="day"))
        world.agent("bot", rule("payments/transfer", conditions=volume))
        assert "moved 5" in str(await ask(world, "tools/call", transfer(5)))
        assert await world.outcomes() == ["ok"]
        await world.pipeline.drain()
        assert list(world.writer.counters.values()) == [10]
        assert "moved 5" in str(await ask(world, "tools/call", transfer(5)))
        assert said(world) == [("allow", None, True), ("would_deny", "budget_exhausted", True)]
        await observed(world, Mode.ENFORCE)
        assert "budget_exhausted" in str(await ask(world, "tools/call", transfer(5)))

    run_in_world(scenario)


@pytest.mark.parametrize("how", ["not granted", "spent elsewhere"])
def test_what_is_read_where_it_is_only_observed_is_carried_out_by_no_server_that_is_enforced(how: str) -> None:
    """Else the way round a flow is to read where nothing is refused."""

    async def scenario(world: World) -> None:
        await observed(world)
        await world.server("office", streamable(payments(json_response=True), json_response=True, stateless=True))
        labels = {"payments": Labels(returns=("untrusted",)), "office": Labels(carries_out=True)}
        for name, said_of in labels.items():
            server = dataclasses.replace(world.source.all_servers[name], labels=(("list_invoices", said_of),))
            world.source.all_servers[name] = server
            world.change(f"server:{name}")
        here = rule("payments/list_invoices", rate=Rate(count=1, per="day"))
        world.agent("bot", rule("office/list_invoices"), *([] if how == "not granted" else [here]))
        if how == "spent elsewhere":  # this node has heard of no use
            limit = limits_of(world.source.all_boundaries[0], here)[0]
            world.writer.submit(Work((), (reservation(limit, {}, now=world.clock.now()),)))
        params = {"name": "list_invoices", "arguments": {}}

        async def carry_out() -> str:
            found = (await world.modern("office", "tools/call", params)).json()
            denial = found["result"].get("_meta", {}).get("dev.remit/denial", {})
            return str(denial.get("code", "ok"))

        assert await carry_out() == "ok"
        assert "inv-1" in str(await ask(world, "tools/call", params))
        assert [decision for decision, _, _ in said(world)] == ["would_deny"]
        assert await carry_out() == "flow_blocked"

    run_in_world(scenario)
