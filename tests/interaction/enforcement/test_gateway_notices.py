"""What servers tell: to the call that it is about, and of what the agent may see and asked to hear."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from gateway_world import SECRET, World, modern_request, rule, until  # type: ignore[import-not-found] # beside
from tests.e2e import conformance_server

from remit.access.model import Bound
from remit.freezes.model import FreezeKind

# The SDK says so of what the modern revision has deprecated (SEP-2577), and is spoken all the same.
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

Play = Callable[[Any], None]
LISTEN = rule("everything:subscriptions/listen")
CHANGES = rule("everything/test_trigger_prompt_change"), rule("everything/test_trigger_tool_change")


async def events(answer: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in answer.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


class Listening:
    """A subscription that is open, and what came on it."""

    def __init__(self, world: World, wanted: dict[str, Any], agent: str = "bot") -> None:
        self.heard: list[dict[str, Any]] = []
        self.task = asyncio.ensure_future(self._listen(world, wanted, agent))

    async def _listen(self, world: World, wanted: dict[str, Any], agent: str) -> None:
        body, routing = modern_request("subscriptions/listen", {"notifications": wanted})
        async with (
            world.http() as http,
            http.stream(
                "POST", "/mcp/everything", content=json.dumps(body), headers=world.headers(agent) | routing
            ) as answer,
        ):
            async for event in events(answer):
                self.heard.append(event)

    @property
    def methods(self) -> list[str]:
        return [event.get("method", "response").removeprefix("notifications/") for event in self.heard]


async def ready(world: World, *rules: Any) -> None:
    await world.server("everything", conformance_server.server().streamable_http_app(), credential=True)
    world.agent("bot", *CHANGES, *rules)
    world.seen.clear()


async def trigger(world: World, what: str) -> None:
    answer = await world.modern("everything", "tools/call", {"name": f"test_trigger_{what}_change", "arguments": {}})
    assert answer.json()["result"]["content"][0]["text"] == "published"


@pytest.mark.requirement("gateway:subscriptions")
def test_a_subscription_hears_of_what_was_asked_and_granted_and_ends_with_a_freeze(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world, LISTEN, rule("everything:resources/read", Bound(argument="uri", prefix="test://static-")))
        uris = ["test://static-text", "test://watched-resource"]
        wanted = {"toolsListChanged": True, "promptsListChanged": True, "resourceSubscriptions": uris}
        one = Listening(world, wanted)
        await until(lambda: one.heard)
        (asked,) = [s.json() for s in world.seen if s.json()["method"] == "subscriptions/listen"]
        assert asked["params"]["notifications"] == {
            "toolsListChanged": True, "resourceSubscriptions": ["test://static-text"],
        }  # fmt: skip
        await trigger(world, "prompt")  # the list of prompts is not granted
        await trigger(world, "tool")
        await until(lambda: len(one.heard) == 2)
        assert one.methods == ["subscriptions/acknowledged", "tools/list_changed"]
        world.freeze(FreezeKind.AGENT, "bot")
        await one.task
        assert one.heard[-1]["error"]["data"]["code"] == "revoked"
        assert "cut" in await world.outcomes()
        refused = await world.modern("everything", "subscriptions/listen", {"notifications": {}})
        assert refused.json()["error"]["data"]["code"] == "revoked"

    play(scenario)


def told(method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": f"notifications/{method}", "params": params}).encode()


class Chatty:
    """A server that answers every call with notifications about anything, and then with its result."""

    def __init__(self, *said: bytes, result: bytes = b'{"content":[]}') -> None:
        self.said, self.result = said, result

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        sent = json.loads((await receive())["body"])
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        id_ = json.dumps(sent.get("id")).encode()
        last = self.result if b'"error"' in self.result else b'"result":' + self.result
        for each in (*self.said, b'{"jsonrpc":"2.0","id":' + id_ + b"," + last + b"}"):
            await send({"type": "http.response.body", "body": b"data: " + each + b"\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b""})


TOOL = {"name": "talk", "description": "Talk", "inputSchema": {"type": "object", "properties": {}}}
SAID = (
    told("progress", progressToken="mine", progress=1),
    told("progress", progressToken="another's", progress=1),
    told("message", level="info", data="said"),
    told("tools/list_changed"),
    told("prompts/list_changed"),
    told("resources/list_changed"),
    told("resources/updated", uri="a://b"),
    told("tasks/status", taskId="t1", status="working"),
    told("cancelled", requestId=1),
    told("made/up"),
)


async def talked(world: World, *, modern: bool) -> list[str]:
    params = {"name": "talk", "arguments": {}, "_meta": {"progressToken": "mine"}}
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    routing: dict[str, str] = {}
    if modern:
        body, routing = modern_request("tools/call", {"name": "talk", "arguments": {}})
        body["params"]["_meta"]["progressToken"] = "mine"
    answer = await world.post("chatty", body, **routing)
    found = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]
    return [each["method"].removeprefix("notifications/") for each in found if "method" in each]


@pytest.mark.parametrize(
    ("modern", "grants", "heard"),
    [
        (False, (), ["progress", "message", "tools/list_changed"]),
        (
            False,
            ("prompts/list", "resources/list"),
            ["progress", "message", "tools/list_changed", "prompts/list_changed", "resources/list_changed"],
        ),
        (True, ("prompts/list", "resources/list"), ["progress", "message"]),
    ],
)
def test_a_call_hears_of_itself_and_of_what_is_granted(
    play: Play,
    modern: bool,  # noqa: FBT001 - a case
    grants: tuple[str, ...],
    heard: list[str],
) -> None:
    async def scenario(world: World) -> None:
        await world.server("chatty", Chatty(*SAID), imported=False)
        world.pin("chatty", TOOL)
        world.agent("bot", rule("chatty/talk"), *(rule(f"chatty:{name}") for name in grants))
        assert await talked(world, modern=modern) == heard

    play(scenario)


@pytest.mark.parametrize(
    ("method", "params", "server"),
    [
        ("tools/call", {"name": "talk", "arguments": {}}, Chatty(told("message", data=SECRET))),
        ("resources/read", {"uri": "a://b"}, Chatty(result=b'{"contents":[{"text":"' + SECRET.encode() + b'"}]}')),
        ("prompts/get", {"name": "p"}, Chatty(result=b'{"messages":[{"x":"' + SECRET.encode() + b'"}]}')),
        ("resources/list", {}, Chatty(result=b'{"resources":[{"uri":"' + SECRET.encode() + b'"}]}')),
        ("tools/call", {"name": "talk", "arguments": {}},
         Chatty(result=b'"error":{"code":1,"message":"' + SECRET.encode() + b'"}')),
    ],
)  # fmt: skip
def test_no_secret_comes_back_by_any_method(play: Play, method: str, params: dict[str, Any], server: Chatty) -> None:
    async def scenario(world: World) -> None:
        await world.server("chatty", server, credential=True, imported=False)
        world.pin("chatty", TOOL)
        grants = ("resources/read", "resources/list", "prompts/get")
        world.agent("bot", rule("chatty/talk"), *(rule(f"chatty:{name}") for name in grants))
        answer = await world.post("chatty", {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        assert SECRET not in answer.text
        assert "withheld" in answer.text
        assert [e["what"] for e in world.entries("incident")] == ["secret_echoed"] or method == "resources/list"

    play(scenario)
