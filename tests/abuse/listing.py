"""A server of the modern era whose tools are what a test says, and that does whatever it is asked."""

from __future__ import annotations

import json
from typing import Any

from remit.catalog.review import accept

JSON = [(b"content-type", b"application/json")]


def tool(name: str = "pay", **parts: Any) -> dict[str, Any]:
    """One tool as it is listed."""
    schema = {"type": "object", "properties": {"amount": {"type": "number"}}}
    return {"name": name, "description": "Pays", "inputSchema": schema, "annotations": {"readOnlyHint": False}, **parts}


class Listing:
    """Lists `tools` and answers every call with a word."""

    def __init__(self, *tools: dict[str, Any]) -> None:
        self.tools = list(tools)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError("no lifespan")
        body = json.loads((await receive()).get("body") or b"{}")
        result: dict[str, Any] = {"resultType": "complete"}
        if body["method"] == "tools/list":
            result |= {"tools": self.tools}
        else:
            result |= {"content": [{"type": "text", "text": "done"}]}
        said = json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": result}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": JSON})
        await send({"type": "http.response.body", "body": said})


async def names(world: Any, server: str = "shop") -> list[str]:
    """What `bot` is listed; by asking, the gateway sees what the server lists now."""
    answer = await world.modern(server, "tools/list")
    await world.pipeline.drain()
    return [each["name"] for each in answer.json()["result"]["tools"]]


def approve(world: Any, server: str = "shop") -> None:
    """A person looked, and said yes."""
    world.source.all_servers[server] = accept(world.source.all_servers[server])
    world.change(f"server:{server}")
