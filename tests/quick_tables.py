"""Making the tables of a database without writing their SQL anew for each: the statements are those of the first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

from remit.storage import migrate

_create = migrate.create
_said: dict[str, list[tuple[str, Any]]] = {}


def create(connection: Connection) -> None:
    """As `migrate.create`, which it asks for the first database of each dialect."""
    dialect = connection.dialect.name
    if dialect in _said:
        cursor = connection.connection.cursor()
        for statement, values in _said[dialect]:
            cursor.execute(statement, values)
        cursor.close()
        return
    with _heard(connection) as said:
        _create(connection)
    _said[dialect] = said


@contextmanager
def _heard(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    said: list[tuple[str, Any]] = []

    def hear(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        said.append((statement, values))

    event.listen(connection, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        event.remove(connection, "before_cursor_execute", hear)
