"""What a room keeps its rows in: memory, SQLite, PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from remit.storage.database import Database

T = TypeVar("T")


class Store(Protocol):
    """Changes, reads and what is told of changes, as one."""

    feed: Any

    def change(self, apply: Callable[[Any], T]) -> T: ...

    def read(self, query: Callable[[Connection], T]) -> T: ...


class Stored:
    """A database as one."""

    def __init__(self, database: Database) -> None:
        self.change, self.read, self.feed = database.writer.change, database.reader.read, database.feed
