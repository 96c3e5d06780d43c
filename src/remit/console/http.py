"""`/console`: signing in and out, static files, and the stream of what is recorded. Its pages: `site`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from remit.console import cookies, csp, live
from remit.console.frame import signed_out, templates
from remit.console.pages.model import LONGEST_FORM
from remit.console.paths import PATH
from remit.console.sessions import Session, Sessions, matches
from remit.logs import logger

_log = logger("remit.console")
_MEDIA: Final = {
    "svg": "image/svg+xml",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}
_LONGEST_REPORT: Final = 8192
_ELSEWHERE: Final = frozenset({"cross-site", "same-site"})  # who sent a browser here (Sec-Fetch-Site)
_FORM_SECONDS: Final = 30.0
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
    """Signing in and out, the files of the pages, and the stream of what is recorded.

    `authorize(operator, action, agent)` raises.
    """

    sessions: Sessions
    tail: live.Tail
    authorize: Callable[[Any, str, str], None]
    secure: bool  # served over TLS, so that the cookie may say so
    provider_ends: Callable[[], str] = str  # where the provider ends what it knows of a person; empty if it has none

    def routes(self) -> list[Route]:
        """Their routes."""
        return [
            Route(f"{PATH}/live/stream", self.stream, methods=["GET"]),
            Route(f"{PATH}/sign-out", self.sign_out, methods=["POST"]),
            Route(f"{PATH}/static/{{name:path}}", self.static, methods=["GET"]),
            Route(csp.REPORTS, self.report, methods=["POST"]),
        ]

    def sign_in(self, request: Request, secret: str) -> Response:
        """What the link from `remit console` leads to; its secret is used up."""
        # A site that sends somebody here has a link of its own: it would sign them in as whose link that is (login
        # CSRF), and what they did then would be that person's. So they are told who that is, and asked.
        if request.headers.get("sec-fetch-site", "none") in _ELSEWHERE:
            who = self.sessions.whose(secret)
            if who is not None:
                return html(templates().get_template("as_whom.html").render(person=who.person, secret=secret))
        had = request.cookies.get(self.sessions.cookie)
        cookie = self.sessions.redeem(secret, instead=had)
        if cookie is None:
            return html(signed_out(used=True, provider=self.sessions.provider), 401)
        # The secret leaves the address bar, and with it the history.
        answer = RedirectResponse(cookies.wanted(request.cookies), 303, headers=HEADERS)
        cookies.forget(answer, request.cookies, secure=self.secure)
        cookies.set_session(answer, self.sessions, cookie)
        return answer

    async def stream(self, request: Request) -> Response:
        """GET /console/live/stream: entries as they are recorded (server-sent events)."""
        # A browser asks again by itself whenever the connection breaks: that is no word of its person.
        cookie = request.cookies.get(self.sessions.cookie)
        session = self.sessions.find(cookie, seen=False)
        if session is None:
            return problem(401, "sign in again")
        self.authorize(session.operator, "readAudit", "")
        events = live.events(self.tail, lambda: self.sessions.find(cookie, seen=False) is not None)
        return StreamingResponse(events, headers=HEADERS, media_type="text/event-stream")

    async def sign_out(self, request: Request) -> Response:
        """POST /console/sign-out."""
        session = self._session(request)
        if session is not None:
            if not matches(session, (await read_form(request)).get("csrf")):
                return problem(403, "this form is not from this page")  # another site signs nobody out
            self.sessions.end(request.cookies.get(self.sessions.cookie))
        out = await run_in_threadpool(self.provider_ends) if session is not None and session.subject else ""
        answer = html(signed_out(provider=self.sessions.provider, out=out))
        if self.sessions.cookie in request.cookies:  # with a form of another site it does not come (SameSite=Strict)
            cookies.drop_session(answer, self.sessions)
        return answer

    async def static(self, request: Request) -> Response:
        """GET /console/static/NAME: one of the files that the pages are made with."""
        name = request.path_params["name"]
        if name not in assets():
            return problem(404, "there is nothing here")
        media = _MEDIA[name.rpartition(".")[2]]
        return Response(assets()[name], headers={**HEADERS, "Cache-Control": "max-age=300"}, media_type=media)

    async def report(self, request: Request) -> Response:
        """POST /console/csp: a browser says what a page tried that it may not. Goes to the server's log, cut short.

        From who is signed in alone: else anybody could fill the log.
        """
        if self._session(request) is None:
            return problem(401, "sign in again")
        body = await read_body(request, most=_LONGEST_REPORT)
        _log.warning("a page tried what it may not", detail=body.decode("utf-8", "replace"))
        return Response(status_code=204)

    def _session(self, request: Request) -> Session | None:
        return self.sessions.of(request.cookies)


@cache
def assets() -> Mapping[str, bytes]:
    """The files by the names that pages know them by."""
    static = files("remit.console") / "static"
    found = {each.name: each.read_bytes() for each in static.iterdir() if each.name.rpartition(".")[2] in _MEDIA}
    return found | {f"vendored/{each.name}": each.read_bytes() for each in (static / "vendored").iterdir()}


async def read_form(request: Request, *, most: int = LONGEST_FORM) -> dict[str, str]:
    """The fields of a form; none if it is over `most` bytes, slow, or has a field twice."""
    pairs = parse_qsl((await read_body(request, most=most)).decode("utf-8", "replace"))
    return dict(pairs) if len({name for name, _ in pairs}) == len(pairs) else {}


def too_long(request: Request, most: int) -> bool:
    """Whether a form says itself that it is over `most` bytes."""
    said = request.headers.get("content-length", "")
    return said.isascii() and said.isdigit() and int(said[:20]) > most


def own(request: Request) -> bool:
    """Whether a browser says that a form was on one of these pages: what others send is never shown."""
    return request.headers.get("sec-fetch-site") == "same-origin"


async def read_body(request: Request, *, most: int) -> bytes:
    """A body of at most `most` bytes; nothing of one that is longer, or slow."""
    body = b""
    try:
        async with asyncio.timeout(_FORM_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    return b""
    except TimeoutError:
        return b""
    return body


def html(body: str, status: int = 200) -> Response:
    """A page."""
    return Response(body, status, headers=HEADERS, media_type="text/html; charset=utf-8")


def problem(status: int, said: str) -> Response:
    """One line of text."""
    return Response(said + "\n", status, headers=HEADERS, media_type="text/plain; charset=utf-8")
