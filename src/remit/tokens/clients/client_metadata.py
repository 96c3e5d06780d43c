"""A client that a person lets act as an agent: which agent that is, the code or the token it shows says.

A public client says its client_id, and its proof is the code's PKCE verifier, or the refresh token itself: it is let
in to these two grants and to revocation alone. One whose document says `private_key_jwt` signs besides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from remit.agents.bindings.client_metadata import METHOD, client_of
from remit.attestation.assertion import AssertionRefused
from remit.attestation.model import Attested, Caller
from remit.attestation.service import PrivateKeyJwt
from remit.kernel.clock import Instant
from remit.kernel.errors import NotFound
from remit.storage.model import ConsumeProof
from remit.storage.ports import Reader
from remit.tokens.clients.document import ClientInvalid
from remit.tokens.clients.documents import Documents
from remit.tokens.clients.ports import Client
from remit.tokens.clients.private_key_jwt import ASSERTION_TYPE
from remit.tokens.clients.private_key_jwt import METHOD as PRIVATE_KEY_JWT
from remit.tokens.consented import Code, Refresh, hashed
from remit.tokens.families import SqlFamilies
from remit.tokens.form import one
from remit.tokens.model import Asked, OAuthError, TokenRefused
from remit.tokens.ports import Standing

CODE: Final = "authorization_code"
REFRESH: Final = "refresh_token"


class NothingShown(NotFound):
    """A public client asks about a token that is not known: there is nothing that says who it is, and no harm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentedClient:
    """Implements `clients.ports.ClientMethod`. `presented` reads an access token of this deployment, if it is good."""

    reader: Reader
    documents: Documents
    signed: PrivateKeyJwt  # over the documents' keys
    standing: Standing
    presented: Callable[[str, Instant], Caller | None]
    signing: bool = False

    @property
    def name(self) -> str:
        """`private_key_jwt` for those that sign; for the others, as RFC 7591 section 2 has it, `none`."""
        return PRIVATE_KEY_JWT if self.signing else "none"

    def used(self, asked: Asked) -> bool:
        """A client_id with a code, a refresh token or (to revoke it) a token, and no other way of authentication."""
        if asked.authorization is not None or "client_secret" in asked.form or "client_id" not in asked.form:
            return False
        if "client_assertion" in asked.form or self.signing:
            return self.signing and _signs_as_url(asked)
        kind = one(asked.form, "grant_type")
        return kind in (CODE, REFRESH) or (kind is None and asked.certificate is None and "token" in asked.form)

    def authenticate(self, asked: Asked, *, now: Instant) -> Client:
        """Which agent it acts as."""
        client = one(asked.form, "client_id") or ""
        found = self._shown(asked)
        if found is None:
            return self._holder(asked, client, now)
        given = found.given
        if given.signs != self.signing:
            raise _unproved("it signs" if given.signs else "it is a public client")
        if given.client != client:
            raise TokenRefused(OAuthError.INVALID_GRANT, _unknown(asked), reason="issued to another client")
        attested = Attested(agent=given.agent, credential=given.credential, method=METHOD, client=client, shown=found)
        return attested, self._signature(asked, client, now) if given.signs else None

    def _shown(self, asked: Asked) -> Code | Refresh | None:
        """The code or refresh token of the request; None if it shows an access token, or what is none."""
        kind = one(asked.form, "grant_type")
        if kind == CODE:
            code = self._sent(asked, "code")
            found: Code | Refresh | None = self.reader.read(lambda c: SqlFamilies(c).code(hashed(code)))
        else:
            token = self._sent(asked, "refresh_token" if kind == REFRESH else "token")
            found = self.reader.read(lambda c: SqlFamilies(c).refresh(hashed(token)))
        if found is None and kind in (CODE, REFRESH):
            raise TokenRefused(OAuthError.INVALID_GRANT, _unknown(asked), reason="unknown")
        return found

    def _holder(self, asked: Asked, client: str, now: Instant) -> Client:
        """Who shows an access token, to end it: the client that it was issued to."""
        caller = self.presented(self._sent(asked, "token"), now)
        if caller is None:
            raise NothingShown("the token is not known")
        standing = self.standing.agent_standing(caller.agent, now)
        bindings = () if standing is None else standing.agent.bindings
        own = [each for each in bindings if each.credential == caller.credential and client_of(each) == client]
        if not own:
            raise _unproved("another's token")
        attested = Attested(agent=caller.agent, credential=caller.credential, method=METHOD, client=client)
        if self._signs(client) != self.signing:
            raise _unproved("it signs, or does not")
        return attested, self._signature(asked, client, now) if self.signing else None

    def _signs(self, client: str) -> bool:
        try:
            return client.startswith("https://") and self.documents.document(client).signs
        except ClientInvalid as error:
            raise TokenRefused(
                OAuthError.INVALID_CLIENT, "client authentication failed", reason=error.reason
            ) from error

    def _signature(self, asked: Asked, client: str, now: Instant) -> ConsumeProof:
        try:
            attested, used = self.signed.authenticate(one(asked.form, "client_assertion") or "", now=now)
        except AssertionRefused as error:
            raise _unproved(error.reason) from error
        except ClientInvalid as error:
            raise TokenRefused(
                OAuthError.INVALID_CLIENT, "client authentication failed", reason=error.reason
            ) from error
        if attested.agent != client:
            raise _unproved("another client_id")
        return used

    def _sent(self, asked: Asked, name: str) -> str:
        value = one(asked.form, name)
        if value is None:
            raise TokenRefused(OAuthError.INVALID_REQUEST, f"{name} is missing")
        return value


def _signs_as_url(asked: Asked) -> bool:
    """Whether the assertion is that of a client whose id is a URL: no agent is called so."""
    client = one(asked.form, "client_id") or ""
    sent = one(asked.form, "client_assertion_type") == ASSERTION_TYPE and "client_assertion" in asked.form
    return sent and client.startswith("https://")


def authenticated(client: Client) -> bool:
    """Whether it proved more than that it holds what it shows."""
    attested, used = client
    return attested.method != METHOD or used is not None


def _unknown(asked: Asked) -> str:
    what = "code" if one(asked.form, "grant_type") == CODE else "refresh token"
    return f"the {what} is not valid"


def _unproved(reason: str) -> TokenRefused:
    return TokenRefused(OAuthError.INVALID_CLIENT, "client authentication failed", reason=reason)
