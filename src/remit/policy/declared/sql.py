"""What the organisation declared of its own types, in the database: one row per file."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from remit.policy.declared.model import Declaration, Part
from remit.storage.schema import declarations


class SqlDeclarations:
    """Declarations in force, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> dict[str, Declaration]:
        """Every file, by its name."""
        rows = self._connection.execute(select(declarations.c.file, declarations.c.part, declarations.c.text))
        return dict(sorted((row.file, Declaration(Part(row.part), row.text)) for row in rows))

    def put(self, file: str, declaration: Declaration) -> None:
        """Insert or replace."""
        said = {"part": declaration.part.value, "text": declaration.text}
        done = self._connection.execute(update(declarations).where(declarations.c.file == file).values(said))
        if done.rowcount == 0:
            self._connection.execute(insert(declarations).values(file=file, **said))

    def remove(self, file: str) -> None:
        """Delete."""
        self._connection.execute(delete(declarations).where(declarations.c.file == file))
