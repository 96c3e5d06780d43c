"""Bring a database to the current tables: a new one at once, an older one by Alembic.

Alembic is imported only when there is something to migrate; it costs a third of the start.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, inspect, select, text

from remit.kernel.errors import Conflict
from remit.storage.every_table import metadata
from remit.storage.schema import epoch

HEAD = "0022"
MIGRATIONS = Path(__file__).parent / "migrations"
# Alembic's own table, as Alembic makes it.
_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
_ADVISORY_LOCK = 0x52656D69  # two nodes that start together must not both create or migrate


def bring_up(connection: Connection) -> bool:
    """Create or migrate inside the open transaction; whether the database was new.

    Raises:
        Conflict: It holds another program's tables, or those of a newer Remit.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    found = inspect(connection).get_table_names()
    if _version.name not in found:
        if metadata.tables.keys() & set(found):
            raise Conflict("this database holds another program's tables", detail=", ".join(sorted(found)))
        create(connection)
        return True
    at = connection.execute(select(_version.c.version_num)).scalar_one_or_none()
    if at != HEAD:
        _migrate(connection, at)
    return False


def create(connection: Connection) -> None:
    """All tables at once, stamped with the newest revision."""
    metadata.create_all(connection, checkfirst=False)
    _version.create(connection, checkfirst=False)
    connection.execute(insert(_version).values(version_num=HEAD))
    connection.execute(insert(epoch).values(id=1, value=0))


def upgrade(connection: Connection) -> None:
    """Run every migration that is missing, in the open transaction."""
    from alembic import command  # noqa: PLC0415 - imported only when there is something to migrate
    from alembic.config import Config  # noqa: PLC0415 - the same

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _migrate(connection: Connection, at: str | None) -> None:
    from alembic.util.exc import CommandError  # noqa: PLC0415 - imported only when there is something to migrate

    try:
        upgrade(connection)
    except CommandError as error:
        raise Conflict(
            "this database was made by a newer Remit, or by another program",
            detail=f"revision {at}: {error}",
            try_="start the Remit version that made it",
        ) from error
