"""`/v1/enforcement/*`: enforcement points that keep state hear of changes at once, and say that they have applied them.

The protocol. `GET /v1/enforcement/stream` (server-sent events, the point's own bearer token)
begins with a `freeze` for each one in force and an `epoch` whose topics are `["*"]`; then come
`epoch {epoch, topics}`, `freeze {kind, name, id}`, `unfreeze {...}`, and `heartbeat {epoch}` every 2 s.
After each epoch and heartbeat that it has applied, the point sends `POST /v1/enforcement/ack {"epoch": N}`.
Answered `"fresh": true`, it may go on for 5 s **from when it sent that**; otherwise it refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from remit.enforcement.model import Point
from remit.freezes.containment import BOUND, Acknowledgements
from remit.kernel.canonical import encode, parse
from remit.kernel.errors import Malformed, Unauthenticated, UnsupportedMediaType
from remit.server.announce import Announcer
from remit.server.door import checked, read_body

STREAM = "/v1/enforcement/stream"
ACK = "/v1/enforcement/ack"
_MOST_BYTES = 1024


class PepDirectory(Protocol):
    """The registered enforcement points (server.peps)."""

    def point(self, authorization: str | None) -> Point:
        """The one that makes a request. Raises Unauthenticated."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforcementStream:
    """Both ends of what points are told."""

    points: PepDirectory
    announcer: Announcer
    acknowledgements: Acknowledgements
    epoch: Callable[[], int]

    def routes(self) -> Sequence[Route]:
        """The routes of this part of the API."""
        return [Route(STREAM, self.stream, methods=["GET"]), Route(ACK, self.ack, methods=["POST"])]

    async def stream(self, request: Request) -> Response:
        """Changes as they are made, until the point goes or is removed: 200, 401."""
        authorization = request.headers.get("authorization")
        self.points.point(authorization)
        events = self.announcer.stream(lambda: self._registered(authorization))
        headers = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    async def ack(self, request: Request) -> Response:
        """What a point has applied: 200, 400, 401, 413, 415."""
        self.points.point(request.headers.get("authorization"))
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType("this call takes application/json")
        body = checked(parse(await read_body(request, limit=_MOST_BYTES)), {"epoch": "integer"})
        point = self.points.point(request.headers.get("authorization"))  # the body may have come long after the headers
        newest = self.epoch()
        if not 0 <= body["epoch"] <= newest:
            raise Malformed("no such epoch has been announced", try_="acknowledge the epoch of the last event")
        fresh = self.acknowledgements.confirm(point.name, body["epoch"])
        told = {"epoch": newest, "fresh": fresh, "good_for_ms": int(BOUND * 1000) if fresh else 0}
        return Response(encode(told), media_type="application/json")

    def _registered(self, authorization: str | None) -> bool:
        try:
            self.points.point(authorization)
        except Unauthenticated:
            return False
        return True
