"""The way to the provider where the console's people sign in: what it publishes, its keys, its token endpoint.

A way out of its own: what is open to it (the issuer's host and port, if its operator says that they may be private) is
open to nothing else, and nothing that others opened is open to it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Final

from remit.attestation.issuer_keys import IssuerKeys
from remit.attestation.published import DISCOVERY, PublishedKeys
from remit.console.provider import Provider
from remit.console.signing import Published
from remit.kernel.canonical import parse
from remit.kernel.clock import EPOCH, MINUTE, SECOND, Clock
from remit.kernel.errors import RemitError, Unauthenticated
from remit.keys.foreign import KeySet
from remit.logs import logger
from remit.outbound.fetch import Fetcher
from remit.outbound.model import Endpoint, OutboundFailed, OutboundRefused, target
from remit.outbound.session import Outbound
from remit.server.compose_connecting import post
from remit.server.sign_in import client_secret, trust_of
from remit.vault import token_endpoint
from remit.vault.token_endpoint import Client, Given

_log = logger("remit.console")
_EVERY: Final = 15 * MINUTE  # what it publishes is read again
_PAUSE: Final = 10 * SECOND  # after an attempt that failed
_SECONDS: Final = 10.0  # for one grant


class AskingProvider:
    """Asks it. Blocks: for worker threads, but for `run`."""

    def __init__(
        self, provider: Provider, *, own: frozenset[Endpoint], clock: Clock,
        loop: Callable[[], asyncio.AbstractEventLoop],
    ) -> None:  # fmt: skip
        """`own` are Remit's listeners; `loop` raises Overloaded once Remit is stopping."""
        self.provider = provider
        self._trust = trust_of(provider)
        self._outbound = Outbound(allow=self._trust.endpoints, refuse=own)
        self._fetch, self._post = Fetcher(self._outbound, loop=loop), post(self._outbound)
        self._keys = IssuerKeys(PublishedKeys(self._fetch), clock)
        self._clock, self._loop = clock, loop
        self._published: Published | None = None
        self._tried = EPOCH
        self._lock = threading.Lock()
        self.failure = ""  # of the last attempt to read what it publishes

    def published(self) -> Published:
        """Its endpoints, as they were read last; `run` reads them again every quarter of an hour.

        Raises:
            Unauthenticated: It has not answered yet, or says what makes no sense: nobody is signed in there now.
        """
        if self._published is None:
            # Anybody may ask for this page: one thread tries at a time, and not all the time.
            if not self._lock.acquire(blocking=False):
                raise self._down("it is being asked just now")
            try:
                if self._published is None and self._clock.now() >= self._tried + _PAUSE:
                    self._read()
            finally:
                self._lock.release()
        if self._published is None:
            raise self._down(self.failure)
        return self._published

    def keys(self, kid: object) -> KeySet:
        """Its keys; read again if none has that id, but not all the time."""
        self._keys.refresh([self._trust])
        return self._keys.for_kid(self._trust, kid)

    def ask(self, url: str, grant: Mapping[str, str]) -> Given:
        """What its token endpoint gives for a grant.

        Raises:
            Unauthenticated: Nothing.
        """
        try:
            client = Client(client_id=self.provider.client_id, secret=client_secret(self.provider))
            return self._wait(token_endpoint.ask(self._post, url, client, grant))
        except token_endpoint.GrantRefused as error:
            raise Unauthenticated(f"{self.provider.name} does not take this answer (any more)", detail=error.detail,
                                  try_="sign in again") from error  # fmt: skip
        except RemitError as error:
            raise self._down(f"{error.public} {error.detail}") from error

    async def run(self) -> None:
        """Read what it publishes, for ever; close the way out at the end."""
        try:
            while True:
                await asyncio.to_thread(self._again)
                await asyncio.sleep((_EVERY if self._published is not None else _PAUSE) / SECOND)
        finally:
            await self._outbound.close()

    def _again(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                self._read()
            finally:
                self._lock.release()

    def _read(self) -> None:
        self._tried, told = self._clock.now(), self.failure
        try:
            self._published, self.failure = self._discovered(), ""
        except RemitError as error:
            self.failure = error.public
            if told != self.failure:  # once, however long it lasts
                _log.warning("the provider where people sign in could not be read", error=error.public,
                             detail=error.detail)  # fmt: skip

    def _discovered(self) -> Published:
        """OpenID Connect Discovery section 4."""
        issuer = self.provider.issuer
        said = parse(self._fetch.get(issuer.removesuffix("/") + DISCOVERY, own=self._trust.endpoints).body)
        if not isinstance(said, dict) or said.get("issuer") != issuer:
            raise OutboundRefused("the discovery document is another issuer's")
        ends = said.get("end_session_endpoint")
        return Published(
            authorize_url=self._url(said, "authorization_endpoint"), token_url=self._url(said, "token_endpoint"),
            end_url=self._url(said, "end_session_endpoint") if ends else "",
            names_itself=said.get("authorization_response_iss_parameter_supported") is True,
        )  # fmt: skip

    def _url(self, said: Mapping[str, Any], name: str) -> str:
        """An https URL; http where its operator opened this very host and port."""
        url = said.get(name)
        if not isinstance(url, str) or not url.isascii() or not url.isprintable() or "#" in url or " " in url:
            raise OutboundRefused(f"the discovery document names no {name}")
        parsed, asked = target(url)
        if parsed.scheme != "https" and asked not in self._trust.endpoints:
            raise OutboundRefused(f"the {name} is no https URL", detail=url[:200])
        return url

    def _wait(self, work: Coroutine[Any, Any, Given]) -> Given:
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, _SECONDS), self._loop())
        try:
            return future.result(_SECONDS + 1)
        except (FutureTimeout, TimeoutError) as error:
            raise OutboundFailed("the provider did not answer in time", sent=True) from error
        finally:
            future.cancel()

    def _down(self, why: str) -> Unauthenticated:
        return Unauthenticated(
            f"{self.provider.name} does not answer as it should: nobody is signed in there now",
            detail=why, try_="remit console",
        )  # fmt: skip
