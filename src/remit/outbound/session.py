"""Outgoing HTTP: one pooled client that dials only judged addresses and follows nothing.

No redirects, no proxies or credentials from the environment, no cookies, no decompression,
no headers of its own, and no request is ever sent twice.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Collection
from typing import TYPE_CHECKING

from remit.outbound.model import Endpoint, Patience, Streamed
from remit.outbound.rule import Rule

if TYPE_CHECKING:
    from remit.outbound.dial import Dialled
    from remit.outbound.pool import Pool
    from remit.outbound.response import Headers, Response

ORDINARY = Patience()


class Outbound:
    """The one way out. Open it with a first request, on one event loop; close it on the same.

    Args:
        allow: Hosts and ports that an operator wrote (`endpoint(url)`): these very spellings
            may be private or loopback addresses.
        refuse: Remit's own listeners: never called, however they are spelled.
    """

    def __init__(
        self, *, allow: Collection[tuple[str, int]] = frozenset(), refuse: Collection[tuple[str, int]] = frozenset()
    ) -> None:
        self._rule = Rule(allow, refuse)
        self._pool: Pool | None = None

    @property
    def allow(self) -> frozenset[Endpoint]:
        """What operators wrote; assign a whole new set when it changes."""
        return self._rule.allow

    @allow.setter
    def allow(self, allow: Collection[tuple[str, int]]) -> None:
        self._replace(Rule(allow, self._rule.refuse))

    @property
    def refuse(self) -> frozenset[Endpoint]:
        """Remit's own listeners; assign when they are known."""
        return self._rule.refuse

    @refuse.setter
    def refuse(self, refuse: Collection[tuple[str, int]]) -> None:
        self._replace(Rule(self._rule.allow, refuse))

    def _replace(self, rule: Rule) -> None:
        self._rule = rule
        if self._pool is not None:
            self._pool.rule = rule

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        data: bytes | Streamed | None = None,
        patience: Patience = ORDINARY,
        target: str | None = None,
        certificate: ssl.SSLContext | None = None,
    ) -> Response:
        """Send one request and return the answer with its body unread; release or close it.

        A redirect is returned as it is.

        Args:
            method: The request's method.
            url: Where it goes.
            headers: All of its headers but those that frame it.
            data: Its body, whole or as it comes.
            patience: How long it may take.
            target: Path and query as they are written, in the place of the URL's: encoded, beginning with `/`.
            certificate: What a connection is made with that shows a client certificate.

        Raises:
            OutboundRefused: The destination may not be called. Nothing was sent.
            OutboundFailed: No answer; `sent` says whether bytes may have left.
        """
        pool = self._pool
        if pool is None:
            pool = await self._open()
        return await pool.request(
            method, url, headers=headers, data=data, patience=patience, target=target, certificate=certificate
        )

    async def dial(self, url: str, *, patience: Patience = ORDINARY) -> Dialled:
        """A bare connection to the host and port of `url`, whose bytes are not Remit's; close its writer.

        Raises:
            OutboundRefused: The destination may not be called. No packet was sent to it.
            OutboundFailed: It could not be reached.
        """
        pool = self._pool
        if pool is None:
            pool = await self._open()
        return await pool.dial(url, patience=patience)

    async def close(self) -> None:
        """Close all connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _open(self) -> Pool:
        make = await asyncio.to_thread(load)
        if self._pool is None:  # nobody else did meanwhile
            self._pool = make(self._rule)
        return self._pool


def load() -> type[Pool]:
    """Load the client. Blocks the first time: for a thread."""
    from remit.outbound.pool import Pool  # noqa: PLC0415 - a tenth of a second, see there

    return Pool
