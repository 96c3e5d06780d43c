"""A request to the authorization endpoint, checked step by step (pure): RFC 6749 section 4.1.1, RFC 7636, RFC 9207.

An answer goes to the client's redirect URI only once it is known to be the client's own; what is wrong before that is
shown to the person, for an address that anybody could have put there is not sent to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlencode

from remit.kernel.errors import RemitError
from remit.keys.base64url import digest
from remit.tokens.form import one
from remit.tokens.model import Form, OAuthError, TokenRefused

MOST: Final = 8 * 1024  # bytes of a query
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")  # RFC 7636 section 4.2: base64url of 32 octets
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z")  # section 4.1
_MOST_STATE: Final = 2048
_ELSEWHERE: Final = ("request", "request_uri")  # RFC 9101: not taken, and never passed over


class AuthorizeError(StrEnum):
    """Error codes of the authorization endpoint (RFC 6749 section 4.1.2.1, RFC 8707 section 2, RFC 9396 section 5)."""

    INVALID_REQUEST = "invalid_request"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    ACCESS_DENIED = "access_denied"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    INVALID_SCOPE = "invalid_scope"
    INVALID_TARGET = "invalid_target"
    INVALID_AUTHORIZATION_DETAILS = "invalid_authorization_details"
    INVALID_CLIENT_METADATA = "invalid_client_metadata"  # shown, never sent (RFC 7591 section 3.2.2)


@dataclass(frozen=True, slots=True)
class Return:
    """Where an answer goes: an address that is known to be the client's, with what the client asked to have back."""

    redirect_uri: str
    state: str | None
    issuer: str

    def url(self, **said: str) -> str:
        """The address with an answer, which always says who gives it (RFC 9207: mix-up)."""
        answer = {**said, **({} if self.state is None else {"state": self.state}), "iss": self.issuer}
        return f"{self.redirect_uri}{'&' if '?' in self.redirect_uri else '?'}{urlencode(answer)}"


class AuthorizeRefused(RemitError):
    """The authorization endpoint says no. Without `back` the person is told, with `status`; else the client is."""

    code = "malformed"

    def __init__(
        self, error: AuthorizeError, description: str, *, back: Return | None = None, status: int = 400,
        reason: str = "",
    ) -> None:  # fmt: skip
        super().__init__(description, detail=reason)
        self.error = error
        self.back = back
        self.status = status
        self.reason = reason or description

    @property
    def location(self) -> str | None:
        """Where the client is told."""
        return None if self.back is None else self.back.url(error=self.error.value, error_description=self.public)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a well-formed request asks for."""

    challenge: str
    asked: Form  # what of it names a purpose; empty: none does
    resources: tuple[str, ...]
    jkt: str | None


def named(form: Form) -> tuple[str, str]:
    """The client_id and the redirect URI.

    Raises:
        AuthorizeRefused: One is missing; shown.
    """
    client, redirect = one(form, "client_id"), one(form, "redirect_uri")
    if client is None or redirect is None:
        raise AuthorizeRefused(AuthorizeError.INVALID_REQUEST, "client_id and redirect_uri are needed")
    return client, redirect


def state_of(form: Form) -> str | None:
    """What the client wants back as it is.

    Raises:
        AuthorizeRefused: It is longer than any address bar takes; shown.
    """
    state = one(form, "state")
    if state is not None and len(state) > _MOST_STATE:
        raise AuthorizeRefused(AuthorizeError.INVALID_REQUEST, f"state is over {_MOST_STATE} characters")
    return state


def wanted(form: Form, back: Return) -> Wanted:
    """The rest of a request whose client and redirect URI are known.

    Raises:
        AuthorizeRefused: The first step that fails; sent to the client.
    """

    def no(error: AuthorizeError, description: str) -> AuthorizeRefused:
        return AuthorizeRefused(error, description, back=back)

    # (1) Only codes are given: no token ever stands in an address (RFC 9700 section 2.1.2).
    if any(each in form for each in _ELSEWHERE):
        raise no(AuthorizeError.INVALID_REQUEST, "request objects are not taken")
    if one(form, "response_type") is None:
        raise no(AuthorizeError.INVALID_REQUEST, "response_type is missing")
    if one(form, "response_type") != "code":
        raise no(AuthorizeError.UNSUPPORTED_RESPONSE_TYPE, "the response type is code")
    if one(form, "response_mode") not in (None, "query"):
        raise no(AuthorizeError.INVALID_REQUEST, "the response mode is query")
    # (2) RFC 7636 with S256 and nothing else: `plain`, which is also what a missing method means, shows the verifier
    # to whoever sees the request.
    challenge = one(form, "code_challenge")
    if challenge is None:
        raise no(AuthorizeError.INVALID_REQUEST, "code_challenge is missing: PKCE is needed")
    if one(form, "code_challenge_method") != "S256":
        raise no(AuthorizeError.INVALID_REQUEST, "the code_challenge_method is S256")
    if not _CHALLENGE.match(challenge):
        raise no(AuthorizeError.INVALID_REQUEST, "code_challenge is not the base64url of a SHA-256")
    # (3) The key that the code is to be bound to (RFC 9449 section 10).
    jkt = one(form, "dpop_jkt")
    if jkt is not None and not _CHALLENGE.match(jkt):
        raise no(AuthorizeError.INVALID_REQUEST, "dpop_jkt is not the thumbprint of a key")
    asked = {name: form[name] for name in ("scope", "authorization_details") if name in form}
    return Wanted(challenge=challenge, asked=asked, resources=form.get("resource", ()), jkt=jkt)


def check_verifier(verifier: str | None, challenge: str) -> None:
    """RFC 7636 section 4.6: who redeems the code is who asked for it.

    Raises:
        TokenRefused: invalid_request: there is none; invalid_grant: it is another.
    """
    if verifier is None:
        raise TokenRefused(OAuthError.INVALID_REQUEST, "code_verifier is missing")
    if not _VERIFIER.match(verifier) or digest(verifier.encode("ascii")) != challenge:
        raise TokenRefused(OAuthError.INVALID_GRANT, "the code_verifier does not fit", reason="wrong code_verifier")
