"""Security event tokens: what is told to others, signed (RFC 8417; CAEP interoperability profile 1.0). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.kernel.clock import SECOND, Instant
from remit.keys import jose
from remit.keys.set_key import SetKey

TYP: Final = "secevent+jwt"
ACCESS_WITHDRAWN: Final = "urn:remit:event:access-withdrawn"
"""An agent has no right to an action for a purpose any more: `purpose`, `action`, `event_timestamp`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent:
    """One thing that happened, told to one receiver."""

    issuer: str
    audience: str  # who is told: a token for one receiver is worth nothing to another
    agent: str  # about whom: the `sub` of the agent's access tokens by this issuer
    transaction: str  # what it is part of: an id that stands in the log
    kind: str  # the event's type, a URI
    happened: Instant
    about: Mapping[str, str]


def signed(event: SecurityEvent, *, key: SetKey, jti: str, now: Instant) -> str:
    """The event as a compact token.

    There is no `exp`: what happened does not cease to have happened (RFC 8417 section 2.2), and a verifier of other
    tokens that asks for one takes none of these. There is no `sub` either, for the same reason (section 4): about whom
    it is says `sub_id` (RFC 9493 section 3.2.3).

    Args:
        event: What is told.
        key: The key that signs.
        jti: An id of this token's own; the same event told again is another token.
        now: When it is signed.
    """
    claims: dict[str, Any] = {
        "iss": event.issuer,
        "jti": jti,
        "iat": now // SECOND,
        "aud": event.audience,
        "txn": event.transaction,
        "sub_id": {"format": "iss_sub", "iss": event.issuer, "sub": event.agent},
        "events": {event.kind: {**event.about, "event_timestamp": event.happened // SECOND}},
    }
    return jose.sign(claims, typ=TYP, key=key)
