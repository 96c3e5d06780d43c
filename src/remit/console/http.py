"""`/console`: the page, its stream, its one button, and the links that sign people in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from remit.console import live, page
from remit.console.paths import PATH
from remit.console.sessions import SESSION_LIFETIME, Session, Sessions, matches
from remit.freezes.threads import in_stops_thread
from remit.kernel.clock import SECOND, Clock
from remit.policy.view import View
from remit.storage.ports import Reader

COOKIE: Final = "remit_session"
_STATIC: Final = {
    "icon.svg": "image/svg+xml",
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
}
_LONGEST_FORM, _FORM_SECONDS = 4096, 30.0
# Nothing inline, nothing from elsewhere, nobody frames it, and no script can make HTML from text.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser sends its own forms with Origin: null
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """The page over the services. `authorize(operator, action, agent)` raises; `freeze` and `unfreeze` act."""

    sessions: Sessions
    view: Callable[[], View]
    prepare: Callable[[str], None]
    covered: Callable[[], int]
    reader: Reader
    clock: Clock
    authorize: Callable[[Any, str, str], None]
    freeze: Callable[[str, Any], None]
    unfreeze: Callable[[str, Any], None]
    dev: bool
    secure: bool  # served over TLS, so that the cookie may say so

    def routes(self) -> list[Route]:
        """The routes of the console."""
        return [
            Route(PATH, self.show, methods=["GET"]),
            Route(f"{PATH}/live", self.stream, methods=["GET"]),
            Route(f"{PATH}/agents", self.rows, methods=["GET"]),
            Route(f"{PATH}/freeze", self.act, methods=["POST"]),
            Route(f"{PATH}/unfreeze", self.act, methods=["POST"]),
            Route(f"{PATH}/sign-out", self.sign_out, methods=["POST"]),
            Route(f"{PATH}/static/{{name}}", self.static, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """GET /console: the page; with `?login=` a one-time link is used up first."""
        if (secret := request.query_params.get("login")) is not None:
            return self._signed_in(secret)
        session = self._session(request)
        if session is None:
            return html(page.signed_out(), 401)
        return html(await run_in_threadpool(self._page, session))

    def _signed_in(self, secret: str) -> Response:
        cookie = self.sessions.redeem(secret)
        if cookie is None:
            return html(page.signed_out(used=True), 401)
        # The secret leaves the address bar, and with it the history.
        answer = RedirectResponse(PATH, 303, headers=HEADERS)
        answer.set_cookie(
            COOKIE, cookie, max_age=SESSION_LIFETIME // SECOND, path=PATH, secure=self.secure, httponly=True,
            samesite="strict",
        )  # fmt: skip
        return answer

    def _page(self, session: Session) -> str:
        self._allowed(session, "read")
        return page.render(person=session.operator.person, csrf=session.csrf, dev=self.dev, rows=self._rows())

    def _rows(self) -> list[dict[str, Any]]:
        for name in page.listed(self.view()):
            self.prepare(name)
        return page.agents(self.view(), covered=self.covered(), now=self.clock.now())

    async def rows(self, request: Request) -> Response:
        """GET /console/agents: the same rows as JSON, for the page to refresh itself."""
        session = self._session(request)
        if session is None:
            return problem(401, "sign in again")
        self._allowed(session, "read")
        body = json.dumps({"agents": await run_in_threadpool(self._rows)})
        return Response(body, headers=HEADERS, media_type="application/json")

    async def stream(self, request: Request) -> Response:
        """GET /console/live: entries as they are recorded (server-sent events)."""
        session, cookie = self._session(request), request.cookies.get(COOKIE)
        if session is None:
            return problem(401, "sign in again")
        self._allowed(session, "readAudit")
        events = live.events(self.reader, lambda: self.sessions.find(cookie) is not None)
        return StreamingResponse(events, headers=HEADERS, media_type="text/event-stream")

    async def act(self, request: Request) -> Response:
        """POST /console/freeze and /console/unfreeze: form fields `agent` and `csrf`."""
        session = self._session(request)
        if session is None:
            return problem(401, "sign in again")
        form = await read_form(request)
        if self._session(request) is None:
            return problem(401, "sign in again")  # it ended while the form came
        if not matches(session, form.get("csrf")):
            return problem(403, "this form is not from this page")
        verb = request.url.path.rpartition("/")[2]
        agent = form.get("agent", "")
        self._allowed(session, verb, agent)
        await in_stops_thread(self.freeze if verb == "freeze" else self.unfreeze, agent, session.operator)
        return RedirectResponse(PATH, 303, headers=HEADERS)

    async def sign_out(self, request: Request) -> Response:
        """POST /console/sign-out."""
        session = self._session(request)
        if session is not None:
            if not matches(session, (await read_form(request)).get("csrf")):
                return problem(403, "this form is not from this page")  # another site signs nobody out
            self.sessions.end(request.cookies.get(COOKIE))
        answer = html(page.signed_out())
        answer.delete_cookie(COOKIE, path=PATH)
        return answer

    async def static(self, request: Request) -> Response:
        """GET /console/static/NAME: the two files of the page."""
        name = request.path_params["name"]
        if name not in _STATIC:
            return problem(404, "there is nothing here")
        body = (files("remit.console") / "static" / name).read_bytes()
        return Response(body, headers={**HEADERS, "Cache-Control": "max-age=300"}, media_type=_STATIC[name])

    def _session(self, request: Request) -> Session | None:
        return self.sessions.find(request.cookies.get(COOKIE))

    def _allowed(self, session: Session, action: str, agent: str = "") -> None:
        self.authorize(session.operator, action, agent)


async def read_form(request: Request, *, most: int = _LONGEST_FORM) -> dict[str, str]:
    """The fields of a form; none if it is over `most` bytes, slow, or has a field twice."""
    body = b""
    try:
        async with asyncio.timeout(_FORM_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    return {}
    except TimeoutError:
        return {}
    pairs = parse_qsl(body.decode("utf-8", "replace"))
    return dict(pairs) if len({name for name, _ in pairs}) == len(pairs) else {}


def html(body: str, status: int = 200) -> Response:
    """A page."""
    return Response(body, status, headers=HEADERS, media_type="text/html; charset=utf-8")


def problem(status: int, said: str) -> Response:
    """One line of text."""
    return Response(said + "\n", status, headers=HEADERS, media_type="text/plain; charset=utf-8")
