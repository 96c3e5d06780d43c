"""Who waits where; what is never refused; how a refusal looks at each door."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from remit.enforcement import lanes
from remit.enforcement.lanes import Ticket
from remit.enforcement.place import Place
from remit.server.app import App
from remit.server.shed_record import risen
from remit.server.shedding import Shedding, refusal, written

HOST = (b"host", b"127.0.0.1:8470")
NEVER = ["/v1/freezes", "/v1/freezes/agent/bot", "/v1/enforcement/stream", "/v1/enforcement/ack", "/healthz", "/readyz",
         "/metrics", "/v1/console/links", "/console/freeze", "/console/unfreeze", "/v1/agents/bot/suspend"]  # fmt: skip
CALLS = ["/mcp/payments", "/servers/payments/mcp", "/http/billing/x", "/access/v1/evaluation", "/access/v1/evaluations",
         "/access/v1/search/action", "/v1/outcomes", "/v1/me/can"]  # fmt: skip
TOKENS = ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke", "/v1/me/mandate", "/access/v1/requests"]


@pytest.mark.parametrize("path", NEVER)
def test_what_stops_agents_is_in_no_lane(path: str) -> None:
    assert Shedding(CollectorRegistry()).lane(path, b"") is None


def test_signing_in_is_in_no_lane() -> None:
    shedding = Shedding(CollectorRegistry())
    assert shedding.lane("/console", b"login=x") is None
    assert shedding.lane("/console", b"") is shedding.people


@pytest.mark.parametrize("path", [*CALLS, *TOKENS, "/v1/agents", "/console/agents", "/"])
def test_everything_else_waits_in_one(path: str) -> None:
    shedding = Shedding(CollectorRegistry())
    expected = shedding.calls if path in CALLS else shedding.tokens if path in TOKENS else shedding.people
    assert shedding.lane(path, b"") is expected


class Inner:
    """Holds what comes until it is let go."""

    def __init__(self, shedding: Shedding) -> None:
        self.shedding = shedding
        self.waited: list[int] = []

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        self.waited.append(self.shedding.calls.waiting)
        lanes.decided()
        self.waited.append(self.shedding.calls.waiting)
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def asked(shedding: Shedding, path: str) -> tuple[int, dict[bytes, bytes], bytes, list[int], list[str]]:
    inner, sent, read = Inner(shedding), [], []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        read.append("read")
        return {"type": "http.request", "body": b""}

    place = Place("http://127.0.0.1:8470")
    app = App(
        place=place, http=inner, gateway=inner, me_can=inner, evaluation=inner, requests=inner, token=inner, rest=inner,
        shedding=shedding, ext_authz=inner,
    )  # fmt: skip
    scope = {
        "type": "http", "path": path, "method": "POST", "headers": [HOST], "server": ("127.0.0.1", 8470),
        "query_string": b"",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"], inner.waited, read


@pytest.mark.parametrize("path", [*CALLS, *TOKENS])
def test_beyond_the_limit_it_is_refused_and_not_read(path: str) -> None:
    shedding = Shedding(CollectorRegistry())
    lane = shedding.lane(path, b"")
    assert lane is not None
    lane.limit = 0
    status, headers, body, waited, read = asked(shedding, path)
    assert (status, headers[b"retry-after"], waited, read) == (503, b"1", [], [])
    assert json.loads(body)
    assert asked(shedding, "/v1/freezes")[0] == 200
    assert asked(shedding, "/healthz")[0] == 200


def test_a_place_is_free_once_the_decision_is_there() -> None:
    shedding = Shedding(CollectorRegistry())
    *_, waited, _ = asked(shedding, "/mcp/payments")
    assert waited == [1, 0]


def test_a_place_is_free_once_it_is_answered() -> None:
    shedding = Shedding(CollectorRegistry())
    asked(shedding, "/oauth2/token")
    assert shedding.tokens.waiting == 0


def test_how_a_refusal_looks() -> None:
    body, media = refusal("/mcp/payments")
    said = json.loads(body)
    assert media == b"application/json"
    assert (said["id"], said["error"]["code"]) == (None, -32603)
    assert (said["error"]["data"]["code"], said["error"]["data"]["retryable"]) == ("overloaded", True)
    assert json.loads(refusal("/oauth2/token")[0])["error"] == "temporarily_unavailable"
    body, media = refusal("/http/billing/x")
    assert (json.loads(body)["code"], media) == ("overloaded", b"application/problem+json")


@pytest.mark.parametrize("path", ["/mcp/x", "/servers/x/mcp", "/oauth2/token", "/access/v1/evaluation", "/http/x/y"])
@pytest.mark.parametrize("close", [True, False])
def test_what_is_made_ahead_says_the_same(path: str, close: bool) -> None:  # noqa: FBT001 - a case
    head, _, body = written(path, close=close).partition(b"\r\n\r\n")
    assert body == refusal(path)[0]
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 503 Service Unavailable"
    assert b"content-length: %d" % len(body) in lines
    assert b"retry-after: 1" in lines
    assert (b"connection: close" in lines) is close


def test_prometheus_reads_them() -> None:
    registry = CollectorRegistry()
    shedding = Shedding(registry)
    shedding.calls.limit = 0
    assert shedding.enter("/mcp/x", b"", b"Bearer x") is False
    assert isinstance(shedding.enter("/oauth2/token", b"", None), Ticket)
    assert registry.get_sample_value("remit_shed_total", {"lane": "calls", "reason": "full"}) == 1
    assert registry.get_sample_value("remit_waiting", {"lane": "tokens"}) == 1
    assert registry.get_sample_value("remit_waiting_limit", {"lane": "people"}) == 256


def test_a_sum_is_of_what_came_since() -> None:
    assert risen({}, {"a": 0, "b": 2}) == {"b": 2}
    assert risen({"b": 2}, {"a": 1, "b": 2}) == {"a": 1}
