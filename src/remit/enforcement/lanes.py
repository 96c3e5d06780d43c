"""Who may wait for Remit: bounded, shared out between callers, refused at once beyond that.

A request waits from the moment it is read until its decision is durable, or it is answered. What it does before
(a body that dribbles in) and afterwards (an upstream that takes minutes, a stream) is no queue of Remit's and holds no
place. Belongs to one event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from remit.enforcement.congestion import WINDOW, Bounds, adjusted, share

FULL: Final = "full"  # as many wait as may
SHARE: Final = "share"  # this caller has its share of them
Key = bytes | str | None  # whose place it is: a credential as it was shown, or the agent that it is known to be of
_MOST_KNOWN: Final = 4096  # credentials whose agent is remembered

_here: ContextVar[Ticket | None] = ContextVar("ticket", default=None)


class Ticket:
    """One place in a lane; given back once, however often that is said."""

    __slots__ = ("_began", "_credential", "_key", "_lane", "_paused")

    def __init__(self, lane: Lane, key: Key, credential: bytes | None, began: float) -> None:
        self._lane: Lane | None = lane
        self._key = key
        self._credential = credential
        self._began = began
        self._paused = False

    def leave(self) -> None:
        """It waits for Remit no longer."""
        lane, self._lane = self._lane, None
        if lane is not None and not self._paused:
            lane.left(self._key, self._began)

    def pause(self) -> None:
        """Remit waits for it: for the rest of its body. Its place is another's meanwhile."""
        if self._lane is not None and not self._paused:
            self._paused = True
            self._lane.give(self._key)

    def resume(self) -> None:
        """All of it is there."""
        if self._lane is not None and self._paused:
            self._paused = False
            self._began = self._lane.again(self._key)

    def carry(self) -> None:
        """From here on in this task, `known` and `decided` are about it."""
        _here.set(self)

    def learn(self, agent: str) -> None:
        """What was shown for it was verified, and is this agent's."""
        if self._lane is not None and self._credential is not None:
            self._lane.learn(self._credential, agent)


def known(agent: str) -> None:
    """The request of this task is from `agent`: that was verified."""
    if (ticket := _here.get()) is not None:
        ticket.learn(agent)


def decided() -> None:
    """The request of this task has its decision."""
    if (ticket := _here.get()) is not None:
        ticket.leave()


class Lane:
    """One queue that is made of requests instead of a list.

    Args:
        name: In metrics and in the log.
        bounds: Between what its limit moves; `least` = `most` fixes it.
        clock: Seconds that only go up.
    """

    def __init__(self, name: str, bounds: Bounds, clock: Callable[[], float]) -> None:
        self.name = name
        self.limit = bounds.most
        self.waiting = 0
        self.refused: dict[str, int] = dict.fromkeys((FULL, SHARE), 0)  # by reason, since the start
        self._bounds = bounds
        self._clock = clock
        self._held: dict[Key, int] = {}
        self._known: dict[bytes, str] = {}
        self._since = clock()
        self._count = 0
        self._waited = 0.0

    def enter(self, credential: bytes | None) -> Ticket | None:
        """A place, or None: then the caller is told to come back. Nothing of the request is looked at for it.

        Args:
            credential: The Authorization header, unverified; None: nobody shares with anybody.
        """
        if self.waiting >= self.limit:
            self.refused[FULL] += 1
            return None
        key: Key = None
        if credential is not None:
            key = self._known.get(credential, credential)
            mine = self._held.get(key, 0)
            if mine and mine >= share(self.limit, len(self._held)):
                self.refused[SHARE] += 1
                return None
        return Ticket(self, key, credential, self.again(key))

    def learn(self, credential: bytes, agent: str) -> None:
        """A credential was verified: from now on its places are those of its agent, with all that the agent shows."""
        if credential not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                del self._known[next(iter(self._known))]  # the one that has been known for the longest time
            self._known[credential] = agent

    def again(self, key: Key) -> float:
        """Take a place, also beyond the limit: what was read is not read in vain. When that was."""
        self.waiting += 1
        if key is not None:
            self._held[key] = self._held.get(key, 0) + 1
        return self._clock()

    def give(self, key: Key) -> None:
        """Give a place back, and say nothing of how long it was held."""
        self.waiting -= 1
        if key is not None:
            held = self._held[key] - 1
            if held:
                self._held[key] = held
            else:
                del self._held[key]

    def left(self, key: Key, began: float) -> None:
        """A place is free again."""
        now = self._clock()
        self.give(key)
        self._count += 1
        self._waited += now - began
        if (now - self._since) * 1_000_000 >= WINDOW:
            self.limit = adjusted(
                self.limit, count=self._count, waited=int(self._waited * 1_000_000), bounds=self._bounds
            )
            self._since, self._count, self._waited = now, 0, 0.0
