"""`/healthz`, `/readyz` and `/metrics`: what orchestrators and Prometheus ask."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from remit.storage.database import Database

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_CONTACT_LATE = 5.0


@dataclass(slots=True)
class Health:
    """Whether calls are taken."""

    database: Database
    ready: bool = False

    def problem(self) -> str:
        """Why calls are not taken now; "" if they are."""
        if not self.ready:
            return "starting"
        if not self.database.healthy or time.monotonic() - self.database.last_contact > _CONTACT_LATE:
            return "the database does not answer"
        return ""


def routes(state: Health, registry: CollectorRegistry) -> list[Route]:
    """What orchestrators and Prometheus ask, without a token: it tells nothing but counts.

    Whether it runs and is ready is said on the event loop: no thread that is busy makes it look dead.
    """

    async def alive(_: Request) -> Response:
        """GET /healthz: the process runs."""
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        """GET /readyz: 200 while calls are taken, else 503 and why."""
        problem = state.problem()
        return PlainTextResponse(f"{problem or 'ready'}\n", 503 if problem else 200)

    def metrics(_: Request) -> Response:
        """GET /metrics: Prometheus text."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415 - only where it is scraped

        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/healthz", alive, methods=["GET"]),
        Route("/readyz", ready, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]
