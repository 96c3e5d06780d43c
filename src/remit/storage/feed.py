"""The feed of one node: its views apply each committed change before that change is answered."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

Subscriber = Callable[[int, tuple[str, ...], Connection], None]


class LocalFeed:
    """Implements remit.storage.ports.Feed within one process."""

    def __init__(self) -> None:
        self._subscribers: tuple[Subscriber, ...] = ()

    def subscribe(self, apply: Subscriber) -> None:
        """Call `apply` on the writer's thread after each commit that touched topics."""
        self._subscribers = (*self._subscribers, apply)

    def deliver(self, epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        """Tell every subscriber. What one raises comes out here: the writer then refuses until all have applied it."""
        for apply in self._subscribers:
            apply(epoch, topics, connection)
