"""What stands before the demo's payments server: its API keys, and the way to change them.

    GET    /keys       the ids of the keys that open it
    PUT    /keys/ID    {"key": "..."}: one more, or the same one again
    GET    /keys/ID    200, or 404 once it is gone
    DELETE /keys/ID    it opens nothing any more

Every request, these too, needs a key that opens it.
"""

from __future__ import annotations

import hashlib
import hmac

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

FIRST = "key-1"
_LONGEST = 4096


class ApiKeys:
    """Lets requests with a key through to `app`. Knows the SHA-256 of each key, and no key.

    Args:
        app: The server.
        first: SHA-256 of the first key, in hex.
    """

    def __init__(self, app: ASGIApp, first: str) -> None:
        self._app = app
        self._keys = {FIRST: first}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it through, answer for its keys, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        if not self._opens(request.headers.get("authorization", "")):
            await JSONResponse({"error": "no such key"}, 401)(scope, receive, send)
        elif request.url.path.split("/")[1] == "keys":
            await (await self._changed(request))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _opens(self, authorization: str) -> bool:
        shown = hashed(authorization.removeprefix("Bearer "))
        return any([hmac.compare_digest(shown, known) for known in self._keys.values()])  # noqa: C419 - all, always

    async def _changed(self, request: Request) -> Response:
        name = request.url.path.removeprefix("/keys").strip("/")
        match request.method, name:
            case "GET", "":
                return JSONResponse({"keys": list(self._keys)})
            case "PUT", _ if name:
                return await self._added(request, name)
            case "GET", _ if name in self._keys:
                return JSONResponse({"id": name})
            case "DELETE", _ if name in self._keys:
                del self._keys[name]
                return Response(status_code=204)
            case _:
                return JSONResponse({"error": "there is nothing here"}, 404)

    async def _added(self, request: Request, name: str) -> Response:
        said = await request.json() if int(request.headers.get("content-length", "0")) <= _LONGEST else {}
        key = said.get("key") if isinstance(said, dict) else None
        if not isinstance(key, str) or not key:
            return JSONResponse({"error": "a key is a text"}, 400)
        if self._keys.setdefault(name, hashed(key)) != hashed(key):
            return JSONResponse({"error": "there is another key of this id"}, 409)
        return JSONResponse({"id": name}, 201)


def hashed(key: str) -> str:
    """SHA-256 in hex of a key."""
    return hashlib.sha256(key.encode()).hexdigest()
