"""How many decisions were made in each second of the last quarter of an hour: in memory, of one size for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

SECONDS: Final = 900
ALLOW, DENY, OTHER = 0, 1, 2


class Paced(NamedTuple):
    """What was decided in one second. `other`: what would be denied and was let through, and what nothing decided."""

    allow: int
    deny: int
    other: int


class Pace:
    """Counts seconds that the process has lived through. Counted on one thread, read on any.

    Args:
        monotonic: Seconds that never go back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._stamps = [-1] * SECONDS
        self._counts = [[0, 0, 0] for _ in range(SECONDS)]

    def count(self, kind: int) -> None:
        """One more, of ALLOW, DENY or OTHER."""
        second = int(self._monotonic())
        at = second % SECONDS
        if self._stamps[at] != second:
            self._counts[at] = [0, 0, 0]  # before its stamp: nobody reads an old count as this second's
            self._stamps[at] = second
        self._counts[at][kind] += 1

    def last(self, seconds: int = SECONDS) -> list[Paced]:
        """The last `seconds` whole seconds, the oldest first; the one that goes on is not among them.

        Args:
            seconds: At most SECONDS - 1 are known.
        """
        now = int(self._monotonic())
        return [self._of(second) for second in range(now - min(seconds, SECONDS - 1), now)]

    def _of(self, second: int) -> Paced:
        at = second % SECONDS
        return Paced(*self._counts[at]) if self._stamps[at] == second else Paced(0, 0, 0)
