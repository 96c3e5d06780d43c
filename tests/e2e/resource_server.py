"""A resource server of its own under `remit.sdk.asgi`: plain ASGI, or Starlette. It writes down whom it served."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from remit.sdk import strict_json
from remit.sdk.access_token import Identity
from remit.sdk.asgi import App, RemitMiddleware
from remit.sdk.asking import PointToken
from remit.sdk.dpop import Nonces
from remit.sdk.issuer import Issuer
from remit.sdk.resource import Resource

_TRANSFER = re.compile(r"/transfers\Z")


def call(scope: Any, body: bytes) -> tuple[str, Mapping[str, Any]] | None:
    """POST /transfers is `payments/transfer` with the body as its arguments; nothing else is anything."""
    if scope["method"] == "POST" and _TRANSFER.match(scope["path"]):
        return "payments/transfer", strict_json.an_object(body)
    return None


def served(who: Identity, headers: Any, body: bytes) -> dict[str, Any]:
    told = {"agent": who.agent, "purpose": who.purpose, "decision": who.decision_id, "body": json.loads(body)}
    with Path(os.environ["LEDGER"]).open("a", encoding="utf-8") as ledger:
        ledger.write(json.dumps({**told, "headers": sorted(name.decode() for name, _ in headers)}) + "\n")
    return told


async def plain(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    body = json.dumps(served(scope["remit"], scope["headers"], message["body"])).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def transfers(request: Request) -> JSONResponse:
    return JSONResponse(served(request.scope["remit"], request.scope["headers"], await request.body()), 201)


def main() -> None:
    kind, port, issuer, asks_nonces = sys.argv[1], int(sys.argv[2]), sys.argv[3], len(sys.argv) > 4
    inner: App = plain if kind == "plain" else Starlette(routes=[Route("/transfers", transfers, methods=["POST"])])
    resource = Resource(
        server="payments", point=PointToken(os.environ["POINT_TOKEN"]), issuer=Issuer(issuer),
        nonces=Nonces(b"n" * 32) if asks_nonces else None,
    )  # fmt: skip
    app = RemitMiddleware(inner, resource=resource, public_url=f"http://127.0.0.1:{port}", call=call)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", lifespan="off")


if __name__ == "__main__":
    main()
