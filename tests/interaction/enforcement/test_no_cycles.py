"""A call that is over leaves nothing for the cycle collector: only a full collection would find it, and stop the world.

Attack: calls faster than the collector is run fill the memory, and the pass that frees it holds up every stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from asking_world import estate, question  # type: ignore[import-not-found] # beside
from gateway_world import World, rule  # type: ignore[import-not-found] # beside
from http_world import HttpWorld, fixed, run_http  # type: ignore[import-not-found] # beside
from mcp.server.mcpserver import MCPServer

from remit.access.model import Bound
from remit.enforcement import asgi

Play = Callable[[Any], None]
TIMES = 3


@contextlib.contextmanager
def cycles() -> Iterator[Counter[str]]:
    """What of ours only the collector can free, by type, filled in at the end."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.update(type(each).__qualname__ for each in gc.garbage if type(each).__module__.startswith("remit."))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def leaves_none(ask: Callable[[], Awaitable[object]]) -> None:
    await ask()  # what the first call makes stays
    with cycles() as found:
        for _ in range(TIMES):
            await ask()
        await asyncio.sleep(0)
    assert not found, found


def tool_server() -> Any:
    server = MCPServer("s")

    @server.tool()
    async def tool(n: int) -> int:
        await asyncio.sleep(0.01)  # long enough to be watched
        return n

    return server.streamable_http_app()


@pytest.fixture
def watched_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "_WATCH_AFTER", 0.0)  # as for a call that takes a while


@pytest.mark.usefixtures("watched_at_once")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [({"n": 1}, '"result":1'), ({"n": 9}, "constraint_violated"), ({"n": "x"}, "invalid_arguments")],
)
def test_tool_calls(play: Play, arguments: dict[str, Any], expected: str) -> None:
    async def scenario(world: World) -> None:
        await world.server("s", tool_server())
        world.agent("bot", rule("s/tool", Bound(argument="n", max=Decimal(5))))

        async def ask() -> None:
            answer = await world.modern("s", "tools/call", {"name": "tool", "arguments": arguments})
            assert expected in answer.text

        await leaves_none(ask)

    play(scenario)


@pytest.mark.usefixtures("watched_at_once")
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_sessions_of_the_official_client(play: Play, mode: str) -> None:
    async def scenario(world: World) -> None:
        await world.server("s", tool_server())
        world.agent("bot", rule("s/tool"))

        async def ask() -> None:
            async with world.client("s", mode) as client:
                assert [each.name for each in (await client.list_tools()).tools] == ["tool"]
                assert not (await client.call_tool("tool", {"n": 1})).is_error

        await leaves_none(ask)

    play(scenario)


@pytest.mark.usefixtures("watched_at_once")
@pytest.mark.parametrize(("path", "status"), [("/http/api/things/7", 200), ("/http/api/other", 404)])
def test_http_calls(path: str, status: int) -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await world.api(operations={"GET /things/{id}": {"tier": "low"}})
        api.answers["/things/7"] = fixed(200, b"{}", [("content-type", "application/json")])
        world.agent("bot", rule("api:GET /things/{id}"))

        async def ask() -> None:
            assert (await world.ask("GET", path)).status == status

        await leaves_none(ask)

    run_http(scenario)


def test_evaluations(play: Play) -> None:
    async def scenario(world: World) -> None:
        asking = estate(world)

        async def ask() -> None:
            answer = await asking.ask(question(arguments={"amount": 100, "currency": "EUR"}))
            assert answer.json() == {"decision": True}

        await leaves_none(ask)

    play(scenario)
