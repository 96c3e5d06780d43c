"""Clients that people let act as agents: what reads their documents, lets them in, and asks the people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from remit.attestation.model import Caller
from remit.attestation.service import PrivateKeyJwt
from remit.kernel.clock import Instant
from remit.outbound.fetch import Fetcher
from remit.outbound.model import Endpoint
from remit.outbound.session import Outbound
from remit.server.ground import Ground
from remit.server.standing import ViewPeople, ViewStanding
from remit.tokens.authorizing import Authorizing
from remit.tokens.check import TokenChecker
from remit.tokens.clients.client_metadata import ConsentedClient
from remit.tokens.clients.documents import Documents
from remit.tokens.clients.ports import ClientMethod
from remit.tokens.consents import Consents
from remit.tokens.grants.authorization_code import AuthorizationCode
from remit.tokens.grants.consented import Consenting as Consented
from remit.tokens.grants.ports import Grant
from remit.tokens.grants.refresh_token import RefreshToken
from remit.tokens.refusals import Refusals


class Consenting:
    """The parts, over one way out of its own: no operator's private address is open to a client's document."""

    def __init__(
        self, ground: Ground, *, own: frozenset[Endpoint], loop: Callable[[], asyncio.AbstractEventLoop]
    ) -> None:
        """`own` are Remit's listeners; `loop` raises Overloaded once Remit is stopping."""
        self._ground = ground
        self._standing = ViewStanding(ground.facts.view)
        self._outbound = Outbound(refuse=own)
        self.people = ViewPeople(ground.facts.view, ground.clock)
        self.documents = Documents(Fetcher(self._outbound, loop=loop), ground.clock)
        database = ground.database
        self.consents = Consents(
            writer=database.writer, reader=database.reader, records=ground.records, clock=ground.clock
        )
        self.authorizing = Authorizing(
            issuer=ground.base, registered=self.people.registered, documents=self.documents, writer=database.writer,
            records=ground.records, refusals=Refusals(database.writer, ground.records), clock=ground.clock,
        )  # fmt: skip

    def clients(self, checker: TokenChecker) -> tuple[ClientMethod, ...]:
        """How these clients say who they are at the token endpoint; `checker` reads an access token to be revoked."""

        def presented(token: str, now: Instant) -> Caller | None:
            found = checker.read(token, now=now)
            return None if found is None else found.caller

        signed = PrivateKeyJwt(self.documents, issuer=self._ground.base)
        return tuple(
            ConsentedClient(
                reader=self._ground.database.reader, documents=self.documents, signed=signed, standing=self._standing,
                presented=presented, signing=signing,
            )
            for signing in (False, True)
        )  # fmt: skip

    def grants(self) -> tuple[Grant, ...]:
        """The grants that stand on a consent."""
        parts = Consented(self._standing, self._ground.base, self.people.answering)
        return AuthorizationCode(parts, self._ground.records), RefreshToken(parts, self._ground.records)

    async def run(self) -> None:
        """Close the way out at the end."""
        try:
            await asyncio.Event().wait()
        finally:
            await self._outbound.close()
