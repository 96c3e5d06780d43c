"""The MCP gateway's endpoint: `/mcp/NAME`, `/servers/NAME/mcp`, and their metadata. A plain ASGI callable.

An exchange in order: (1) who asks, from the headers only; without a good token every name
answers alike; (2) what is asked, strictly; (3) the durable decision; (4) the relay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from remit.enforcement import asgi, denials, era, framing, metadata, parse
from remit.enforcement.door import Door
from remit.enforcement.entries import LISTED, Entries
from remit.enforcement.exchange import Exchange
from remit.enforcement.listing import METHOD as TOOLS_LIST
from remit.enforcement.model import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    Admitted,
    BadMessage,
    EnforcementUnavailable,
    Limits,
    Message,
    Outcome,
)
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.refusals import Refusals
from remit.enforcement.relay import Relay
from remit.enforcement.routing import Routing
from remit.enforcement.server_messages import result_object
from remit.enforcement.sessions import Sessions
from remit.enforcement.tool_list import ToolList
from remit.enforcement.upstream import handshake_headers
from remit.kernel import canonical
from remit.kernel.clock import Clock
from remit.kernel.errors import Malformed, RemitError, SessionUnknown, TooLarge
from remit.kernel.names import (
    ServerName,
    method_action,
)
from remit.logs import logger
from remit.policy.model import Call, Code
from remit.policy.schema import MANDATE_URI
from remit.tokens.certificate import of_connection
from remit.tokens.check import TokenInvalid

log = logger(__name__)

_MOST_WATCHED: Final = 1000  # resources whose changes one session is told of


class Gateway:
    """Serves MCP to agents.

    Args:
        door: Who asks.
        pipeline: Decides and records.
        relay: Forwards.
        tools: Answers `tools/list`.
        entries: Answers every other list, and for Remit's own resource.
        clock: For the age of sessions.
        limits: Sizes and times.
    """

    def __init__(
        self, *, door: Door, pipeline: Pipeline, relay: Relay, tools: ToolList, entries: Entries,
        clock: Clock, limits: Limits,
    ) -> None:  # fmt: skip
        self._door = door
        self._pipeline = pipeline
        self._relay = relay
        self._tools = tools
        self._entries = entries
        self._refusals = Refusals(door=door, pipeline=pipeline, relay=relay)
        self._clock = clock
        self._limits = limits
        self._sessions = Sessions(limits)
        self._routing = Routing()

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a path is this endpoint's."""
        return path.startswith(("/mcp/", "/servers/", metadata.WELL_KNOWN))

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one HTTP request."""
        path: str = scope["path"]
        headers, repeated = parse.header_map(scope["headers"])
        if self._door.misplaced(headers):
            await self._refusals.misplaced(send)
            return
        if path.startswith(metadata.WELL_KNOWN):
            await self._metadata(scope["method"], path.removeprefix(metadata.WELL_KNOWN), send)
            return
        name = metadata.server_in(path)
        if name is None:
            await asgi.answer(send, 404, denials.bad_request("Not found"))
            return
        try:
            shown = of_connection(scope)
            caller, proof = self._door.caller(
                headers, method=scope["method"], path=path, server=name,
                certificate=None if shown is None else shown.certificate,
            )  # fmt: skip
        except TokenInvalid as error:
            await self._refusals.unauthenticated(send, error, path, name)
            return
        x = Exchange(
            send=send,
            receive=receive,
            headers=headers,
            caller=caller,
            proof=proof,
            server=ServerName(name),
            modern=era.is_modern(headers),
            grants=self._entries.granted,
        )
        await self._answered(x, scope["method"], repeated, path)

    async def _answered(self, x: Exchange, method: str, repeated: str | None, path: str) -> None:
        try:
            if method == "POST":
                await self._post(x, repeated, path)
            elif method in {"GET", "DELETE"} and not x.modern:
                await self._session_method(x, method, repeated, path)
            else:
                x.extra.append((b"allow", b"POST" if x.modern else b"GET, POST, DELETE"))
                body = denials.bad_request("Method not allowed")
                await self._refusals.refused(x, path, "method_not_allowed", body, 405)
        except BadMessage as fault:
            body = denials.refused_message(fault)
            await self._refusals.refused(x, path, fault.reason, body, fault.status, error=str(fault.rpc))
        except TooLarge as error:
            await self._refusals.refused(x, path, "too_large", denials.bad_request(error.public), 413)
        except EnforcementUnavailable as error:
            await x.finish(denials.unavailable(x.id, error.told))
        except TokenInvalid as error:
            await self._refusals.unauthenticated(x.send, error, path, x.server)
        except SessionUnknown as error:
            reason = "foreign_session" if error.detail else "session_unknown"
            body = denials.error(x.id, INVALID_REQUEST, denials.UNKNOWN_SESSION)
            await self._refusals.refused(x, path, reason, body, 404, owner=error.detail)
        except asgi.Gone:
            x.gone = True  # nobody is there to be answered, but its proof was seen
            await self._refusals.refused(x, path, "gone", b"")
        except RemitError as error:
            log.exception("a call failed", code=error.code, detail=error.detail)
            await x.finish(denials.error(x.id, INTERNAL_ERROR, error.public))

    async def _post(self, x: Exchange, repeated: str | None, path: str) -> None:
        # (2) What is asked.
        body = await self._body(x)
        try:
            x.message = sent = parse.message(body)
        except BadMessage:
            if x.modern or (reply := parse.reply(body)) is None:
                raise
            await self._answer(x, reply, path)
            return
        era.check_routing(repeated, sent)
        if x.modern:
            era.check_modern(x.headers, sent)
        if not era.known(sent, modern=x.modern):
            unknown = denials.unknown_method(sent.id)
            await self._refusals.refused(x, path, "unknown_method", unknown, 404 if x.modern else 200)
            return
        try:
            self._join(x)
        except SessionUnknown as error:
            await self._outside(x, lambda: framing.call_of(x, sent), path, error)
            return
        call = framing.call_of(x, sent)
        if call is None:
            await self._refusals.refused(x, path, "not_visible", denials.unknown_tool(sent.id, x.named or ""))
            return
        # (3) The durable decision.
        admitted = await self._admit(x, call)
        if admitted.answer.denial is not None:
            await self._refusals.denied(x, admitted, path)
        else:
            await self._serve(x, admitted, sent)

    async def _serve(self, x: Exchange, admitted: Admitted, sent: Message) -> None:
        # (4) The relay, or what is answered here.
        if sent.notification:
            if x.modern:  # ids are of one agent's own making: at a server without sessions, it could end another's call
                self._pipeline.outcome(admitted, Outcome.NOT_SENT, detail="closing its stream ends a call")
            else:
                message = parse.forwarded(sent, modern=False)
                await self._relay.notify(x, admitted, message, self._routing.headers(x, sent))
            await asgi.answer(x.send, 202, b"", ())
        elif sent.method == TOOLS_LIST:
            await self._tools.answer(x, admitted)
        elif sent.method in LISTED:
            await self._entries.answer(x, admitted)
        elif admitted.call.resource == MANDATE_URI:
            await self._entries.own.answer(x, admitted)
        elif sent.method == "initialize":
            await self._initialize(x, admitted, sent)
        elif sent.method == "subscriptions/listen":
            await self._forward(x, admitted, self._entries.heard(x, admitted, sent))
        else:
            await self._forward(x, admitted, sent)
            self._noted(x, sent)

    async def _answer(self, x: Exchange, reply: parse.AgentReply, path: str) -> None:
        """An agent's answer to what its server asked: decided as what passes, and let through if it was asked."""
        call = framing.question(x, method_action(x.server, "answer"))
        try:
            self._join(x)
        except SessionUnknown as error:
            await self._outside(x, lambda: call, path, error, status=403)
            return
        admitted = await self._admit(x, call)
        if admitted.answer.denial is not None:
            await self._refusals.denied(x, admitted, path, status=403)
        elif await self._relay.asks.answered(x, reply, admitted):
            await asgi.answer(x.send, 202, b"", ())
        else:
            raise BadMessage(INVALID_REQUEST, "Nothing was asked by that id", id=reply.id)

    def _noted(self, x: Exchange, sent: Message) -> None:
        """Keep what a session asked to hear of."""
        if x.session is None or x.named is None or x.outcome is not Outcome.OK:
            return
        if sent.method == "resources/subscribe" and len(x.session.subscribed) < _MOST_WATCHED:
            x.session.subscribed.add(x.named)
        elif sent.method == "resources/unsubscribe":
            x.session.subscribed.discard(x.named)

    async def _body(self, x: Exchange) -> bytes:
        if not parse.json_media_type(x.headers):
            raise BadMessage(INVALID_REQUEST, "Content-Type must be application/json", status=415)
        json, stream = parse.accepts(x.headers)
        if not json or not stream:
            raise BadMessage(INVALID_REQUEST, "Accept must include application/json and text/event-stream", status=406)
        declared = x.headers.get("content-length")
        try:
            body = await asgi.body_of(x.receive, declared=declared, limit=self._limits.request)
        except Malformed as error:
            x.extra.append((b"connection", b"close"))  # the rest of it may still come
            raise BadMessage(INVALID_REQUEST, "The body did not come in time", status=408) from error
        # It may have come long after its headers: what was shown there must hold to this moment.
        self._door.still(x.caller, x.proof)
        self._door.clean(body)
        return body

    def _join(self, x: Exchange) -> None:
        """Find the session a handshake request belongs to; a modern one has none."""
        given = x.headers.get(era.SESSION_HEADER)
        if not x.modern and given is not None:
            session = self._sessions.use(given, x.caller, x.server, now=self._clock.now())
            x.session, x.ending = session, lambda: self._sessions.end(session)

    async def _outside(
        self, x: Exchange, asks: Callable[[], Call | None], path: str, unknown: SessionUnknown, status: int = 200
    ) -> None:
        """Answer what came in a session that is not there: as frozen, if it is, because a freeze ends sessions too.

        Whether it is frozen is asked of the very question, so what is hidden stays so; and a session that is
        somebody else's looks like one that never was.

        Raises:
            SessionUnknown: It is not frozen.
        """
        try:
            call = asks()
        except BadMessage:
            call = None
        if call is None or not self._frozen(call):
            raise unknown
        admitted = await self._admit(x, call)
        if unknown.detail:
            # Nobody waits for this entry: a slower answer would tell that there is such a session.
            self._pipeline.incident("foreign_session", call=call, detail=f"of {unknown.detail}")
        if admitted.answer.allowed:
            self._pipeline.outcome(admitted, Outcome.NOT_SENT, detail="the freeze ended meanwhile; its session is gone")
            raise unknown
        await self._refusals.denied(x, admitted, path, status)

    def _frozen(self, call: Call) -> bool:
        if self._pipeline.frozen(call) is None:
            return False
        denial = self._pipeline.again(call).denial  # what is not visible comes before a freeze
        return denial is not None and denial.code is Code.REVOKED

    async def _admit(self, x: Exchange, call: Call) -> Admitted:
        x.decided = True
        return await self._pipeline.admit(call)

    async def _more(self, x: Exchange, admitted: Admitted, sent: Message) -> Mapping[str, Any]:
        """What of a call nothing but its own record can vouch for: its state, its task.

        Raises:
            BadMessage: It is another agent's; recorded, with whose.
        """
        if sent.method in era.TASKS and sent.method != "tasks/list":
            await self._relay.own_task(x, admitted, sent)
        task = (sent.params or {}).get("task") if sent.method == framing.CALL and not x.modern else None
        if isinstance(task, dict):
            return {"task": {"ttl": task["ttl"]} if isinstance(task.get("ttl"), int) else {}}
        return await self._relay.asks.carried(x, admitted, sent)

    async def _forward(self, x: Exchange, admitted: Admitted, sent: Message) -> None:
        try:
            headers = self._routing.headers(x, sent, admitted)
        except BadMessage:
            # Only said of a tool that was allowed: before, it would tell that there is such a tool.
            self._pipeline.outcome(admitted, Outcome.NOT_SENT, detail="header and body differ")
            raise
        more = await self._more(x, admitted, sent)
        if x.session is not None and not x.session.claim(sent.id):
            self._pipeline.outcome(admitted, Outcome.NOT_SENT, detail="the id of a call that was not answered")
            raise BadMessage(
                INVALID_REQUEST,
                "The server owes this session an answer: take another id, or begin a session",
                id=sent.id,
            )
        finished = await self._relay.call(x, admitted, self._data(x, sent, more), headers)
        x.outcome = finished.outcome
        if x.session is not None:
            x.session.settle(sent.id, finished.outcome)

    def _data(self, x: Exchange, sent: Message, more: Mapping[str, Any]) -> bytes:
        return parse.forwarded(sent, modern=x.modern, granted=lambda: x.granted, more=more)

    async def _initialize(self, x: Exchange, admitted: Admitted, sent: Message) -> None:
        x.session = None  # a handshake begins a session; it does not happen within one

        def opened(upstream: str) -> None:
            session = self._sessions.open(
                x.caller, x.server, upstream=upstream, version=era.HANDSHAKE[0], now=self._clock.now()
            )
            x.session, x.ending = session, lambda: self._sessions.end(session)
            x.extra.append((era.SESSION_HEADER.encode(), session.id.encode()))

        x.opening = opened
        finished = await self._relay.call(
            x, admitted, self._data(x, sent, parse.NOTHING), handshake_headers(x.headers.get(era.VERSION_HEADER), None)
        )
        x.opening = None  # it holds the exchange
        if x.session is None:
            return
        version = _negotiated(finished.result) if finished.outcome is Outcome.OK else None
        if version is None:
            self._sessions.end(x.session)
        else:
            x.session.version = version

    async def _session_method(self, x: Exchange, method: str, repeated: str | None, path: str) -> None:
        """GET: the stream of a session's own messages. DELETE: its end."""
        era.check_routing(repeated, Message(method, None, None))
        if method == "GET" and not parse.accepts(x.headers)[1]:
            raise BadMessage(INVALID_REQUEST, "Accept must include text/event-stream", status=406)
        call = framing.question(x, method_action(x.server, method))
        try:
            self._join(x)
        except SessionUnknown as error:
            await self._outside(x, lambda: call, path, error, status=403)
            return
        admitted = await self._admit(x, call)
        if admitted.answer.denial is not None:
            await self._refusals.denied(x, admitted, path, status=403)
            return
        headers = handshake_headers(x.headers.get(era.VERSION_HEADER), x.session.upstream if x.session else None)
        if method == "GET":
            await self._relay.listen(x, admitted, headers)
            return
        await self._relay.end(x, admitted, headers)
        if x.session is not None:
            self._sessions.end(x.session)
        await asgi.answer(x.send, 200, b"", ())

    async def _metadata(self, method: str, path: str, send: asgi.Send) -> None:
        resource = metadata.described(self._door.base, path)
        if method not in {"GET", "HEAD"} or resource is None:
            await asgi.answer(send, 404, denials.bad_request("Not found"))
            return
        await asgi.answer(send, 200, canonical.encode(metadata.protected_resource(self._door.base, resource)))


def _negotiated(result: bytes | None) -> str | None:
    try:
        version = result_object(result or b"").get("protocolVersion")
    except Malformed:
        return None
    return version if version in era.HANDSHAKE else None
