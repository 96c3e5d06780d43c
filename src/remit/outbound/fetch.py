"""Fetching a small document from a URL that somebody else may have chosen: key sets, metadata, bundles.

The answer is whole or none: a redirect is no answer, nor is what comes too slowly or is too large. Every address is
judged before it is dialled (`resolve`), so a URL that stands for a metadata service or this machine reaches nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import TimeoutError as FutureTimeout
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol

from remit.outbound.model import Endpoint, OutboundFailed, OutboundRefused, Patience, endpoint, target
from remit.outbound.session import Outbound

SECONDS: Final = 5.0  # for the whole of it: name, dial, head and body
MOST: Final = 256 * 1024
_PATIENCE: Final = Patience(dial=3, silence=3)
_SUCCESS: Final = HTTPStatus.OK


class Fetched(NamedTuple):
    """A whole 200."""

    body: bytes
    media_type: str  # in lower case, without parameters; empty if the answer named none


class Fetch(Protocol):
    """What fetches. Blocks; never called on the event loop, nor within a change."""

    def get(self, url: str, *, own: Collection[Endpoint] = ()) -> Fetched:
        """GET `url`. Raises OutboundError."""
        ...


class Fetcher:
    """Implements `Fetch` over the one way out.

    Args:
        outbound: Its `allow` holds the hosts and ports that operators wrote and said may be private.
        loop: The event loop that it runs on; raises Overloaded once Remit is stopping.
    """

    def __init__(self, outbound: Outbound, *, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.outbound = outbound
        self._loop = loop

    def get(self, url: str, *, own: Collection[Endpoint] = ()) -> Fetched:
        """The answer to one GET, from another thread than the loop's.

        Args:
            url: Only https; http where the endpoint is one of `own`.
            own: Endpoints that the same operator's line names. What was opened for one line is not reached by
                another's: an issuer cannot send Remit to the private address of another issuer.

        Raises:
            OutboundRefused: The URL may not be called. Nothing was sent.
            OutboundFailed: No whole 200 in time.
            Overloaded: Remit is stopping.
        """
        self._check(url, own)
        loop = self._loop()
        if _running() is loop:
            raise RuntimeError("a fetch on the event loop would wait for itself")
        future = asyncio.run_coroutine_threadsafe(self.got(url), loop)
        try:
            return future.result(SECONDS + 1)
        except FutureTimeout as error:
            raise OutboundFailed("the server did not answer in time", sent=True, detail=url[:200]) from error
        finally:
            future.cancel()

    async def got(self, url: str) -> Fetched:
        """The same on the event loop, for a URL that was checked."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._whole(url)
        except TimeoutError as error:
            raise OutboundFailed("the server did not answer in time", sent=True, detail=url[:200]) from error
        except (OSError, ValueError) as error:
            raise OutboundFailed("the answer broke off", sent=True, detail=repr(error)[:300]) from error

    async def _whole(self, url: str) -> Fetched:
        response = await self.outbound.request("GET", url, headers={"Accept": "application/json"}, patience=_PATIENCE)
        try:
            if response.status != _SUCCESS:  # a redirect among them: it would be a second URL that nobody judged
                raise OutboundFailed(f"the server answered {response.status}", sent=True, detail=url[:200])
            body = bytearray()
            while chunk := await response.some():
                body += chunk
                if len(body) > MOST:
                    raise OutboundFailed("the answer is too large", sent=True, detail=url[:200])
        finally:
            response.close()
        return Fetched(bytes(body), response.headers.get("Content-Type", "").partition(";")[0].strip().lower())

    def _check(self, url: str, own: Collection[Endpoint]) -> None:
        parsed, asked = target(url)
        if parsed.scheme != "https" and asked not in own:
            raise OutboundRefused("only https URLs are fetched", detail=url[:200])
        if asked in self.outbound.allow and asked not in own:
            raise OutboundRefused("that host and port were not opened for this", detail=url[:200])


def own_endpoints(*urls: str | None) -> frozenset[Endpoint]:
    """The hosts and ports of what an operator wrote."""
    return frozenset(endpoint(url) for url in urls if url)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
