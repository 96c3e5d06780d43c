"""Who holds how many of the forward proxy's connections: nobody so many that another agent comes to a closed door.

A connection is held for as long as its agent likes, and taking it away would break what runs. So the share is kept
where it is taken: an agent takes one more only while more are free than it holds. Whoever comes first has a half at
most, the next of such greed a half of what is left, and so on; of 1024 places the tenth still gets one. What one gives
back is everybody's. (Dynamic thresholds of shared buffers, Choudhury and Hahne 1998, with a factor of one.)
"""

from __future__ import annotations

from collections import Counter
from typing import Final

FULL: Final = "full"  # more come at once than are looked at, before it is known who they are


def may_take(held: int, free: int) -> bool:
    """Whether an agent that holds `held` places may take one of `free` (pure)."""
    return held < free


class Places:
    """The places of one proxy. Belongs to the event loop.

    Args:
        most: How many there are.
    """

    name = "proxy"  # in the log, beside the lanes

    def __init__(self, most: int) -> None:
        self._most = most
        self.taken = 0
        self.held: Counter[str] = Counter()  # by agent
        # Since the start, by reason, as a lane says it: of those alone whose agent nobody knew. Who has its share is
        # known, and has an entry of its own.
        self.refused: dict[str, int] = {FULL: 0}

    def take(self, agent: str) -> Place | None:
        """A place for a connection of `agent`; None if it has its share."""
        if not may_take(self.held[agent], self._most - self.taken):
            self._forget(agent)
            return None
        self.taken += 1
        self.held[agent] += 1
        return Place(self, agent)

    def left(self, agent: str) -> None:
        """A connection of `agent` has ended."""
        self.taken -= 1
        self.held[agent] -= 1
        self._forget(agent)

    def _forget(self, agent: str) -> None:
        if not self.held[agent]:
            del self.held[agent]


class Place:
    """One place; given back once, however often that is said."""

    __slots__ = ("_places", "agent")

    def __init__(self, places: Places, agent: str) -> None:
        self._places: Places | None = places
        self.agent = agent

    def leave(self) -> None:
        """Its connection has ended."""
        places, self._places = self._places, None
        if places is not None:
            places.left(self.agent)
