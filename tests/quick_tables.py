"""Making the tables of a database without writing their SQL anew for each: the statements are those of the first."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, event

from remit.storage.every_table import metadata

_create_all = metadata.create_all
_said: dict[str, list[tuple[str, Any]]] = {}


def remember() -> None:
    """From now on."""
    metadata.create_all = _create  # type: ignore[method-assign, assignment] # of this one alone


def _create(bind: Connection | Engine, *_: Any, **_options: Any) -> None:
    """As `metadata.create_all` on an empty database; it is asked for the first of each dialect."""
    with bind.begin() if isinstance(bind, Engine) else contextlib.nullcontext(bind) as connection:
        dialect = connection.dialect.name
        if dialect not in _said:
            with _heard(connection) as said:
                _create_all(connection, checkfirst=False)
            _said[dialect] = said
            return
        cursor = connection.connection.cursor()
        for statement, values in _said[dialect]:
            cursor.execute(statement, values)
        cursor.close()


@contextlib.contextmanager
def _heard(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    said: list[tuple[str, Any]] = []

    def hear(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        said.append((statement, values))

    event.listen(connection, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        event.remove(connection, "before_cursor_execute", hear)
