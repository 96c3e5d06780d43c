"""A message that says one thing in its headers and another in its body, or twice: acceptance tests 4, 5, 8 and 12."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway_world import (  # type: ignore[import-not-found] # found by conftest
    modern_request,
    payments,
    rule,
    streamable,
)
from tests.abuse.shop import message, shop, transfer

Play = Callable[[Any], None]
MODERN, ROUTING = modern_request("tools/call", transfer())
MALFORMED = {"kind": "refused", "reason": "malformed", "agent": "bot", "server": "payments"}
AGAINST: dict[str, dict[str, str]] = {
    "another tool": {"mcp-name": "list_invoices"}, "no tool": {"mcp-name": ""},
    "a tool more": {"mcp-name": "transfer,x"},
    "another method": {"mcp-method": "tools/list"}, "another case": {"mcp-method": "Tools/Call"},
    "no method": {"mcp-method": ""},
}  # fmt: skip


def test_a_header_against_the_body(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        for what, wrong in AGAINST.items():
            asked = world.post("payments", MODERN, **(ROUTING | wrong))
            await watch.refused(asked, 400, "-32020", what=what, error="-32020", **MALFORMED)
        await watch.passes(world.post("payments", MODERN, **ROUTING))

    play(scenario)


def test_a_header_that_stands_there_twice(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        async with world.http() as http:
            for name, value in [*ROUTING.items(), *((name, "x") for name in ROUTING)]:
                twice = [*world.headers().items(), *ROUTING.items(), (name, value)]
                asked = http.post("/mcp/payments", json=MODERN, headers=twice)
                await watch.refused(asked, 400, "-32020", what=(name, value), error="-32020", **MALFORMED)

    play(scenario)


def test_a_batch_in_every_era(play: Play) -> None:
    """One element or more: what a gateway does not look into, some servers execute."""

    async def scenario(world: Any) -> None:
        watch = await shop(world)
        forbidden = message({"name": "delete_all", "arguments": {}})
        for version in ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"):
            for batch in ([forbidden], [message(transfer()), forbidden], [[forbidden]], []):
                asked = world.post("payments", batch, **{"mcp-protocol-version": version})
                await watch.refused(asked, 400, "-32600", error="-32600", **MALFORMED)
        await watch.refused(world.post("payments", [MODERN], **ROUTING), 400, "-32600", error="-32600", **MALFORMED)

    play(scenario)


def test_a_method_that_nobody_knows(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        entry = {"kind": "refused", "reason": "unknown_method", "agent": "bot", "server": "payments"}
        for method in ("x/y", "tools/delete", "TOOLS/CALL", "rpc.discover"):
            await watch.refused(world.post("payments", message({}, method)), 200, "-32601", what=method, **entry)
            body, routing = modern_request(method)
            await watch.refused(world.post("payments", body, **routing), 404, "-32601", what=method, **entry)

    play(scenario)


def test_a_session_of_another_agent_or_of_nobody(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        await world.server("stateful", streamable(payments(), json_response=True))
        for agent in ("bot", "other"):
            world.agent(agent, rule("stateful/list_invoices"))
        client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        opened = await world.post("stateful", message(client, "initialize"))
        shown = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        call = message({"name": "list_invoices", "arguments": {}})
        entry = {"kind": "refused", "agent": "other", "server": "stateful"}
        foreign = world.post("stateful", call, agent="other", **shown)
        one = await watch.refused(foreign, 404, "-32600", reason="foreign_session", owner="bot", **entry)
        missing = world.post("stateful", call, agent="other", **(shown | {"mcp-session-id": "guessed"}))
        two = await watch.refused(missing, 404, "-32600", **entry)
        assert one.content == two.content, "nobody learns which sessions there are"
        async with world.http() as http:
            ended = http.delete("/mcp/stateful", headers=world.headers("other") | shown)
            await watch.refused(ended, 404, "-32600", reason="foreign_session", owner="bot", **entry)
        await watch.passes(world.post("stateful", call, **shown))

    play(scenario)
