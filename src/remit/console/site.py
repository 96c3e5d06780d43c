"""Serves the console's pages: who is signed in, what the page shows, what its forms do.

One shape for all of them: a page is filled on a worker thread by asking the API as the person signed in; its tables are
there as CSV and JSON under the same address; what it changes comes as a form with the session's own word (CSRF), and
leads back to the page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from remit.console import cookies, csp, stepup
from remit.console.desk import Desk, Look
from remit.console.frame import Frame, Now, kept_fields, kept_form, render, signed_out
from remit.console.http import html, own, problem, read_form, too_long
from remit.console.pages.led import led
from remit.console.pages.model import Act, Filled, Page
from remit.console.paths import PATH, SIGN_IN
from remit.console.returning import inside
from remit.console.sessions import LINK, Session, Sessions, matches, not_sent, sent_once
from remit.console.stopping import STOPS
from remit.console.tables import Table, csv_text, shown
from remit.freezes.threads import in_stops_thread
from remit.kernel.clock import Clock
from remit.kernel.errors import Forbidden, NotFound, RemitError
from remit.policy.view import View

THEME: Final = "remit_theme"
TIMES: Final = "remit_times"
_CHOICES: Final = {"theme": (THEME, frozenset({"light", "dark"})), "times": (TIMES, frozenset({"ago", "utc"}))}
_YEAR: Final = 365 * 24 * 3600
_NOTES: Final = 20  # of what was done and not shown yet: the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The pages. `status` says which HTTP status an error's code has; `sign_in` uses up a link's secret."""

    pages: Sequence[Page]
    sessions: Sessions
    desk: Desk
    view: Callable[[], View]
    clock: Clock
    status: Callable[[str], int]
    sign_in: Callable[[Request, str], Response]
    dev: bool
    secure: bool

    def routes(self) -> list[Route]:
        """Their routes."""
        found = [Route(f"{PATH}/theme", self.theme, methods=["POST"])]
        found += [Route(f"{PATH}/{each.name}", self._stops(each), methods=["POST"]) for each in STOPS]
        for each in self.pages:
            found.append(Route(f"{PATH}{each.path}", self._shows(each), methods=["GET"]))
            if each.acts:
                found.append(Route(f"{PATH}{each.path}", self._acts(each), methods=["POST"]))
        return found

    def _shows(self, of: Page) -> Callable[[Request], object]:
        async def endpoint(request: Request) -> Response:
            login = request.query_params.get("login") if request.method == "GET" else None  # a look uses no link up
            if of.path == "" and login is not None:
                return self.sign_in(request, login)
            # What a page asks for by itself, again and again, is no word of its person.
            session = self.sessions.of(request.cookies, seen="hx-request" not in request.headers)
            if session is None:
                return self._signed_out(_here(request))
            return await run_in_threadpool(self._timed, of, request, session)

        return endpoint

    def _timed(self, of: Page, request: Request, session: Session) -> Response:
        """The page, and in a header how long making it took (W3C Server Timing): who has it open sees it."""
        began = perf_counter()
        answer = self._page(of, request, session)
        answer.headers["Server-Timing"] = f"page;dur={1000 * (perf_counter() - began):.1f}"
        return answer

    def _page(self, of: Page, request: Request, session: Session) -> Response:
        look, query = self._look(request, session), dict(request.query_params)
        try:
            filled = of.fill(look)
        except RemitError as error:
            return self._refused(self._frame(of.slug, request, session), error)
        wanted = query.get("format", "")
        if wanted in {"csv", "json"}:
            return _taken(filled, query.get("table", ""), wanted)
        return self._filled(of, request, session, filled)

    def _filled(self, of: Page, request: Request, session: Session, filled: Filled, status: int = 200) -> Response:
        frame, query = self._frame(of.slug, request, session), dict(request.query_params)
        tables = [
            shown(table, query, prefix="" if at == 0 else f"{table.name}.") for at, table in enumerate(filled.tables)
        ]
        body = render(
            of.template, _titled(frame, filled.title), tables=tables, query=query, data=filled.data, **filled.values
        )
        return Response(body, status, headers=csp.headers(frame.nonce), media_type="text/html; charset=utf-8")

    def _acts(self, of: Page) -> Callable[[Request], object]:
        acts: Mapping[str, Act] = {each.name: each for each in of.acts}

        async def endpoint(request: Request) -> Response:
            if too_long(request, of.most):
                return problem(413, "the form is too long: nothing was done; go back, what you wrote is still there")
            form = await read_form(request, most=of.most)
            act = acts.get(form.get("act", ""))
            return await self._done(request, form, act, _here(request), run_in_threadpool, of)

        return endpoint

    def _stops(self, act: Act) -> Callable[[Request], object]:
        """What stops something has a path of its own, which is never shed, and waits behind nothing else."""

        async def endpoint(request: Request) -> Response:
            return await self._done(request, await read_form(request), act, _back(request), in_stops_thread)

        return endpoint

    async def _done(
        self,
        request: Request,
        form: Mapping[str, str],
        act: Act | None,
        to: str,
        thread: Callable[..., Any],
        of: Page | None = None,
    ) -> Response:
        """Do what a form asks for, once it is known to be from here, and lead back to the page."""
        session = self.sessions.of(request.cookies)
        keeps = of.keeps if of is not None and own(request) else None
        # (1) Who it is. What was sent is not carried out, and its person is told so, and led back.
        if session is None:
            kept_page = "" if keeps is None else kept_form(form, to, provider=self.sessions.provider)
            return html(kept_page, 401) if kept_page else self._signed_out(to, lost=True)
        digest = ""
        try:
            # (2) From a page of this very session, for something that it does.
            asked = _asked(session, form, act)
            # (3) Who asks for what is grave has just proved who they are.
            if stepup.held(grave=asked.is_grave(form), authenticated=session.authenticated, now=self.clock.now()):
                kept = {} if keeps is None else kept_fields(form)
                return await run_in_threadpool(self._unproved, request, session, asked, to, kept)
            # (4) Once: a double click, or the way back, does nothing a second time.
            digest = sent_once(session, form, where=to)
            done = await thread(asked.carry, self._look(request, session), form)
        except RemitError as error:
            not_sent(session, digest)
            if of is not None and keeps is not None and not matches(session, form.get("csrf")):
                filled = await run_in_threadpool(keeps, self._look(request, session), form)
                return self._filled(of, request, session, filled, 403)
            return self._refused(self._frame("", request, session), error, back=to)
        if isinstance(done, Filled) and of is not None:
            not_sent(session, digest)
            status = 200 if done.refused is None else self.status(done.refused.code)
            return self._filled(of, request, session, done, status)
        said, to = led(done, to)
        session.notes.append(said)
        del session.notes[:-_NOTES]
        return RedirectResponse(to, 303, headers=csp.PLAIN)

    def _unproved(self, request: Request, session: Session, act: Act, to: str, fields: Mapping[str, str]) -> Response:
        """Nothing was done, which is recorded; and how the person proves who they are."""
        by_link = session.how == LINK
        error: RemitError = stepup.StepUpRequired(
            "nothing was done: this needs that you have proved who you are within the last five minutes",
            detail="Make a new link and open it in this browser; it leads back to the page." if by_link else "",
            try_="remit console" if by_link else "",
        )
        try:
            self.desk.refused(session.operator, f"POST {request.scope['path'][:200]} {act.name}", error)
        except RemitError as failed:
            error = failed
        prove = "" if by_link else f"{SIGN_IN}?again=1&then={quote(inside(to), safe='')}"
        answer = self._refused(self._frame("", request, session), error, back=to, prove=prove, fields=fields)
        cookies.remember(answer, inside(to), secure=self.secure)
        return answer

    def _signed_out(self, to: str, *, lost: bool = False) -> Response:
        then = inside(to)
        answer = html(signed_out(provider=self.sessions.provider, then="" if then == PATH else then, lost=lost), 401)
        cookies.remember(answer, then, secure=self.secure)
        return answer

    async def theme(self, request: Request) -> Response:
        """POST /console/theme: light or dark, times as UTC or as how long ago; in cookies that say nothing else."""
        form = await read_form(request)
        session = self.sessions.of(request.cookies)
        if session is None or not matches(session, form.get("csrf")):
            return problem(403, "this form is not from this page")
        answer = RedirectResponse(_back(request), 303, headers=csp.PLAIN)
        for field, (cookie, choices) in _CHOICES.items():
            if form.get(field) in choices:
                answer.set_cookie(
                    cookie, form[field], max_age=_YEAR, path=PATH, secure=self.secure, httponly=True, samesite="strict"
                )
        return answer

    def _look(self, request: Request, session: Session) -> Look:
        return Look(
            session=session, desk=self.desk, view=self.view(), now=self.clock.now(),
            path={name: str(value) for name, value in request.path_params.items()}, query=dict(request.query_params),
        )  # fmt: skip

    def _frame(self, slug: str, request: Request, session: Session) -> Frame:
        notes, theme = tuple[str, ...](), request.cookies.get(THEME, "")
        if "hx-request" not in request.headers:  # a part that a page fetches by itself shows none, and takes none away
            notes = tuple(session.notes)
            session.notes.clear()
        now = Now(self.clock.now(), utc=request.cookies.get(TIMES) == "utc")
        everything = self.view().freezes.get(("all", "*"))
        return Frame(
            person=session.operator.person, csrf=session.csrf, nonce=csp.nonce(), now=now, slug=slug, title="",
            theme=theme if theme in _CHOICES["theme"][1] else "", dev=self.dev, notes=notes, once=csp.nonce(),
            stopped="" if everything is None else everything.id,
        )  # fmt: skip

    def _refused(
        self,
        frame: Frame,
        error: RemitError,
        *,
        back: str = "",
        prove: str = "",
        fields: Mapping[str, str] = MappingProxyType({}),
    ) -> Response:
        body = render(
            "refused.html", _titled(frame, "Not done"), said=error.public, detail=error.detail, try_=error.try_,
            code=error.code, back=back, prove=prove, provider=self.sessions.provider, fields=fields,
        )  # fmt: skip
        status = self.status(error.code)
        return Response(body, status, headers=csp.headers(frame.nonce), media_type="text/html; charset=utf-8")


def _asked(session: Session, form: Mapping[str, str], act: Act | None) -> Act:
    """What a form asks for.

    Raises:
        Forbidden: It is from another page than this session's own.
        NotFound: The page does no such thing.
    """
    if not matches(session, form.get("csrf")):
        raise Forbidden("this form is not from a page of your session; nothing was done")
    if act is None:
        raise NotFound("there is nothing here")
    return act


def _titled(frame: Frame, title: str) -> Frame:
    return replace(frame, title=title)


def _taken(filled: Filled, name: str, wanted: str) -> Response:
    """A table of the page, whole, as a file."""
    table: Table | None = next((each for each in filled.tables if each.name == name or not name), None)
    if table is None:
        return problem(404, "there is nothing here")
    if wanted == "csv":
        said = {"Content-Disposition": f'attachment; filename="{table.name}.csv"', **csp.PLAIN}
        return Response(csv_text(table), headers=said, media_type="text/csv; charset=utf-8")
    return Response(
        json.dumps({table.name: [dict(row) for row in table.rows]}), headers=csp.PLAIN, media_type="application/json"
    )


def _here(request: Request) -> str:
    """The page that is asked for, with its query."""
    path, query = request.scope.get("raw_path") or quote(request.scope["path"]).encode(), request.scope["query_string"]
    return (path + (b"?" + query if query else b"")).decode("latin-1")


def _back(request: Request) -> str:
    """Where the form was, if that is one of these pages."""
    return inside("/" + request.headers.get("referer", "").partition("://")[2].partition("/")[2])
