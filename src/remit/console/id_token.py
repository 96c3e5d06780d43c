"""What an ID token proves about the person who signs in (pure).

OpenID Connect Core section 3.1.3.7, narrowed: the signature is checked always, the audience is this client alone, and
both `nonce` and `iat` must stand there.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.attestation.assertion import SKEW, AssertionRefused, claimed, instant
from remit.console.provider import Provider
from remit.kernel.clock import MINUTE, Instant
from remit.kernel.errors import Unauthenticated
from remit.keys import jose
from remit.keys.foreign import KeySet

TYPES: Final = ("", "jwt")  # an access token (`at+jwt`) or a logout token says nobody in
MAX_SIZE: Final = 32768  # with the groups of a person who has many
_OLDEST: Final = 10 * MINUTE
_MAX_SUBJECT: Final = 255  # OpenID Connect Core section 2


class NotProved(Unauthenticated):
    """The provider's answer proves nobody. The public text is one for all reasons; `detail` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__("what the provider sent does not prove who you are", detail=reason, try_="sign in again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """Who it is, in the provider's words, and when they proved it there. `authenticated`: 0 if it does not say."""

    subject: str
    authenticated: Instant
    claims: Mapping[str, Any]


def read(
    token: str, *, provider: Provider, keys: KeySet, nonce: str, now: Instant, since: Instant | None = None
) -> Proved:
    """Check an ID token.

    Args:
        token: Compact form, from the token endpoint.
        provider: Whose it must be.
        keys: The provider's, and nobody else's.
        nonce: What this sign-in asked with.
        now: The time to judge at.
        since: At a step-up, when it was asked for: the person must have proved who they are after that.

    Raises:
        NotProved: One of the numbered steps fails.
    """
    claims = _signed(token, provider, keys)
    # (2) The issuer, byte for byte (items 2 and 1).
    if claims.get("iss") != provider.issuer:
        raise NotProved("iss is another issuer's")
    # (3) For this client and nobody else, who could show the token here (items 3 to 5).
    if claims.get("aud") not in (provider.client_id, [provider.client_id]):
        raise NotProved("aud is not this client alone")
    if claims.get("azp", provider.client_id) != provider.client_id:
        raise NotProved("azp is another client")
    # (4) In time (items 9 and 10).
    authenticated = _in_time(claims, now)
    # (5) The answer to what was asked, and not one that was heard before (item 11).
    said = claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode("utf-8", "surrogatepass"), nonce.encode()):
        raise NotProved("nonce is not the one that was sent")
    # (6) A person.
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT:
        raise NotProved("sub is missing or too long")
    # (7) Proved anew, if that was asked (item 13): a provider that ignored `max_age` is not believed.
    if since is not None and (authenticated is None or authenticated < since - SKEW):
        raise NotProved("auth_time is missing, or before this was asked for")
    return Proved(subject=subject, authenticated=Instant(min(authenticated or 0, now)), claims=claims)


def key_id(token: str) -> object:
    """The id of the key that this says it was signed with: for choosing keys, and no more.

    Raises:
        NotProved: It is no token.
    """
    try:
        return claimed(token, most=MAX_SIZE)[0].get("kid")
    except AssertionRefused as error:
        raise NotProved(error.detail) from error


def _signed(token: str, provider: Provider, keys: KeySet) -> Mapping[str, Any]:
    # (1) Signature, type, algorithm: of this provider's keys, in the algorithms its operator named (items 6 to 8).
    # There is no `none` among them, and no HMAC that could be made with a public key.
    try:
        _, claims = jose.verify(token, typ=TYPES, algorithms=provider.algorithms, key=keys.find, max_size=MAX_SIZE)
    except jose.JoseInvalid as error:
        raise NotProved(error.public) from error
    return claims


def _in_time(claims: Mapping[str, Any], now: Instant) -> int | None:
    """When the person proved who they are, if the provider says."""
    try:
        expires, issued, starts = instant(claims, "exp"), instant(claims, "iat"), instant(claims, "nbf")
        authenticated = instant(claims, "auth_time")
    except AssertionRefused as error:
        raise NotProved(error.detail) from error
    if expires is None or expires <= now:
        raise NotProved("exp is missing or past")
    if issued is None or not now - _OLDEST < issued <= now + SKEW:
        raise NotProved("iat is missing, too old or in the future")
    if starts is not None and starts > now + SKEW:
        raise NotProved("nbf is in the future")
    if authenticated is not None and authenticated > now + SKEW:
        raise NotProved("auth_time is in the future")
    return authenticated
