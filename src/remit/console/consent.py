"""`/console/authorize`: a person is asked whether a client may act as their agent; `/console/consents`: their answers.

The request is checked anew when the answer comes: what the form sends is the request's own parameters, which the
person could as well have typed, and the session's word that it comes from this page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from remit.console.frame import signed_out, templates
from remit.console.http import HEADERS, POLICY, html, problem, read_form
from remit.console.paths import AUTHORIZE, CONSENTS
from remit.console.sessions import Session, Sessions, matches
from remit.kernel.clock import Clock, rfc3339
from remit.kernel.errors import RemitError, StorageUnavailable
from remit.people.change import Actor
from remit.tokens.authorize import MOST, AuthorizeRefused
from remit.tokens.authorizing import Authorizing, Question
from remit.tokens.consents import Consents

_LONGEST: Final = 4 * MOST  # a query of that length, escaped, and the rest of the form
_ORIGIN: Final = re.compile(r"(https?://[A-Za-z0-9.:\[\]-]+|[a-z][a-z0-9+.-]*:)")
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentPages:
    """The pages. `actor` names who is signed in; `may` says whether they consent for an agent; `withdraw` raises."""

    sessions: Sessions
    authorizing: Authorizing
    consents: Consents
    actor: Callable[[Any], Actor]
    may: Callable[[Any, str], bool]
    withdraw: Callable[[Any, str], None]
    clock: Clock

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route(AUTHORIZE, self.ask, methods=["GET"]),
            Route(AUTHORIZE, self.answer, methods=["POST"]),
            Route(CONSENTS, self.listing, methods=["GET"]),
            Route(f"{CONSENTS}/withdraw", self.end, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """GET: the question; 401 until somebody is signed in, 400 or 403 with what is wrong, 303 to tell the client."""
        query: bytes = request.scope["query_string"]
        session = self._session(request)
        if session is None:
            # Coming from another site, the browser keeps its strict cookie to itself: the link asks once more.
            again = f"{AUTHORIZE}?{query.decode('latin-1')}"
            return html(signed_out(again=again, provider=self.sessions.provider), 401)
        if len(query) > MOST:
            return _wrong(f"the query is over {MOST} bytes", 400)
        operator = session.operator
        try:
            question = await run_in_threadpool(
                self.authorizing.question, query, by=self.actor(operator), may=lambda agent: self.may(operator, agent)
            )
        except AuthorizeRefused as refused:
            return _refused(refused)
        except StorageUnavailable as error:
            return _wrong(error.public, 503)
        return self._question(session, question, query.decode("latin-1"))

    async def answer(self, request: Request) -> Response:
        """POST: fields `csrf`, `request`, `choice` (agent and purpose) and `answer` (yes or no); 303 to the client."""
        session = self._session(request)
        if session is None:
            return problem(401, "sign in again")
        form = await read_form(request, most=_LONGEST)
        if self._session(request) is None:
            return problem(401, "sign in again")  # it ended while the form came
        if not matches(session, form.get("csrf")):
            return problem(403, "this form is not from this page")
        try:
            where = await run_in_threadpool(self._decided, session.operator, form)
        except AuthorizeRefused as refused:
            return _refused(refused)
        except StorageUnavailable as error:
            return _wrong(error.public, 503)
        return _to(where)

    def _decided(self, operator: object, form: dict[str, str]) -> str:
        query, by = form.get("request", "").encode("latin-1", "replace"), self.actor(operator)

        def may(agent: str) -> bool:
            return self.may(operator, agent)

        if form.get("answer") != "yes":
            return self.authorizing.deny(query, by=by, may=may)
        agent, _, purpose = form.get("choice", "").partition(" ")
        return self.authorizing.consent(query, agent=agent, purpose=purpose, by=by, may=may)

    async def listing(self, request: Request) -> Response:
        """GET: the consents that the person gave, the newest first."""
        session = self._session(request)
        if session is None:
            return problem(401, "sign in again")
        person, now = self.actor(session.operator).person, self.clock.now()
        found = await run_in_threadpool(self.consents.listing, person=person, most=_SHOWN)
        rows = [
            {
                "consent": each.consent, "client": each.name or each.client, "client_id": each.client,
                "agent": each.agent, "purpose": each.purpose, "until": rfc3339(each.until), "live": each.live(now),
                "state": each.state.value,
            }
            for each in found
        ]  # fmt: skip
        page = templates().get_template("consents.html")
        return html(page.render(person=person, csrf=session.csrf, rows=rows))

    async def end(self, request: Request) -> Response:
        """POST: fields `csrf` and `consent`: it is withdrawn."""
        session = self._session(request)
        if session is None:
            return problem(401, "sign in again")
        form = await read_form(request)
        if self._session(request) is None:
            return problem(401, "sign in again")  # as above
        if not matches(session, form.get("csrf")):
            return problem(403, "this form is not from this page")
        try:
            await run_in_threadpool(self.withdraw, session.operator, form.get("consent", ""))
        except RemitError as error:
            return _wrong(error.public, 400)
        return RedirectResponse(CONSENTS, 303, headers=HEADERS)

    def _question(self, session: Session, question: Question, query: str) -> Response:
        said = templates().get_template("consent.html").render(
            person=self.actor(session.operator).person,
            csrf=session.csrf,
            request=query,
            client=question.client,
            choices=[
                {
                    "value": f"{each.agent} {each.purpose}", "agent": each.agent, "purpose": each.purpose,
                    "statement": each.statement, "resources": each.resources, "until": rfc3339(each.until),
                }
                for each in question.choices
            ],
            redirect=question.back.redirect_uri,
        )  # fmt: skip
        answer = html(said)
        # A browser follows the form's answer to the client only where the page says that it may.
        answer.headers["Content-Security-Policy"] = POLICY.replace(
            "form-action 'self'", f"form-action 'self' {_source(question.back.redirect_uri)}"
        )
        return answer

    def _session(self, request: Request) -> Session | None:
        return self.sessions.of(request.cookies)


def _source(redirect_uri: str) -> str:
    """What a policy calls the place that an answer goes to; it has no name for an IPv6 address but its scheme."""
    origin = _ORIGIN.match(redirect_uri)
    found = origin[0] if origin is not None else "'none'"
    return found.partition("/")[0] if "[" in found else found


def _refused(refused: AuthorizeRefused) -> Response:
    where = refused.location
    return _wrong(refused.public, refused.status, code=refused.error.value) if where is None else _to(where)


def _wrong(said: str, status: int, *, code: str = "") -> Response:
    return html(templates().get_template("consent_refused.html").render(said=said, code=code), status)


def _to(where: str) -> Response:
    """Off to the client. The address has the code in it, and goes into no referrer and no cache."""
    return Response(status_code=303, headers={**HEADERS, "Location": where, "Referrer-Policy": "no-referrer"})
