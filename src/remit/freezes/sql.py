"""Freezes in the database. One that ended stays, with who ended it and when."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from remit.freezes.model import Freeze, FreezeKind
from remit.kernel.clock import Instant
from remit.storage.schema import freezes


class SqlFreezes:
    """Freezes, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def in_force(self) -> list[Freeze]:
        """Every freeze that has not ended, oldest first."""
        query = select(freezes).where(freezes.c.ended.is_(None)).order_by(freezes.c.since, freezes.c.id)
        return [_freeze(row) for row in self._connection.execute(query)]

    def find(self, kind: FreezeKind, name: str) -> Freeze | None:
        """The freeze in force on this target, or None."""
        of_target = (freezes.c.kind == kind.value) & (freezes.c.name == name) & freezes.c.ended.is_(None)
        row = self._connection.execute(select(freezes).where(of_target).order_by(freezes.c.since)).first()
        return None if row is None else _freeze(row)

    def put(self, freeze: Freeze) -> None:
        """Insert."""
        values = {
            "id": freeze.id,
            "kind": freeze.kind.value,
            "name": freeze.name,
            "reason": freeze.reason,
            "by": freeze.by,
            "since": freeze.since,
        }
        self._connection.execute(insert(freezes).values(values))

    def end(self, freeze: Freeze, *, by: str, at: Instant) -> None:
        """End."""
        self._connection.execute(update(freezes).where(freezes.c.id == freeze.id).values(ended=at, ended_by=by))


def _freeze(row: Row[Any]) -> Freeze:
    return Freeze(
        id=row.id, kind=FreezeKind(row.kind), name=row.name, reason=row.reason, by=row.by, since=Instant(row.since)
    )


def load_all(connection: Connection) -> list[Freeze]:
    """The freezes in force."""
    return SqlFreezes(connection).in_force()


def in_force(connection: Connection) -> list[Freeze]:
    """The freezes in force."""
    return load_all(connection)
