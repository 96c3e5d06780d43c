"""Consents after they were given: who gave which, and their end, which ends every token under them at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from remit.kernel.clock import MINUTE, Clock, Instant
from remit.kernel.errors import Conflict, NotFound
from remit.people.change import Actor, Changed, record
from remit.people.consent import Consent, ConsentState
from remit.people.consent_sql import SqlConsents, body
from remit.storage.ports import Reader, Transaction, Writer
from remit.tokens.authorizing import told
from remit.tokens.families import SqlFamilies, end_family
from remit.tokens.model import TOKEN_LIFETIME
from remit.tokens.ports import Records
from remit.tokens.revoked import revoke, topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Consents:
    """Lists and withdraws consents. Synchronous."""

    writer: Writer
    reader: Reader
    records: Records
    clock: Clock

    def listing(self, *, person: str | None, most: int) -> list[Consent]:
        """The newest, of one person or of all."""
        return self.reader.read(lambda connection: SqlConsents(connection).listing(person=person, most=most))

    def get(self, consent: str) -> Consent:
        """One of them.

        Raises:
            NotFound: There is none of that id.
        """
        return _known(self.reader.read(lambda connection: SqlConsents(connection).find(consent)))

    def withdraw(self, consent: str, *, by: Actor) -> Consent:
        """End a consent. When this returns, its codes, refresh tokens and access tokens are worth nothing here.

        Raises:
            NotFound: There is none of that id.
            Conflict: It was withdrawn before.
            StorageUnavailable: Nothing has changed.
        """

        def apply(tx: Transaction) -> Consent:
            now, rows, stored = self.clock.now(), SqlConsents(tx.connection), SqlFamilies(tx.connection)
            # Who renews at this moment waits for this change, or this one for them: no token is issued past it.
            before = _known(rows.find(consent, lock=True))
            if before.state is ConsentState.WITHDRAWN:
                raise Conflict("this consent was withdrawn before", try_="remit consent list")
            after = replace(before, state=ConsentState.WITHDRAWN)
            rows.put(after)
            # Tokens that name their consent, and belong to no family, end by its id.
            revoke(tx.connection, consent, agent=after.agent, expires=Instant(now + TOKEN_LIFETIME + MINUTE))
            for family in stored.families(consent):
                end_family(tx, self.records, family, why="consent withdrawn", by=by.by, now=now)
            changed = Changed(
                what="consent", name=consent, change="withdraw", before=body(before), after=body(after),
                more=told(after),
            )  # fmt: skip
            record(tx, self.records, changed, by=by)
            tx.touch(f"consent:{consent}", topic(consent))
            return after

        return self.writer.change(apply)


def _known(found: Consent | None) -> Consent:
    if found is None:
        raise NotFound("there is no consent of that id", try_="remit consent list")
    return found
