"""What a refresh token is worth now, and its end before its time: RFC 7662 section 2.2, RFC 7009 section 2.1."""

from __future__ import annotations

from typing import Any

from remit.attestation.model import Attested
from remit.kernel.clock import SECOND, Instant
from remit.people.consent_sql import SqlConsents
from remit.storage.ports import Transaction
from remit.tokens.consented import Refresh, RefreshState, hashed
from remit.tokens.families import SqlFamilies, end_family
from remit.tokens.model import OAuthError, TokenRefused
from remit.tokens.ports import Records


def own_refresh(tx: Transaction, token: str, attested: Attested) -> Refresh | None:
    """The refresh token of that agent, for that client; None if the text is no refresh token.

    Raises:
        TokenRefused: It was issued to another.
    """
    found = SqlFamilies(tx.connection).refresh(hashed(token))
    if found is None:
        return None
    if found.given.agent != attested.agent or attested.client not in ("", found.given.client):
        raise TokenRefused(OAuthError.UNAUTHORIZED_CLIENT, "the token was issued to another client")
    return found


def refresh_body(tx: Transaction, found: Refresh, *, issuer: str, now: Instant) -> dict[str, Any] | None:
    """The response for a refresh token that could be used at `now`; None for one that could not."""
    given = found.given
    consent = SqlConsents(tx.connection).find(given.consent)
    if found.state is not RefreshState.LIVE or found.expires <= now or consent is None or not consent.live(now):
        return None
    return {
        "active": True,
        "iss": issuer,
        "sub": given.agent,
        "client_id": given.client,
        "aud": list(given.resources),
        "exp": found.expires // SECOND,
        "scope": f"purpose:{given.purpose}",
        **({"cnf": {"jkt": given.jkt}} if given.jkt is not None else {}),
    }


def end_refresh(tx: Transaction, records: Records, found: Refresh, *, by: str, now: Instant) -> None:
    """End its whole family: the grant behind it is what its holder gives back (RFC 7009 section 2.1)."""
    end_family(tx, records, found.family, why="revoked by its holder", by=by, now=now)
