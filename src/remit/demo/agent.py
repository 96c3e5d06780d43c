"""A small real agent: the stock `mcp` client behind a token, told its work on stdin.

One JSON object per line in: {"tool", "arguments", "adapt", "times", "instead"} or {"list": true}.
One JSON object per result out. With `adapt` it does what an agent should do with a
refusal: read the denial, change what the remedy says, and try once more by itself. With `instead`,
a tool that it was told to wait for is left alone until then, and that step is done meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from remit.demo.plain import plain_auth
from remit.sdk import denial
from remit.sdk.auth import AgentAuth, TokenRefused


@asynccontextmanager
async def connect(options: argparse.Namespace) -> AsyncIterator[Client]:
    """The stock client on the gateway, authorised by DPoP-bound tokens or (--plain) stock bearer tokens."""
    url = f"{options.url}/mcp/{options.server}"
    auth: httpx2.Auth
    if options.plain:
        auth = plain_auth(url, options.url, options.agent, options.key, options.purpose)
    else:
        auth = AgentAuth(options.url, options.agent, options.key, options.purpose)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(auth=auth, timeout=30, trust_env=False))
        transport = streamable_http_client(url, http_client=http)
        yield await stack.enter_async_context(Client(transport))


class Agent:
    """Calls tools and says what came of it."""

    def __init__(self, name: str, client: Client) -> None:
        self._name = name
        self._client = client
        self._waits: dict[str, tuple[float, str]] = {}  # by tool: until when (monotonic), and which denial said so

    def say(self, **fields: Any) -> None:  # noqa: ANN401 - one JSON object
        """One line of JSON, at once."""
        print(json.dumps({"agent": self._name, **fields}), flush=True)

    async def work(self, step: dict[str, Any]) -> None:
        """Do one step and say its result; whatever happens, say something."""
        try:
            if step.get("list"):
                listed = await self._client.list_tools()
                self.say(result="listed", tools=sorted(tool.name for tool in listed.tools))
            elif "instead" in step and (left := self.waits(step["tool"])):
                self.say(result="waits", tool=step["tool"], code=self._waits[step["tool"]][1], seconds=left)
                await self.work(step["instead"])
            else:
                adapt = bool(step.get("adapt"))
                calls = (self.call(step["tool"], step["arguments"], adapt=adapt) for _ in range(step.get("times", 1)))
                await asyncio.gather(*calls)
        except MCPError as error:
            refused = denial.read(error)
            told = {"code": refused.code if refused else error.error.code, "message": error.error.message}
            self.say(result="refused", tool=step.get("tool"), arguments=step.get("arguments"), **told)
        except (httpx2.HTTPError, OSError, ExceptionGroup) as error:
            self.say(result="failed", message=f"{type(error).__name__}: {error}")

    def waits(self, tool: str) -> int:
        """Whole seconds for which a denial said that `tool` is no use; 0: it is not known to be."""
        until, _ = self._waits.get(tool, (0.0, ""))
        return max(0, math.ceil(until - time.monotonic()))

    async def call(self, tool: str, arguments: dict[str, Any], *, adapt: bool) -> None:
        """Call a tool once; on a denial with `adapt`, once more with the arguments the remedy allows."""
        result = await self._client.call_tool(tool, arguments)
        if not result.is_error:
            text = " ".join(getattr(block, "text", "") for block in result.content)
            self.say(result="ok", tool=tool, arguments=arguments, text=text)
            return
        refused = denial.read(result)
        if refused is None:
            self.say(result="denied", tool=tool, arguments=arguments, code="error", decision=None, remedies=[])
            return
        self.say(
            result="denied",
            tool=tool,
            arguments=arguments,
            code=refused.code,
            decision=refused.decision_id,
            remedies=list(refused.kinds),
        )
        if "wait" in refused.kinds and refused.retry_after:
            self._waits[tool] = (time.monotonic() + refused.retry_after, refused.code)
        changed = refused.adapted(arguments) if adapt else None
        if changed is not None:
            await self.call(tool, changed, adapt=False)


async def serve(options: argparse.Namespace, read: Callable[[], Awaitable[str]]) -> None:
    """Do what each line says, until there is none. A connection that ended is made anew with the next line.

    An agent that is frozen gets no token: when its own ends, the stock client's connection ends with it. The step
    under way then is refused, and so is each one until it is unfrozen.
    """
    reading = asyncio.ensure_future(read())
    ready = False
    while True:
        connected = working = False
        try:
            async with connect(options) as client:
                agent, connected = Agent(options.agent, client), True
                if not ready:
                    agent.say(result="ready", protocol=client.protocol_version)
                    ready = True
                while line := await asyncio.shield(reading):
                    working = True
                    await agent.work(json.loads(line))
                    working, reading = False, asyncio.ensure_future(read())
                return
        except (ExceptionGroup, MCPError, httpx2.HTTPError) as error:
            if not ready:
                raise
            if connected and not working:
                continue  # it ended between two steps
            if not (line := await reading):
                return
            step = json.loads(line)
            told = {"tool": step.get("tool"), "arguments": step.get("arguments"), **_why(error)}
            print(json.dumps({"agent": options.agent, "result": "refused", **told}), flush=True)
            reading = asyncio.ensure_future(read())


def _why(error: BaseException) -> dict[str, str]:
    """What ended a connection: the first cause in the group, with the token endpoint's code if it was that."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    code = error.cause.error if isinstance(error, TokenRefused) else type(error).__name__
    return {"code": code, "message": str(error)}


async def main() -> None:
    """`python -m remit.demo.agent NAME --url U --server S --purpose P --key FILE [--plain]`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("agent")
    parser.add_argument("--url", required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--purpose", required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--plain", action="store_true")
    loop = asyncio.get_running_loop()
    await serve(parser.parse_args(), lambda: loop.run_in_executor(None, sys.stdin.readline))


if __name__ == "__main__":
    asyncio.run(main())
