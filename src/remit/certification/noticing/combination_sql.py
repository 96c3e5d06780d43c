"""Combinations in the database, and their changes."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from remit.certification.noticing.combination_spec import body, from_body
from remit.certification.noticing.combinations import Combination
from remit.kernel.errors import NotFound
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.storage.governance_schema import combinations
from remit.storage.ports import Transaction


class SqlCombinations:
    """Combinations, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, name: str) -> Combination | None:
        """The combination; None if there is none of that name."""
        query = select(combinations.c.body).where(combinations.c.combination == name)
        found = self._connection.execute(query).scalar_one_or_none()
        return None if found is None else from_body(found)

    def all(self) -> list[Combination]:
        """Every combination, by name."""
        found = [from_body(text) for text in self._connection.execute(select(combinations.c.body)).scalars()]
        return sorted(found, key=lambda each: each.combination)

    def put(self, value: Combination) -> None:
        """Insert or replace."""
        here, said = combinations.c.combination == value.combination, body(value)
        if self._connection.execute(update(combinations).where(here).values(body=said)).rowcount == 0:
            self._connection.execute(insert(combinations).values(combination=value.combination, body=said))

    def remove(self, name: str) -> None:
        """Delete."""
        self._connection.execute(delete(combinations).where(combinations.c.combination == name))


class Combinations:
    """State changes of combinations, within a change. Each touches `combinations`: every agent is looked at anew."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def put(self, tx: Transaction, value: Combination, *, by: Actor) -> None:
        """Register or update; nothing happens if it is as it should be."""
        rows = SqlCombinations(tx.connection)
        before = rows.find(value.combination)
        if before != value:
            rows.put(value)
            self._record(tx, value.combination, before, value, by=by)

    def remove(self, tx: Transaction, name: str, *, by: Actor) -> None:
        """Remove.

        Raises:
            NotFound: There is none of that name.
        """
        rows = SqlCombinations(tx.connection)
        before = rows.find(name)
        if before is None:
            raise NotFound(f"there is no combination {name}"[:200])
        rows.remove(name)
        self._record(tx, name, before, None, by=by)

    def _record(
        self, tx: Transaction, name: str, before: Combination | None, after: Combination | None, *, by: Actor
    ) -> None:
        change = "create" if before is None else "remove" if after is None else "update"
        tx.touch("combinations")
        changed = Changed(
            what="combination",
            name=name,
            change=change,
            before=None if before is None else body(before),
            after=None if after is None else body(after),
        )
        record(tx, self._records, changed, by=by)
