"""A database that Alembic made is the database that create_all makes, on SQLite and PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect, text

from remit.kernel.errors import Conflict
from remit.storage import migrate
from remit.storage.database import Database
from remit.storage.every_table import metadata


def engine(where: Path | str) -> Engine:
    if isinstance(where, Path):
        return create_engine(f"sqlite:///{where}")
    return create_engine(where.replace("postgresql://", "postgresql+psycopg://"))


def _index(found: Any) -> dict[str, Any]:
    """An index, with the condition of a partial one as text."""
    return {**found, "dialect_options": {name: str(value) for name, value in found.get("dialect_options", {}).items()}}


def described(connection: Connection) -> dict[str, Any]:
    """Everything the database knows about its tables."""
    found = inspect(connection)
    return {
        table: {
            "columns": [{**column, "type": str(column["type"])} for column in found.get_columns(table)],
            "key": found.get_pk_constraint(table),
            "indexes": sorted(map(_index, found.get_indexes(table)), key=lambda index: str(index["name"])),
            "foreign": found.get_foreign_keys(table),
            "options": found.get_table_options(table),
        }
        for table in sorted(found.get_table_names())
    }


def test_upgrade_and_create_make_the_same_tables(where: Path | str) -> None:
    made = engine(where)
    try:
        with made.begin() as connection:
            migrate.create(connection)
            created = described(connection)
            rows = connection.execute(text("SELECT id, value FROM epoch")).all()
            metadata.drop_all(connection)
            connection.execute(text("DROP TABLE alembic_version"))
        with made.begin() as connection:
            migrate.upgrade(connection)
            upgraded = described(connection)
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == migrate.HEAD
            assert connection.execute(text("SELECT id, value FROM epoch")).all() == rows == [(1, 0)]
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    finally:
        made.dispose()
    assert upgraded == created


def test_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.HEAD]


def test_an_unmigrated_database_is_migrated_when_opened(
    where: Path | str, opened: Callable[[Path | str], Database]
) -> None:
    made = engine(where)
    with made.begin() as connection:
        migrate.upgrade(connection)
        connection.execute(text("DELETE FROM alembic_version"))
        metadata.drop_all(connection)
    made.dispose()
    database = opened(where)
    assert (database.new, database.epoch) == (False, 0)


def test_a_database_of_a_newer_remit_is_refused(where: Path | str, opened: Callable[[Path | str], Database]) -> None:
    opened(where).close()
    made = engine(where)
    with made.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    made.dispose()
    with pytest.raises(Conflict, match="newer"):
        opened(where)


def test_another_programs_tables_are_left_alone(where: Path | str, opened: Callable[[Path | str], Database]) -> None:
    made = engine(where)
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE agents (name TEXT)"))
    made.dispose()
    with pytest.raises(Conflict, match="another program"):
        opened(where)


def test_neither_a_new_nor_a_current_database_imports_alembic(tmp_path: Path) -> None:
    program = f"""
import sys
from remit.storage.database import open_database
for _ in range(2):
    open_database({str(tmp_path / "remit.db")!r}).close()
assert not [name for name in sys.modules if name.split(".")[0] in ("alembic", "psycopg")]
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
