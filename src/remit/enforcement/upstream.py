"""Talking to one registered MCP server: the credential goes in here, and nothing of the caller's does.

The headers of an outgoing request are all made here. The agent's token, proof, cookies and
whatever else it sent stay behind (MCP: token passthrough is forbidden).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from remit.catalog.injection import Injection
from remit.catalog.model import Server
from remit.enforcement import era
from remit.enforcement.denials import NO_ANSWER, UNREACHABLE, UNSURE, WITHHELD
from remit.enforcement.events import Event, EventReader
from remit.enforcement.model import Limits, RpcId
from remit.enforcement.ports import Dialer, Reply, Scanner, Secrets
from remit.enforcement.server_messages import Kind, ServerMessage, read
from remit.kernel.errors import RemitError, TooLarge
from remit.outbound.model import OutboundFailed, OutboundRefused, Patience
from remit.policy.model import Call

if TYPE_CHECKING:
    from remit.outbound.response import Response

_OK: Final = 200
_BOTH: Final = "application/json, text/event-stream"
_USER_AGENT: Final = "remit"


class UpstreamFailed(RemitError):
    """The server gave no usable answer. `sent` is False only if certainly nothing reached it."""

    code = "unexpected"

    def __init__(
        self,
        public: str,
        *,
        sent: bool,
        detail: str = "",
        answered: bool = False,
        status: int = 0,
        forbidden: str = "",
    ) -> None:
        super().__init__(public, detail=detail)
        self.sent = sent
        self.answered = answered  # it did answer, but not so that it can be passed on
        self.status = status  # of an answer without a response in it, else 0
        self.forbidden = forbidden  # why Remit never calls its address; empty if it may be called


class SecretEchoed(UpstreamFailed):
    """The answer carried an injected secret back: nothing of it may go on."""

    def __init__(self) -> None:
        super().__init__(WITHHELD, sent=True, detail="the answer carried an injected secret", answered=True)


class CredentialFrozen(RemitError):
    """A freeze covers the server's credential: it is not used, whoever asks."""

    code = "enforcement_unavailable"


class HttpReply:
    """A server's HTTP response whose body is yet to be read. Use as an async context manager."""

    def __init__(self, response: Response, limits: Limits, scanner: Scanner | None) -> None:
        self._response = response
        self._limits = limits
        self._scanner = scanner
        self._whole = False
        self.status = response.status
        self.session = response.headers.get(era.SESSION_HEADER)
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        encoded = response.headers.get("Content-Encoding", "identity") != "identity"
        self.json = kind == "application/json" and not encoded
        self.streams = kind == "text/event-stream" and not encoded and self.status == _OK

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        # Closing an unread response ends the call at a modern server; a read one goes back to the pool.
        if self._whole:
            self._response.release()
        else:
            self._response.close()

    def echoes(self, chunk: bytes) -> bool:
        """Whether the server sends its own credential back: the chunk must not go on."""
        return self._scanner is not None and self._scanner.feed(chunk)

    async def read(self) -> bytes:
        """The whole body.

        Raises:
            TooLarge: It is over the limit.
            UpstreamFailed: The connection broke.
        """
        declared = self._response.content_length
        if declared is not None and declared > self._limits.response:
            raise TooLarge("the server's answer is too large")
        if declared is not None:
            try:
                body = await self._response.read()
            except OutboundFailed as error:
                raise UpstreamFailed(UNSURE, sent=True, detail=error.detail) from error
            self._whole = True
            return body
        chunks, size = [], 0
        async for chunk in self._chunks():
            size += len(chunk)
            if size > self._limits.response:
                raise TooLarge("the server's answer is too large")
            chunks.append(chunk)
        self._whole = True
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def events(self) -> AsyncIterator[Event]:
        """The events of a stream, as they come.

        Raises:
            TooLarge: One event, or the whole stream, is over the limit.
            UpstreamFailed: The connection broke.
        """
        reader, size = EventReader(self._limits.event), 0
        async for chunk in self._chunks():
            size += len(chunk)
            if size > self._limits.stream:
                raise TooLarge("the server's answer is too large")
            for event in reader.feed(chunk):
                yield event

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            while chunk := await self._response.some():
                yield chunk
        except OutboundFailed as error:
            raise UpstreamFailed(UNSURE, sent=True, detail=error.detail) from error


class HttpUpstream:
    """Sends requests to registered servers over HTTP. Implements remit.enforcement.ports.Upstream.

    Args:
        dialer: The way out.
        secrets: Where credentials come from at the moment of use.
        limits: Sizes and times.
        frozen: Whether a freeze covers a secret. An agent's call ends at its decision; this holds what
            Remit itself sends (imports, farewells) to the same.
    """

    def __init__(
        self, dialer: Dialer, secrets: Secrets, limits: Limits, *, frozen: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._dialer = dialer
        self._secrets = secrets
        self._frozen = frozen
        self.limits = limits
        self._patience = Patience(silence=max(limits.headers_after, limits.silence))

    async def send(
        self,
        server: Server,
        *,
        headers: Mapping[str, str],
        data: bytes | None = None,
        method: str = "POST",
        call: Call | None = None,  # noqa: ARG002 - the port's: this server is one for all agents
    ) -> HttpReply:
        """Send one request with the server's credential.

        Raises:
            RemitError: The secret is missing or frozen; nothing was sent.
            UpstreamFailed: No answer.
        """
        out = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity", "Accept": _BOTH}
        scanner = None
        if server.credential is not None:
            if self._frozen(server.credential.secret):
                raise CredentialFrozen("the server's credential is frozen", detail=server.credential.secret)
            if not isinstance(server.credential, Injection):  # its document was not taken so
                raise UpstreamFailed(UNREACHABLE, sent=False, detail="the credential of an MCP server is a header's")
            name, value = self._secrets.header(server.credential, server.url)
            out[name] = value
            scanner = self._secrets.scanner(server.credential)
        if data is not None:
            out["Content-Type"] = "application/json"
        out |= headers
        try:
            response = await self._dialer.request(method, server.url, headers=out, data=data, patience=self._patience)
        except OutboundFailed as error:
            public = UNSURE if error.sent else UNREACHABLE
            raise UpstreamFailed(public, sent=error.sent, detail=error.detail) from error
        except OutboundRefused as error:
            detail = f"{error.public} {error.detail}"
            raise UpstreamFailed(UNREACHABLE, sent=False, detail=detail, forbidden=error.public) from error
        except RemitError as error:
            raise UpstreamFailed(UNREACHABLE, sent=False, detail=f"{error.public} {error.detail}") from error
        return HttpReply(response, self.limits, scanner)


def handshake_headers(version: str | None, session: str | None) -> dict[str, str]:
    """The headers of a request of the handshake era."""
    headers = {}
    if version is not None:
        headers[era.VERSION_HEADER] = version
    if session is not None:
        headers[era.SESSION_HEADER] = session
    return headers


def modern_headers(method: str, name: str | None, params: Mapping[str, str] | None = None) -> dict[str, str]:
    """The routing headers of a request of the modern era, made from what was decided."""
    headers = {era.VERSION_HEADER: era.MODERN[-1], "mcp-method": method}
    if name is not None:
        headers["mcp-name"] = era.header_value(name)
    return {**headers, **(params or {})}


async def response_to(reply: Reply, id: RpcId, *, asked: Callable[[ServerMessage], Any]) -> ServerMessage:  # noqa: A002 - JSON-RPC's own name
    """The one response to request `id`, from a body of either kind. `asked` hears of the server's own requests.

    Raises:
        SecretEchoed: It carries the server's credential.
        UpstreamFailed: There is none.
        TooLarge: It is over the limit.
    """
    if reply.json:
        message = _clean(reply, await reply.read())
        # JSON-RPC 2.0 section 5: an error may come without an id, if the id could not be read.
        if message.kind is Kind.RESPONSE and (message.id == id or (message.id is None and message.error is not None)):
            return message
    elif reply.streams:
        async for event in reply.events():
            message = _clean(reply, event.data)
            if message.kind is Kind.REQUEST:
                asked(message)
            elif message.kind is Kind.RESPONSE and message.id == id:
                return message
    detail = f"HTTP {reply.status} without a response"
    raise UpstreamFailed(NO_ANSWER, sent=True, detail=detail, answered=True, status=reply.status)


def _clean(reply: Reply, data: bytes) -> ServerMessage:
    if data and reply.echoes(data):
        raise SecretEchoed
    return read(data)
