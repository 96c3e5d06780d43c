"""The outermost callable: nobody answers a request that a web page was led to make."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from remit.enforcement.place import Place
from remit.server.app import EVALUATION, ME_CAN, OUTCOMES, App

HERE = (b"host", b"127.0.0.1:8470")


class Inner:
    """Stands for everything behind."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def ask(
    path: str, *headers: tuple[bytes, bytes], server: tuple[str, int | None] | None, method: str = "GET"
) -> tuple[int, Any, Inner]:
    inner, sent = Inner(), []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    app = App(
        place=Place("http://127.0.0.1:8470"),
        http=inner,
        ext_authz=inner,
        gateway=inner,
        me_can=inner,
        evaluation=inner,
        requests=inner,
        token=inner,
        rest=inner,
    )
    scope = {"type": "http", "path": path, "method": method, "headers": list(headers), "server": server}
    asyncio.run(app(scope, receive, send))
    body = sent[1]["body"]
    return sent[0]["status"], json.loads(body) if body else None, inner


PATHS = ["/v1/agents", ME_CAN, EVALUATION, OUTCOMES, "/metrics", "/healthz", "/oauth2/token", "/oauth2/jwks", "/",
         "/v1/me/mandate", "/.well-known/oauth-authorization-server"]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", PATHS)
def test_every_path_is_for_this_servers_own_name(path: str, method: str) -> None:
    """The token endpoint, too, which a POST reaches without the router: else a web page could ask by a rebound name."""
    at = ("127.0.0.1", 8470)

    def answer(*headers: tuple[bytes, bytes]) -> tuple[int, Any, Inner]:
        return ask(path, *headers, server=at, method=method)

    for wrong in ([(b"host", b"evil.test")], [], [HERE, (b"host", b"evil.test")]):
        status, body, inner = answer(*wrong)
        assert (status, body["code"], inner.paths) == (403, "forbidden", [])
    status, body, inner = answer(HERE, (b"origin", b"http://evil.test"))
    assert (status, body["code"], inner.paths) == (403, "forbidden", [])
    assert answer(HERE)[2].paths == [path]
    assert answer((b"Host", b"localhost:8470"), (b"Origin", b"http://localhost:8470"))[0] == 200


def test_a_probe_may_call_by_the_address_it_reached() -> None:
    probe = (b"host", b"10.0.0.5:8470")
    assert ask("/readyz", probe, server=("10.0.0.5", 8470))[0] == 200
    assert ask("/readyz", probe, server=("127.0.0.1", 8470))[0] == 403
    assert ask("/readyz", probe, server=("/run/remit.sock", None))[0] == 403
    assert ask("/readyz", probe, server=None)[0] == 403
