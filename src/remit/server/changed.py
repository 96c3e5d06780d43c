"""The agents about whom something changed, kept until they are judged anew."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from remit.storage.feed import EVERYTHING


class Changed:
    """Follows the feed from the start, before what judges is loaded. Any thread.

    Args:
        everyone: The agents there are; all of them are meant where nobody knows which.
    """

    def __init__(self, everyone: Callable[[], Iterable[str]] = tuple) -> None:
        self._everyone = everyone
        self._agents: dict[str, None] = {}
        self._lock = threading.Lock()  # `follow` runs on the writer's thread

    def follow(self, _epoch: int, topics: tuple[str, ...], _connection: Connection) -> None:
        """Take note of agents about whom something changed (remit.storage.ports.Feed)."""
        for topic in topics:
            kind, _, name = topic.partition(":")
            if kind == "agent":
                self.again([name])
            elif kind in {"combinations", EVERYTHING}:
                self.again(self._everyone())

    def again(self, agents: Iterable[str]) -> None:
        """Keep these too, behind those that wait already."""
        with self._lock:
            self._agents |= dict.fromkeys(agents)

    def take(self) -> list[str]:
        """All of them, in the order in which they came; none is left."""
        with self._lock:
            taken, self._agents = list(self._agents), {}
        return taken
