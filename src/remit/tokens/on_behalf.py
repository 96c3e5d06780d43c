"""What a token that was had for somebody leaves behind: the assertion's single use, and the consent it stands on."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Final

from remit.kernel.clock import DAY, Instant
from remit.kernel.names import OwnerName
from remit.keys.base64url import digest
from remit.people.change import Actor, Changed, record
from remit.people.consent import Consent, ConsentState, ends
from remit.people.consent_sql import SqlConsents, body
from remit.storage.ports import Transaction
from remit.tokens.asserted import Said
from remit.tokens.consented import Given, Refresh, RefreshState, hashed
from remit.tokens.families import SqlFamilies
from remit.tokens.model import Behalf, Granted, OAuthError, TokenRefused
from remit.tokens.ports import Records
from remit.tokens.sql import SqlRuns

_KEPT: Final = DAY  # what ended this long ago is forgotten


def settle(tx: Transaction, records: Records, granted: Granted, found: Said, *, now: Instant) -> None:
    """Use the assertion, and keep the consent record.

    The person said yes to their own identity provider, or the agent's owner named the subject. That is the consent;
    the record is what shows it, and what withdraws it: withdrawn, no later assertion brings it back before its end.

    Raises:
        TokenRefused: invalid_grant: used before, or withdrawn.
    """
    behalf = granted.wish.behalf
    if behalf is None or not SqlRuns(tx.connection).consume(found.use):
        raise TokenRefused(OAuthError.INVALID_GRANT, "the assertion was used before")
    stored = SqlConsents(tx.connection)
    known = stored.find(behalf.consent, lock=True)
    if known is not None and known.state is ConsentState.WITHDRAWN and now < known.until:
        raise TokenRefused(OAuthError.INVALID_GRANT, "the consent was withdrawn")
    consent = _consent(granted, behalf, known, profile=found.profile, now=now)
    if consent != known:
        stored.put(consent)
        changed = Changed(
            what="consent", name=consent.consent, change="give", before=None if known is None else body(known),
            after=body(consent),
            more={"person": consent.person, "agent": consent.agent, "purpose": consent.purpose},
        )  # fmt: skip
        record(tx, records, changed, by=Actor(by=behalf.person))
        tx.touch(f"consent:{consent.consent}")
    _hang(tx, granted, consent, now=now)


def _consent(granted: Granted, behalf: Behalf, known: Consent | None, *, profile: str, now: Instant) -> Consent:
    """The record as it is from now on: what it covers grows, and its end moves only once it has come."""
    wish = granted.wish
    if known is not None and known.live(now):
        return replace(known, resources=tuple(sorted({*known.resources, *wish.audience})))
    return Consent(
        consent=behalf.consent,
        person=OwnerName(behalf.person),
        agent=wish.agent.agent,
        client=wish.agent.agent,
        purpose=wish.purpose.purpose,
        resources=tuple(sorted(wish.audience)),
        given=now,
        until=ends(now, agent_ends=wish.agent.not_after, purpose_ends=wish.purpose.not_after),
        state=ConsentState.GIVEN,
        name=profile,
    )


def _hang(tx: Transaction, granted: Granted, consent: Consent, *, now: Instant) -> None:
    """The token ends with the consent: it is one of a family that can not be renewed."""
    wish, families = granted.wish, SqlFamilies(tx.connection)
    families.forget(before=Instant(now - _KEPT))
    given = Given(
        consent=consent.consent, person=consent.person, client=consent.client, signs=True, renews=False,
        agent=consent.agent, credential=wish.credential, purpose=consent.purpose, resources=wish.audience,
        until=consent.until, jkt=wish.jkt,
    )  # fmt: skip
    families.put(
        Refresh(
            token=hashed(secrets.token_urlsafe(32)),  # of nothing that anybody has
            family=digest(f"remit family {consent.consent}".encode("ascii")),
            given=given,
            state=RefreshState.USED,
            expires=granted.expires,
            access=granted.token,
            access_ends=granted.expires,
        )
    )
