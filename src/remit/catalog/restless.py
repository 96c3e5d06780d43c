"""A server that says something new at every listing must not fill the log, nor what is kept beside it.

Each listing that is written down costs an entry and the whole list once more, for ever. What takes away is always
written down, for calls must stop at once. The rest changes nothing that a call is decided on, or restores something:
beyond so many listings a day it waits until the day is over, or until a person has the server asked.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from remit.catalog.model import PinState, Server
from remit.kernel.clock import DAY, Instant

MOST: Final = 50  # listings of one server that are written down in any 24 hours


def waits(before: Server, after: Server) -> bool:
    """Whether a listing may wait: it is not the first one, and no tool that could be called ends with it (pure)."""
    if before.set_pin == "":
        return False
    return not any(
        tool.state is PinState.APPROVED
        and ((now := after.tools.get(name)) is None or now.state is not PinState.APPROVED)
        for name, tool in before.tools.items()
    )


class Listings:
    """How many listings of each server were written down lately, by this process. Any thread."""

    def __init__(self) -> None:
        self._times: dict[str, deque[Instant]] = {}
        self._told: dict[str, Instant] = {}
        self._lock = threading.Lock()

    def full(self, server: str, now: Instant) -> bool:
        """Whether as many were written down as one server gets."""
        with self._lock:
            times = self._times.get(server)
            while times and times[0] <= now - DAY:
                times.popleft()
            return times is not None and len(times) >= MOST

    def took(self, server: str, now: Instant) -> None:
        """One was written down. Those that took away count, too: what they took is not given back by the next."""
        with self._lock:
            self._times.setdefault(server, deque(maxlen=MOST)).append(now)

    def tell(self, server: str, now: Instant) -> bool:
        """Whether to tell a person that this one waits: once a day."""
        with self._lock:
            last = self._told.get(server)
            if last is not None and now - last < DAY:
                return False
            self._told[server] = now
            return True
