"""A curious agent with nothing of Remit in it: `leaking_agent.py JSON`.

Asks for everything at everything in its environment and prints all that it saw, itself included.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

ASKED: dict[str, Any] = json.loads(sys.argv[1])
SEEN: list[str] = []


async def noted(response: httpx2.Response) -> None:
    await response.aread()
    SEEN.append(f"{response.request.url} {response.status_code} {response.headers.multi_items()} {response.text}")


async def tried(call: Any) -> None:
    try:
        SEEN.append(repr(await call))
    except Exception as error:  # noqa: BLE001 - its text is what is looked at
        SEEN.append(repr(error))


async def everything_at(url: str) -> None:
    async def hear(progress: float, total: float | None, message: str | None) -> None:
        SEEN.append(repr((progress, total, message)))

    async with (
        httpx2.AsyncClient(event_hooks={"response": [noted]}, timeout=60, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        for form in ASKED["forms"]:
            for how in ("result", "error", "progress"):
                await tried(client.call_tool("tell", {"form": form, "how": how}, progress_callback=hear))
        await tried(client.call_tool("tell", {"form": "raw", "how": "refused"}))
        await tried(client.call_tool("no_such_tool", {}))
        await tried(client.call_tool("tell", {"form": "raw", "how": "lists"}))
        for listed in (client.list_tools, client.list_prompts, client.list_resources, client.list_resource_templates):
            await tried(listed())
        await tried(client.read_resource("late://it"))
        await tried(client.get_prompt("late"))


def got(url: str) -> None:
    # The placeholder stands where a stock client puts its key.
    request = urllib.request.Request(url, headers={"X-Api-Key": os.environ.get("API_KEY", "")})  # noqa: S310 - the test's
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            SEEN.append(f"{url} {answer.status} {answer.headers.items()} {answer.read()!r}")
    except urllib.error.HTTPError as error:
        SEEN.append(f"{url} {error.code} {error.reason} {error.headers.items()} {error.read()!r}")
    except Exception as error:  # noqa: BLE001 - as above
        SEEN.append(f"{url} {error!r}")


def own() -> None:
    """Its own environment, arguments and open files, and the folder that `remit run` made for it."""
    SEEN.append(json.dumps([dict(os.environ), sys.argv]))
    for each in Path("/proc/self/fd").iterdir():
        try:
            path = str(each.readlink())
        except OSError:
            continue
        SEEN.append(path)
        if path.startswith("/") and Path(path).is_file():
            SEEN.append(Path(path).read_bytes().decode("latin-1"))
    files = [Path("/proc/self", name) for name in ("environ", "cmdline", "maps")]
    files += Path(os.environ["REMIT_MCP_CONFIG"]).parent.iterdir()
    SEEN.extend(file.read_bytes().decode("latin-1") for file in files)


def main() -> None:
    for name in ASKED["mcp"]:
        asyncio.run(everything_at(os.environ[name]))
    for base in (os.environ["REMIT_HTTP_API"], ASKED["proxied"]):
        for form in ASKED["forms"]:
            for how in ("body", "header", "error", "refusal", "events", "redirect"):
                got(f"{base}/tell/{form}/{how}")
        got(f"{base}/nowhere/x/y")
    for words in (["whoami"], ["whoami", "--json"]):
        done = subprocess.run([ASKED["remit"], *words], capture_output=True, text=True, check=False)
        SEEN.append(done.stdout + done.stderr)
    own()
    print("\n".join(SEEN))  # noqa: T201 - whoever runs it reads it


if __name__ == "__main__":
    main()
