"""The MCP gateway's endpoint: `/mcp/NAME`, `/servers/NAME/mcp`, and their metadata. A plain ASGI callable.

An exchange in order: (1) who asks, from the headers only; without a good token every name
answers alike; (2) what is asked, strictly; (3) the durable decision; (4) the relay.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

import structlog

from remit.catalog.model import Tool
from remit.enforcement import asgi, denials, era, metadata, own, parse
from remit.enforcement.door import Door
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
from remit.enforcement.own import OwnResources
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.relay import Relay
from remit.enforcement.server_messages import result_object
from remit.enforcement.sessions import Sessions
from remit.enforcement.tool_list import ToolList
from remit.enforcement.upstream import handshake_headers, modern_headers
from remit.kernel import canonical
from remit.kernel.clock import Clock
from remit.kernel.errors import Malformed, RemitError, SessionUnknown, TooLarge
from remit.kernel.names import (
    ActionName,
    DecisionId,
    ServerName,
    ToolName,
    method_action,
    new_id,
    tool_action,
    well_formed_tool,
)
from remit.policy.model import Call, Code
from remit.tokens.check import TokenInvalid

log = structlog.get_logger(__name__)

_CALL: Final = "tools/call"
_PINS_KEPT: Final = 4096


class Gateway:
    """Serves MCP to agents.

    Args:
        door: Who asks.
        pipeline: Decides and records.
        relay: Forwards.
        tools: Answers `tools/list`.
        resources: Answers for Remit's own resource.
        clock: For the age of sessions.
        limits: Sizes and times.
    """

    def __init__(
        self, *, door: Door, pipeline: Pipeline, relay: Relay, tools: ToolList, resources: OwnResources, clock: Clock,
        limits: Limits,
    ) -> None:  # fmt: skip
        self._door = door
        self._pipeline = pipeline
        self._relay = relay
        self._tools = tools
        self._own = resources
        self._clock = clock
        self._limits = limits
        self._sessions = Sessions(limits)
        self._header_paths: OrderedDict[str, Mapping[tuple[str, ...], str]] = OrderedDict()

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a path is this endpoint's."""
        return path.startswith(("/mcp/", "/servers/", metadata.WELL_KNOWN + "/"))

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one HTTP request."""
        path: str = scope["path"]
        headers, repeated = parse.header_map(scope["headers"])
        if (status := self._door.misplaced(headers)) is not None:
            self._pipeline.metrics.refused.labels("host_or_origin").inc()
            await asgi.answer(send, status, denials.bad_request("Host or Origin is not this server's"))
            return
        if path.startswith(metadata.WELL_KNOWN):
            await self._metadata(scope["method"], path.removeprefix(metadata.WELL_KNOWN), send)
            return
        name = metadata.server_in(path)
        if name is None:
            await asgi.answer(send, 404, denials.bad_request("Not found"))
            return
        try:
            caller, proof = self._door.caller(headers, method=scope["method"], path=path, server=name)
        except TokenInvalid as error:
            await self._unauthenticated(send, error, path)
            return
        x = Exchange(
            send=send,
            receive=receive,
            headers=headers,
            caller=caller,
            proof=proof,
            server=ServerName(name),
            modern=era.is_modern(headers),
        )
        await self._answered(x, scope["method"], repeated, path)

    async def _answered(self, x: Exchange, method: str, repeated: str | None, path: str) -> None:
        try:
            if method == "POST":
                await self._post(x, repeated, path)
            elif method in {"GET", "DELETE"} and not x.modern:
                await self._session_method(x, method, repeated, path)
            else:
                allow = b"POST" if x.modern else b"GET, POST, DELETE"
                x.extra.append((b"allow", allow))
                await x.finish(denials.bad_request("Method not allowed"), 405)
        except BadMessage as fault:
            self._pipeline.metrics.refused.labels("malformed").inc()
            await x.finish(denials.refused_message(fault), fault.status)
        except TooLarge as error:
            self._pipeline.metrics.refused.labels("too_large").inc()
            await x.finish(denials.bad_request(error.public), 413)
        except EnforcementUnavailable:
            await x.finish(denials.unavailable(x.id))
        except SessionUnknown as error:
            reason = "foreign_session" if error.detail else "session_unknown"
            body = denials.error(x.id, INVALID_REQUEST, denials.UNKNOWN_SESSION)
            await self._refused(x, path, reason, body, 404, owner=error.detail)
        except asgi.Gone:
            return
        except RemitError as error:
            log.exception("a call failed", code=error.code, detail=error.detail)
            await x.finish(denials.error(x.id, INTERNAL_ERROR, error.public))

    async def _post(self, x: Exchange, repeated: str | None, path: str) -> None:
        # (2) What is asked.
        body = await self._body(x)
        x.message = sent = parse.message(body)
        era.check_routing(repeated, sent)
        if x.modern:
            era.check_modern(x.headers, sent)
        if not era.known(sent, modern=x.modern):
            await self._refused(x, path, "unknown_method", denials.unknown_method(sent.id), 404 if x.modern else 200)
            return
        self._join(x)
        call = self._call(x, sent)
        if call is None:
            await self._refused(x, path, "not_visible", denials.unknown_tool(sent.id, x.named or ""))
            return
        # (3) The durable decision.
        admitted = await self._pipeline.admit(call)
        if admitted.answer.denial is not None:
            await self._denied(x, admitted, path)
        elif sent.notification:
            await self._relay.notify(x, admitted, parse.forwarded(sent, modern=x.modern), self._headers(x, sent))
            await asgi.answer(x.send, 202, b"", ())
        elif sent.method == TOOLS_LIST:
            await self._tools.answer(x, admitted)
        elif sent.method in own.METHODS:
            await self._own.answer(x, admitted)
        elif sent.method == "initialize":
            await self._initialize(x, admitted, sent)
        else:
            await self._forward(x, admitted, sent)

    async def _body(self, x: Exchange) -> bytes:
        if not parse.json_media_type(x.headers):
            raise BadMessage(INVALID_REQUEST, "Content-Type must be application/json", status=415)
        json, stream = parse.accepts(x.headers)
        if not json or not stream:
            raise BadMessage(INVALID_REQUEST, "Accept must include application/json and text/event-stream", status=406)
        return await asgi.body_of(x.receive, declared=x.headers.get("content-length"), limit=self._limits.request)

    def _join(self, x: Exchange) -> None:
        """Find the session a handshake request belongs to; a modern one has none."""
        given = x.headers.get(era.SESSION_HEADER)
        if not x.modern and given is not None:
            session = self._sessions.use(given, x.caller, x.server, now=self._clock.now())
            x.session, x.ending = session, lambda: self._sessions.end(session)

    def _call(self, x: Exchange, sent: Message) -> Call | None:
        """The question to decide; None for a tool whose name no boundary can hold."""
        tool: ToolName | None = None
        arguments: dict[str, Any] | None = None
        if sent.method == _CALL:
            name, given = parse.call_params(sent)
            if not well_formed_tool(name):
                return None
            tool, arguments = ToolName(name), given if given is not None else {}
            action = tool_action(x.server, name)
        else:
            era.check_shape(sent, x.version)
            if sent.method == TOOLS_LIST:
                self._tools.check(x)
            elif sent.method == own.LIST:
                self._own.check(x)
            action = method_action(x.server, sent.method)
        return _question(x, action, tool=tool, arguments=arguments)

    async def _forward(self, x: Exchange, admitted: Admitted, sent: Message) -> None:
        try:
            headers = self._headers(x, sent, admitted)
        except BadMessage:
            # Only said of a tool that was allowed: before, it would tell that there is such a tool.
            self._pipeline.outcome(admitted, Outcome.NOT_SENT, detail="header and body differ")
            raise
        if x.session is not None and not x.session.claim(sent.id):
            self._pipeline.outcome(admitted, Outcome.NOT_SENT, detail="the id of a call that was not answered")
            raise BadMessage(INVALID_REQUEST, "A request with this id was not answered yet", id=sent.id)
        finished = await self._relay.call(x, admitted, parse.forwarded(sent, modern=x.modern), headers)
        if x.session is not None:
            x.session.settle(sent.id, finished.outcome)

    def _headers(self, x: Exchange, sent: Message, admitted: Admitted | None = None) -> dict[str, str]:
        if not x.modern:
            return handshake_headers(x.headers.get(era.VERSION_HEADER), x.session.upstream if x.session else None)
        return modern_headers(sent.method, x.named, self._param_headers(x, sent, admitted) if admitted else None)

    def _param_headers(self, x: Exchange, sent: Message, admitted: Admitted) -> dict[str, str]:
        call, server = admitted.call, admitted.server
        tool = server.tools.get(call.tool) if server is not None and call.tool is not None else None
        if tool is None or call.arguments is None:
            return {}
        schema = tool.definition.get("inputSchema")
        paths = self._paths(tool, schema)
        if not paths or not isinstance(schema, Mapping):
            return {}
        era.check_param_headers(x.headers, schema, call.arguments, sent)
        return era.param_headers(paths, call.arguments)

    def _paths(self, tool: Tool, schema: object) -> Mapping[tuple[str, ...], str]:
        paths = self._header_paths.get(tool.pin)
        if paths is None:
            paths = era.header_paths(schema) if isinstance(schema, Mapping) else {}
            self._header_paths[tool.pin] = paths
            if len(self._header_paths) > _PINS_KEPT:
                self._header_paths.popitem(last=False)
        return paths

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
            x, admitted, parse.forwarded(sent, modern=False), handshake_headers(x.headers.get(era.VERSION_HEADER), None)
        )
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
        self._join(x)
        admitted = await self._pipeline.admit(_question(x, method_action(x.server, method)))
        if admitted.answer.denial is not None:
            await self._denied(x, admitted, path, status=403)
            return
        headers = handshake_headers(x.headers.get(era.VERSION_HEADER), x.session.upstream if x.session else None)
        if method == "GET":
            await self._relay.listen(x, admitted, headers)
            return
        await self._relay.end(x, admitted, headers)
        if x.session is not None:
            self._sessions.end(x.session)
        await asgi.answer(x.send, 200, b"", ())

    async def _denied(self, x: Exchange, admitted: Admitted, path: str, status: int = 200) -> None:
        denial = admitted.answer.denial
        if denial is not None and denial.code is Code.REPLAYED_PROOF:
            await self._replayed(x, path)
            return
        if x.message is not None and x.message.notification:
            status = 403
        hidden = denial is None or denial.code is Code.NOT_VISIBLE
        if hidden and x.modern and x.method not in denials.NAMED_UNKNOWN:
            status = 404
        await x.finish(self._relay.refusal(x, admitted, admitted.answer), status)

    async def _refused(self, x: Exchange, path: str, reason: str, body: bytes, status: int = 200, **said: str) -> None:
        """Answer what is refused without a decision, once that is recorded."""
        try:
            used = await self._pipeline.refuse(
                x.caller, x.proof, server=x.server, reason=reason, method=x.method[:128], **said
            )
        except EnforcementUnavailable:
            await x.finish(denials.unavailable(x.id))
            return
        if used:
            await x.finish(body, status)
        else:
            await self._replayed(x, path)

    async def _replayed(self, x: Exchange, path: str) -> None:
        # RFC 9449 section 11.1: a proof is good for one request.
        error = TokenInvalid("invalid_dpop_proof", "the proof was used before", "DPoP")
        await self._unauthenticated(x.send, error, path)

    async def _unauthenticated(self, send: asgi.Send, error: TokenInvalid, path: str) -> None:
        self._pipeline.metrics.refused.labels(error.error or "no_token").inc()
        headers = [*asgi.JSON, *self._door.challenge(error, path)]
        body = {"error": error.error or "unauthenticated", "error_description": error.description}
        await asgi.answer(send, 401, canonical.encode(body), headers)

    async def _metadata(self, method: str, path: str, send: asgi.Send) -> None:
        if method not in {"GET", "HEAD"} or metadata.server_in(path) is None:
            await asgi.answer(send, 404, denials.bad_request("Not found"))
            return
        await asgi.answer(send, 200, canonical.encode(metadata.protected_resource(self._door.base, path)))


def _question(
    x: Exchange, action: ActionName, *, tool: ToolName | None = None, arguments: dict[str, Any] | None = None
) -> Call:
    return Call(
        id=DecisionId(new_id("dec")),
        caller=x.caller,
        server=x.server,
        action=action,
        tool=tool,
        arguments=arguments,
        proof=x.proof,
        resource=x.named if x.method == own.READ else None,
    )


def _negotiated(result: bytes | None) -> str | None:
    try:
        version = result_object(result or b"").get("protocolVersion")
    except Malformed:
        return None
    return version if version in era.HANDSHAKE else None
