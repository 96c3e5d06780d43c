"""INSERT ... ON CONFLICT as the database at hand says it; what speaks to the other kind is not loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def insert(table: Table, connection: Connection) -> sqlite.Insert | postgresql.Insert:
    """An INSERT into `table` that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 30 ms and 7 drivers that SQLite has no use for

        return postgresql.insert(table)
    return sqlite.insert(table)
