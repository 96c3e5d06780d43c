"""`refresh_token`: the next access token, and the next refresh token (RFC 6749 section 6, RFC 9700 section 4.14)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.attestation.model import Attested
from remit.kernel.clock import Instant
from remit.storage.ports import Transaction
from remit.tokens.consented import Refresh, RefreshState, hashed
from remit.tokens.families import Reused, SqlFamilies, end_family
from remit.tokens.form import one
from remit.tokens.grants.consented import METHODS, Consenting, renewable, standing_consent
from remit.tokens.model import Asked, Granted, OAuthError, TokenRefused, Wish
from remit.tokens.ports import Records

TYPE: Final = "refresh_token"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """Implements `grants.ports.Grant`. Each refresh token is used once; a second use ends its whole family."""

    consenting: Consenting
    records: Records
    type: str = TYPE
    methods: frozenset[str] = METHODS

    def wish(self, asked: Asked, attested: Attested, *, jkt: str | None, now: Instant) -> Wish:
        """All checks that follow authentication."""
        refresh = attested.shown
        if not isinstance(refresh, Refresh):
            raise TokenRefused(OAuthError.INVALID_GRANT, "the refresh token is not valid")
        # (1) RFC 9700 section 4.14.2: an old one is shown by a thief, or by the client that was robbed.
        if refresh.state is RefreshState.USED:
            raise self._reused(refresh, now)
        if refresh.state is RefreshState.REVOKED or refresh.expires <= now:
            raise TokenRefused(
                OAuthError.INVALID_GRANT, "the refresh token is not valid", reason=f"{refresh.state.value}, or expired"
            )
        # (2) RFC 9449 section 5: bound to the key that it was issued to.
        if refresh.given.jkt not in (None, jkt):
            raise TokenRefused(
                OAuthError.INVALID_GRANT, "the refresh token is bound to another key", reason="another key"
            )
        return self.consenting.wish(asked, attested, refresh.given, family=refresh.family, jkt=jkt, now=now)

    def settle(self, tx: Transaction, asked: Asked, granted: Granted, *, now: Instant) -> Mapping[str, Any]:
        """The token's one use, and the next one of its family."""
        stored, secret = SqlFamilies(tx.connection), hashed(one(asked.form, "refresh_token") or "")
        refresh = stored.refresh(secret)
        if refresh is None:
            raise TokenRefused(OAuthError.INVALID_GRANT, "the refresh token is not valid", reason="gone")
        consent = standing_consent(tx, refresh.given, now=now)
        if not stored.use(secret):
            raise self._reused(refresh, now)
        return renewable(tx, refresh.given, granted, consent, family=refresh.family, now=now)

    def _reused(self, refresh: Refresh, now: Instant) -> Reused:
        why = "refresh token used twice"

        def end(tx: Transaction) -> None:
            end_family(tx, self.records, refresh.family, why=why, by=refresh.given.client, now=now)

        return Reused("the refresh token is not valid", reason=why, end=end)
