"""The organisation's policy files in the database."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from remit.storage.schema import policies


class SqlPolicies:
    """Policy files in force, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> dict[str, str]:
        """Every file's text, by file name."""
        rows = self._connection.execute(select(policies.c.file, policies.c.text))
        return dict(sorted((row.file, row.text) for row in rows))

    def find(self, file: str) -> str | None:
        """One file's text, or None."""
        query = select(policies.c.text).where(policies.c.file == file)
        return self._connection.execute(query).scalar_one_or_none()

    def put(self, file: str, text: str) -> None:
        """Insert or replace."""
        done = self._connection.execute(update(policies).where(policies.c.file == file).values(text=text))
        if done.rowcount == 0:
            self._connection.execute(insert(policies).values(file=file, text=text))

    def remove(self, file: str) -> None:
        """Delete."""
        self._connection.execute(delete(policies).where(policies.c.file == file))


def load_all(connection: Connection) -> dict[str, str]:
    """Every policy file: name to text."""
    return SqlPolicies(connection).all()
