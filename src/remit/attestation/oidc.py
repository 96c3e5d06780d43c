"""The generic attestor: a token of a trusted issuer says what a running copy is (pure).

OpenID Connect Core section 3.1.3.7 and RFC 7523 section 3, as far as they fit tokens that platforms hand to their
workloads: the platform is the issuer, this deployment the audience, and an agent's document says which claims.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remit.attestation.assertion import SKEW, AssertionRefused, instant
from remit.attestation.conditions import holds
from remit.attestation.model import Platform
from remit.attestation.ports import Bound
from remit.attestation.trust import Trust
from remit.kernel.clock import Instant
from remit.keys import jose
from remit.keys.foreign import KeySet

MAX_SIZE: Final = 16384  # platforms put much into a token
# RFC 7519 section 5.1: left out, or JWT. An access token (`at+jwt`) or a logout token is no word about a workload.
TYPES: Final = ("", "jwt")
_MAX_JTI: Final = 1024
_MAX_SUBJECT: Final = 1024  # characters of it that are recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a token proved: through which of the agent's bindings, and how it is used up."""

    credential: str
    replay: str | None  # None: it may be shown again
    expires: Instant
    platform: Platform


def attest(token: str, *, trust: Trust, keys: KeySet, bound: Sequence[Bound], now: Instant) -> Word:
    """Find out through which of `bound` the token lets its bearer in.

    Args:
        token: Compact form; its `iss` chose the trust, and is believed only here.
        trust: The issuer.
        keys: Its keys, and no other issuer's.
        bound: What the agent's document lets in. Of an agent that does not exist there is none, and all that takes
            time is done for it as well.
        now: The time to judge at.

    Raises:
        AssertionRefused: One of the numbered steps fails.
    """
    # (1) Signature, type, algorithm: of this issuer's keys, in the algorithms its operator named.
    claims = verified(token, trust=trust, keys=keys, types=TYPES)
    # (2) The issuer, byte for byte (OpenID Connect Core section 3.1.3.7 item 2).
    if claims.get("iss") != trust.issuer:
        raise AssertionRefused("iss is not the trust's issuer")
    # (3) The audience: this deployment's and nobody else's, who could show the token here.
    if claims.get("aud") not in (trust.audience, [trust.audience]):
        raise AssertionRefused("aud is not this deployment's audience alone")
    # (4) The time. (5) Single use. (6) The agent's own conditions.
    ends = within(claims, trust=trust, now=now, issued=True)
    return word(token, claims, trust=trust, bound=bound, ends=ends)


def verified(token: str, *, trust: Trust, keys: KeySet, types: tuple[str, ...]) -> Mapping[str, Any]:
    """The claims of a token that one of the trust's keys signed.

    Raises:
        AssertionRefused: None of them did.
    """
    try:
        _, claims = jose.verify(token, typ=types, algorithms=trust.algorithms, key=keys.find, max_size=MAX_SIZE)
    except jose.JoseInvalid as error:
        raise AssertionRefused(f"{trust.trust}: {error.public}") from error
    return claims


def within(claims: Mapping[str, Any], *, trust: Trust, now: Instant, issued: bool) -> Instant:
    """When the token is too old to be shown again; `issued` says that it must tell when it was issued.

    Raises:
        AssertionRefused: It is over, from the future, or too old already.
    """
    expires, since, starts = instant(claims, "exp"), instant(claims, "iat"), instant(claims, "nbf")
    if expires is None or expires <= now:
        raise AssertionRefused("exp is missing or past")
    if since is None and issued:
        raise AssertionRefused("iat is missing")
    if since is not None and not now - trust.max_age < since <= now + SKEW:
        raise AssertionRefused("iat is too old or in the future")
    if starts is not None and starts > now + SKEW:
        raise AssertionRefused("nbf is in the future")
    if since is None and expires > now + trust.max_age:
        raise AssertionRefused("exp is further ahead than a token may be old")
    return Instant(expires if since is None else min(expires, since + trust.max_age))


def word(token: str, claims: Mapping[str, Any], *, trust: Trust, bound: Sequence[Bound], ends: Instant) -> Word:
    """Match the claims against what the agent's document lets in.

    Raises:
        AssertionRefused: Nothing of it fits.
    """
    jti = claims.get("jti")
    if jti is not None and (not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI):
        raise AssertionRefused("jti is no text, or too long")
    # What names the token once: its jti, else what was signed of it. The signature itself does not: ECDSA has several
    # for the same words.
    once = f"jti:{jti}" if jti is not None else f"words:{token.rpartition('.')[0]}"
    digest = hashlib.sha256(once.encode("utf-8", "surrogatepass")).hexdigest()
    for each in bound:
        # A trust serves the methods of its own platform: `oidc` would get round what a preset refuses.
        ours = each.method == trust.preset and each.said.get("trust") == trust.trust
        if ours and holds(claims, each.said.get("claims", ())):
            replay = None if trust.reuse else f"word:{trust.trust}:{digest}"
            platform = Platform(trust=trust.trust, preset=trust.preset, issuer=trust.issuer, subject=_subject(claims))
            return Word(
                credential=each.credential, replay=replay, expires=Instant(ends + SKEW), platform=platform
            )  # fmt: skip
    raise AssertionRefused(f"no agent of that name is bound to these claims of {trust.trust}")


def _subject(claims: Mapping[str, Any]) -> str | None:
    """The `sub`, for the record. What conditions want of it, if they do, was checked on all of it."""
    subject = claims.get("sub")
    return subject[:_MAX_SUBJECT] if isinstance(subject, str) else None
