"""Moves the write-ahead log into the database file beside the writer, so that no commit waits for it.

SQLite starts its write-ahead log over only when all of it has been moved at the moment of a
commit. So a thread moves the bulk while commits go on, pass by pass, and the writer moves
the short rest between two of them.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable

_PASSES = 4
_SHORT = 64  # pages: what is left when the writer takes over


class WalKeeper:
    """One thread with a connection of its own."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self.caught_up = False  # set here, cleared by the writer when it has moved the rest
        self._connect = connect
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="remit-wal", daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """Say that the log has grown."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the pass at hand and close."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._stopping:
                break
            try:
                connection = connection or self._connect()
                self._move(connection)
            except (sqlite3.Error, OSError):
                # A full disk or a missing file shows at the writer's own commits; here, start afresh next time.
                _close(connection)
                connection = None
        _close(connection)

    def _move(self, connection: sqlite3.Connection) -> None:
        for _ in range(_PASSES):
            _, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages - moved < _SHORT:
                break
        self.caught_up = True


def _close(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        with contextlib.suppress(sqlite3.Error):
            connection.close()
