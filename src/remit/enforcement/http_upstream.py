"""Talking to one registered HTTP server: what was decided is written anew, and the credential goes in here.

Nothing is sent twice, but for a request whose token of the API's own authorization server was refused (401): the API
has then done nothing, and one with a new token follows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self

import msgspec

from remit.attestation.model import Caller
from remit.catalog.injection import AwsSigV4
from remit.catalog.model import Server
from remit.enforcement import http_target
from remit.enforcement.credited import Made, untold
from remit.enforcement.denials import NO_ANSWER, UNREACHABLE, UNSURE
from remit.enforcement.model import Limits
from remit.enforcement.ports import HttpDialer, Injects, Scanner
from remit.enforcement.upstream import CredentialFrozen, SecretEchoed, UpstreamFailed
from remit.kernel.errors import RemitError, TooLarge
from remit.outbound import trust
from remit.outbound.model import OutboundFailed, OutboundRefused, Patience, Streamed
from remit.outbound.model import target as parsed
from remit.policy.model import Call
from remit.vault.allowed import whereabouts
from remit.vault.outgoing import Injected, Outgoing

if TYPE_CHECKING:
    from remit.outbound.response import Response

_USER_AGENT: Final = "remit"
_UNAUTHORIZED: Final = 401
_FINAL: Final = 200
_WHOLE: Final = 256 * 1024  # a body that is announced as no longer is read before any of it goes on
_EMPTY: Final = frozenset({204, 304})
_PLAIN: Final = frozenset({"", "identity", "chunked"})


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it was decided. A body is whole or comes; `media` is its type, empty where there is none."""

    method: str
    segments: Sequence[str]
    query: Sequence[tuple[str, str]]
    headers: Sequence[tuple[str, str]]
    media: str = ""
    body: bytes | Streamed | None = None
    caller: Caller | None = None  # for a credential that depends on whom the call is for
    call: Call | None = None  # for one that is made for it


class HttpReply:
    """A server's response whose body is yet to be read. Use as an async context manager."""

    def __init__(self, response: Response, limits: Limits, echo: Scanner, method: str) -> None:
        self._response = response
        self._limits = limits
        self._echo = echo
        self._whole = False
        self.status = response.status
        self.headers = list(response.headers.items())
        self.media = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        self.encoded = _encoded(response)
        self.length = 0 if method == "HEAD" or self.status in _EMPTY else response.content_length
        self.announced = response.content_length  # what HEAD tells of a body that does not come

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        # Closing an unread response ends the call at the server; a read one goes back to the pool.
        if self._whole:
            self._response.release()
        else:
            self._response.close()

    @property
    def streams(self) -> bool:
        """Whether its body is passed on as it comes."""
        return self.length is None or self.length > _WHOLE

    def check(self) -> None:
        """See that its head may go on.

        Raises:
            SecretEchoed: It carries an injected secret.
            TooLarge: It announces more than may pass.
            UpstreamFailed: Its body is encoded, so that nobody could look through it.
        """
        if self._echo.named(name.encode("utf-8", "surrogateescape") for name, _ in self.headers):
            raise SecretEchoed
        # The line's end stands behind the last one too, so that no body goes on with it.
        head = "\n".join([*(part for pair in self.headers for part in pair), ""])
        self.look(head.encode("utf-8", "surrogateescape"))
        if self.status < _FINAL:  # 101: what would come next is no HTTP
            raise UpstreamFailed(NO_ANSWER, sent=True, answered=True, status=self.status)
        if self.length is not None and self.length > self._limits.stream:
            raise TooLarge("the server's answer is too large")
        if self.encoded and self.length != 0:
            raise UpstreamFailed(
                "The server's answer is encoded, which was not asked for", sent=True, answered=True, status=self.status
            )

    def look(self, chunk: bytes) -> None:
        """Look for an injected secret in what may go on next.

        Raises:
            SecretEchoed: It is there; the chunk must not go on.
        """
        if self._echo.feed(chunk):
            raise SecretEchoed

    async def read(self) -> bytes:
        """The whole body, looked through."""
        if self.length == 0:
            self._whole = True
            return b""
        try:
            body = await self._response.read()
        except OutboundFailed as error:
            raise UpstreamFailed(UNSURE, sent=True, detail=error.detail, answered=True) from error
        self._whole = True
        self.look(body)
        return body

    async def looked(self) -> AsyncIterator[bytes]:
        """The body as it comes, looked through; what may be a secret's beginning waits for what follows.

        Raises:
            SecretEchoed: It carries an injected secret, of which nothing has gone on.
            TooLarge, UpstreamFailed: As of `chunks`.
        """
        rest = b""
        async for chunk in self.chunks():
            self.look(chunk)
            text = rest + chunk if rest else chunk
            held = min(self._echo.held(), len(text))
            passed, rest = text[: len(text) - held], text[len(text) - held :]
            if passed:
                yield passed
        if rest:
            yield rest

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, not looked through.

        Raises:
            TooLarge: It is over the limit.
            UpstreamFailed: The connection broke.
        """
        size = 0
        try:
            while chunk := await self._response.some():
                size += len(chunk)
                if size > self._limits.stream:
                    raise TooLarge("the server's answer is too large")
                yield chunk
        except OutboundFailed as error:
            raise UpstreamFailed(UNSURE, sent=True, detail=error.detail, answered=True) from error
        self._whole = True


class HttpUpstream:
    """Sends requests to registered HTTP servers.

    Args:
        dialer: The way out.
        injector: Puts credentials in.
        limits: Sizes and times.
        frozen: Whether a freeze covers a secret.
        made: Told with which version of a secret a call leaves.
    """

    def __init__(
        self, dialer: HttpDialer, injector: Injects, limits: Limits, *, frozen: Callable[[str], bool] = lambda _: False,
        made: Made = untold,
    ) -> None:  # fmt: skip
        self._dialer = dialer
        self._injector = injector
        self._frozen = frozen
        self._made = made
        self.limits = limits
        self._patience = Patience(silence=max(limits.headers_after, limits.silence))

    async def send(
        self, server: Server, sent: Sent, *, leaves: Callable[[], None], call: Call | None = None
    ) -> HttpReply:
        """Send one request with the server's credential. `leaves` is told just before anything does.

        `call` is the admitted one that it belongs to.

        Raises:
            RemitError: The credential is missing, frozen or not to be had; nothing was sent.
            UpstreamFailed: No answer.
        """
        injected, reply = await self._once(server, sent, leaves, call)
        credential = server.credential
        again = not isinstance(sent.body, Streamed) and reply.status == _UNAUTHORIZED and credential is not None
        if again and credential is not None and injected is not None and self._injector.refused(credential, injected):
            async with reply:
                pass
            _, reply = await self._once(server, sent, leaves, call)
        return reply

    async def _once(
        self, server: Server, sent: Sent, leaves: Callable[[], None], call: Call | None
    ) -> tuple[Injected | None, HttpReply]:
        credential = server.credential
        segments = http_target.below(server.url, sent.segments)
        path = http_target.written_path(segments, strict=isinstance(credential, AwsSigV4))
        query = http_target.written_query(sent.query)
        headers = [("User-Agent", _USER_AGENT), ("Accept-Encoding", "identity"), *sent.headers]
        if sent.media:
            headers.append(("Content-Type", sent.media))
        injected = None
        if credential is not None:
            if self._frozen(credential.secret):
                raise CredentialFrozen("the server's credential is frozen", detail=credential.secret)
            body = sent.body if isinstance(sent.body, bytes) else b""
            about = Outgoing(
                method=sent.method, host=_host(server.url), to=whereabouts(server.url)[0], path=path, query=query,
                headers=_joined(headers), body=body, caller=sent.caller, call=sent.call,
            )  # fmt: skip
            injected = await self._injector.inject(credential, about)
            own = {name.lower() for name in injected.headers}
            headers = [pair for pair in headers if pair[0].lower() not in own] + list(injected.headers.items())
            query = query if injected.query is None else injected.query
            if call is not None:
                self._made(call.id, call.caller.agent, credential.secret, injected.version)
        leaves()
        response = await self._asked(server, sent, headers, f"{path}?{query}" if query else path, injected)
        echo = _NOTHING if injected is None else injected.echo
        return injected, HttpReply(response, self.limits, echo, sent.method)

    async def _asked(
        self, server: Server, sent: Sent, headers: list[tuple[str, str]], target: str, injected: Injected | None
    ) -> Response:
        certificate = None if injected is None else injected.certificate
        if server.ca:
            certificate = trust.only(server.ca)  # a server has either this or a certificate of its own
        try:
            return await self._dialer.request(
                sent.method, server.url, headers=headers, data=sent.body, patience=self._patience, target=target,
                certificate=certificate,
            )  # fmt: skip
        except OutboundFailed as error:
            public = UNSURE if error.sent else UNREACHABLE
            raise UpstreamFailed(public, sent=error.sent, detail=error.detail) from error
        except OutboundRefused as error:
            detail = f"{error.public} {error.detail}"
            raise UpstreamFailed(UNREACHABLE, sent=False, detail=detail, forbidden=error.public) from error
        except TooLarge:
            raise  # of a body that came with no length
        except RemitError as error:
            raise UpstreamFailed(UNREACHABLE, sent=False, detail=f"{error.public} {error.detail}") from error


def _encoded(response: Response) -> bool:
    """Whether a body is anything but as it is: as a content coding, or as a transfer coding that nobody asked for."""
    headers = response.headers
    said = [*headers.getall("Content-Encoding", ()), *headers.getall("Transfer-Encoding", ())]
    return any(each.strip().lower() not in _PLAIN for value in said for each in value.split(","))


class _Nothing:
    """A scanner of no secrets."""

    def feed(self, chunk: bytes) -> bool:  # noqa: ARG002 - the port's
        return False

    def named(self, names: Iterable[bytes]) -> bool:  # noqa: ARG002 - the port's
        return False

    def held(self) -> int:
        return 0


_NOTHING: Final = _Nothing()


@lru_cache(maxsize=1024)
def _host(url: str) -> str:
    return parsed(url)[0].host_port_subcomponent or ""


def _joined(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Headers by name, those that stand there twice with a comma between (RFC 9110 section 5.3)."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found
