"""Access tokens that Remit gets for an API with its own client secret (RFC 6749 section 4.4), kept until shortly
before their end.

However many calls wait, one asks; and a token that an API refuses is asked for anew once, not by each of them.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus, urlencode

from remit.catalog.injection import OauthClient
from remit.kernel.canonical import parse
from remit.kernel.clock import SECOND, Clock, Instant, Micros
from remit.kernel.errors import Malformed, RemitError
from remit.keys.secret import Secret
from remit.vault.model import SecretUnavailable

_UNTOLD: Final = 300  # seconds that a token is kept whose end nobody says
_EARLY: Final = 30 * SECOND  # before its end it is asked for anew
_AGAIN: Final = Micros(10 * SECOND)  # a token that young, refused, is not the API's last word on another
_MAX_TOKEN: Final = 8192
_OK: Final = 200

Post = Callable[[str, dict[str, str], bytes], Awaitable[tuple[int, bytes]]]
Key = tuple[OauthClient, int]


@dataclass(frozen=True, slots=True)
class Held:
    """A token as it is kept. `until`: it is used before that."""

    value: Secret
    got: Instant
    until: Instant


class ClientTokens:
    """Gets and keeps tokens. Belongs to one event loop.

    Args:
        post: Sends a form to a token endpoint; status and body of the answer. Raises RemitError.
        clock: For their ends.
    """

    def __init__(self, post: Post, clock: Clock) -> None:
        self._post = post
        self._clock = clock
        self._held: dict[Key, Held] = {}
        self._asking: dict[Key, asyncio.Task[Held]] = {}

    async def get(self, credential: OauthClient, secret: Secret, version: int) -> Held:
        """A token that is good now. `version`: of the secret; with a new one, older tokens are forgotten.

        Raises:
            SecretUnavailable: The token endpoint gives none.
        """
        key = (credential, version)
        held = self._held.get(key)
        if held is not None and self._clock.now() < held.until:
            return held
        asking = self._asking.get(key)
        if asking is None:
            asking = asyncio.create_task(self._ask(key, secret))
            self._asking[key] = asking
            asking.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(asking)  # a call that is cut must not take the token from the others

    def refused(self, credential: OauthClient, version: int, held: object) -> bool:
        """An API did not take a token; whether another one is worth a try: not if this one had just been got."""
        known = self._held.get((credential, version))
        if known is not held:
            return True  # somebody has asked meanwhile
        if known is not None and self._clock.now() - known.got < _AGAIN:
            return False
        self._held.pop((credential, version), None)
        return True

    def _asked(self, key: Key, done: asyncio.Task[Held]) -> None:
        del self._asking[key]
        if not done.cancelled() and done.exception() is None:
            for older in [each for each in self._held if each[0] == key[0]]:
                del self._held[older]
            self._held[key] = done.result()

    async def _ask(self, key: Key, secret: Secret) -> Held:
        credential, _ = key
        form = {"grant_type": "client_credentials"} | ({"scope": credential.scope} if credential.scope else {})
        # RFC 6749 section 2.3.1: both are form-encoded before they become a user and a password.
        pair = f"{quote_plus(credential.client_id)}:{quote_plus(secret.text())}"
        headers = {
            "Authorization": f"Basic {b64encode(pair.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        asked = self._clock.now()
        try:
            status, body = await self._post(credential.token_url, headers, urlencode(form).encode())
            value, seconds = _read(status, body)
        except SecretUnavailable:
            raise
        except RemitError as error:
            raise SecretUnavailable(
                "the server's credential could not be had", detail=f"{error.public} {error.detail}"
            ) from error
        life = seconds * SECOND
        return Held(Secret(value.encode()), asked, Instant(asked + max(life - _EARLY, life // 2)))


def _read(status: int, body: bytes) -> tuple[str, int]:
    """The token and its life in seconds.

    Raises:
        SecretUnavailable: The answer is no token (RFC 6749 section 5.1).
    """
    try:
        said = parse(body)
    except Malformed:
        said = None
    token = said.get("access_token") if status == _OK and isinstance(said, dict) else None
    kind = str(said.get("token_type", "")).lower() if isinstance(said, dict) else ""
    plain = isinstance(token, str) and 0 < len(token) <= _MAX_TOKEN and token.isascii() and token.isprintable()
    if not plain or " " in str(token) or kind != "bearer":
        raise SecretUnavailable("the server's credential could not be had", detail=f"token endpoint: HTTP {status}")
    seconds = said.get("expires_in")
    known = isinstance(seconds, int) and not isinstance(seconds, bool) and seconds > 0
    return str(token), seconds if known else _UNTOLD
