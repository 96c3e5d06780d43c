"""An agent that knows nothing but its mandate and the denials it gets: `denial_agent.py URL KEYFILE`, a plan on stdin.

It reads no title, no page and no text of a tool. A plan is JSON: `{"purpose": P, "mandate": bool, "tasks": [{"server",
"tool", "arguments", "flexible"}]}`; `flexible` says that less of a number is useful, too. What it did is JSON on
stdout: for each task how it ended (`done, asked, stopped, not_tried`), its calls and the codes it was told.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from remit.sdk.auth import AgentAuth, TokenRefused
from remit.sdk.denial import Denial, read
from remit.sdk.mandate import Mandate, fetch

MOST_CALLS = 6  # of one task, whatever it is told
PATIENCE = 5  # seconds that are worth waiting for
MOST_WAITS = 3


@dataclass
class Task:
    """A piece of work, and how far it got."""

    server: str
    tool: str
    arguments: dict[str, Any]
    purpose: str
    flexible: bool = False
    calls: int = 0
    waits: int = 0
    codes: list[str] = field(default_factory=list)
    tried: set[str] = field(default_factory=set)
    end: str = ""

    @property
    def action(self) -> str:
        return f"{self.server}/{self.tool}"


def heed(task: Task, denial: Denial) -> int | None:
    """Take the first remedy that the task allows; seconds to wait before the next call, or None at its end."""
    task.codes.append(denial.code)
    task.tried.add(_state(task))
    for remedy in denial.remedies:
        kind = remedy.get("kind")
        if kind == "change_arguments" and task.flexible and _lowered(task, denial):
            return 0
        if kind == "wait" and _worth(task, remedy.get("retry_after", denial.retry_after)):
            return int(remedy.get("retry_after") or denial.retry_after or 0)
        if kind == "alternative_action" and _another(task, remedy):
            return 0
        if kind == "request_access":
            task.end = "asked"  # the request itself: for whom, and what, stands in the remedy
            return None
        if kind in {"stop", "step_up"}:
            break
    task.end = "stopped"
    return None


def _state(task: Task) -> str:
    return json.dumps([task.action, task.purpose, task.arguments], sort_keys=True, default=str)


def _lowered(task: Task, denial: Denial) -> bool:
    found = denial.adapted(task.arguments)
    if found is None:
        return False
    for name, value in found.items():  # what needs nobody's yes, where that is told
        most = denial.limits(name).get("max_without_approval")
        if most is not None and not isinstance(value, bool) and isinstance(value, (int, float)):
            found[name] = min(value, float(Decimal(str(most))))
    before, task.arguments = task.arguments, found
    if _state(task) in task.tried:
        task.arguments = before
        return False
    return True


def _worth(task: Task, seconds: object) -> bool:
    task.waits += 1
    return isinstance(seconds, int) and seconds <= PATIENCE and task.waits <= MOST_WAITS


def _another(task: Task, remedy: Mapping[str, Any]) -> bool:
    action, before = str(remedy.get("action", "")), (task.server, task.tool, task.purpose)
    if action == "request_token":
        task.purpose = str(remedy.get("scope", "")).removeprefix("purpose:")
    else:
        task.server, _, task.tool = action.partition("/")
    if _state(task) in task.tried or not task.tool:
        task.server, task.tool, task.purpose = before
        return False
    return True


class Agent:
    """One copy, with a connection for each purpose and server as it comes to need them."""

    def __init__(self, url: str, key: str, plan: Mapping[str, Any]) -> None:
        self.url, self.key = url, key
        self.auths: dict[str, AgentAuth] = {}
        self.tasks = [Task(purpose=plan["purpose"], **each) for each in plan["tasks"]]
        self.mandate: Mandate | None = self._mandate(plan["purpose"]) if plan.get("mandate") else None

    def _mandate(self, purpose: str) -> Mandate:
        return fetch(self.url, self.auth(purpose))

    def auth(self, purpose: str) -> AgentAuth:
        if purpose not in self.auths:
            self.auths[purpose] = AgentAuth(self.url, "invoice-bot", self.key, purpose)
        return self.auths[purpose]

    async def work(self) -> None:
        for task in self.tasks:
            await self.do(task)

    async def do(self, task: Task) -> None:
        exact = json.loads(json.dumps(task.arguments), parse_float=Decimal)
        if self.mandate is not None and not self.mandate.allows(task.action, exact):
            task.end = "not_tried"
            return
        while not task.end and task.calls < MOST_CALLS:
            task.calls += 1
            result = await self.call(task)
            if (denial := read(result)) is not None:
                seconds = heed(task, denial)
                await asyncio.sleep(seconds or 0)
            else:
                broken = isinstance(result, BaseException)
                task.codes += [type(result).__name__] if broken else []
                task.end = "stopped" if broken or result.is_error else "done"
        task.end = task.end or "stopped"

    async def call(self, task: Task) -> Any:
        """The result, or what came instead of one."""
        url = f"{self.url}/mcp/{task.server}"
        try:
            async with (
                httpx2.AsyncClient(auth=self.auth(task.purpose), trust_env=False, timeout=30) as http,
                Client(streamable_http_client(url, http_client=http), mode="2026-07-28") as client,
            ):
                return await client.call_tool(task.tool, task.arguments)
        except (MCPError, TokenRefused, ExceptionGroup) as error:
            return _first(error)


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def main() -> None:
    agent = Agent(sys.argv[1], sys.argv[2], json.load(sys.stdin))
    asyncio.run(agent.work())
    told = [{"end": t.end, "calls": t.calls, "codes": t.codes, "arguments": t.arguments} for t in agent.tasks]
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
