"""The demo's agent obeys a denial: what it is told to wait for it leaves alone, and does something else."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp.types import CallToolResult, TextContent

from remit.demo import agent
from remit.sdk.auth import TokenRefused
from remit.sdk.denial import META
from remit.sdk.grant import NotAuthorized

PAY = {"tool": "transfer", "arguments": {"amount": 5}, "adapt": True, "instead": {"tool": "list", "arguments": {}}}


class Gateway:
    """Answers `transfer` with one denial and everything else with yes; counts what was asked."""

    def __init__(self, *kinds: str, retry_after: int | None) -> None:
        self.asked: list[str] = []
        self._denial: dict[str, Any] = {
            "code": "budget_exhausted",
            "title": "t",
            "remedies": [{"kind": kind} for kind in kinds],
        }
        self._denial |= {"retry_after": retry_after, "violations": [], "retryable": True}

    async def call_tool(self, tool: str, _arguments: Any) -> CallToolResult:
        self.asked.append(tool)
        if tool == "list":
            return CallToolResult(content=[TextContent(type="text", text="x")])
        return CallToolResult.model_validate({"content": [], "isError": True, "_meta": {META: self._denial}})


def played(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gateway: Any, *at: float) -> list[str]:
    """What comes of the same step at each of these moments."""
    moments = iter(at)
    now = [0.0]
    monkeypatch.setattr("remit.demo.agent.time.monotonic", lambda: now[0])
    bot = agent.Agent("bot", gateway)

    async def work() -> None:
        for moment in moments:
            now[0] = moment
            await bot.work(PAY)

    asyncio.run(work())
    return [json.loads(line)["result"] for line in capsys.readouterr().out.splitlines()]


def test_it_waits_as_long_as_it_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    gateway = Gateway("wait", retry_after=60)
    said = played(monkeypatch, capsys, gateway, 100.0, 130.0, 159.5, 160.0)
    assert said == ["denied", "waits", "ok", "waits", "ok", "denied"]
    assert gateway.asked == ["transfer", "list", "list", "transfer"]


@pytest.mark.parametrize(("kinds", "retry_after"), [(("stop",), 60), (("wait",), None)])
def test_what_it_was_not_told_to_wait_for_it_asks_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kinds: tuple[str, ...], retry_after: int | None
) -> None:
    said = played(monkeypatch, capsys, Gateway(*kinds, retry_after=retry_after), 100.0, 101.0)
    assert said == ["denied", "denied"]


def test_an_agent_that_gets_no_token_any_more_goes_on_once_it_is_unfrozen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is frozen until its token ends: the stock client's connection ends then, in the middle of a call."""
    cause = NotAuthorized("unauthorized_client", "the agent is frozen")
    ended = TokenRefused(cause, httpx2.Request("POST", "http://remit.test/"))
    frozen = iter((False, True, False))  # at each connection that is made

    @asynccontextmanager
    async def connect(_options: argparse.Namespace) -> AsyncIterator[Any]:
        if next(frozen):
            raise ExceptionGroup("connecting", [ended])
        async with asyncio.TaskGroup() as group:

            async def end() -> None:
                raise ExceptionGroup("posting", [ended])

            class Client(Gateway):
                protocol_version = "p"

                async def call_tool(self, tool: str, arguments: Any) -> CallToolResult:
                    if tool == "end":
                        group.create_task(end())
                        await asyncio.Event().wait()
                    return await super().call_tool(tool, arguments)

            yield Client(retry_after=None)

    lines = iter([*(json.dumps({"tool": each, "arguments": {}}) for each in ("list", "end", "list", "list")), ""])

    async def read() -> str:
        return next(lines)

    monkeypatch.setattr(agent, "connect", connect)
    asyncio.run(agent.serve(argparse.Namespace(agent="bot"), read))
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["result"] for each in said] == ["ready", "ok", "refused", "refused", "ok"]
    assert {each["code"] for each in said if each["result"] == "refused"} == {"unauthorized_client"}
