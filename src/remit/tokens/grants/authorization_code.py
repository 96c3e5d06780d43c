"""`authorization_code`: a client redeems the code that a person's consent gave it (RFC 6749 section 4.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.attestation.model import Attested
from remit.kernel.clock import Instant
from remit.storage.ports import Transaction
from remit.tokens.authorize import check_verifier
from remit.tokens.consented import Code, hashed
from remit.tokens.families import Reused, SqlFamilies, end_family
from remit.tokens.form import one
from remit.tokens.grants.consented import METHODS, Consenting, renewable, standing_consent
from remit.tokens.model import Asked, Granted, OAuthError, TokenRefused, Wish
from remit.tokens.ports import Records

TYPE: Final = "authorization_code"


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """Implements `grants.ports.Grant`."""

    consenting: Consenting
    records: Records
    type: str = TYPE
    methods: frozenset[str] = METHODS

    def wish(self, asked: Asked, attested: Attested, *, jkt: str | None, now: Instant) -> Wish:
        """All checks that follow authentication."""
        code = attested.shown
        if not isinstance(code, Code):
            raise TokenRefused(OAuthError.INVALID_GRANT, "the code is not valid")
        # (1) RFC 6749 section 4.1.2: used twice, it ends what came of the first use, whoever that was.
        if code.used:
            raise self._reused(code, now)
        if code.expires <= now:
            raise TokenRefused(OAuthError.INVALID_GRANT, "the code is not valid", reason="the code has expired")
        # (2) Section 4.1.3: redeemed with the address that it was sent to, and by who asked for it.
        if one(asked.form, "redirect_uri") != code.redirect_uri:
            raise TokenRefused(OAuthError.INVALID_GRANT, "the redirect_uri is another", reason="another redirect_uri")
        check_verifier(one(asked.form, "code_verifier"), code.challenge)
        # (3) RFC 9449 section 10: a code that was asked for with a key is redeemed with that key.
        if code.given.jkt not in (None, jkt):
            raise TokenRefused(OAuthError.INVALID_GRANT, "the code is bound to another key", reason="another dpop_jkt")
        return self.consenting.wish(asked, attested, code.given, family=code.family, jkt=jkt, now=now)

    def settle(self, tx: Transaction, asked: Asked, granted: Granted, *, now: Instant) -> Mapping[str, Any]:
        """The code's one use, and the family that it begins."""
        stored = SqlFamilies(tx.connection)
        code = stored.code(hashed(one(asked.form, "code") or ""))
        if code is None:
            raise TokenRefused(OAuthError.INVALID_GRANT, "the code is not valid", reason="gone")
        consent = standing_consent(tx, code.given, now=now)
        if not stored.use_code(code):
            raise self._reused(code, now)
        return renewable(tx, code.given, granted, consent, family=code.family, now=now)

    def _reused(self, code: Code, now: Instant) -> Reused:
        why = "authorization code used twice"

        def end(tx: Transaction) -> None:
            end_family(tx, self.records, code.family, why=why, by=code.given.client, now=now)

        return Reused("the code is not valid", reason=why, end=end)
