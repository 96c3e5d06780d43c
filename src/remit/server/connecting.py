"""People lend their own accounts at other systems: asked for, answered, kept, ended."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from remit.attestation.model import Caller
from remit.catalog.injection import OauthUser
from remit.catalog.model import Server
from remit.kernel.clock import Clock, Instant
from remit.kernel.errors import Conflict, Forbidden, Malformed, NotFound, RemitError
from remit.kernel.names import OwnerName, SecretName
from remit.keys.base64url import digest
from remit.keys.secret import Secret
from remit.logs import logger
from remit.outbound.model import OutboundFailed
from remit.people.change import Actor
from remit.policy.view import View
from remit.server.lending import Lending
from remit.vault import acting, authorization, token_endpoint
from remit.vault.authorization import Pending
from remit.vault.connection import Connection
from remit.vault.service import Lent
from remit.vault.token_endpoint import Client, Post
from remit.vault.user_tokens import UserTokens

log = logger(__name__)
_SECONDS: Final = 20.0  # for one request to the other system
_MOST: Final = 1000  # requests whose answer is awaited; the oldest goes first
_OK: Final = 200
T = TypeVar("T")


def redirect_path(secret: str) -> str:
    """Where the answer comes back: each secret has a place of its own (RFC 9700 section 4.4.2)."""
    return f"/v1/secrets/{secret}/connected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connecting:
    """The steps. Called from worker threads, but for `behind`.

    What is awaited stands in this node's memory: the answer has to come to the node that was asked, and not after its
    restart; the person then asks again. `lend` opens a secret; `post` sends a form on the event loop of `loop`.
    """

    base: str
    view: Callable[[], View]
    servers: Callable[[], list[Server]]
    lending: Lending
    users: UserTokens
    lend: Callable[[OauthUser], Lent]
    post: Post
    loop: Callable[[], asyncio.AbstractEventLoop]
    clock: Clock
    _awaited: dict[str, Pending] = field(default_factory=dict)  # by SHA-256 of `state`
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def behind(self, caller: Caller | None, credential: OauthUser) -> str:
        """Whose account a call uses. Raises NotConnected."""
        return acting.person_behind(caller, credential, owner=self._owner, active=self._active)

    def credential(self, secret: str) -> OauthUser:
        """How servers use the secret as the client of an authorization server.

        Raises:
            NotFound: None does.
            Conflict: They do not agree: a token of one authorization server would go to another.
        """
        used = (server.credential for server in self.servers())
        found = {each for each in used if isinstance(each, OauthUser) and each.secret == secret}
        if not found:
            raise NotFound(
                f"no server uses a secret {secret} for people's own accounts",
                try_="credential: {secret: NAME, inject: {oauth_user: {...}}} in the server's document",
            )
        if len(found) > 1:
            raise Conflict(f"servers use the secret {secret} in different ways", try_="give each its own secret")
        return found.pop()

    def begin(self, secret: str, *, person: str) -> str:
        """Where the person goes to lend their account.

        Raises:
            Forbidden: That is nobody who owns anything here.
            NotFound, Conflict: As of `credential`.
            SecretUnavailable: The client's own secret is not set.
        """
        if not self._active(person):
            raise Forbidden(f"{person} is not a registered person", try_="use your own token: remit operator token")
        credential = self.credential(secret)
        self.lend(credential)
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        pending = Pending(
            person=person, secret=secret, credential=credential, verifier=verifier,
            redirect_uri=self.base + redirect_path(secret), ends=Instant(self.clock.now() + authorization.LIFETIME),
        )  # fmt: skip
        with self._lock:
            while len(self._awaited) >= _MOST:
                self._awaited.pop(next(iter(self._awaited)))
            self._awaited[digest(state.encode())] = pending
        return authorization.request_url(pending, state=state)

    def finish(self, secret: str, query: str, *, by: Actor) -> Connection:
        """Take the answer that a signed-in person's browser brings, once.

        Raises:
            Malformed: It is no answer to what this person asked for; nothing was sent anywhere.
            SecretUnavailable: The other system gives no token for it.
        """
        fields = authorization.answered(query)
        # Used up first: whatever is wrong with it, this `state` is worth nothing from now on.
        with self._lock:
            pending = self._awaited.pop(digest(fields.get("state", "").encode()), None)
        if pending is None:
            raise Malformed("nobody asked for this, or it was answered before", try_=f"remit secret connect {secret}")
        code = authorization.code_of(pending, fields, secret=secret, person=by.person, now=self.clock.now())
        if self.credential(secret) != pending.credential or not self._active(by.person):
            raise Malformed("the server's document changed meanwhile", try_=f"remit secret connect {secret}")
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": pending.redirect_uri,
            "code_verifier": pending.verifier,
        }  # fmt: skip
        credential = pending.credential
        client = Client(client_id=credential.client_id, secret=self.lend(credential).value)
        given = self._wait(token_endpoint.ask(self.post, credential.token_url, client, form))
        if given.refresh is None:
            raise Malformed(
                "the other system gave no refresh token",
                try_="ask for the scope that it wants for one (offline_access)",
            )
        return self.lending.connect(
            SecretName(secret), OwnerName(by.person), given.refresh, client=authorization.lent_to(credential),
            scope=given.scope or credential.scope, by=by,
        )  # fmt: skip

    def disconnect(self, secret: str, person: str, *, by: Actor) -> bool | None:
        """Delete it here, then end it at the other system.

        Returns:
            Whether that one said yes; None if it has no such endpoint.

        Raises:
            NotFound: It is not connected.
        """
        found, refresh = self.lending.disconnect(secret, person, by=by)
        try:
            credential = self.credential(secret)
        except RemitError:
            return None
        if not credential.revoke_url or refresh is None or found.client != authorization.lent_to(credential):
            return None
        try:
            return self._wait(self._revoked(credential, refresh))
        except RemitError as error:
            log.warning("a refresh token was not revoked", secret=secret, error=error.public, detail=error.detail)
            return False

    async def _revoked(self, credential: OauthUser, refresh: Secret) -> bool:
        """RFC 7009 section 2.1."""
        client = Client(client_id=credential.client_id, secret=self.lend(credential).value)
        status, _ = await self.post(credential.revoke_url, client.headers(), token_endpoint.revocation(refresh))
        return status == _OK

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, _SECONDS), self.loop())
        try:
            return future.result(_SECONDS + 1)
        except (FutureTimeout, TimeoutError) as error:
            raise OutboundFailed("the other system did not answer in time", sent=True) from error
        finally:
            future.cancel()

    def _owner(self, agent: str) -> str:
        record = self.view().agents.get(agent)
        return "" if record is None else record.agent.owner

    def _active(self, person: str) -> bool:
        found = self.view().owners.get(OwnerName(person))
        return found is not None and found.active
