"""A freeze ends the sessions of the calls it cuts. What still comes in one is answered as frozen, not as lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gateway_world import World, rule, until  # type: ignore[import-not-found] # beside
from test_gateway_cut import Slow, legacy, running, session, slow  # type: ignore[import-not-found] # beside

from remit.freezes.model import FreezeKind

Play = Callable[[Any], None]
PING = {"jsonrpc": "2.0", "id": 9, "method": "ping"}
TOLD = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def tool(name: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": name, "arguments": {"n": 1}}}


async def cut(world: World, kind: FreezeKind = FreezeKind.AGENT, name: str = "bot") -> dict[str, str]:
    """A session that a freeze has ended, with the call that ran in it."""
    await slow(world, Slow())
    headers: dict[str, str] = await session(world)
    task = legacy(world, headers)
    await until(running(world, 1))
    world.freeze(kind, name)
    await task
    await world.relay.drain()
    world.seen.clear()
    return headers


def newest(world: World) -> tuple[str, str]:
    entry = world.entries("decision")[-1]
    return entry["decision"], entry["code"]


@pytest.mark.requirement("gateway:cut")
@pytest.mark.parametrize(
    ("kind", "name"),
    [(FreezeKind.AGENT, "bot"), (FreezeKind.INSTANCE, "i1"), (FreezeKind.SERVER, "slow"), (FreezeKind.ALL, "*")],
)
def test_the_next_call_in_a_session_that_a_freeze_ended_is_revoked(play: Play, kind: FreezeKind, name: str) -> None:
    async def scenario(world: World) -> None:
        headers = await cut(world, kind, name)
        answer = await world.post("slow", tool("tool"), **(headers | {"DPoP": "one"}))
        assert answer.status_code == 200
        assert answer.json()["result"]["structuredContent"]["code"] == "revoked"
        assert newest(world) == ("deny", "revoked")
        pinged = await world.post("slow", PING, **headers)
        assert (pinged.json()["error"]["code"], pinged.json()["error"]["data"]["code"]) == (-32010, "revoked")
        told = await world.post("slow", TOLD, **headers)
        assert told.status_code == 403
        async with world.http() as http:
            for send in (http.get, http.delete):
                ended = await send("/mcp/slow", headers=world.headers() | headers)
                assert (ended.status_code, ended.json()["error"]["data"]["code"]) == (403, "revoked")
        assert world.entries("refused") == []
        assert world.seen == []
        assert (await world.post("slow", tool("tool"), **(headers | {"DPoP": "one"}))).status_code == 401

    play(scenario)


def test_once_it_is_lifted_the_session_is_gone_as_any_other(play: Play) -> None:
    async def scenario(world: World) -> None:
        headers = await cut(world)
        world.unfreeze()
        answer = await world.post("slow", tool("tool"), **headers)
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, "Session not found")
        assert [each["reason"] for each in world.entries("refused")] == ["session_unknown"]

    play(scenario)


def test_a_freeze_of_something_else_leaves_an_unknown_session_unknown(play: Play) -> None:
    async def scenario(world: World) -> None:
        headers = await cut(world)
        world.unfreeze()
        world.freeze(FreezeKind.TOOL, "slow/other")
        assert (await world.post("slow", tool("tool"), **headers)).status_code == 404
        frozen = await world.post("slow", tool("other"), **headers)
        assert frozen.json()["result"]["structuredContent"]["code"] == "revoked"

    play(scenario)


def test_under_a_freeze_a_foreign_session_looks_like_one_that_never_was(play: Play) -> None:
    async def scenario(world: World) -> None:
        await slow(world, Slow())
        world.agent("other", rule("slow/tool"))
        ours = await session(world)
        world.freeze(FreezeKind.AGENT, "other")
        given = [ours, ours | {"mcp-session-id": "never-was"}]
        for body in (tool("tool"), PING):
            answers = [await world.post("slow", body, agent="other", **headers) for headers in given]
            assert [each.status_code for each in answers] == [200, 200]
            foreign, missing = (_denial(each.json()) for each in answers)
            assert foreign["code"] == "revoked"
            changing = {"decision_id": "", "evaluated_at": ""}
            assert foreign | changing == missing | changing
        await world.pipeline.drain()
        incidents = [(each["what"], each["agent"]) for each in world.entries("incident")]
        assert incidents == [("foreign_session", "other")] * 2
        assert {each["decision"] for each in world.entries("incident")} <= {d["id"] for d in world.entries("decision")}
        # And the session's owner goes on.
        assert (
            await world.post("slow", {"jsonrpc": "2.0", "method": "notifications/initialized"}, **ours)
        ).status_code == 202

    play(scenario)


def _denial(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["result"]["structuredContent"] if "result" in answer else answer["error"]["data"]
    return found


@pytest.mark.requirement("gateway:hidden")
@pytest.mark.parametrize(
    ("kind", "name"), [(FreezeKind.ALL, "*"), (FreezeKind.SERVER, "slow"), (FreezeKind.AGENT, "stranger")]
)
def test_a_frozen_server_that_is_hidden_looks_like_a_missing_one_in_any_session(
    play: Play, kind: FreezeKind, name: str
) -> None:
    async def scenario(world: World) -> None:
        await slow(world, Slow())
        world.agent("stranger", rule("elsewhere/tool"))
        given = [{"mcp-session-id": "never-was"}, {"mcp-session-id": (await session(world))["mcp-session-id"]}]
        world.freeze(kind, name)
        for headers in given:
            for body in (tool("tool"), tool("nothing"), PING):
                hidden, missing = [
                    await world.post(server, body, agent="stranger", **headers) for server in ("slow", "no-such")
                ]
                assert (hidden.status_code, hidden.content) == (missing.status_code, missing.content)
                assert hidden.status_code == 404
        assert world.entries("decision")[1:] == []

    play(scenario)


@pytest.mark.requirement("gateway:hidden")
def test_a_hidden_tool_of_a_frozen_agent_looks_like_a_missing_one_in_any_session(play: Play) -> None:
    async def scenario(world: World) -> None:
        headers = await cut(world)
        world.agent("bot", rule("slow/tool"))
        hidden, missing = [await world.post("slow", tool(name), **headers) for name in ("other", "wrong")]
        assert hidden.status_code == missing.status_code
        assert hidden.content.replace(b"other", b"wrong") == missing.content

    play(scenario)


def test_a_freeze_that_is_lifted_while_its_denial_is_made_lets_nothing_through(play: Play) -> None:
    async def scenario(world: World) -> None:
        headers = await cut(world)
        frozen = world.pipeline.again

        def lifted(call: Any) -> Any:
            answer = frozen(call)
            world.unfreeze()
            return answer

        world.pipeline.again = lifted
        answer = await world.post("slow", tool("tool"), **(headers | {"DPoP": "one"}))
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, "Session not found")
        assert (await world.outcomes())[-1] == "not_sent"
        assert world.seen == []
        assert (await world.post("slow", tool("tool"), **(headers | {"DPoP": "one"}))).status_code == 401

    play(scenario)


def test_without_a_record_a_frozen_session_is_unavailable(play: Play) -> None:
    async def scenario(world: World) -> None:
        headers = await cut(world)
        world.writer.gone = True
        error = (await world.post("slow", tool("tool"), **headers)).json()["error"]
        assert (error["code"], error["data"]["code"]) == (-32603, "enforcement_unavailable")

    play(scenario)
