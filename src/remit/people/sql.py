"""Owners in the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from remit.kernel.canonical import canonical, parse
from remit.kernel.names import OwnerName
from remit.people.model import Owner
from remit.storage.schema import owners


def body(owner: Owner) -> str:
    """The stored body of an owner; its digest is what the log names."""
    said = {"owner": owner.owner, "name": owner.name, "email": owner.email, "backup": list(owner.backup)}
    return canonical(said | {"active": owner.active}).decode("utf-8")


def _owner(row: Row[Any]) -> Owner:
    said = parse(row.body)
    return Owner(
        owner=said["owner"],
        name=said["name"],
        email=said["email"],
        backup=tuple(said["backup"]),
        active=row.active,
    )


class SqlOwners:
    """Owners, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, name: OwnerName) -> Owner | None:
        """The owner, active or not; None if there is none of that name."""
        row = self._connection.execute(select(owners).where(owners.c.owner == name)).one_or_none()
        return None if row is None else _owner(row)

    def all(self) -> list[Owner]:
        """Every owner, by name."""
        return [_owner(row) for row in self._connection.execute(select(owners).order_by(owners.c.owner))]

    def put(self, owner: Owner) -> None:
        """Insert or replace."""
        values = {"body": body(owner), "active": owner.active}
        done = self._connection.execute(update(owners).where(owners.c.owner == owner.owner).values(values))
        if done.rowcount == 0:
            self._connection.execute(insert(owners).values(owner=owner.owner, **values))

    def remove(self, name: OwnerName) -> None:
        """Delete."""
        self._connection.execute(delete(owners).where(owners.c.owner == name))


def load_all(connection: Connection) -> list[Owner]:
    """Every owner."""
    return SqlOwners(connection).all()


def load(connection: Connection, name: str) -> Owner | None:
    """One owner, or None."""
    return SqlOwners(connection).find(OwnerName(name))
