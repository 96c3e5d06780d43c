"""The official client works through the gateway, in every mode, against the official server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gateway_world import World, at_most, payments, rule, streamable  # type: ignore[import-not-found] # beside

MODES = ["auto", "legacy", "2026-07-28"]
RULES = (
    rule("payments/list_invoices"),
    rule("payments/transfer", at_most("amount", "500.00")),
    rule("payments/count"),
)


@pytest.mark.requirement("gateway:eras")
@pytest.mark.parametrize("json_response", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_the_official_client_lists_and_calls(play: Callable[[Any], None], mode: str, json_response: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments(), json_response=json_response), credential=True)
        world.agent("bot", *RULES)
        async with world.client("payments", mode) as client:
            tools = await client.list_tools()
            assert [tool.name for tool in tools.tools] == ["count", "list_invoices", "transfer"]
            done = await client.call_tool("transfer", {"amount": 12.5, "currency": "EUR"})
            assert not done.is_error
            assert done.content[0].text == "moved 12.50 EUR"
        outcomes = await world.outcomes()
        assert set(outcomes) == {"ok"}
        assert len(outcomes) == len([e for e in world.entries("decision") if e["decision"] == "allow"])
        assert len(world.open_calls) == 0

    play(scenario)


@pytest.mark.requirement("gateway:progress")
@pytest.mark.parametrize("mode", MODES)
def test_progress_streams_through(play: Callable[[Any], None], mode: str) -> None:
    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments()))
        world.agent("bot", *RULES)
        heard: list[float] = []

        async def hear(progress: float, _total: float | None, _message: str | None) -> None:
            heard.append(progress)

        async with world.client("payments", mode) as client:
            done = await client.call_tool("count", {"to": 5}, progress_callback=hear)
        assert done.structured_content == {"result": 5}
        assert heard == [1, 2, 3, 4, 5]

    play(scenario)


@pytest.mark.requirement("gateway:denial")
@pytest.mark.parametrize("mode", MODES)
def test_a_denial_is_a_result_the_agent_can_read(play: Callable[[Any], None], mode: str) -> None:
    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments()))
        world.agent("bot", *RULES)
        async with world.client("payments", mode) as client:
            done = await client.call_tool("transfer", {"amount": 900, "currency": "EUR"})
        assert done.is_error
        assert done.structured_content["code"] == "constraint_violated"
        assert done.structured_content["violations"][0]["path"] == "/amount"
        assert done.meta is not None
        assert done.meta["dev.remit/denial"] == done.structured_content
        assert world.calls() == []
        assert [e["code"] for e in world.entries("decision") if e["decision"] == "deny"] == ["constraint_violated"]

    play(scenario)


def test_the_other_path_works_too(play: Callable[[Any], None]) -> None:
    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments()))
        world.agent("bot", *RULES)
        async with world.client("payments", path="/servers/payments/mcp") as client:
            assert not (await client.call_tool("list_invoices", {})).is_error

    play(scenario)
