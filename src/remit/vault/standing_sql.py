"""What stands beside secrets in the database: who set them first, when they were used, what is under way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, func, select

from remit.kernel.clock import Instant
from remit.storage.credential_schema import rotations, secret_uses, secrets


class UnderWay(NamedTuple):
    """A rotation that goes on, as people are shown it."""

    rotation: str
    cause: str
    step: str
    started: Instant


class SqlStanding:
    """Reads on one open connection; each for one secret, or for all."""

    def __init__(self, connection: Connection, name: str | None = None) -> None:
        self._connection = connection
        self._name = name

    def setters(self) -> Mapping[str, str]:
        """Who gave each its first value, as far as that is known."""
        query = select(secrets.c.secret, secrets.c.setter).where(secrets.c.setter.is_not(None))
        return {row.secret: row.setter for row in self._rows(query, secrets.c.secret)}

    def last_used(self) -> Mapping[tuple[str, int], Instant]:
        """When each version was used last; written now and then, so a use of the last seconds may be missing."""
        query = select(secret_uses.c.secret, secret_uses.c.version, func.max(secret_uses.c.last).label("last"))
        rows = self._rows(query.group_by(secret_uses.c.secret, secret_uses.c.version), secret_uses.c.secret)
        return {(row.secret, row.version): Instant(row.last) for row in rows}

    def under_way(self) -> Mapping[str, UnderWay]:
        """The rotation of each that is being rotated."""
        query = select(rotations).where(rotations.c.open.is_not(None))
        return {row.secret: _under_way(row) for row in self._rows(query, rotations.c.secret)}

    def _rows(self, query: Any, column: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's own types of these are long
        return self._connection.execute(query if self._name is None else query.where(column == self._name))


def _under_way(row: Any) -> UnderWay:  # noqa: ANN401 - a row
    said = msgspec.json.decode(row.body)
    return UnderWay(row.rotation, str(said.get("cause", "")), str(said.get("step", "")), Instant(row.started))
