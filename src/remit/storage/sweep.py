"""Expired proofs, counters and revocations go, a few at a time.

A full scan would hold the writer up, and an index on the expiry would cost every insert. So
the sweep walks the primary key in small steps and starts again at the end.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, delete, func, select, tuple_

from remit.kernel.clock import MINUTE
from remit.storage.schema import counters, proofs, revoked_tokens

_GRACE = MINUTE  # nodes' clocks may differ; a proof is remembered that much longer than needed


class Sweeper:
    """Remembers how far the sweep has come."""

    def __init__(self) -> None:
        self._at: dict[str, str] = {}

    def sweep(self, connection: Connection, *, now: int, rows: int) -> int:
        """Look at the next `rows` rows of each table, delete those that expired, and return how many those were.

        `connection` commits by itself; nothing is written when nothing expired.
        """
        tables = (proofs, counters, revoked_tokens)
        return sum(self._step(connection, table, before=now - _GRACE, rows=rows) for table in tables)

    def _step(self, connection: Connection, table: Table, *, before: int, rows: int) -> int:
        key, expires = table.c.key, table.c.expires
        start = self._at.get(table.name, "")
        part = select(key, expires).where(key > start).order_by(key).limit(rows).subquery()
        totals = select(func.count(), func.max(part.c.key), func.count().filter(part.c.expires < before)).select_from(
            part
        )
        seen, last, expired = connection.execute(totals).one()
        self._at[table.name] = last if seen == rows else ""
        if not expired:
            return 0
        gone = [key > start, key <= last, expires < before]
        if connection.dialect.name == "postgresql":  # what another node holds just now goes another time
            of = list(table.primary_key.columns)
            gone = [tuple_(*of).in_(select(*of).where(*gone).with_for_update(skip_locked=True))]
        return connection.execute(delete(table).where(*gone)).rowcount
