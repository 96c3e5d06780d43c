"""SQLite under the writer: one file, WAL, synchronous=FULL, plain sqlite3 statements.

Python's sqlite3 lets go of the interpreter lock at every step of a statement, and under load
each return may cost a switch interval. So one statement serves a whole batch: the rows travel
as one JSON text.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from remit.storage.effects import CounterKey, Wanted
from remit.storage.feed import Beat, News
from remit.storage.unfiled import INSERT_PROOFS, Unfiled
from remit.storage.wal import WalKeeper

VERSION = sqlite3.sqlite_version_info
ERRORS = (sqlite3.Error,)
_encode = msgspec.json.encode
_BUSY_SECONDS = 0.9  # a foreign writer (a shell) may hold the file that long before callers are refused
_MOVE_BYTES = 16 << 20  # a log that stays small is overwritten in place, which is cheaper than growing it
_FAR_BEHIND = 8 * _MOVE_BYTES  # then commits wait for it after all, so that the disk does not fill
_PAGES_PER_COMMIT = 8 * 4096  # index and table pages a commit rewrites besides its bundle, roughly

_READ_COUNTERS = """
SELECT c.key, c.window, c.used FROM json_each(?) AS w
CROSS JOIN counters AS c ON c.key = w.value ->> 0 AND c.window = w.value ->> 1
"""
_WRITE_COUNTERS = """
INSERT INTO counters (key, window, used, expires)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
ON CONFLICT (key, window) DO UPDATE SET used = excluded.used, expires = max(expires, excluded.expires)
"""
_INSERT_BUNDLE = "INSERT INTO bundles (count, headers) VALUES (?, ?)"
_INSERT_ENTRIES = "INSERT INTO entries (entry, bundle, slot) SELECT value, ?, key FROM json_each(?)"
_INSERT_PAYLOADS = "INSERT INTO payloads (bundle, sealed) VALUES (?, ?)"
_RECORDED = "SELECT entry FROM entries WHERE entry IN (SELECT value FROM json_each(?))"
_RAISE_EPOCH = "UPDATE epoch SET value = value + 1 WHERE id = 1 RETURNING value"


def connect(path: Path) -> sqlite3.Connection:
    """Open an existing database file, durable and strict; never creates one.

    A file that vanished must not come back empty: that would be a new, clean log.
    """
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_SECONDS,
        cached_statements=256,
    )
    for setting in (
        "journal_mode = WAL",
        "synchronous = FULL",  # NORMAL loses acknowledged commits in a power cut
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "wal_autocheckpoint = 0",  # done between batches instead of inside a commit
        f"journal_size_limit = {4 * _MOVE_BYTES}",
        "cache_size = -16384",
    ):
        connection.execute(f"PRAGMA {setting}")
    return connection


def reading_engine(path: Path) -> Engine:
    """An engine whose connections see one snapshot per use and cannot write."""

    def open_reading() -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA query_only = ON")
        return connection

    engine = create_engine("sqlite://", creator=open_reading, poolclass=QueuePool, pool_size=4, max_overflow=12)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


class SqliteJournal:
    """Implements remit.storage.journal.Journal on one SQLite file."""

    content_errors: tuple[type[Exception], ...] = (
        sqlite3.IntegrityError,
        sqlite3.DataError,
        sqlite3.InterfaceError,
        TypeError,
        ValueError,
        OverflowError,
    )
    failures: tuple[type[Exception], ...] = (sqlite3.OperationalError, OSError)
    shared = False
    node: str | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _identity(path)
        engine = create_engine("sqlite://", creator=lambda: connect(path), poolclass=NullPool)
        self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        raw = self._connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - for the type checker
        self._raw = raw
        self._execute = raw.execute
        self._unfiled = Unfiled(raw)
        self._small = False  # whether the open transaction may be one row
        if self._unfiled.found():
            self._file_alone()
        self._keeper = WalKeeper(lambda: connect(path))
        self._unmoved = 0  # bytes in the write-ahead log that are not in the database yet, roughly
        self._nudge_at = _MOVE_BYTES

    @property
    def connection(self) -> Connection:
        """SQLAlchemy's face of the connection."""
        return self._connection

    def begin(self, *, changes: bool) -> None:
        """Begin. A change takes the write lock at once, and finds every table complete.

        Works wait with it: most of them are one row and with it one statement, which SQLite commits by itself.
        """
        self._small = True
        if changes:
            self._at_large()

    def turn(self) -> None:
        """Nothing to do: the write lock is the turn."""

    def hold(self) -> None:
        """Take the write lock: what is read from here on must not change until the commit."""
        if not self._raw.in_transaction:
            self._execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Commit and flush; then make sure it went into the file that is still there."""
        self._unfiled.settle()
        if self._raw.in_transaction:
            self._execute("COMMIT")
        self._unfiled.committed()
        self._check_file()

    def rollback(self) -> None:
        """End the transaction, unless SQLite has (disk full rolls back by itself)."""
        self._unfiled.undone()
        if self._raw.in_transaction:
            self._execute("ROLLBACK")

    def savepoint(self) -> None:
        """Begin what can be undone."""
        self._execute("SAVEPOINT change")

    def release(self) -> None:
        """Keep it."""
        self._execute("RELEASE change")

    def undo(self) -> None:
        """Take it back."""
        self._execute("ROLLBACK TO change")
        self._execute("RELEASE change")

    def recorded(self, ids: Sequence[str]) -> set[str]:
        """Look the ids up in the index, and among what is not in it yet."""
        indexed = {entry for (entry,) in self._execute(_RECORDED, (_encode(list(ids)).decode(),))}
        return indexed | self._unfiled.known(ids)

    def consume(self, proofs: Mapping[str, int]) -> set[str]:
        """Take few into the commit's one row; else insert all, and only if some were there already ask which."""
        if self._small and (fresh := self._unfiled.take(proofs)) is not None:
            return fresh
        self._at_large()
        rows = _encode(proofs).decode()
        if self._execute(INSERT_PROOFS, (rows,)).rowcount == len(proofs):
            return set(proofs)
        # A replay. Nothing else but filing has happened in this transaction yet, so it simply starts again.
        self._execute("ROLLBACK")
        self._unfiled.undone()
        self._execute("BEGIN IMMEDIATE")
        self._unfiled.file()
        return {key for (key,) in self._execute(INSERT_PROOFS + " RETURNING key", (rows,))}

    def used(self, wanted: Wanted) -> dict[CounterKey, int]:
        """Read the counters under the only write lock there is."""
        self.hold()
        rows = _encode([*wanted.reserved, *(key for key in wanted.released if key not in wanted.reserved)])
        return {(key, window): used for key, window, used in self._execute(_READ_COUNTERS, (rows.decode(),))}

    def keep(self, counters: Mapping[CounterKey, int], wanted: Wanted) -> None:
        """Write the new values."""
        expires = wanted.reserved
        rows = [(key, window, used, expires.get((key, window), 0)) for (key, window), used in counters.items()]
        self._execute(_WRITE_COUNTERS, (_encode(rows).decode(),))

    def store(self, ids: Sequence[str], headers: bytes, payloads: bytes | None) -> None:
        """Append one bundle; a small one is one row with all that belongs to it."""
        self._unmoved += len(headers) + len(payloads or b"")
        if self._small and self._unfiled.store(ids, headers, payloads):
            return
        self._at_large()
        self._unfiled.seen(ids)
        execute = self._execute
        bundle = execute(_INSERT_BUNDLE, (len(ids), headers)).lastrowid
        execute(_INSERT_ENTRIES, (bundle, _encode(ids).decode()))
        if payloads is not None:
            execute(_INSERT_PAYLOADS, (bundle, payloads))

    def epoch(self) -> int:
        """The number of the last change."""
        return _one(self._execute("SELECT value FROM epoch WHERE id = 1"))

    def raise_epoch(self, topics: Sequence[str], now: int) -> int:  # noqa: ARG002 - there is no other node
        """Take the next number."""
        return _one(self._execute(_RAISE_EPOCH))

    def look(self, applied: int, *, beat: Beat | None = None) -> News:  # noqa: ARG002 - there is no other node
        """Read one row, and look whether the file is still the one that was opened."""
        epoch = self.epoch()
        self._check_file()
        return News(epoch)

    def tell(self, beat: Beat) -> None:
        """Nothing to do: there is no other node."""

    def prune(self, before: int) -> None:
        """Nothing to do: there is no other node."""

    def probe(self) -> None:
        """Commit a write that leaves all as it was: a full disk reads well.

        There and back: SQLite writes no page whose bytes stay the same, and then any disk would pass.
        """
        self._execute("BEGIN IMMEDIATE")
        try:
            for step in (1, -1):
                self._execute("UPDATE epoch SET value = value + ? WHERE id = 1", (step,))
            self.commit()
        finally:
            self.rollback()

    def rest(self, *, idle: bool) -> None:
        """File what small commits left, and have the write-ahead log moved into the database: when nothing waits, or
        when there is much of it.
        """
        if not idle:
            self._unmoved += _PAGES_PER_COMMIT
        if self._unfiled.many or (idle and len(self._unfiled)):
            self._file_alone()
        if self._keeper.caught_up or self._unmoved >= _FAR_BEHIND:
            self._execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._keeper.caught_up = False
            self._unmoved, self._nudge_at = 0, _MOVE_BYTES
        elif self._unmoved >= self._nudge_at or (idle and self._unmoved):
            self._keeper.nudge()
            self._nudge_at = self._unmoved + _MOVE_BYTES

    def close(self) -> None:
        """Close the file."""
        self._keeper.stop()
        with contextlib.suppress(Exception):
            self.rollback()
        with contextlib.suppress(Exception):
            self._connection.close()
        with contextlib.suppress(Exception):
            self._raw.close()

    def _at_large(self) -> None:
        """The open transaction is not one row: it files what was left for later, and leaves nothing itself."""
        if self._small:
            self._small = False
            self.hold()
            self._unfiled.file()
            self._unfiled.settle()

    def _file_alone(self) -> None:
        self._execute("BEGIN IMMEDIATE")
        self._unfiled.file()
        self._execute("COMMIT")
        self._unfiled.committed()

    def _check_file(self) -> None:
        """Refuse to acknowledge into a file that was deleted or replaced under us; its name leads elsewhere now."""
        if _identity(self._path) != self._file:
            raise OSError(f"{self._path} is not the file that was opened")


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116 - once per commit, and twice as fast as Path.stat
    return found.st_dev, found.st_ino


def _one(cursor: Any) -> int:  # noqa: ANN401 - any cursor
    (value,) = cursor.fetchone()
    cursor.close()
    return int(value)
