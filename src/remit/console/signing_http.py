"""`/console/sign-in` leads to the provider, `/console/sign-in/back` takes its answer.

The answer comes from another site, to which the browser does not send a strict cookie, nor along with a redirect that
such a request is answered with. So what binds it to the browser is a cookie of its own (`Lax`, ten minutes, for these
two paths), and the last step is a page of ours that goes on by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from remit.console import cookies
from remit.console.frame import templates
from remit.console.http import HEADERS, html
from remit.console.paths import BACK, PATH, SIGN_IN
from remit.console.returning import inside
from remit.console.sessions import Sessions
from remit.console.signing import LIFETIME, Signing
from remit.kernel.clock import SECOND
from remit.kernel.errors import Forbidden, RemitError, Unauthenticated
from remit.logs import logger

_log = logger("remit.console")
_MOST: Final = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInPages:
    """The two routes.

    `status` says which HTTP status an error's code has; `noted(what, error, person)` records who was refused, and
    raises StorageUnavailable.
    """

    signing: Signing
    sessions: Sessions
    status: Callable[[str], int]
    noted: Callable[[str, RemitError, str], Any]

    def routes(self) -> list[Route]:
        """The routes."""
        return [Route(SIGN_IN, self.begin, methods=["GET"]), Route(BACK, self.take, methods=["GET"])]

    async def begin(self, request: Request) -> Response:
        """GET, with `then` (a page of the console) and `again` (prove who you are once more): 303 to the provider."""
        then = inside(request.query_params.get("then"))
        session = self.sessions.of(request.cookies) if "again" in request.query_params else None
        if session is not None and not session.subject:
            session = None  # a link let them in: the provider has said nothing of them yet
        try:
            begun = await run_in_threadpool(self.signing.begin, then, session=session)
        except RemitError as error:
            return self._refused(error, then)
        answer = RedirectResponse(begun.url, 303, headers={**HEADERS, "Referrer-Policy": "no-referrer"})
        answer.set_cookie(
            begun.name, begun.value, max_age=LIFETIME // SECOND, path=SIGN_IN, secure=self.sessions.secure,
            httponly=True, samesite="lax",
        )  # fmt: skip
        return answer

    async def take(self, request: Request) -> Response:
        """GET: 200 and on to the page that was wanted; 400, 401 or 403 with what is wrong."""
        query: bytes = request.scope["query_string"]
        had = request.cookies.get(self.sessions.cookie)
        try:
            if len(query) > _MOST:
                raise Unauthenticated("what the provider sent is too long", try_="sign in again")
            cookie, then = await run_in_threadpool(
                self.signing.finish, query.decode("latin-1"), request.cookies, had=had
            )
        except RemitError as error:
            return await run_in_threadpool(self._noted, error)
        answer = html(templates().get_template("signed_in.html").render(then=then))
        cookies.forget(answer, request.cookies, secure=self.sessions.secure)
        for name in request.cookies:
            if name.startswith("remit_signing_"):
                answer.delete_cookie(name, path=SIGN_IN, secure=self.sessions.secure, httponly=True, samesite="lax")
        cookies.set_session(answer, self.sessions, cookie)
        return answer

    def _noted(self, error: RemitError) -> Response:
        """Who was not let in stands in the log before they are told."""
        _log.info("a sign-in was refused", code=error.code, title=error.public, detail=error.detail)
        if isinstance(error, (Forbidden, Unauthenticated)):
            try:
                self.noted(f"GET {BACK}", error, "")
            except RemitError as failed:
                error = failed
        return self._refused(error, PATH)

    def _refused(self, error: RemitError, then: str) -> Response:
        page = (
            templates()
            .get_template("sign_in_refused.html")
            .render(said=error.public, try_=error.try_, code=error.code, provider=self.sessions.provider, then=then)
        )
        return html(page, self.status(error.code))
