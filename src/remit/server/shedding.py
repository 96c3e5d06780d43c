"""Which requests wait in which lane, and how who finds none free is told so: before anything of it is looked at.

What stops agents, and what people and orchestrators need to do so, is in no lane and never refused for load.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from remit.enforcement.congestion import Bounds
from remit.enforcement.denials import error as rpc_error
from remit.enforcement.lanes import Lane, Ticket
from remit.enforcement.model import INTERNAL_ERROR
from remit.enforcement.turns import Turns
from remit.kernel.canonical import encode
from remit.kernel.clock import SECOND, Micros
from remit.server import problem

RETRY_AFTER: Final = 1  # seconds
_TITLE: Final = "more waits than Remit can answer soon; nothing was done"
# How long one may wait for Remit itself. A client of the token endpoint asks once in minutes, and bears more.
_CALLS: Final = Bounds(least=128, most=1024, target=Micros(SECOND // 4))
_TOKENS: Final = Bounds(least=128, most=1024, target=Micros(SECOND))
_PEOPLE: Final = Bounds(least=256, most=256, target=Micros(SECOND))
_AT_ONCE: Final = 8  # decisions that a turn of the event loop begins: some 4 ms, and enough for a group commit

_GATEWAYS: Final = ("/mcp/", "/servers/", "/http/")
_CALLED: Final = ("/access/v1/evaluation", "/access/v1/search/", "/v1/outcomes", "/v1/me/can", *_GATEWAYS)
_ASKED: Final = ("/oauth2/", "/v1/me/", "/access/v1/requests")
_STOPS: Final = ("/v1/freezes", "/v1/enforcement/", "/v1/console/links", "/console/freeze", "/console/unfreeze",
                 "/console/live", "/console/sign-out", "/healthz", "/readyz", "/metrics")  # fmt: skip
_SUSPENDS: Final = "/suspend"


class Shedding:
    """The lanes of one server."""

    def __init__(self, registry: CollectorRegistry) -> None:
        clock = time.monotonic
        self.calls = Lane("calls", _CALLS, clock)  # what is decided
        self.tokens = Lane("tokens", _TOKENS, clock)  # what agents and their clients ask besides
        self.people = Lane("people", _PEOPLE, clock)  # what operators and their tools ask
        self.lanes = (self.calls, self.tokens, self.people)
        self.turns = Turns(_AT_ONCE)
        registry.register(_Told(self.lanes))

    def lane(self, path: str, query: bytes) -> Lane | None:
        """Where a request waits; None: it is never refused for load."""
        if path.startswith(_CALLED):
            return self.calls
        if path.startswith(_ASKED):
            return self.tokens
        if path.startswith(_STOPS) or path.endswith(_SUSPENDS) or (path == "/console" and b"login=" in query):
            return None
        return self.people

    def enter(self, path: str, query: bytes, credential: bytes | None) -> Ticket | bool:
        """A place; True where none is needed; False if there is none."""
        lane = self.lane(path, query)
        if lane is None:
            return True
        # A caller is told apart by its credential only where each has its own for a while.
        return lane.enter(credential if lane is self.calls else None) or False


class _Told(Collector):
    """The lanes as Prometheus reads them."""

    def __init__(self, lanes: tuple[Lane, ...]) -> None:
        self._lanes = lanes

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        waiting = GaugeMetricFamily("remit_waiting", "Requests that wait for Remit itself", labels=["lane"])
        limit = GaugeMetricFamily("remit_waiting_limit", "How many of them may wait now", labels=["lane"])
        shed = CounterMetricFamily("remit_shed", "Requests refused for load, by reason", labels=["lane", "reason"])
        for lane in self._lanes:
            waiting.add_metric([lane.name], lane.waiting)
            limit.add_metric([lane.name], lane.limit)
            for reason, count in lane.refused.items():
                shed.add_metric([lane.name, reason], count)
        yield from (waiting, limit, shed)


def _data() -> dict[str, Any]:
    """In a denial's shape, as `enforcement_unavailable` is: nothing was decided."""
    return {
        "type": "urn:remit:error:overloaded", "title": _TITLE, "status": 503, "code": "overloaded", "violations": [],
        "remedies": [{"kind": "wait", "retry_after": RETRY_AFTER}], "retryable": True, "retry_after": RETRY_AFTER,
    }  # fmt: skip


# MCP is answered in JSON-RPC; the token endpoint in the shape of RFC 6749 section 5.2, with the code of 4.1.2.1.
_MCP: Final = rpc_error(None, INTERNAL_ERROR, _TITLE, _data())
_OAUTH: Final = encode({"error": "temporarily_unavailable", "error_description": _TITLE})
_PROBLEM: Final = encode(problem.body_of("overloaded", _TITLE))


def refusal(path: str) -> tuple[bytes, bytes]:
    """The body of a refusal, and its media type, at the door that was knocked at."""
    if path.startswith(("/mcp/", "/servers/")):
        return _MCP, b"application/json"
    if path.startswith("/oauth2/"):
        return _OAUTH, b"application/json"
    return _PROBLEM, b"application/problem+json"


def _whole(path: str) -> bytes:
    body, media = refusal(path)
    return (
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: " + media + b"\r\ncache-control: no-store\r\nretry-after: "
        + str(RETRY_AFTER).encode() + b"\r\ncontent-length: " + str(len(body)).encode() + b"\r\n"
    )  # fmt: skip


_WHOLE: Final = {kind: (_whole(kind), refusal(kind)[0]) for kind in ("/mcp/", "/oauth2/", "/")}


def written(path: str, *, close: bool) -> bytes:
    """The refusal as it goes over the wire, made ahead."""
    kind = "/mcp/" if path.startswith(("/mcp/", "/servers/")) else "/oauth2/" if path.startswith("/oauth2/") else "/"
    head, body = _WHOLE[kind]
    return head + (b"connection: close\r\n\r\n" if close else b"\r\n") + body
