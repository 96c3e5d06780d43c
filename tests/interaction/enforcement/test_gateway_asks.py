"""What a server asks of its agent: refused until a boundary grants it for that server; both eras."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx2
import mcp_types as types
import pytest
from gateway_world import World, modern_request, rule  # type: ignore[import-not-found] # beside
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from tests.e2e import conformance_server

from remit.access.model import Bound

# The SDK says so of what the modern revision has deprecated (SEP-2577), and is spoken all the same.
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

Play = Callable[[Any], None]
SAMPLING = rule("everything:sampling/createMessage", Bound(argument="maxTokens", max=Decimal(100)))
FORM = rule("everything:elicitation/create", Bound(argument="mode", in_=("form",)))
ROOTS = rule("everything:roots/list")
TOOLS = rule("everything/test_sampling"), rule("everything/test_elicitation")
INPUT = "test_input_required_result_"


async def ready(world: World, *rules: Any) -> None:
    await world.server("everything", conformance_server.server().streamable_http_app(), credential=True)
    world.agent("bot", *TOOLS, *rules)
    world.seen.clear()


async def sampled(_context: Any, params: Any) -> Any:
    said = types.TextContent(type="text", text=f"of {params.max_tokens}")
    return types.CreateMessageResult(role="assistant", content=said, model="none")


async def elicited(_context: Any, params: Any) -> Any:
    return types.ElicitResult(action="accept", content={"username": "u", "email": "e"})


ANSWERS: dict[str, Any] = {"sampling_callback": sampled, "elicitation_callback": elicited}


async def called(world: World, tool: str, arguments: dict[str, Any]) -> Any:
    async with httpx2.AsyncClient(headers=world.headers(), trust_env=False, timeout=20) as http:
        transport = streamable_http_client(world.base + "/mcp/everything", http_client=http)
        async with Client(transport, mode="legacy", **ANSWERS) as client:
            try:
                return await client.call_tool(tool, arguments)
            except MCPError as error:
                return error


@pytest.mark.parametrize(
    ("tool", "arguments", "asked"),
    [
        ("test_sampling", {"prompt": "Hi"}, "sampling/createMessage"),
        ("test_elicitation", {"message": "Who?"}, "elicitation/create"),
    ],
)
def test_handshake_ungranted_is_refused_to_the_server_and_the_tool_gets_an_error(
    play: Play, tool: str, arguments: dict[str, Any], asked: str
) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        assert "Method not found" in str(await called(world, tool, arguments)), "the tool was told that there is none"
        assert not [s for s in world.seen if s.body and "accept" in s.body.decode()]
        await world.relay.drain()
        refused = [e for e in world.entries("refused") if e["reason"] == "server_request"]
        assert [e["method"] for e in refused] == [asked]
        opened = [s.json() for s in world.seen if s.body and s.json().get("method") == "initialize"]
        assert opened[0]["params"]["capabilities"] == {}

    play(scenario)


def test_handshake_granted_it_passes_inside_its_bounds_and_is_recorded_as_a_call(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world, SAMPLING, FORM)
        done = await called(world, "test_sampling", {"prompt": "Hi"})
        assert "of 100" in done.content[0].text
        done = await called(world, "test_elicitation", {"message": "Who?"})
        assert "action=accept" in done.content[0].text
        await world.relay.drain()
        outcomes = await world.outcomes()
        assert set(outcomes) == {"ok"}
        decided = {e["action"]: e["decision"] for e in world.entries("decision")}
        assert decided["everything:sampling/createMessage"] == "allow"
        assert decided["everything:elicitation/create"] == "allow"
        assert decided["everything:answer"] == "allow"
        assert world.entries("refused") == []
        assert len(world.open_calls) == 0

    play(scenario)


def test_handshake_outside_the_bounds_is_refused_to_the_server(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world, rule("everything:sampling/createMessage", Bound(argument="maxTokens", max=Decimal(99))))
        assert "Method not found" in str(await called(world, "test_sampling", {"prompt": "Hi"}))
        (denied,) = [e for e in world.entries("decision") if e["decision"] == "deny"]
        assert (denied["action"], denied["code"]) == ("everything:sampling/createMessage", "constraint_violated")

    play(scenario)


def test_an_answer_to_nothing_reaches_nobody(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world, SAMPLING)
        client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
        opened = await world.post("everything", hello)
        session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        world.seen.clear()
        answer = {"jsonrpc": "2.0", "id": "remit-ask-guessed", "result": {"role": "assistant"}}
        said = await world.post("everything", answer, **session)
        assert (said.status_code, said.json()["error"]["code"]) == (400, -32600)
        assert (await world.post("everything", answer)).status_code == 400
        foreign = await world.post("everything", answer, agent="eve", **session)
        assert foreign.status_code in {400, 404}
        assert world.seen == []

    play(scenario)


def with_input(**answers: Any) -> dict[str, Any]:
    return {"inputResponses": answers}


async def modern_call(world: World, tool: str, more: dict[str, Any], *, agent: str = "bot") -> dict[str, Any]:
    params = {"name": tool, "arguments": {}, **more}
    body, routing = modern_request("tools/call", params)
    declared: dict[str, Any] = {"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {}}
    body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = declared
    said: dict[str, Any] = (await world.post("everything", body, agent=agent, **routing)).json()
    return said


def test_modern_ungranted_is_a_denial_of_the_call_and_recorded(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world, rule(f"everything/{INPUT}sampling"))
        answer = await modern_call(world, f"{INPUT}sampling", {})
        denial = answer["result"]["structuredContent"]
        assert answer["result"]["isError"] is True
        assert (denial["code"], denial["action"]) == ("not_granted", "everything:sampling/createMessage")
        assert "France" not in json.dumps(answer)
        await world.relay.drain()
        assert await world.outcomes() == ["error"]
        assert [e["method"] for e in world.entries("refused")] == ["sampling/createMessage"]
        told = world.calls()[0]["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]
        assert told == {}

    play(scenario)


@pytest.mark.requirement("gateway:request-state")
def test_modern_state_is_good_for_its_agent_its_tool_and_its_arguments(play: Play) -> None:
    async def scenario(world: World) -> None:
        tool = f"{INPUT}request_state"
        await ready(world, rule(f"everything/{tool}"), rule(f"everything/{INPUT}elicitation"), FORM)
        world.agent("eve", rule(f"everything/{tool}"), rule("everything:elicitation/create"))
        first = (await modern_call(world, tool, {}))["result"]
        assert first["resultType"] == "input_required"
        assert first["inputRequests"]["confirm"]["method"] == "elicitation/create"
        state = first["requestState"]
        assert state.startswith("remit1.")
        told = world.calls()[0]["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]
        assert told == {"elicitation": {"form": {}, "url": {}}}
        answers = with_input(confirm={"action": "accept", "content": {"ok": True}}, exfil={"action": "accept"})
        world.seen.clear()

        for agent, named, said in (
            ("eve", tool, state),  # another agent
            ("bot", f"{INPUT}elicitation", state),  # another tool
            ("bot", tool, state[:-4] + "AAAA"),  # changed
            ("bot", tool, "state-ok"),
        ):
            refused = await modern_call(world, named, {**answers, "requestState": said}, agent=agent)
            assert refused["error"]["code"] == -32602
            assert refused["error"]["data"] == {"reason": "invalid_request_state"}
        assert "error" in await modern_call(world, tool, answers), "answers to nothing that was asked"
        assert world.seen == []
        noted = [(e["agent"], e["reason"], e.get("owner")) for e in world.entries("refused")]
        assert noted[0] == ("eve", "foreign_request_state", "bot")
        assert noted[1:] == [("bot", "bad_request_state", "bot"), *[("bot", "bad_request_state", None)] * 3]

        done = (await modern_call(world, tool, {**answers, "requestState": state}))["result"]
        assert done["content"][0]["text"] == "done: state-ok"
        assert world.calls()[0]["params"]["inputResponses"].keys() == {"confirm"}

    play(scenario)


def test_modern_what_was_asked_and_is_granted_no_more_is_not_answered(play: Play) -> None:
    async def scenario(world: World) -> None:
        tool = f"{INPUT}request_state"
        await ready(world, rule(f"everything/{tool}"), FORM)
        state = (await modern_call(world, tool, {}))["result"]["requestState"]
        world.agent("bot", rule(f"everything/{tool}"))
        world.seen.clear()
        answers = with_input(confirm={"action": "accept", "content": {"ok": True}})
        assert "error" in await modern_call(world, tool, {**answers, "requestState": state})
        assert world.seen == []

    play(scenario)


def test_modern_all_that_is_asked_must_be_granted(play: Play) -> None:
    async def scenario(world: World) -> None:
        tool = f"{INPUT}multiple_inputs"
        await ready(world, rule(f"everything/{tool}"), FORM, ROOTS)
        denial = (await modern_call(world, tool, {}))["result"]["structuredContent"]
        assert denial["action"] == "everything:sampling/createMessage"
        await world.relay.drain()
        assert sorted(await world.outcomes()) == ["error", "not_sent"]
        world.agent("bot", rule(f"everything/{tool}"), FORM, ROOTS, SAMPLING)
        assert (await modern_call(world, tool, {}))["result"]["inputRequests"].keys() == {
            "user_name", "greeting", "client_roots",
        }  # fmt: skip

    play(scenario)
