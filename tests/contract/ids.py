"""What is in the log, whether or not its index has it already."""

from __future__ import annotations

from sqlalchemy import Connection, select, text

from remit.storage.schema import entries

_UNFILED = "SELECT i.value FROM bundles AS b, json_each(b.unfiled, '$.ids') AS i ORDER BY b.bundle, i.key"


def entry_ids(connection: Connection) -> list[str]:
    """The ids of all entries."""
    filed = list(connection.execute(select(entries.c.entry)).scalars())
    if connection.dialect.name != "sqlite":
        return filed
    return filed + list(connection.execute(text(_UNFILED)).scalars())
