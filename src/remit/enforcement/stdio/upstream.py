"""Talking to registered MCP servers that are commands. Implements remit.enforcement.ports.Upstream.

A request comes as it would for HTTP, headers and all; here they only say which era and which session it belongs to.
The agent's era goes through: a command that does not speak the modern one is answered for as a server
of the handshake era answers, so that clients fall back.
"""

from __future__ import annotations

import asyncio
import secrets as randomness
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from remit.catalog.model import PinState, Server
from remit.catalog.observe import observe
from remit.enforcement import era
from remit.enforcement.denials import UNSURE, error
from remit.enforcement.listing import CLIENT, ListRefused, all_tools, envelope, request
from remit.enforcement.lists import differs
from remit.enforcement.model import INVALID_PARAMS, Limits
from remit.enforcement.ports import Reply, Secrets
from remit.enforcement.server_messages import Kind, ServerMessage
from remit.enforcement.stdio.child import Child
from remit.enforcement.stdio.children import Children
from remit.enforcement.stdio.reply import Brief, Told
from remit.enforcement.upstream import CredentialFrozen, UpstreamFailed
from remit.kernel.errors import RemitError
from remit.logs import logger
from remit.policy.model import Call

log = logger(__name__)

_TOOL: Final = "tools/call"
_UNSUPPORTED: Final = -32022  # MCP 2026-07-28
_TOLD: Final = 202
_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
_CHANGED: Final = "The server changed this tool, and a person reviews it; the call was not sent"


class _Head(msgspec.Struct):
    method: str = ""
    id: str | int | None = None


_heads: Final = msgspec.json.Decoder(_Head)


class StdioUpstream:
    """Sends requests to commands.

    Args:
        children: Those that run.
        secrets: For what looks for a command's secret in what it says.
        limits: Sizes and times.
        frozen: Whether a freeze covers a secret.
        tell: Told, in a thread, of a listing that is not as pinned: the server's name, its definitions, and `whole`, as
            `catalog/observe` takes it.
    """

    def __init__(
        self,
        children: Children,
        secrets: Secrets,
        limits: Limits,
        *,
        frozen: Callable[[str], bool] = lambda _: False,
        tell: Callable[..., object],
    ) -> None:
        self._children = children
        self._secrets = secrets
        self._frozen = frozen
        self._tell = tell
        self._tasks: set[asyncio.Task[None]] = set()
        self._handshake_only: dict[tuple[object, ...], float] = {}  # commands that do not speak modern; until when
        self.limits = limits

    async def send(
        self,
        server: Server,
        *,
        headers: Mapping[str, str],
        data: bytes | None = None,
        method: str = "POST",
        call: Call | None = None,
    ) -> Reply:
        """Send one message, starting the command if it is the agent's first.

        Raises:
            RemitError: The secret is missing or frozen; nothing was sent.
            UpstreamFailed: No answer.
        """
        if server.credential is not None and self._frozen(server.credential.secret):
            raise CredentialFrozen("the server's credential is frozen", detail=server.credential.secret)
        session = headers.get(era.SESSION_HEADER)
        if era.is_modern(headers):
            return await self._modern(server, data or b"", call)
        head = None if data is None else _heads.decode(data)
        if data is not None and head is not None and head.method == "initialize":
            return await self._initialize(server, data, call)
        asks = method != "DELETE" and (head is None or bool(head.method and head.id is not None))
        child = self._children.joined(server, session or "", call, asks=asks)
        if child is None or session is None:
            return Brief(_NOT_FOUND)
        if method == "DELETE":
            child.sessions.pop(session, None)
            return Brief()
        if data is None:
            scanner = self._scanner(server, child)
            return Told(child, child.conversation.listen(), None, limits=self.limits, scanner=scanner)
        return await self._said(child, server, data, session, call)

    # the handshake era ----------------------------------------------------------------------------

    async def _initialize(self, server: Server, data: bytes, call: Call | None) -> Reply:
        """Begin a session. A command is greeted once; who comes later is told what it answered then."""
        child = await self._children.get(server, modern=False, call=call)
        async with child.one:
            if child.greeting is None:
                message, body = await self._greeted(child, data)
                scanner = self._scanner(server, child)
                if message.result is None or (scanner is not None and scanner.feed(body)):
                    return Brief(body=body, looks=scanner)
                child.greeting = message
            session = randomness.token_urlsafe(16)
            child.join(session)
            answer = b'{"jsonrpc":"2.0","id":' + msgspec.json.encode(_heads.decode(data).id)
            return Brief(body=answer + b',"result":' + (child.greeting.result or b"{}") + b"}", session=session)

    async def _greeted(self, child: Child, data: bytes) -> tuple[ServerMessage, bytes]:
        """The answer to `initialize`; what else is said before it is about nothing yet."""
        waiting, line = child.conversation.ask(data, session="")
        try:
            await self._write(child, line)
            while True:
                message, body = await waiting.next(self.limits.headers_after)
                if message.kind is Kind.RESPONSE:
                    return message, body
        finally:
            child.conversation.leave(waiting, "")

    async def _said(self, child: Child, server: Server, data: bytes, session: str, call: Call | None) -> Reply:
        head = _heads.decode(data)
        if not head.method or head.id is None:
            return await self._note(child, data, head.method, session)
        if head.method == _TOOL and call is not None:
            await self._compare(child, server, call, {})
        return await self._asked(child, server, data, session=session)

    async def _note(self, child: Child, data: bytes, method: str, session: str) -> Reply:
        """A notification, or the answer to what the command asked: nobody waits for anything."""
        line: bytes | None = data
        if method == "notifications/cancelled":
            return await self._cancelled(child, data, session)
        if method == "notifications/initialized":
            line, child.initialized = (None if child.initialized else data), True
        if line is not None:
            await self._write(child, line)
        return Brief(_TOLD)

    async def _cancelled(self, child: Child, data: bytes, session: str) -> Reply:
        """Told to the one that has the call, which may be one that was replaced."""
        for each in self._children.of(child.key):
            line = each.conversation.cancelled(data, session=session)
            if line is not None:
                await self._write(each, line)
        return Brief(_TOLD)

    # the modern era -------------------------------------------------------------------------------

    async def _modern(self, server: Server, data: bytes, call: Call | None) -> Reply:
        head = _heads.decode(data)
        now = asyncio.get_running_loop().time()
        if self._handshake_only.get(server.place, 0.0) > now:
            return _unsupported(head)
        try:
            child = await self._children.get(server, modern=True, call=call)
            speaks: bool | None = await self._speaks(child)
        except UpstreamFailed as failure:
            if not failure.sent:
                raise
            speaks = None  # some end, or say nothing, when they are asked something before a handshake
        if not speaks:
            limits = self._children.limits
            self._handshake_only[server.place] = now + (limits.silent if speaks is None else limits.remembered)
            return _unsupported(head)
        session = call.caller.instance if call is not None else ""
        if head.id is None:
            return await self._note(child, data, head.method, session)
        if head.method == _TOOL and call is not None:
            await self._compare(child, server, call, {"_meta": envelope()})
        return await self._asked(child, server, data, session=session)

    async def _speaks(self, child: Child) -> bool:
        """Whether it answers `server/discover`, asked once."""
        async with child.one:
            if child.speaks is None:
                answer = await self._own(child, "server/discover", {"_meta": envelope()})
                child.speaks = answer.result is not None
                if not child.speaks:
                    child.used = 0.0  # it is of no more use
        return child.speaks

    # both -----------------------------------------------------------------------------------------

    async def _compare(self, child: Child, server: Server, call: Call, params: dict[str, Any]) -> None:
        """See that the tool is as it was approved: a command's definitions can change with each start.

        Raises:
            UpstreamFailed: It is not, or the command does not list it.
        """
        async with child.one:
            if child.definitions is None or child.conversation.changed:
                child.conversation.changed = False
                child.definitions, child.judged = await self._listed(child, params), None
            if child.judged is not server:
                whole = bool(
                    params
                )  # in the handshake era it was told what this agent can do, and may list accordingly
                if differs(server, child.definitions, whole=whole):
                    self._told_of(server, child.definitions, whole=whole)
                tools = observe(server, child.definitions).server.tools
                child.approved = frozenset(name for name, tool in tools.items() if tool.state is PinState.APPROVED)
                child.judged = server
        if call.tool not in child.approved:
            raise UpstreamFailed(_CHANGED, sent=False, detail=f"{call.tool} is not listed as it was approved")

    def _told_of(self, server: Server, definitions: Sequence[Mapping[str, Any]], *, whole: bool) -> None:
        """Have the catalog hear of it; not waited for, because it would cut this very call as one that was sent."""

        async def tell() -> None:
            try:
                await asyncio.to_thread(self._tell, server.server, definitions, whole=whole)
            except RemitError as error:
                log.warning("a command's new tools were not kept", server=server.server, detail=error.public)

        task = asyncio.get_running_loop().create_task(tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listed(self, child: Child, params: dict[str, Any]) -> Sequence[Mapping[str, Any]]:
        async def ask(method: str, params: dict[str, Any]) -> ServerMessage:
            return await self._own(child, method, params)

        try:
            return await all_tools(ask, params, self.limits)
        except ListRefused as refused:
            raise UpstreamFailed(_CHANGED, sent=False, detail=refused.detail) from refused
        except UpstreamFailed as failure:
            raise UpstreamFailed(_CHANGED, sent=False, detail=failure.detail) from failure

    async def _own(self, child: Child, method: str, params: Mapping[str, Any]) -> ServerMessage:
        """Ask something for Remit itself."""
        waiting, line = child.conversation.ask(request(method, params)[1], session="")
        try:
            await self._write(child, line)
            while True:
                message, _ = await waiting.next(self._children.limits.greeting)
                if message.kind is Kind.RESPONSE:
                    return message
        finally:
            child.conversation.leave(waiting, CLIENT["name"])

    async def _asked(self, child: Child, server: Server, data: bytes, *, session: str) -> Told:
        """Send a request and wait for the first that is said about it."""
        waiting, line = child.conversation.ask(data, session=session)
        try:
            await self._write(child, line)
            message, first = await waiting.next(self.limits.headers_after)
        except BaseException:
            child.conversation.leave(waiting, "nobody waits for it any more")
            raise
        so_far = first, message.kind is Kind.RESPONSE
        return Told(child, waiting, so_far, limits=self.limits, scanner=self._scanner(server, child))

    async def _write(self, child: Child, line: bytes) -> None:
        try:
            await child.process.write(line)
        except OSError as failure:
            detail = "it does not read what it is told" if isinstance(failure, TimeoutError) else repr(failure)
            raise UpstreamFailed(UNSURE, sent=True, detail=detail[:300]) from failure

    def _scanner(self, server: Server, child: Child) -> Any:  # noqa: ANN401 - the vault's, or none
        return None if server.credential is None else self._secrets.scanner(server.credential, child.key.instance)


def _unsupported(head: _Head) -> Brief:
    data = {"supported": list(era.HANDSHAKE), "requested": era.MODERN[-1]}
    code = _UNSUPPORTED if head.id is not None else INVALID_PARAMS
    return Brief(_BAD_REQUEST, error(head.id, code, "Unsupported protocol version", data))
