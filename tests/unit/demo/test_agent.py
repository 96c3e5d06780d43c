"""The demo's agent obeys a denial: what it is told to wait for it leaves alone, and does something else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from mcp.types import CallToolResult, TextContent

from remit.demo import agent
from remit.sdk.denial import META

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
