"""What the two grants that stand on a person's consent have in common."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from remit.agents.bindings.client_metadata import METHOD
from remit.attestation.model import Attested
from remit.kernel.clock import Instant
from remit.kernel.names import InstanceId
from remit.people.consent import Consent
from remit.people.consent_sql import SqlConsents
from remit.storage.ports import Transaction
from remit.tokens import checks
from remit.tokens.consented import REFRESH_IDLE, REFRESH_PREFIX, Given, Refresh, RefreshState, hashed
from remit.tokens.families import SqlFamilies
from remit.tokens.form import one
from remit.tokens.model import Asked, Granted, OAuthError, TokenRefused, Wish
from remit.tokens.ports import Standing

METHODS: Final = frozenset({METHOD})


@dataclass(frozen=True, slots=True)
class Consenting:
    """What a token may be that is asked for on a consent. `answering` says who answers for an agent now."""

    standing: Standing
    base: str
    answering: Callable[[str], Collection[str]]

    def wish(
        self, asked: Asked, attested: Attested, given: Given, *, family: str, jkt: str | None, now: Instant
    ) -> Wish:
        """The checks of every token of that agent, within what was consented to.

        Raises:
            TokenRefused: The first that fails.
        """
        standing = self.standing.agent_standing(given.agent, now)
        # (1) The client is still one of the agent's, and the person still one who answers for it.
        if standing is None or given.credential not in standing.credentials:
            raise _over("the client may not act as this agent any more")
        if given.person not in self.answering(given.agent):
            raise _over("who consented does not answer for this agent any more")
        # (2) Not another scope, and no resource that was not consented to (RFC 6749 section 6, RFC 8707 section 2.2).
        scope = f"purpose:{given.purpose}"
        if one(asked.form, "scope") not in (None, scope):
            raise TokenRefused(OAuthError.INVALID_SCOPE, "the scope is the one that was consented to")
        resources = asked.form.get("resource", ()) or given.resources
        if not set(resources) <= set(given.resources):
            raise TokenRefused(OAuthError.INVALID_TARGET, "the resource is not one that was consented to")
        # (3) All that holds for any token.
        form = {**asked.form, "scope": (scope,), "resource": tuple(resources)}
        found = checks.wish(
            form, attested=attested, jkt=jkt, standing=standing, base=self.base, now=now,
            certificate=asked.certificate,
        )  # fmt: skip
        found = replace(found, run_cap=given.until, token_cap=given.until, person=given.person)
        if found.instance != found.credential:
            return found
        # (4) Without a key, each family is a running copy of its own: the client is the same on every machine.
        if family in standing.frozen_instances:
            raise TokenRefused(OAuthError.UNAUTHORIZED_CLIENT, "the instance is frozen")
        return replace(found, instance=InstanceId(family))


def standing_consent(tx: Transaction, given: Given, *, now: Instant) -> Consent:
    """The consent, which nobody withdraws until this change is committed.

    Raises:
        TokenRefused: It was withdrawn, or has ended.
    """
    consent = SqlConsents(tx.connection).find(given.consent, lock=True)
    if consent is None or not consent.live(now):
        raise _over("the consent was withdrawn, or has ended")
    return consent


def renewable(
    tx: Transaction, given: Given, granted: Granted, consent: Consent, *, family: str, now: Instant
) -> Mapping[str, Any]:
    """Keep which access token was issued, beside the next refresh token; that one, for the answer.

    A client that takes none leaves the row all the same, so that its access token ends with the consent.
    """
    secret = REFRESH_PREFIX + secrets.token_urlsafe(32)
    SqlFamilies(tx.connection).put(
        Refresh(
            token=hashed(secret),
            family=family,
            given=replace(given, jkt=given.jkt or granted.wish.jkt, until=consent.until),
            state=RefreshState.LIVE if given.renews else RefreshState.USED,
            expires=Instant(min(consent.until, now + REFRESH_IDLE)),
            access=granted.token,
            access_ends=granted.expires,
        )
    )
    return {"refresh_token": secret} if given.renews else {}


def _over(reason: str) -> TokenRefused:
    return TokenRefused(OAuthError.INVALID_GRANT, "the consent does not hold any more", reason=reason)
