"""What runs when the world changes: ended with a last word, at both sides, listed and recorded."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from gateway_world import World, modern_request, rule, until  # type: ignore[import-not-found] # beside

from remit.access.activation import ActivationState
from remit.access.model import BoundaryState, PurposeState
from remit.agents.model import AgentState
from remit.enforcement.model import Outcome
from remit.enforcement.streams import Cut
from remit.freezes.model import FreezeKind

Play = Callable[[Any], None]
TOOL = {"name": "tool", "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}}}
OTHER = {**TOOL, "name": "other"}
PARAMS = {"name": "tool", "arguments": {"n": 1}}
EVENTS = [(b"content-type", b"text/event-stream")]
JSON = [(b"content-type", b"application/json")]
PROGRESS = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}\n\n'
SESSION = "upstreams-own"


class Slow:
    """A server that begins a call (or a session's GET) and never ends it: with a stream, or without a word."""

    def __init__(self, *, streams: bool = True) -> None:
        self.streams = streams
        self.holding = 0
        self.closed = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError("no lifespan")
        body = json.loads((await receive()).get("body") or b"{}")
        if body.get("method") == "initialize":
            result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "s"}}
            answer = json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": result}).encode()
            headers = [*JSON, (b"mcp-session-id", SESSION.encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": answer})
        elif scope["method"] == "GET" or body.get("method") == "tools/call":
            await self._hold(receive, send)
        else:
            await send({"type": "http.response.start", "status": 202, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def _hold(self, receive: Any, send: Any) -> None:
        if self.streams:
            await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
            await send({"type": "http.response.body", "body": PROGRESS, "more_body": True})
        self.holding += 1
        while (await receive())["type"] != "http.disconnect":
            pass
        self.closed += 1


async def slow(world: World, app: Slow, **options: Any) -> None:
    await world.server("slow", app, imported=False, **options)
    world.pin("slow", TOOL, OTHER)
    world.agent("bot", rule("slow/tool"), rule("slow/other"))


async def session(world: World) -> dict[str, str]:
    """The headers of a session of the handshake era."""
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    opened = await world.post("slow", {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
    world.seen.clear()
    return {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}


def legacy(world: World, headers: dict[str, str], name: str = "tool", number: int = 7) -> asyncio.Task[Any]:
    body = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": PARAMS | {"name": name}}
    return asyncio.create_task(world.post("slow", body, **headers))


def modern(world: World, name: str = "tool", agent: str = "bot") -> asyncio.Task[Any]:
    return asyncio.create_task(world.modern("slow", "tools/call", PARAMS | {"name": name}, agent=agent))


def running(world: World, count: int, *, answering: bool = True) -> Callable[[], bool]:
    """Whether so many calls run, and got as far as they get."""
    found = world.streams._running
    return lambda: sum(each.answering if answering else each.sent for each in found) == count


def last_of(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.text.strip().splitlines()[-1].removeprefix("data: "))
    return found


async def cuts(world: World, cause: str = "frz_1") -> list[Cut]:
    found: list[Cut] = await asyncio.to_thread(world.streams.cut_by, cause)
    return found


def told(world: World) -> list[tuple[str, str, str | None]]:
    """What reached the server: HTTP method, JSON-RPC method, session."""
    return [(s.method, s.json().get("method", ""), s.headers.get("mcp-session-id")) for s in world.seen]


@pytest.mark.requirement("gateway:cut")
def test_a_freeze_cuts_a_streaming_call_of_the_modern_era(play: Play) -> None:
    async def scenario(world: World) -> None:
        app = Slow()
        await slow(world, app)
        task = modern(world)
        await until(running(world, 1))
        world.freeze(FreezeKind.AGENT, "bot")
        last = last_of(await task)
        assert (last["id"], last["error"]["code"], last["error"]["data"]["code"]) == (1, -32010, "revoked")
        assert last["error"]["data"]["epoch"] == world.facts.view().epoch
        await until(lambda: app.closed == 1)
        await world.relay.drain()
        assert told(world) == [("POST", "tools/call", None)]  # closing the connection is the cancellation here
        assert await world.outcomes() == ["cut"]
        outcome, decision = world.entries("outcome")[0], world.entries("decision")[0]
        assert (outcome["cause"], outcome["decision"]) == ("frz_1", decision["id"])
        assert await cuts(world) == [Cut(decision["id"], "bot", "slow/tool", Outcome.CUT)]
        assert await cuts(world) == []
        after = await world.modern("slow", "tools/call", PARAMS)
        assert after.json()["result"]["structuredContent"]["code"] == "revoked"

    play(scenario)


@pytest.mark.requirement("gateway:cut")
def test_a_freeze_cuts_a_streaming_call_of_the_handshake_era_and_its_session(play: Play) -> None:
    async def scenario(world: World) -> None:
        app = Slow()
        await slow(world, app)
        headers = await session(world)
        task = legacy(world, headers)
        await until(running(world, 1))
        world.freeze(FreezeKind.AGENT, "bot")
        last = last_of(await task)
        assert (last["id"], last["error"]["code"], last["error"]["data"]["code"]) == (7, -32010, "revoked")
        await until(lambda: app.closed == 1)
        await world.relay.drain()
        assert told(world) == [
            ("POST", "tools/call", SESSION), ("POST", "notifications/cancelled", SESSION), ("DELETE", "", SESSION),
        ]  # fmt: skip
        assert world.seen[1].json()["params"]["requestId"] == 7
        assert await world.outcomes() == ["ok", "cut"]  # the handshake, the call
        world.unfreeze()
        again = await world.post("slow", {"jsonrpc": "2.0", "id": 8, "method": "ping"}, **headers)
        assert again.status_code == 404

    play(scenario)


def test_a_frozen_tool_ends_its_call_and_leaves_the_session(play: Play) -> None:
    async def scenario(world: World) -> None:
        app = Slow()
        await slow(world, app)
        headers = await session(world)
        frozen, kept = legacy(world, headers), legacy(world, headers, "other", 8)
        await until(running(world, 2))
        world.freeze(FreezeKind.TOOL, "slow/tool")
        assert last_of(await frozen)["error"]["data"]["code"] == "revoked"
        await world.relay.drain()
        assert [method for method, _, _ in told(world)] == ["POST", "POST", "POST"]  # no DELETE
        assert not kept.done()
        assert len(world.streams) == 1
        kept.cancel()

    play(scenario)


def test_a_frozen_secret_is_not_used_to_say_farewell(play: Play) -> None:
    async def scenario(world: World) -> None:
        app = Slow()
        await slow(world, app, credential=True)
        task = legacy(world, await session(world))
        await until(running(world, 1))
        world.freeze(FreezeKind.CREDENTIAL, "key")
        assert last_of(await task)["error"]["data"]["code"] == "revoked"
        await until(lambda: app.closed == 1)
        await world.relay.drain()
        assert told(world) == [("POST", "tools/call", SESSION)]

    play(scenario)


def test_a_freeze_ends_the_stream_of_a_session(play: Play) -> None:
    async def scenario(world: World) -> None:
        app = Slow()
        await slow(world, app)
        headers = await session(world) | {"accept": "text/event-stream"}

        async def listen() -> Any:
            async with world.http() as http:
                return await http.get("/mcp/slow", headers=world.headers() | headers)

        task = asyncio.create_task(listen())
        await until(running(world, 1))
        world.freeze(FreezeKind.SERVER, "slow")
        last = last_of(await task)
        assert (last["id"], last["error"]["code"], last["error"]["data"]["code"]) == (None, -32010, "revoked")
        await until(lambda: app.closed == 1)
        await world.relay.drain()
        assert told(world) == [("GET", "", SESSION), ("DELETE", "", SESSION)]
        assert [(c.action, c.outcome) for c in await cuts(world)] == [("slow:GET", Outcome.CUT)]

    play(scenario)


@pytest.mark.parametrize("with_session", [True, False])
def test_a_call_that_was_sent_and_not_answered_is_unknown(play: Play, with_session: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario(world: World) -> None:
        app = Slow(streams=False)
        await slow(world, app)
        task = legacy(world, await session(world)) if with_session else modern(world)
        await until(lambda: app.holding)
        world.freeze(FreezeKind.INSTANCE, "i1")
        error = (await task).json()["error"]
        assert (error["code"], error["data"]["code"]) == (-32010, "revoked")
        await until(lambda: app.closed == 1)
        assert [(c.agent, c.outcome) for c in await cuts(world)] == [("bot", Outcome.OUTCOME_UNKNOWN)]
        assert (await world.outcomes())[-1] == "outcome_unknown"

    play(scenario)


def test_a_freeze_of_everything_cuts_everything(play: Play) -> None:
    async def scenario(world: World) -> None:
        app = Slow()
        await slow(world, app)
        world.agent("second", rule("slow/tool"))
        tasks = [
            modern(world),
            modern(world, "other"),
            modern(world, agent="second"),
            legacy(world, await session(world)),
        ]
        await until(running(world, 4))
        world.freeze(FreezeKind.ALL, "*")
        for task in tasks:
            assert last_of(await task)["error"]["data"]["code"] == "revoked"
        assert len(await cuts(world)) == 4
        assert len(world.streams) == 0
        await until(lambda: app.closed == 4)

    play(scenario)


def test_a_freeze_of_one_agent_leaves_the_streams_of_others(play: Play) -> None:
    async def scenario(world: World) -> None:
        await slow(world, Slow())
        world.agent("second", rule("slow/tool"))
        mine, others = modern(world), modern(world, agent="second")
        await until(running(world, 2))
        world.freeze(FreezeKind.AGENT, "bot")
        await mine
        assert not others.done()
        assert len(world.streams) == 1
        others.cancel()

    play(scenario)


def boundary_revoked(world: World) -> tuple[str, ...]:
    world.source.all_boundaries = [
        dataclasses.replace(each, state=BoundaryState.REVOKED) for each in world.source.all_boundaries
    ]
    return ("agent:bot",)


def narrowed(world: World) -> tuple[str, ...]:
    world.agent("bot", rule("slow/other"))
    return ("agent:bot",)


def suspended(world: World) -> tuple[str, ...]:
    found = world.source.all_agents["bot"]
    world.source.all_agents["bot"] = dataclasses.replace(found, state=AgentState.SUSPENDED)
    return ("agent:bot",)


def retired(world: World) -> tuple[str, ...]:
    found = world.source.all_agents["bot"]
    world.source.all_agents["bot"] = dataclasses.replace(found, state=AgentState.RETIRED)
    return ("agent:bot",)


def owner_gone(world: World) -> tuple[str, ...]:
    world.source.all_owners["dana"] = dataclasses.replace(world.source.all_owners["dana"], active=False)
    return ("owner:dana",)


def purpose_closed(world: World) -> tuple[str, ...]:
    found = world.source.all_purposes["work"]
    world.source.all_purposes["work"] = dataclasses.replace(found, state=PurposeState.CLOSED)
    return ("purpose:work",)


def policy_added(world: World) -> tuple[str, ...]:
    text = '@id("no") forbid (principal, action == Remit::Action::"slow/tool", resource);'
    world.source.all_policies = {"new.cedar": text}
    return ("policies",)


def activation_suspended(world: World) -> tuple[str, ...]:
    return _activation(world, ActivationState.SUSPENDED)


def activation_lapsed(world: World) -> tuple[str, ...]:
    return _activation(world, ActivationState.LAPSED)


def _activation(world: World, state: ActivationState) -> tuple[str, ...]:
    (started,) = world.facts.view().activations.of("bot")
    world.source.all_activations = [dataclasses.replace(started, state=state, serial=started.serial + 1)]
    return ("activations:bot",)


CHANGES = [
    (boundary_revoked, "not_granted"), (narrowed, "not_granted"), (suspended, "agent_suspended"),
    (retired, "agent_suspended"), (owner_gone, "agent_suspended"), (purpose_closed, "purpose_closed"),
    (policy_added, "forbidden_by_policy"), (activation_suspended, "activation_lapsed"),
]  # fmt: skip


@pytest.mark.parametrize("handshake", [True, False])
@pytest.mark.parametrize(("change", "code"), CHANGES)
def test_each_change_that_ends_an_access_ends_its_calls(
    play: Play, change: Callable[[World], tuple[str, ...]], code: str, handshake: bool  # noqa: FBT001 - a parameter of the test
) -> None:  # fmt: skip
    async def scenario(world: World) -> None:
        app = Slow()
        await slow(world, app)
        task = legacy(world, await session(world)) if handshake else modern(world)
        await until(running(world, 1))
        world.change(*change(world))
        last = last_of(await task)
        assert (last["error"]["code"], last["error"]["data"]["code"]) == (-32010, code)
        await until(lambda: app.closed == 1)
        await world.relay.drain()
        assert (await world.outcomes())[-1] == "cut"
        outcome = world.entries("outcome")[-1]
        cause = "not_visible" if change in (boundary_revoked, narrowed) else code
        assert outcome["cause"] == cause
        assert (("POST", "notifications/cancelled", SESSION) in told(world)) is handshake

    play(scenario)


def test_an_entitlement_that_lapses_cuts_nothing(play: Play) -> None:
    async def scenario(world: World) -> None:
        await slow(world, Slow())
        task = modern(world)
        await until(running(world, 1))
        world.change(*activation_lapsed(world))
        await asyncio.to_thread(world.streams.cut_by, "")  # behind whatever the change put on the loop
        assert not task.done()
        refused = await world.modern("slow", "tools/call", PARAMS)  # a new call is another matter
        assert refused.json()["result"]["structuredContent"]["code"] == "activation_lapsed"
        task.cancel()

    play(scenario)


@pytest.mark.parametrize("change", [boundary_revoked, suspended, retired, activation_suspended])
def test_what_another_agent_lost_is_no_loss_of_this_one(play: Play, change: Callable[[World], tuple[str, ...]]) -> None:
    async def scenario(world: World) -> None:
        await slow(world, Slow())
        world.agent("second", rule("slow/tool"), purpose="work")
        kept, mine = modern(world, agent="second"), modern(world)
        await until(running(world, 2))
        before = [each for each in world.source.all_boundaries if each.agent == "second"]
        topics = change(world)
        world.source.all_boundaries = [b for b in world.source.all_boundaries if b.agent != "second"] + before
        world.change(*topics)
        await mine
        assert not kept.done()
        kept.cancel()

    play(scenario)


@pytest.mark.parametrize("method", ["sampling/createMessage", "elicitation/create", "roots/list", "ping", "x/unheard"])
@pytest.mark.requirement("gateway:server-requests")
def test_every_request_of_a_server_is_refused_and_recorded(play: Play, method: str) -> None:
    async def scenario(world: World) -> None:
        app = Slow()
        ask = json.dumps({"jsonrpc": "2.0", "id": "q", "method": method, "params": {}})
        asks = f"data: {ask}\n\n".encode()
        await slow(world, app)

        async def hold(receive: Any, send: Any) -> None:
            done = json.dumps({"jsonrpc": "2.0", "id": 7, "result": {"content": []}})
            await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
            await send({"type": "http.response.body", "body": asks * 3, "more_body": True})
            await send({"type": "http.response.body", "body": f"data: {done}\n\n".encode()})

        app._hold = hold  # type: ignore[method-assign] # this server asks
        answer = await legacy(world, await session(world))
        assert method not in answer.text
        assert answer.json()["result"] == {"content": []}
        await world.relay.drain()
        errors = [m["error"]["code"] for seen in world.seen if (m := seen.json()).get("id") == "q"]
        assert errors == [-32601] * 3
        (refused,) = world.entries("refused")
        assert (refused["reason"], refused["method"], refused["server"]) == ("server_request", method, "slow")

    play(scenario)


@pytest.mark.requirement("gateway:one-answer-each")
def test_an_id_is_not_used_again_while_its_server_owes_an_answer(play: Play) -> None:
    # It would get the answer of the call before, which still runs there; that would be recorded as its own.
    async def scenario(world: World) -> None:
        app = Slow()
        await slow(world, app)
        headers = await session(world)
        first = legacy(world, headers)
        await until(running(world, 1))
        second = await legacy(world, headers, "other")
        assert (second.status_code, second.json()["id"], second.json()["error"]["code"]) == (400, 7, -32600)
        assert (await world.outcomes())[-1] == "not_sent"
        third = legacy(world, headers, "other", 8)
        await until(running(world, 2))
        for task in (first, third):
            task.cancel()
        assert [s.json()["id"] for s in world.seen if s.json().get("method") == "tools/call"] == [7, 8]

    play(scenario)


def test_an_id_may_be_used_again_once_it_was_answered(play: Play) -> None:
    async def scenario(world: World) -> None:
        app = Slow()
        await slow(world, app)

        async def answer(receive: Any, send: Any) -> None:
            done = json.dumps({"jsonrpc": "2.0", "id": 7, "result": {"content": []}}).encode()
            await send({"type": "http.response.start", "status": 200, "headers": JSON})
            await send({"type": "http.response.body", "body": done})

        app._hold = answer  # type: ignore[method-assign] # this server answers
        headers = await session(world)
        for _ in range(2):
            assert (await legacy(world, headers)).json()["result"] == {"content": []}
        assert (await world.outcomes())[1:] == ["ok", "ok"]

    play(scenario)


def test_a_call_of_the_modern_era_that_its_server_answers_with_a_question_is_a_denial(play: Play) -> None:
    async def scenario(world: World) -> None:
        await slow(world, app := Slow())
        body, _ = modern_request("tools/call", PARAMS)

        async def hold(receive: Any, send: Any) -> None:
            result = {"resultType": "input_required", "inputRequests": {"a": {"method": "elicitation/create"}}}
            answer = json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": result}).encode()
            await send({"type": "http.response.start", "status": 200, "headers": JSON})
            await send({"type": "http.response.body", "body": answer})

        app._hold = hold  # type: ignore[method-assign] # this server asks
        answer = await modern(world)
        result = answer.json()["result"]
        assert result["isError"] is True
        assert (result["structuredContent"]["code"], result["structuredContent"]["action"]) == (
            "not_granted", "slow:elicitation/create",
        )  # fmt: skip
        assert await world.outcomes() == ["error"]

    play(scenario)
