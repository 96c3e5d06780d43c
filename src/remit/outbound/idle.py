"""Connections that wait for their next request, by where they lead: the newest first, none for long.

They are aiohttp's, which dials and counts them; what its own pool does at each request (keys, waiters, a coroutine for
each) took a good part of one. What is taken from here is judged again like what was just dialled (`pool`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from time import monotonic
from typing import Final

from aiohttp.connector import Connection

MOST: Final = 1024  # connections; more are left to the connector
_SWEEP: Final = 1.0  # seconds between looks for those that have waited too long


class Idle:
    """Belongs to one event loop.

    Args:
        seconds: How long a connection may wait.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: dict[Hashable, list[tuple[Connection, float]]] = {}
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return self._count

    def take(self, where: Hashable) -> Connection | None:
        """A connection that leads there and is good for another request; None if there is none."""
        waiting = self._kept.get(where)
        oldest = monotonic() - self._seconds
        while waiting:
            connection, since = waiting.pop()
            self._count -= 1
            if since >= oldest and _good(connection):
                return connection
            connection.close()
        return None

    def keep(self, where: Hashable, connection: Connection) -> None:
        """Whose answer was read: it waits here, if it may serve another request, and is closed if not."""
        if self._count >= MOST or not _good(connection):
            connection.release()
            return
        self._kept.setdefault(where, []).append((connection, monotonic()))
        self._count += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SWEEP, self._sweep)

    def close(self) -> None:
        """Close all."""
        kept, self._kept, self._count = self._kept, {}, 0
        for waiting in kept.values():
            for connection, _ in waiting:
                connection.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        oldest, kept = monotonic() - self._seconds, {}
        for where, waiting in self._kept.items():
            late = [each for each, since in waiting if since < oldest or not _good(each)]
            for connection in late:
                connection.close()
            self._count -= len(late)
            if rest := [pair for pair in waiting if not pair[0].closed]:
                kept[where] = rest
        self._kept = kept
        self._timer = asyncio.get_running_loop().call_later(_SWEEP, self._sweep) if kept else None


def _good(connection: Connection) -> bool:
    """Whether it is open, and nothing came on it that nobody asked for: that would be read as the next answer."""
    protocol = connection.protocol
    return protocol is not None and protocol.is_connected() and not protocol.should_close
