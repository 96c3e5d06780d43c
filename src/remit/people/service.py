"""Owners come, go and return; whoever they answer for is brought in line in the same transaction."""

from __future__ import annotations

from dataclasses import replace

from remit.kernel.errors import NotFound
from remit.kernel.names import OwnerName
from remit.people.change import Actor, Changed, record
from remit.people.model import Owner
from remit.people.ports import Records, Suspender
from remit.people.sql import SqlOwners, body
from remit.people.succession import successor
from remit.storage.ports import Reader, Transaction, Writer


class PeopleService:
    """State changes of owners."""

    def __init__(self, *, writer: Writer, reader: Reader, records: Records, suspender: Suspender) -> None:
        self._writer = writer
        self._reader = reader
        self._records = records
        self._suspender = suspender

    def owners(self) -> list[Owner]:
        """Every owner, by name."""
        return self._reader.read(lambda connection: SqlOwners(connection).all())

    def put(self, tx: Transaction, owner: Owner, *, by: Actor) -> None:
        """Register or update, within a change. Whether an owner is active is not changed here."""
        rows = SqlOwners(tx.connection)
        before = rows.find(owner.owner)
        after = owner if before is None else replace(owner, active=before.active)
        if after != before:
            self._store(tx, before, after, "create" if before is None else "update", by=by)

    def remove(self, tx: Transaction, name: OwnerName, *, by: Actor) -> None:
        """Remove an owner, within a change; the agents they answered for are passed on."""
        rows = SqlOwners(tx.connection)
        before = _found(rows, name)
        if before.active:
            self._suspender.owner_gone(tx, name, successor(before, rows.find), by=by)
        rows.remove(name)
        self._record(tx, name, "remove", body(before), None, by=by)

    def deactivate(self, name: str, *, by: Actor) -> Owner:
        """The owner goes: the first active backup answers for the agents, and with none they are suspended at once.

        Raises:
            NotFound: There is no such owner.
        """

        def apply(tx: Transaction) -> Owner:
            rows = SqlOwners(tx.connection)
            before = _found(rows, OwnerName(name))
            if not before.active:
                return before
            after = replace(before, active=False)
            self._store(tx, before, after, "deactivate", by=by)
            self._suspender.owner_gone(tx, before.owner, successor(before, rows.find), by=by)
            return after

        return self._writer.change(apply)

    def reactivate(self, name: str, *, by: Actor) -> Owner:
        """The owner is back. Agents stay with whom they are, and suspended ones suspended, until a person says so.

        Raises:
            NotFound: There is no such owner.
        """

        def apply(tx: Transaction) -> Owner:
            before = _found(SqlOwners(tx.connection), OwnerName(name))
            if before.active:
                return before
            after = replace(before, active=True)
            self._store(tx, before, after, "reactivate", by=by)
            return after

        return self._writer.change(apply)

    def _store(self, tx: Transaction, before: Owner | None, after: Owner, change: str, *, by: Actor) -> None:
        SqlOwners(tx.connection).put(after)
        self._record(tx, after.owner, change, None if before is None else body(before), body(after), by=by)

    def _record(
        self, tx: Transaction, name: str, change: str, before: str | None, after: str | None, *, by: Actor
    ) -> None:
        tx.touch(f"owner:{name}")
        changed = Changed(what="owner", name=name, change=change, before=before, after=after)
        record(tx, self._records, changed, by=by)


def _found(rows: SqlOwners, name: OwnerName) -> Owner:
    owner = rows.find(name)
    if owner is None:
        raise NotFound(f"there is no owner {name}")
    return owner
