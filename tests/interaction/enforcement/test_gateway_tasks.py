"""Tasks: each is its agent's alone; a server made by hand, because no SDK has them yet."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from gateway_world import World, rule  # type: ignore[import-not-found] # beside

Play = Callable[[Any], None]
TASKS = [rule(f"jobs:tasks/{name}") for name in ("get", "list", "result", "cancel", "update")]
SLOW = {"name": "slow", "description": "Slow", "inputSchema": {"type": "object", "properties": {}}}
EXTENSION = "io.modelcontextprotocol/tasks"


class Jobs:
    """A server that makes a task of every call, and gives whoever names one its result."""

    def __init__(self) -> None:
        self.made = 0
        self.calls: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        sent = json.loads(body)
        modern = dict(scope["headers"]).get(b"mcp-protocol-version") == b"2026-07-28"
        answer = {"jsonrpc": "2.0", "id": sent.get("id"), "result": self.result(sent, modern=modern)}
        said = json.dumps(answer).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": said})

    def result(self, sent: dict[str, Any], *, modern: bool) -> dict[str, Any]:
        self.calls.append(sent)
        params = sent.get("params", {})
        match sent["method"]:
            case "tools/list":
                return {"tools": [SLOW]}
            case "tools/call":
                self.made += 1
                task = {"taskId": f"t{self.made}", "status": "working"}
                if modern:
                    return {"resultType": "task", **task}
                return {"task": task} if "task" in params else {"content": []}
            case "tasks/list":
                return {"tasks": [{"taskId": f"t{n}", "status": "working"} for n in range(1, self.made + 1)]}
            case "tasks/result":
                return {"content": [{"type": "text", "text": f"of {params['taskId']}"}]}
            case _:
                return {"taskId": params.get("taskId"), "status": "completed"}


async def ready(world: World) -> Jobs:
    jobs = Jobs()
    await world.server("jobs", jobs, imported=False)
    world.pin("jobs", SLOW)
    for agent in ("bot", "eve"):
        world.agent(agent, rule("jobs/slow"), *TASKS)
    return jobs


async def ask(world: World, method: str, *, agent: str = "bot", **params: Any) -> dict[str, Any]:
    answer = await world.post("jobs", {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, agent=agent)
    said: dict[str, Any] = answer.json()
    return said


@pytest.mark.requirement("gateway:task-owner")
def test_handshake_a_task_is_its_agents(play: Play) -> None:
    async def scenario(world: World) -> None:
        jobs = await ready(world)
        made = await ask(world, "tools/call", name="slow", arguments={}, task={"ttl": 60_000, "exfil": "x"})
        assert made["result"]["task"]["taskId"] == "t1"
        assert jobs.calls[-1]["params"]["task"] == {"ttl": 60_000}
        assert (await ask(world, "tasks/result", taskId="t1"))["result"]["content"][0]["text"] == "of t1"
        assert [each["taskId"] for each in (await ask(world, "tasks/list"))["result"]["tasks"]] == ["t1"]
        assert (await ask(world, "tasks/list", agent="eve"))["result"]["tasks"] == []
        before = len(jobs.calls)
        for method in ("tasks/get", "tasks/result", "tasks/cancel"):
            foreign = await ask(world, method, agent="eve", taskId="t1")
            missing = await ask(world, method, agent="eve", taskId="t9")
            assert foreign == missing == {
                "jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "Task not found"},
            }  # fmt: skip
        assert len(jobs.calls) == before
        named = [(e["agent"], e["owner"], e["method"]) for e in world.entries("refused")]
        assert named == [("eve", "bot", f"tasks/{name}") for name in ("get", "result", "cancel")]

    play(scenario)


def test_handshake_without_a_grant_for_its_result_nothing_becomes_a_task(play: Play) -> None:
    async def scenario(world: World) -> None:
        jobs = await ready(world)
        world.agent("bot", rule("jobs/slow"))
        refused = await ask(world, "tools/call", name="slow", arguments={}, task={"ttl": 1})
        assert refused["error"]["message"] == "params.task is not available here"
        assert [call["method"] for call in jobs.calls] == []

    play(scenario)


@pytest.mark.requirement("gateway:task-owner")
def test_modern_a_task_is_its_agents_and_ends_with_what_may_be_called(play: Play) -> None:
    async def scenario(world: World) -> None:
        jobs = await ready(world)
        call = {"name": "slow", "arguments": {}}
        made = (await world.modern("jobs", "tools/call", call)).json()["result"]
        assert (made["resultType"], made["taskId"]) == ("task", "t1")
        mine = {"mcp-name": "t1"}
        found = await world.modern("jobs", "tasks/get", {"taskId": "t1"}, **mine)
        assert found.json()["result"]["status"] == "completed"
        answered = {"taskId": "t1", "inputResponses": {}}
        assert "result" in (await world.modern("jobs", "tasks/update", answered, **mine)).json()
        foreign = await world.modern("jobs", "tasks/get", {"taskId": "t1"}, agent="eve", **mine)
        assert foreign.json()["error"] == {"code": -32602, "message": "Task not found"}
        world.agent("bot", *TASKS)  # the tool is granted no more, so nothing of it is waited for
        before = len(jobs.calls)
        over = await world.modern("jobs", "tasks/get", {"taskId": "t1"}, **mine)
        assert over.json()["error"]["message"] == "Task not found"
        assert len(jobs.calls) == before

    play(scenario)


def test_modern_a_task_that_nobody_may_ask_for_is_an_error(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        world.agent("bot", rule("jobs/slow"))
        answer = (await world.modern("jobs", "tools/call", {"name": "slow", "arguments": {}})).json()
        assert answer["error"]["code"] == -32603
        assert "t1" not in json.dumps(answer)

    play(scenario)
