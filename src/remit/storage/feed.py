"""The feed of one node: its views apply each committed change, its own and those of others, in order, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from remit.kernel.errors import StorageUnavailable

Subscriber = Callable[[int, tuple[str, ...], Connection], None]
Reload = Callable[[Connection], None]
Touched = tuple[int, tuple[str, ...]]  # epoch, topics
EVERYTHING = "*"  # the topic of a change that nobody can name any more


class GivenUp(StorageUnavailable):
    """The other nodes took this one for dead: what it left is settled, and it records nothing any more."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What a node says of itself with each look: the epoch its view has, and that its enforcement points have."""

    applied: int
    held: int


@dataclass(frozen=True, slots=True)
class News:
    """What was committed after some epoch, in order. `whole` is false if some of it is not known any more."""

    epoch: int  # the newest
    touched: tuple[Touched, ...] = ()
    whole: bool = True

    def after(self, applied: int) -> list[Touched]:
        """What the views must apply."""
        if not self.whole:
            return [(self.epoch, (EVERYTHING,))]
        return [each for each in self.touched if each[0] > applied]


def news(applied: int, epoch: int, touched: tuple[Touched, ...]) -> News:
    """What was read of the feed after `applied`, when `epoch` was the newest number. Pure.

    Numbers have no gaps, and become visible in their order. So rows are missing only where they were pruned, or if
    this is another database than before; then nothing but reading everything anew is right.
    """
    whole = [number for number, _ in touched] == list(range(applied + 1, epoch + 1))
    return News(epoch, touched, whole and epoch >= applied)


class LocalFeed:
    """Implements remit.storage.ports.Feed within one process."""

    def __init__(self) -> None:
        self._subscribers: tuple[tuple[Subscriber, Reload | None], ...] = ()

    def subscribe(self, apply: Subscriber, reload: Reload | None = None) -> None:
        """Call `apply` on the writer's thread after each commit that touched topics.

        Where nobody knows any more what changed, `reload` is called instead (without one: `apply`, with the topic
        `EVERYTHING`).
        """
        self._subscribers = (*self._subscribers, (apply, reload))

    def deliver(self, epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        """Tell every subscriber. What one raises comes out here: the writer then refuses until all have applied it."""
        for apply, reload in self._subscribers:
            if reload is not None and EVERYTHING in topics:
                reload(connection)
            else:
                apply(epoch, topics, connection)
