"""A stock agent for the tests of `remit run`: the `mcp` client with nothing of Remit in it.

`python run_agent.py FILE [MODE]` does one of everything at the server in REMIT_MCP_URL and
writes what it saw, heard and was sent to FILE.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

TRAFFIC: list[str] = []


async def noted(response: httpx2.Response) -> None:
    await response.aread()
    request = response.request
    TRAFFIC.append(f"{request.method} {request.url} {request.headers.multi_items()}")
    TRAFFIC.append(f"{response.status_code} {response.headers.multi_items()} {response.text}")


async def seen(mode: str) -> dict[str, Any]:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with (
        httpx2.AsyncClient(event_hooks={"response": [noted]}, timeout=30) as http,
        Client(streamable_http_client(os.environ["REMIT_MCP_URL"], http_client=http), mode=mode) as client,
    ):
        counted = await client.call_tool("count", {"to": 4}, progress_callback=hear)
        denied = await client.call_tool("transfer", {"amount": 900, "currency": "EUR"})
        moved = await client.call_tool("transfer", {"amount": 12.5, "currency": "EUR"})
        try:
            hidden = str(await client.call_tool("delete_all", {}))
        except Exception as error:  # noqa: BLE001 - its text is what is looked at
            hidden = str(error)
        return {
            "tools": sorted(tool.name for tool in (await client.list_tools()).tools),
            "counted": counted.structured_content,
            "heard": heard,
            "denied": (denied.structured_content or {}).get("code"),
            "moved": moved.is_error,
            "hidden": hidden,
        }


def main() -> None:
    said = asyncio.run(seen(sys.argv[2] if len(sys.argv) > 2 else "auto"))
    config = Path(os.environ["REMIT_MCP_CONFIG"])
    files = {path.name: path.read_text(encoding="utf-8") for path in config.parent.iterdir()}
    everything = {
        "said": said, "environ": dict(os.environ), "files": files, "traffic": TRAFFIC, "argv": sys.argv
    }  # fmt: skip
    Path(sys.argv[1]).write_text(json.dumps(everything), encoding="utf-8")


if __name__ == "__main__":
    main()
