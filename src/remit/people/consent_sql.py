"""Consents in the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import Instant
from remit.kernel.names import AgentName, OwnerName, PurposeName
from remit.people.consent import Consent, ConsentState
from remit.storage.identity_schema import consents


def body(consent: Consent) -> str:
    """The stored body of a consent; its digest is what the log names."""
    said = {"resources": list(consent.resources), "given": consent.given, "name": consent.name}
    return canonical(said).decode("utf-8")


class SqlConsents:
    """Consents, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, consent: str, *, lock: bool = False) -> Consent | None:
        """The consent of that id; with `lock`, until the transaction ends no other one changes it or what hangs on it.

        SQLite has one writer, and needs no lock; on PostgreSQL changes wait for one another as it is, and this says
        where they must.
        """
        query = select(consents).where(consents.c.consent == consent)
        row = self._connection.execute(query.with_for_update() if lock else query).one_or_none()
        return None if row is None else _consent(row)

    def same(self, consent: Consent) -> Consent | None:
        """A consent that was given for the same and not withdrawn: giving it again moves its end."""
        same = (
            consents.c.agent == consent.agent,
            consents.c.person == consent.person,
            consents.c.client == consent.client,
            consents.c.purpose == consent.purpose,
            consents.c.state == ConsentState.GIVEN.value,
        )
        rows = self._connection.execute(select(consents).where(*same).order_by(consents.c.consent).with_for_update())
        return next((each for row in rows if (each := _consent(row)).resources == consent.resources), None)

    def listing(self, *, person: str | None, most: int) -> list[Consent]:
        """The newest consents, of one person or of all."""
        query = select(consents).order_by(consents.c.consent.desc()).limit(most)
        if person is not None:
            query = query.where(consents.c.person == person)
        return [_consent(row) for row in self._connection.execute(query)]

    def put(self, consent: Consent) -> None:
        """Keep a consent as it is now."""
        key = consents.c.consent == consent.consent
        values = {"body": body(consent), "state": consent.state.value, "until": consent.until}
        if self._connection.execute(update(consents).where(key).values(**values)).rowcount:
            return
        row = {"consent": consent.consent, "person": consent.person, "agent": consent.agent, "client": consent.client}
        self._connection.execute(insert(consents).values(**row, purpose=consent.purpose, **values))


def _consent(row: Row[Any]) -> Consent:
    said = parse(row.body)
    return Consent(
        consent=row.consent,
        person=OwnerName(row.person),
        agent=AgentName(row.agent),
        client=row.client,
        purpose=PurposeName(row.purpose),
        resources=tuple(said["resources"]),
        given=Instant(said["given"]),
        until=Instant(row.until),
        state=ConsentState(row.state),
        name=said["name"],
    )
