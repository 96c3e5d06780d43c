"""An MCP server whose calls never end: `streaming.py PORT`. Each sends a numbered event every half second.

The modern era only, and no SDK: hundreds of streams cost it little, so that what is measured is the gateway.
Its tool takes what the other benchmarks' server takes, so that the same boundary allows it.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys

import uvicorn
from starlette.types import Receive, Scope, Send

EVERY = 0.5  # seconds
_NUMBER = {"type": "integer"}
_TOOL = {
    "name": "add",
    "description": "Count for ever",
    "inputSchema": {"type": "object", "properties": {"a": _NUMBER, "b": _NUMBER}, "required": ["a", "b"]},
}
_JSON = [(b"content-type", b"application/json")]
_EVENTS = [(b"content-type", b"text/event-stream")]


async def app(_scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    asked = json.loads(body)
    if asked["method"] == "tools/call":
        await stream(receive, send)
        return
    result = {"tools": [_TOOL], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    answer = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": _JSON})
    await send({"type": "http.response.body", "body": answer})


async def stream(receive: Receive, send: Send) -> None:
    """Events until the caller closes the connection."""
    await send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
    gone = asyncio.ensure_future(receive())
    number = 0
    while not gone.done():
        number += 1
        params = {"progressToken": 1, "progress": number}
        event = json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        await send({"type": "http.response.body", "body": f"data: {event}\n\n".encode(), "more_body": True})
        # The first wait is of any length, so that not all streams speak at once.
        await asyncio.wait([gone], timeout=EVERY * (random.random() if number == 1 else 1))


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", lifespan="off")
