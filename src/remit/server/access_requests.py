"""`/access/v1/requests`: agents and enforcement points ask that a person lets a denied call pass.

AuthZEN Access Request and Approval Profile (draft 1). Both use this one path: an enforcement point with its own token,
an agent with its access token and a proof. A task is shown to the agent that it is about, and to who asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from remit.attestation.model import Caller
from remit.enforcement import authzen
from remit.enforcement.metadata import resources
from remit.enforcement.model import Point
from remit.kernel.canonical import encode, parse
from remit.kernel.clock import Instant, parse_date_end, rfc3339
from remit.kernel.errors import Malformed, RemitError, UnsupportedMediaType
from remit.kernel.names import ActionName, DecisionId, PurposeName, ToolName, split_action
from remit.people.change import Actor
from remit.policy.facts import Facts
from remit.policy.model import Call
from remit.policy.service import PolicyService
from remit.requests.binding import PATH
from remit.requests.callback import check_callback
from remit.requests.model import (
    NEVER,
    AccessRequest,
    AccessRequestError,
    BindingInvalid,
    NotRequestable,
    RequestState,
    UnknownTask,
)
from remit.requests.service import RequestService
from remit.requests.wanted import Wanted
from remit.server import problem
from remit.server.door import read_body
from remit.server.me import Me
from remit.server.peps import Gatekeeper
from remit.tokens.threads import in_agents_thread

POLL_SECONDS: Final = 5
_ONE: Final = re.compile(PATH + r"/(arq_[0-9A-Za-z]{26})(/cancel)?\Z")
_MOST_TEXT: Final = 1000
_MOST_KEY: Final = 255


@dataclass(frozen=True, slots=True)
class _Asker:
    """Who asks: an agent, or an enforcement point for agents."""

    name: str
    caller: Caller | None = None
    point: Point | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequests:
    """An ASGI endpoint; what it changes is durable when it answers."""

    me: Me
    keeper: Gatekeeper
    requests: RequestService
    policy: PolicyService
    facts: Facts
    allowed: frozenset[tuple[str, int]]  # hosts and ports that an operator opened for callbacks
    body_limit: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: 200, 201, 202, 400, 401, 404, 405, 409, 410, 413, 415, 503."""
        path = scope["path"]
        one = _ONE.match(path)
        wanted = "POST" if path == PATH or (one and one[2]) else "GET"
        if path != PATH and one is None:
            await problem.answer("not_found", "there is nothing here")(scope, receive, send)
            return
        me = replace(self.me, path=path, method=wanted)

        async def answer(request: Request) -> Response:
            try:
                asker = await self._asker(me, request)
                if one is None:
                    return await self._ask(asker, request)
                handle = self._cancel if one[2] else self._show
                return await in_agents_thread(handle, asker, one[1])
            except AccessRequestError as error:
                return _refused(error)

        await me.serve(scope, receive, send, answer)

    async def _asker(self, me: Me, request: Request) -> _Asker:
        """(1) Who asks. The token of an enforcement point is told from an access token by its form."""
        shown = request.headers.get("authorization", "")
        if shown[:7].lower() == "bearer " and "." not in shown:
            point = self.keeper.point(shown)
            return _Asker(f"pep:{point.name}", point=point)
        servers = self.facts.view().servers
        audiences = frozenset[str]({me.base}).union(*(resources(me.base, name) for name in servers))
        caller = await me.caller(request, audiences)
        return _Asker(f"agent:{caller.agent}", caller=caller)

    async def _ask(self, asker: _Asker, request: Request) -> Response:
        raw = await read_body(request, limit=self.body_limit)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType("this call takes application/json")
        key = request.headers.get("idempotency-key", "")
        if len(key) > _MOST_KEY:
            raise Malformed(f"Idempotency-Key has at most {_MOST_KEY} characters")
        return await in_agents_thread(self._asked, asker, parse(raw), key, raw)

    def _asked(self, asker: _Asker, body: object, key: str, raw: bytes) -> Response:
        if not isinstance(body, dict):
            raise Malformed("a JSON object is expected")
        # (2) The very call, as it was denied; (3) what the denial carried.
        call = self._call(asker, body)
        denial, callback = _object(body, "denial"), _object(body, "callback")
        context, wants = _object(body, "context"), _object(body, "requested_access")
        token = denial.get("binding_token")
        if not isinstance(token, str):
            raise BindingInvalid("denial.binding_token is missing", try_="send what the denial's access_request says")
        endpoint = callback.get("endpoint")
        wanted = Wanted(
            call=call, asker=asker.name, token=token, key=key, body=raw,
            why=_text(context, "business_justification"), most=_until(wants),
            callback=check_callback(endpoint, self.allowed) if endpoint is not None else "",
            callback_state=_text(callback, "state"),
        )  # fmt: skip
        found = self.requests.ask(wanted, by=Actor(by=asker.name))
        status = 202 if found.state is RequestState.PENDING else 201
        return self._told(found, status=status, location=True)

    def _show(self, asker: _Asker, name: str) -> Response:
        return self._told(self._known(asker, name))

    def _cancel(self, asker: _Asker, name: str) -> Response:
        if self._known(asker, name).asker != asker.name:
            raise _unknown()
        return self._told(self.requests.cancel(name, by=Actor(by=asker.name), asker=asker.name))

    def _known(self, asker: _Asker, name: str) -> AccessRequest:
        try:
            found = self.requests.find(name)
        except UnknownTask as error:
            raise _unknown() from error
        own = asker.caller is not None and asker.caller.agent == found.agent
        if not own and found.asker != asker.name:
            raise _unknown()
        return found

    def _call(self, asker: _Asker, body: dict[str, Any]) -> Call:
        if (caller := asker.caller) is not None:
            body = {"subject": {"type": authzen.AGENT, "id": caller.agent}, **body}
        asked = authzen.question(body)
        if asker.point is not None:
            purposes = self.policy.purposes(asked.subject[1]) if asked.subject[0] == authzen.AGENT else None
            call = authzen.call(asked, id=DecisionId(""), point=asker.point, purposes=purposes)
        else:
            call = None if caller is None else _own(asked, caller)
        if call is None or call.tool is None:
            raise NotRequestable("people are asked about an agent's call of a tool")
        return call

    def _told(self, found: AccessRequest, *, status: int = 200, location: bool = False) -> Response:
        where = f"{self.me.base}{PATH}/{found.request}"
        headers = {"Location": where} if location else {}
        if found.state is RequestState.PENDING:
            headers["Retry-After"] = str(POLL_SECONDS)
        return Response(encode(task_body(found, where)), status, headers=headers, media_type="application/json")


def task_body(found: AccessRequest, where: str) -> dict[str, Any]:
    """A task as its asker is told of it: nothing of who decides."""
    task: dict[str, Any] = {
        "id": found.request,
        "status": found.state.value,
        "status_endpoint": where,
        "expires_at": rfc3339(found.open_until),
        "links": {"cancel": f"{where}/cancel"},
    }
    if found.note:
        task["display"] = {"title": found.state.value, "description": found.note}
    if found.state is not RequestState.APPROVED or found.decided is None:
        return {"task": task}
    approval = {
        "id": found.approval, "approved_at": rfc3339(found.decided), "approved_until": rfc3339(found.until),
    }  # fmt: skip
    return {"task": task, "result": {"mode": "reevaluate", "approval": approval}}


def _own(asked: authzen.Question, caller: Caller) -> Call | None:
    """The agent's own call, under the purpose of its token."""
    if asked.subject != (authzen.AGENT, caller.agent) or asked.resource[0] != authzen.SERVER:
        raise BindingInvalid("an agent asks for itself")
    if asked.purpose not in (None, caller.purpose):
        raise BindingInvalid("an agent asks under its token's purpose", try_=f"scope purpose:{asked.purpose}")
    server, name, is_tool = split_action(asked.action)
    if not is_tool:
        return None
    return Call(
        id=DecisionId(""), caller=replace(caller, purpose=PurposeName(caller.purpose)), server=server,
        action=ActionName(asked.action), tool=ToolName(name), arguments=asked.arguments or {},
    )  # fmt: skip


def _unknown() -> UnknownTask:
    """Of another's request as of none, byte for byte."""
    return UnknownTask("there is no such request")


def _refused(error: AccessRequestError) -> Response:
    body = problem.body_of(error.code, error.public, try_=error.try_, more={"type": error.urn, "status": error.status})
    return Response(encode(body), error.status, media_type="application/problem+json")


def _object(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = of.get(name, {})
    if not isinstance(value, dict):
        raise Malformed(f"{name} must be an object")
    return value


def _text(of: Mapping[str, Any], name: str) -> str:
    value = of.get(name, "")
    if not isinstance(value, str) or len(value) > _MOST_TEXT:
        raise Malformed(f"{name} must be a string of at most {_MOST_TEXT} characters")
    return value


def _until(wants: Mapping[str, Any]) -> Instant:
    """`requested_until`: an approval lasts no longer."""
    value = wants.get("requested_until")
    if value is None:
        return NEVER
    try:
        return parse_date_end(value)
    except (RemitError, TypeError, ValueError) as error:
        raise Malformed("requested_access.requested_until is an RFC 3339 time") from error
