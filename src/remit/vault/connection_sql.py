"""The tables `connections` and `connection_claims`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection as Database
from sqlalchemy import Row, delete, insert, select, update

from remit.kernel.clock import Instant
from remit.kernel.names import OwnerName, SecretName
from remit.storage.identity_schema import connection_claims, connections
from remit.vault.connection import Connection, ConnectionState


class SqlConnections:
    """Connections on one open connection to the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Connection]:
        """Every connection, by secret and person."""
        query = select(connections).order_by(connections.c.connection)
        return [_connection(row) for row in self._database.execute(query)]

    def find(self, name: str) -> Connection | None:
        """The one of that name."""
        row = self._database.execute(select(connections).where(connections.c.connection == name)).one_or_none()
        return None if row is None else _connection(row)

    def put(self, it: Connection) -> None:
        """Insert or replace."""
        values = {
            "state": it.state.value, "client": it.client, "scope": it.scope, "version": it.version, "sealed": it.sealed,
            "connected": it.connected, "changed": it.changed,
        }  # fmt: skip
        key = connections.c.connection == it.name
        if not self._database.execute(update(connections).where(key).values(**values)).rowcount:
            row = {"connection": it.name, "secret": it.secret, "person": it.person}
            self._database.execute(insert(connections).values(**row, **values))

    def remove(self, name: str) -> None:
        """Delete it, and whoever's claim on it."""
        self._database.execute(delete(connections).where(connections.c.connection == name))
        self.release(name)

    def claim(self, name: str, *, now: Instant, until: Instant) -> bool:
        """Be the only one who refreshes it, until `until` or `release`; false while another one is."""
        key = connection_claims.c.connection == name
        free = update(connection_claims).where(key, connection_claims.c.until <= now).values(until=until)
        if self._database.execute(free).rowcount:
            return True
        if self._database.execute(select(connection_claims.c.until).where(key)).one_or_none() is not None:
            return False
        self._database.execute(insert(connection_claims).values(connection=name, until=until))
        return True

    def release(self, name: str) -> None:
        """Let others refresh it."""
        self._database.execute(delete(connection_claims).where(connection_claims.c.connection == name))


def _connection(row: Row[Any]) -> Connection:
    return Connection(
        secret=SecretName(row.secret), person=OwnerName(row.person), state=ConnectionState(row.state),
        client=row.client, scope=row.scope, version=row.version, sealed=bytes(row.sealed),
        connected=Instant(row.connected), changed=Instant(row.changed),
    )  # fmt: skip
