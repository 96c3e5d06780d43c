"""`/console/log/evidence` and `/console/log/ID/evidence`: entries with their proofs, as a file to take away.

What is in it verifies without this server: `remit audit verify --export FILE`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from remit.audit.evidence import file_of
from remit.console import csp
from remit.console.desk import Desk
from remit.console.http import problem
from remit.console.paths import PATH
from remit.console.sessions import Session, Sessions
from remit.kernel.errors import RemitError

_FILE: Final = re.compile(r"[^A-Za-z0-9_]+")
_NOT_ASKED: Final = frozenset({"q", "sort", "page", "format", "table"})  # of the page, not of the log


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFiles:
    """The downloads. `status` says which HTTP status an error's code has."""

    sessions: Sessions
    desk: Desk
    status: Callable[[str], int]

    def routes(self) -> list[Route]:
        """Their routes; they stand before the page of one entry."""
        return [
            Route(f"{PATH}/log/evidence", self.answers, methods=["GET"]),
            Route(f"{PATH}/log/{{id}}/evidence", self.one, methods=["GET"]),
        ]

    async def one(self, request: Request) -> Response:
        """GET: the evidence for one entry; 401, 403, or 404 while no checkpoint covers it."""
        name = request.path_params["id"]
        return await self._file(request, {"entry": name}, name)

    async def answers(self, request: Request) -> Response:
        """GET: the evidence for what the log's page shows under this query, up to 10,000 entries."""
        query = {name: value for name, value in request.query_params.items() if name not in _NOT_ASKED}
        return await self._file(request, query, "evidence")

    async def _file(self, request: Request, query: Mapping[str, str], name: str) -> Response:
        session = self.sessions.of(request.cookies)
        if session is None:
            return problem(401, "sign in again")
        try:
            pieces = await run_in_threadpool(file_of, self._ask(session), query)
        except RemitError as error:
            return problem(self.status(error.code), error.public)
        said = {
            **csp.PLAIN,
            "Content-Disposition": f'attachment; filename="remit-{_FILE.sub("-", name)[:80]}.json"',
        }
        return StreamingResponse(pieces, headers=said, media_type="application/json")

    def _ask(self, session: Session) -> Callable[[Mapping[str, str]], Mapping[str, Any]]:
        return lambda query: self.desk.ask(session.operator, "GET", "/v1/evidence", query=query)
