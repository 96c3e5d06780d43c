"""Break-glass through the gateway, to a real server: what an opening lets through, what is recorded, what ends it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from gateway_world import World, at_most, payments, rule, streamable, until  # type: ignore[import-not-found] # beside
from test_gateway_ends import CALL, NOTE, Later  # type: ignore[import-not-found] # beside
from test_gateway_servers import EVENTS, Odd, event, odd  # type: ignore[import-not-found] # beside

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.model import Boundary, Rule
from remit.access.opening import Opening
from remit.audit.entry import SALT
from remit.audit.stored import place
from remit.kernel.canonical import parse
from remit.kernel.clock import MINUTE, SECOND, Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.keys.seal import unseal

Play = Callable[[Any], None]
GLASS = "bot-emergency"
KEY = ActivationKey(AgentName("bot"), PurposeName("work"), ActionName("payments/transfer"), "payments")


def glass(world: World, *rules: Rule) -> None:
    """A second boundary of `bot`, for emergencies."""
    ordinary: Boundary = world.source.all_boundaries[0]
    emergency = dataclasses.replace(
        ordinary, boundary=BoundaryName(GLASS), rules={each.action: each for each in rules}, break_glass=True
    )
    world.source.all_boundaries.append(emergency)
    world.change("agent:bot")


def opened(world: World, *, lasts: int = 30 * MINUTE) -> None:
    now = world.pipeline._clock.now()
    world.source.all_openings[AgentName("bot"), BoundaryName(GLASS)] = Opening(
        opening="opn_1", agent=AgentName("bot"), boundary=BoundaryName(GLASS), by="dana", opened=now,
        ends=Instant(now + lasts), reason="the bank is down", ticket="INC-7",
    )  # fmt: skip
    world.change("openings")


def closed(world: World) -> None:
    world.source.all_openings.clear()
    world.change("openings")


async def bank(world: World) -> None:
    """A server with `transfer`: up to 100 as ever, up to 9000 in an emergency, and one day old."""
    await world.server("payments", streamable(payments()))
    world.agent("bot", rule("payments/transfer", at_most("amount", "100.00")), rule("payments/list_invoices"))
    glass(world, rule("payments/transfer", at_most("amount", "9000.00")))
    world.source.all_activations = [
        Activation(
            key=KEY, boundary=BoundaryName("bot-boundary"), boundary_version=1, agent_version="1",
            state=ActivationState.ACTIVE, since=Instant(0), started=Instant(0), by="dana", serial=4,
            usage=Usage(Instant(world.clock.now() - SECOND), Micros(0), 3, (7,)),
        )
    ]  # fmt: skip
    await asyncio.to_thread(world.policy.prepare, "bot")


async def transfer(world: World, amount: float) -> dict[str, Any]:
    arguments = {"name": "transfer", "arguments": {"amount": amount, "currency": "EUR"}}
    answer = (await world.modern("payments", "tools/call", arguments)).json()
    found: dict[str, Any] = answer["result"]
    return found


def sealed(world: World, entry_id: str) -> dict[str, Any]:
    """The payload of an entry, as whoever holds the agent's data key reads it."""
    (entry,) = [each for each in world.writer.entries if each.id == entry_id]
    assert entry.payload is not None
    found: dict[str, Any] = parse(unseal(bytes(32), entry.payload, aad=place(entry_id))[SALT:])
    return found


def test_an_opening_lets_through_what_its_boundary_names_and_nothing_before_or_after(play: Play) -> None:
    async def scenario(world: World) -> None:
        await bank(world)
        assert (await transfer(world, 5000))["structuredContent"]["code"] == "constraint_violated"
        assert world.calls() == []
        opened(world)
        assert (await transfer(world, 5000))["content"][0]["text"] == "moved 5000.00 EUR"
        assert (await transfer(world, 9001))["isError"], "an emergency has bounds too"
        closed(world)
        assert (await transfer(world, 5000))["isError"]
        assert len(world.calls()) == 1
        decisions = world.entries("decision")
        assert [each.get("break_glass") for each in decisions] == [None, "opn_1", None, None]
        allowed = decisions[1]
        assert (allowed["boundary"], allowed["decision"]) == (GLASS, "allow")
        payload = sealed(world, allowed["id"])
        assert json.loads(payload["arguments"]) == {"amount": 5000, "currency": "EUR"}

    play(scenario)


def test_nothing_of_an_activation_changes(play: Play) -> None:
    """Neither is one started or renewed, nor does the use count anywhere: not for a day, not for a run."""

    async def scenario(world: World) -> None:
        await bank(world)
        known = world.facts.view().activations
        before = known.find(KEY)
        opened(world)
        assert not (await transfer(world, 5000))["isError"]
        assert await world.outcomes() == ["ok"]
        assert known.find(KEY) == before
        seen = known.take_seen()
        assert (dict(seen.days), dict(seen.runs), known.take_unwritten()) == ({}, {}, [])
        assert world.entries("verdict") == []
        # What is ordinary is used as ever, with the opening standing beside it.
        assert not (await transfer(world, 50))["isError"]
        await world.pipeline.drain()
        after = known.find(KEY)
        assert after is not None
        assert before is not None
        assert after.usage.last > before.usage.last
        assert world.entries("decision")[-1]["boundary"] == "bot-boundary"

    play(scenario)


def test_an_agent_with_nothing_else_is_told_how_to_ask(play: Play) -> None:
    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments()))
        world.agent("bot", rule("payments/list_invoices"))
        glass(world, rule("payments/transfer"))
        denied = (await transfer(world, 5))["structuredContent"]
        assert (denied["code"], denied["state"], denied["reactivation"]) == ("activation_lapsed", "new", "owner")
        assert denied["remedies"][0]["ask_owner"].startswith(f"remit breakglass open bot {GLASS} ")
        assert "cause" not in denied
        assert await listed(world) == {"list_invoices"}
        opened(world)
        assert await listed(world) == {"list_invoices", "transfer"}

    play(scenario)


async def listed(world: World) -> set[str]:
    found = (await world.modern("payments", "tools/list")).json()["result"]["tools"]
    return {each["name"] for each in found}


@pytest.mark.parametrize("how", ["closed", "past"])
def test_a_call_under_way_ends_with_its_opening(play: Play, how: str) -> None:
    async def scenario(world: World) -> None:
        app = Odd(event(NOTE), headers=EVENTS)
        app.hold = asyncio.Event()
        await odd(world, app)
        world.source.all_boundaries = [
            dataclasses.replace(each, break_glass=True, boundary=BoundaryName(GLASS))
            for each in world.source.all_boundaries
        ]
        world.change("agent:bot")
        clock = Later(world.clock.now())
        world.pipeline._clock, world.contact = clock, clock.now
        opened(world, lasts=10)
        task = asyncio.create_task(world.post("odd", CALL))
        await until(lambda: task.done() or (len(world.streams) and app.began))
        assert not task.done(), f"it did not begin: {task.result().text}"
        if how == "closed":
            closed(world)
        else:
            clock.at = Instant(clock.at + 9)
            await world.streams.sweep()
            await asyncio.sleep(0)
            assert len(world.streams) == 1, "it was cut too early"
            clock.at = Instant(clock.at + 1)
            await world.streams.sweep()
        answer = await asyncio.wait_for(task, 5)
        last = json.loads(answer.text.strip().splitlines()[-1].removeprefix("data: "))
        assert last["error"]["data"]["code"] == "activation_lapsed"
        assert await world.outcomes() in (["cut"], ["outcome_unknown"])
        assert (await world.post("odd", CALL)).json()["result"]["structuredContent"]["code"] == "activation_lapsed"

    play(scenario)
