"""Access tokens of people's own accounts, got with the refresh tokens that they lent (RFC 6749 section 6)."""

from __future__ import annotations

import asyncio
from typing import Final

from remit.catalog.injection import OauthUser
from remit.kernel.clock import Clock, Instant
from remit.kernel.errors import NotFound
from remit.keys.secret import Secret
from remit.vault import token_endpoint
from remit.vault.authorization import lent_to
from remit.vault.connection import Connection, ConnectionState, NotConnected
from remit.vault.held_tokens import Held, HeldTokens
from remit.vault.model import SecretUnavailable
from remit.vault.ports import Lent
from remit.vault.token_endpoint import Client, GrantRefused, Post

_SECONDS: Final = 20.0  # for one refresh: shorter than a claim on it lasts
_TRIES, _PAUSE = 100, 0.1  # while another node refreshes
Key = tuple[OauthUser, str, Instant]  # whose, and since when they lent it: what is lent anew has tokens of its own


class UserTokens:
    """Gets and keeps tokens. Belongs to one event loop; what blocks runs in threads.

    Args:
        post: Sends a form to a token endpoint; status and body of the answer. Raises RemitError.
        lent: What people lent.
        clock: For the tokens' ends.
    """

    def __init__(self, post: Post, lent: Lent, clock: Clock) -> None:
        self._post = post
        self._lent = lent
        self._clock = clock
        self._held: HeldTokens[Key] = HeldTokens(clock)

    async def get(self, credential: OauthUser, secret: Secret, person: str) -> Held:
        """A token of that person's account that is good now. `secret`: the client's.

        Raises:
            NotConnected: The person lent none, or it ended.
            SecretUnavailable: The token endpoint gives none now.
        """
        key = self._key(credential, person)
        return await self._held.get(key, lambda: self._ask(credential, secret, person))

    def refused(self, credential: OauthUser, person: str, held: object) -> bool:
        """An API did not take a token; whether another one is worth a try."""
        try:
            key = self._key(credential, person)
        except NotConnected:
            return False
        self._held.forget(lambda each: each[:2] == key[:2] and each != key)
        return self._held.refused(key, held)

    def _key(self, credential: OauthUser, person: str) -> Key:
        found = self._lent.find(credential.secret, person)
        if found is None or found.state is not ConnectionState.LIVE or found.client != lent_to(credential):
            raise NotConnected(person, credential.secret, ended=found is not None)
        return credential, person, found.connected

    async def _ask(self, credential: OauthUser, secret: Secret, person: str) -> Held:
        claimed, refresh = await self._claimed(credential, person)
        asked = self._clock.now()
        form = {"grant_type": "refresh_token", "refresh_token": refresh.text()}
        client = Client(client_id=credential.client_id, secret=secret)
        try:
            async with asyncio.timeout(_SECONDS):
                given = await token_endpoint.ask(self._post, credential.token_url, client, form)
        except GrantRefused as error:
            await asyncio.to_thread(self._lent.ended, claimed)
            raise NotConnected(person, credential.secret, ended=True) from error
        except (TimeoutError, SecretUnavailable) as error:
            await asyncio.to_thread(self._lent.release, claimed)
            if isinstance(error, SecretUnavailable):
                raise
            raise SecretUnavailable("the server's credential could not be had in time", detail=person) from error
        try:
            # Before anything of this answer is used: the old refresh token may be worth nothing from now on.
            await asyncio.to_thread(self._lent.refreshed, claimed, _other(given.refresh, refresh))
        except NotFound as error:
            raise NotConnected(person, credential.secret) from error
        return Held.of(given.access, asked=asked, seconds=given.seconds)

    async def _claimed(self, credential: OauthUser, person: str) -> tuple[Connection, Secret]:
        for _ in range(_TRIES):
            try:
                claimed = await asyncio.to_thread(self._lent.claim, credential.secret, person)
            except NotFound as error:
                raise NotConnected(person, credential.secret) from error
            if claimed is not None:
                return claimed
            await asyncio.sleep(_PAUSE)
        raise SecretUnavailable("the server's credential is being had elsewhere", detail=person)


def _other(given: Secret | None, before: Secret) -> Secret | None:
    """The refresh token that takes the place of the one before; None where that one stays (RFC 6749 section 6)."""
    return None if given is None or given.text() == before.text() else given
