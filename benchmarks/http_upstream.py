"""The API that `http_reverse.py` and `intercept.py` call: `http_upstream.py PORT [PEM]`; with PEM, over TLS.

It answers a small JSON object to everything.
"""

from __future__ import annotations

import sys

import uvicorn
from starlette.types import Receive, Scope, Send

BODY = b'{"id":7,"name":"an answer of an ordinary size","tags":["a","b"],"at":"2026-01-01T00:00:00Z"}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(_scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", lifespan="off", access_log=False,
        ssl_certfile=sys.argv[2] if len(sys.argv) > 2 else None,
    )  # fmt: skip
