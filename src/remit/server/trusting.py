"""The keys of trusted issuers, fresh besides what tokens make it read: on a thread of its own, never the loop's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection

from remit.attestation import trusts
from remit.attestation.issuer_keys import IssuerKeys
from remit.attestation.published import PublishedKeys
from remit.kernel.clock import Clock
from remit.logs import logger
from remit.outbound.fetch import Fetcher
from remit.outbound.model import Endpoint
from remit.outbound.session import Outbound
from remit.storage.database import Database
from remit.tokens.clients.jwt_svid import JwtSvid
from remit.tokens.clients.oidc_assertion import IssuerAssertion
from remit.tokens.clients.ports import ClientMethod
from remit.tokens.ports import Standing

EVERY_SECONDS: Final = 15.0
_log = logger("remit.attestation")


class Trusting:
    """The trusts, their keys, and the way out that these are read over: nothing else shares what that may reach."""

    def __init__(
        self, database: Database, *, own: frozenset[Endpoint], clock: Clock,
        loop: Callable[[], asyncio.AbstractEventLoop],
    ) -> None:  # fmt: skip
        """`own` are Remit's listeners; `loop` raises Overloaded once Remit is stopping."""
        self.trusts = trusts.Trusts()
        self._outbound = Outbound(refuse=own)
        self.keys = IssuerKeys(PublishedKeys(Fetcher(self._outbound, loop=loop)), clock)
        database.feed.subscribe(self.follow, self.reload)
        database.reader.read(self.reload)

    def follow(self, _epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        """Read all again when one changed; no key is fetched here."""
        if trusts.TOPIC in topics:
            self.reload(connection)

    def reload(self, connection: Connection) -> None:
        """Read all again."""
        self.trusts.reload(connection)
        self._outbound.allow = self.trusts.endpoints()

    def clients(self, standing: Standing, *, issuer: str) -> tuple[ClientMethod, ...]:
        """The ways in which a copy shows an issuer's word at the token endpoint of `issuer`."""
        return IssuerAssertion(self.trusts, self.keys, standing), JwtSvid(self.trusts, self.keys, standing, issuer)

    async def run(self) -> None:
        """Read what is due, for ever; close the way out at the end."""
        try:
            while True:
                try:
                    await asyncio.to_thread(self.keys.refresh, self.trusts.listing())
                except Exception:  # noqa: BLE001 - tokens still make it read what it needs
                    _log.exception("the keys of issuers could not be refreshed")
                await asyncio.sleep(EVERY_SECONDS)
        finally:
            await self._outbound.close()
