"""Reads outside the writer: pooled connections that cannot write."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from remit.kernel.errors import StorageUnavailable

T = TypeVar("T")


class PooledReader:
    """Implements remit.storage.ports.Reader on an engine whose connections only read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` on one snapshot of the committed data.

        Raises:
            StorageUnavailable: The database cannot be reached, or every connection is taken for too long.
        """
        try:
            with self._engine.connect() as connection:
                return query(connection)
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise StorageUnavailable("the database cannot be read now", detail=str(error)[:500]) from error

    def close(self) -> None:
        """Close the pool."""
        self._engine.dispose()
