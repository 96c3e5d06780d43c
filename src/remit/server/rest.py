"""Everything that is not a hot path: one router, and one shape for every error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from remit.kernel.errors import RemitError
from remit.logs import logger
from remit.server import problem
from remit.server.door import Porch

_log = logger("remit.api")
_METHOD_NOT_ALLOWED = 405


def rest(routes: Sequence[BaseRoute], *, otherwise: ASGIApp) -> Starlette:
    """The router over `routes`; a path that none of them has goes on to `otherwise`, whose errors look the same."""
    found = Starlette(
        routes=list(routes), exception_handlers={RemitError: _refused, HTTPException: _http, Exception: _unexpected}
    )
    found.router.default = otherwise
    found.router.redirect_slashes = False  # a path has one spelling: no client is led to say its secret twice
    return found


@dataclass(frozen=True, slots=True)
class Guarded:
    """An endpoint before the router, whose failures are answered as the router would."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self.app(scope, receive, send)
        except RemitError as error:
            await (await _refused(Request(scope), error))(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer and the log the reason
            await (await _unexpected(Request(scope), error))(scope, receive, send)


def authorize(porch: Porch, request: Request, action: str) -> None:
    """Raise unless this request's operator may do `action`; for routes of other rooms."""
    operator = porch.keeper.operator(
        authorization=request.headers.get("authorization"), act_as=request.headers.get("remit-act-as")
    )
    porch.authority.require(operator, action)


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, RemitError):
        raise error
    if problem.status_of(error.code) >= problem.STATUS["unexpected"]:
        _log.error("failed", code=error.code, title=error.public, detail=error.detail)
    return problem.of(error)


async def _http(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 0
    if status == _METHOD_NOT_ALLOWED:
        headers = getattr(error, "headers", None)
        return problem.answer("method_not_allowed", "this path takes another method", headers=headers)
    return problem.answer("not_found", "there is nothing here", try_="GET /openapi.json says what there is")


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("unexpected", path=request.url.path, error=repr(error), exc_info=error)
    return problem.answer("unexpected", "something went wrong here; the server's log says what")
