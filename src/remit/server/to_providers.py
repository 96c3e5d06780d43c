"""The way out to providers of credentials: to what documents write, and to nothing else that is private."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Connection

from remit.outbound.model import Endpoint, OutboundError, OutboundRefused, Patience, endpoint
from remit.outbound.session import Outbound
from remit.vault.document import SecretDocument
from remit.vault.rotator import Answered, Unclear

SECONDS: Final = 10.0  # for one request and its whole answer
_PATIENCE: Final = Patience(dial=5, silence=None)
_IN_URL: Final = "!$%&'()*+,/:;=?@[]~"  # what stands for itself, or is an escape already (RFC 3986 section 2)
_MOST: Final = 64 * 1024  # bytes of an answer


class ToProviders:
    """Implements remit.vault.rotator.Send. What it may reach is shared with nothing else that leaves Remit.

    A private address is reached only by the very host and port of a URL in the settings of a rotator; metadata
    addresses never, nor Remit itself. No redirect is followed: it would be a URL that no operator wrote.

    Args:
        documents: Every secret's document, as this node has it.
        begun: Settings of what was begun, and ends where it was begun, whatever its document says by now.
        own: Remit's own listeners.
    """

    def __init__(
        self,
        documents: Callable[[], Iterable[SecretDocument]],
        *,
        own: Collection[Endpoint],
        begun: Callable[[Connection], Iterable[Mapping[str, Any]]] = lambda _connection: (),
    ) -> None:
        self._documents = documents
        self._begun = begun
        self._kept: frozenset[Endpoint] = frozenset()
        self._outbound = Outbound(refuse=own)
        self.renew()

    async def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        """Raises Unclear. Nothing of the request or the answer is in what it raises."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._whole(method, url, headers, body)
        except OutboundRefused as error:
            raise Unclear(f"it is not called: {error.public}", detail=error.detail) from None
        except OutboundError as error:
            raise Unclear(error.public, detail=error.detail) from None
        except TimeoutError:
            raise Unclear("the provider did not answer in time") from None

    async def close(self) -> None:
        """Close its connections."""
        await self._outbound.close()

    def follow(self, _epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        """What to subscribe to the feed, after the vault."""
        if any(topic.startswith("secret:") for topic in topics):
            self.look(connection)

    def look(self, connection: Connection) -> None:
        """The same after a start, and after the feed was lost."""
        self._kept = frozenset(at for settings in self._begun(connection) for at in _endpoints(settings))
        self.renew()

    def renew(self) -> None:
        """Open what documents write, and close the rest."""
        found = {at for document in self._documents() for at in written(document)} | self._kept
        if found != self._outbound.allow:
            self._outbound.allow = found

    async def _whole(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        sent = {"User-Agent": "remit", "Accept-Encoding": "identity", **headers}
        origin, target = apart(url)
        response = await self._outbound.request(
            method, origin, headers=sent, data=body or None, patience=_PATIENCE, target=target
        )
        try:
            read = bytearray()
            while chunk := await response.some():
                read += chunk
                if len(read) > _MOST:
                    raise Unclear("the provider's answer is too large")
        finally:
            response.close()
        return Answered(response.status, bytes(read))


def apart(url: str) -> tuple[str, str]:
    """Where a URL leads, and its path and query, encoded as they go over the wire. Pure.

    What was called is kept by the connection that it was called over, and by what reads URLs. A document may put the
    secret itself in a path or a query: that part is kept by nobody.
    """
    scheme, _, rest = url.partition("#")[0].partition("://")
    end = min((at for mark in "/?" if (at := rest.find(mark)) >= 0), default=len(rest))
    path = quote(rest[end:], safe=_IN_URL)
    return f"{scheme}://{rest[:end]}/", path if path.startswith("/") else f"/{path}"


def written(document: SecretDocument) -> Iterator[Endpoint]:
    """The hosts and ports in the settings of a document. Pure."""
    for part in (document.rotate, document.dynamic):
        yield from () if part is None else _endpoints(part.settings)


def _endpoints(settings: Mapping[str, Any]) -> Iterator[Endpoint]:
    for text in _texts(settings):
        if text.startswith(("http://", "https://")):
            try:
                yield endpoint(text)
            except OutboundRefused:
                continue  # it is called by nobody


def _texts(said: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(said, str):
        yield said
    elif isinstance(said, (Mapping, list, tuple)):
        for each in said.values() if isinstance(said, Mapping) else said:
            yield from _texts(each)
