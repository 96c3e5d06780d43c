"""Signing in at the provider: the request that leaves, and what comes back.

OpenID Connect's authorization code flow (Core section 3.1) with PKCE S256, `state` and `nonce`, as RFC 9700 wants it.
What is awaited stands in this node's memory: the answer has to come to the node that was asked, and before its restart.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from remit.console import admitted, id_token
from remit.console.id_token import NotProved, Proved
from remit.console.paths import BACK
from remit.console.provider import Provider
from remit.console.sessions import Session, Sessions
from remit.kernel.clock import MINUTE, Clock, Instant
from remit.kernel.errors import Malformed, RemitError, Unauthenticated
from remit.keys.base64url import digest
from remit.keys.foreign import KeySet
from remit.people.model import Owner
from remit.vault import authorization
from remit.vault.token_endpoint import Given

LIFETIME: Final = 10 * MINUTE
_MOST: Final = 1000  # sign-ins whose answer is awaited; the oldest goes first


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What the provider publishes about itself."""

    authorize_url: str
    token_url: str
    end_url: str = ""
    names_itself: bool = False  # its answers have `iss` in them (RFC 9207)


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A sign-in under way.

    `browser`: hash of the cookie of the browser that began it; `session`: whose person proves again who they are.
    """

    browser: str
    nonce: str
    verifier: str
    then: str
    asked: Instant
    session: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Where the person is sent; the name and value of the cookie that their browser keeps meanwhile."""

    url: str
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """The steps. Called from worker threads: they wait for the provider.

    Args:
        published: What it publishes; raises RemitError.
        keys: Its keys, read again if a key id is not known.
        ask: Sends a grant to its token endpoint; raises RemitError.
        owners: The registered people, as they are now.
        operator: The server's own value for a person with roles, who signed in at that time.
    """

    provider: Provider
    base: str
    sessions: Sessions
    published: Callable[[], Published]
    keys: Callable[[object], KeySet]
    ask: Callable[[str, Mapping[str, str]], Given]
    owners: Callable[[], Iterable[Owner]]
    operator: Callable[[str, frozenset[str], Instant], Any]
    clock: Clock
    _awaited: dict[str, Awaited] = field(default_factory=dict)  # by hash of `state`
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, then: str, *, session: Session | None = None) -> Begun:
        """Send somebody to the provider, and afterwards to `then`; with `session`, to prove again who they are.

        Raises:
            RemitError: The provider cannot be reached, or says what makes no sense.
        """
        published = self.published()
        state, browser, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        verifier, now = secrets.token_urlsafe(48), self.clock.now()
        awaited = Awaited(
            browser=digest(browser.encode()), nonce=nonce, verifier=verifier, then=then, asked=now,
            session="" if session is None else session.id,
        )  # fmt: skip
        with self._lock:
            while len(self._awaited) >= _MOST:
                self._awaited.pop(next(iter(self._awaited)))
            self._awaited[digest(state.encode())] = awaited
        asked = {
            "response_type": "code", "client_id": self.provider.client_id, "redirect_uri": self.base + BACK,
            "scope": self.provider.scope, "state": state, "nonce": nonce,
            "code_challenge": authorization.challenge(verifier), "code_challenge_method": "S256",
            **({} if session is None else {"prompt": "login", "max_age": "0"}),
        }  # fmt: skip
        joined = "&" if urlsplit(published.authorize_url).query else "?"
        return Begun(url=f"{published.authorize_url}{joined}{urlencode(asked)}", name=cookie_of(state), value=browser)

    def finish(self, query: str, cookies: Mapping[str, str], *, had: str | None = None) -> tuple[str, str]:
        """Take the answer that a browser brings, once: the session's cookie, and the page that was wanted.

        Args:
            query: As it came.
            cookies: The browser's.
            had: The session's cookie that it has already; that session ends.

        Raises:
            Malformed: It is no answer to what this browser asked. Nothing was sent anywhere.
            Unauthenticated: The provider does not say who it is.
            Forbidden: It is nobody here.
            RemitError: The provider cannot be reached.
        """
        fields = authorization.answered(query)
        state = fields.get("state", "")
        # (1) Used up first: whatever is wrong with it, this `state` is worth nothing from now on.
        with self._lock:
            awaited = self._awaited.pop(digest(state.encode()), None)
        if awaited is None or self.clock.now() >= awaited.asked + LIFETIME:
            raise Malformed("nobody asked for this, or it took longer than ten minutes", try_="sign in again")
        # (2) From the browser that asked: else somebody's link would sign another in as themselves (login CSRF).
        kept = digest(cookies.get(cookie_of(state), "").encode("utf-8", "surrogatepass"))
        if not hmac.compare_digest(kept, awaited.browser):
            raise Malformed("another browser asked for this; nobody was signed in", try_="sign in again")
        proved = self._proved(fields, awaited)
        return self._let_in(proved, awaited, had), awaited.then

    def _proved(self, fields: Mapping[str, str], awaited: Awaited) -> Proved:
        published = self.published()
        # (3) From the provider that was asked (RFC 9207 section 2.4).
        if (published.names_itself or "iss" in fields) and fields.get("iss") != self.provider.issuer:
            raise NotProved("iss of the answer is another issuer's")
        # (4) A yes.
        if "error" in fields:
            raise Unauthenticated(f"{self.provider.name} did not sign you in", detail=fields["error"][:100])
        if not fields.get("code"):
            raise NotProved("the answer carries no code")
        grant = {
            "grant_type": "authorization_code", "code": fields["code"], "redirect_uri": self.base + BACK,
            "code_verifier": awaited.verifier,
        }  # fmt: skip
        given = self.ask(published.token_url, grant)
        # (5) The ID token itself; its key is looked up by the id that it names, and believed only there.
        return id_token.read(
            given.id_token, provider=self.provider, keys=self.keys(id_token.key_id(given.id_token)),
            nonce=awaited.nonce, now=self.clock.now(), since=awaited.asked if awaited.session else None,
        )  # fmt: skip

    def _let_in(self, proved: Proved, awaited: Awaited, had: str | None) -> str:
        said = admitted.value_of(proved.claims, self.provider)
        person = admitted.person_of(said, self.provider, self.owners())
        roles = admitted.roles_of(proved.claims, self.provider)
        subject = f"{self.provider.issuer} {proved.subject}"
        if awaited.session:
            # (6) At a step-up: the same person, in the session that asked, and with what they may by now.
            open_ = self.sessions.called(awaited.session)
            since = self.clock.now() if open_ is None else open_.since
            renewed = None if open_ is None or open_.operator.person != person else self.sessions.renew(
                awaited.session, operator=self.operator(person, roles, since), subject=subject,
                authenticated=proved.authenticated,
            )  # fmt: skip
            if renewed is None:
                raise Unauthenticated(
                    "that is somebody else than who is signed in here, or the session has ended", try_="sign in again"
                )
            return renewed
        return self.sessions.open(
            self.operator(person, roles, self.clock.now()), how=self.provider.name, subject=subject,
            authenticated=proved.authenticated, instead=had, stands=lambda: self._stands(said, person),
        )  # fmt: skip

    def _stands(self, said: str, person: str) -> bool:
        """Whether they would be let in as the same person now: one who left, or is called otherwise, is not."""
        try:
            return admitted.person_of(said, self.provider, self.owners()) == person
        except RemitError:
            return False

    def ends_at(self) -> str:
        """Where the provider ends what it knows of a person; empty if it says no such place, or nothing now."""
        try:
            url = self.published().end_url
        except RemitError:
            return ""
        joined = "&" if urlsplit(url).query else "?"
        return f"{url}{joined}{urlencode({'client_id': self.provider.client_id})}" if url else ""


def cookie_of(state: str) -> str:
    """The name of the cookie of one sign-in, so that two at once do not take each other's."""
    return f"remit_signing_{digest(state.encode('utf-8', 'surrogatepass'))[:16]}"
