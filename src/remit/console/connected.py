"""`/console/connected/NAME`: the answer of another system, which a person's browser brings, is taken.

Coming from another site, the browser keeps its strict cookie to itself: then the page has a link that asks once more.
So nobody's link, opened by somebody else, lends an account that is not the one of who is signed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from remit.console.frame import templates
from remit.console.http import html
from remit.console.paths import CONNECTED
from remit.console.sessions import Sessions
from remit.kernel.errors import RemitError

_MOST = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedPage:
    """The page. `finish(operator, secret, query)` raises, or says what is connected."""

    sessions: Sessions
    finish: Callable[[Any, str, str], str]

    def routes(self) -> list[Route]:
        """The route."""
        return [Route(f"{CONNECTED}/{{name}}", self.take, methods=["GET"])]

    async def take(self, request: Request) -> Response:
        """GET: 200 once it is kept; 401 until somebody is signed in, 400 with what is wrong."""
        query: bytes = request.scope["query_string"]
        if len(query) > _MOST:
            return _said(400, refused=f"the query is over {_MOST} bytes")
        session = self.sessions.of(request.cookies)
        secret = request.path_params["name"]
        if session is None:
            return _said(401, again=f"{request.url.path}?{query.decode('latin-1')}")
        try:
            await run_in_threadpool(self.finish, session.operator, secret, query.decode("latin-1"))
        except RemitError as error:
            return _said(400, refused=error.public, try_=error.try_)
        return _said(200, secret=secret, person=session.operator.person)


def _said(
    status: int, *, secret: str = "", person: str = "", refused: str = "", try_: str = "", again: str = ""
) -> Response:
    page = templates().get_template("connected.html")
    return html(page.render(secret=secret, person=person, refused=refused, try_=try_, again=again), status)
