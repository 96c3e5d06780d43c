"""What a client assertion must say to prove who asks for a token (pure).

RFC 7523 section 3, with draft-ietf-oauth-rfc7523bis: the audience is the issuer identifier
and nothing else, because an assertion made for another server's token endpoint URL could
be replayed here (audience injection).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from remit.kernel.canonical import parse
from remit.kernel.clock import MINUTE, SECOND, Instant
from remit.kernel.errors import Malformed, Unauthenticated
from remit.keys.base64url import decode

LIFETIME: Final = 5 * MINUTE
SKEW: Final = 60 * SECOND
MAX_SIZE: Final = 8192
_MAX_JTI: Final = 256
_SEGMENTS: Final = 3


class AssertionRefused(Unauthenticated):
    """The client is not authenticated. Its public text is one for all reasons; `reason` is for the log."""

    def __init__(self, reason: str, *, client: str | None = None) -> None:
        # RFC 6749 section 5.2 invalid_client: unknown agent and wrong key must read alike,
        # or the endpoint would list which agents exist.
        super().__init__("client authentication failed", detail=reason)
        self.reason = reason
        self.client = client


def claimed_client(assertion: str) -> tuple[Mapping[str, Any], str]:
    """Its header, and whose assertion this says it is, before anything is verified: for choosing keys, and no more.

    Raises:
        AssertionRefused: It is not three parts of which the second is an object with a string `sub`.
    """
    header, claims = claimed(assertion, most=MAX_SIZE)
    subject = claims.get("sub")
    if not isinstance(subject, str):
        raise AssertionRefused("there is no sub")
    return header, subject


def claimed(token: str, *, most: int) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The header and claims that a token of at most `most` characters has, before anything is verified.

    Raises:
        AssertionRefused: It is not three parts of which the first two are objects.
    """
    if len(token) > most:
        raise AssertionRefused("not a compact token")
    return _claimed(token)


@lru_cache(maxsize=128)  # each way to authenticate asks it of the same assertion
def _claimed(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    segments = token.split(".")
    if len(segments) != _SEGMENTS:
        raise AssertionRefused("not a compact token")
    try:
        header, claims = parse(decode(segments[0])), parse(decode(segments[1]))
    except (Malformed, ValueError) as error:
        raise AssertionRefused("the claims are not base64url JSON") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise AssertionRefused("there is no sub")
    return header, claims


def check_claims(claims: Mapping[str, Any], *, client: str, issuer: str, now: Instant) -> tuple[str, Instant]:
    """Check the claims of an assertion whose signature is good; return the replay key and its end.

    Args:
        claims: The verified payload.
        client: The agent whose key signed it.
        issuer: This server's issuer identifier.
        now: The time to judge at.

    Raises:
        AssertionRefused: One of the numbered steps fails.
    """
    # (1) RFC 7523 section 3 items 1 and 2: the client speaks for itself.
    if claims.get("iss") != client or claims.get("sub") != client:
        raise AssertionRefused("iss and sub are not the client")
    # (2) Item 3, rfc7523bis: exactly our issuer identifier, as a string. A list could name others too.
    if claims.get("aud") != issuer:
        raise AssertionRefused("aud is not this issuer as a single string")
    # (3) Item 4: not expired. No tolerance: the client chose the time and has five minutes of it.
    expires = instant(claims, "exp")
    if expires is None or expires <= now:
        raise AssertionRefused("exp is missing or past")
    # (4) Items 5 and 6: not from the future, and not older than an assertion may get.
    issued, starts = instant(claims, "iat"), instant(claims, "nbf")
    if issued is not None and not now - LIFETIME - SKEW <= issued <= now + SKEW:
        raise AssertionRefused("iat is too old or in the future")
    if starts is not None and starts > now + SKEW:
        raise AssertionRefused("nbf is in the future")
    # (5) At most five minutes: by the client's own clock where it tells it, else by ours.
    longest = now + LIFETIME if issued is None else min(issued + LIFETIME, now + LIFETIME + SKEW)
    if expires > longest:
        raise AssertionRefused("exp is more than 5 minutes ahead")
    # (6) Item 7: used once (Ory Hydra GHSA-3p3g-vpw6-4w66). Hashed, so that a key has one length.
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI:
        raise AssertionRefused("jti is missing or too long")
    digest = hashlib.sha256(jti.encode("utf-8", "surrogatepass")).hexdigest()
    return f"assertion:{client}:{digest}", Instant(expires + SKEW)


def instant(claims: Mapping[str, Any], name: str) -> int | None:
    """The claim `name` as an instant; None if it is not there.

    Raises:
        AssertionRefused: It is no whole number of seconds.
    """
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**40:
        raise AssertionRefused(f"{name} is not a whole number of seconds")
    return value * SECOND
