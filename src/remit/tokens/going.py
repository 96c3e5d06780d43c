"""Runs that this node gave tokens for, by heart: so that the next token of one needs no change of state."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from remit.kernel.clock import Instant
from remit.tokens.model import Granted, Run, Wish

_MOST: Final = 65_536  # runs; one more token of a run that was forgotten is a change of state, as its first was
Place = tuple[str, str, str, str]


class GoingRuns:
    """The newest known run of each running copy and purpose. Any thread.

    It is a memory, not the truth: who goes by it commits a `Renew`, which fails if the run is over or another by then.
    A newer run that the same copy opened at another node is not known here; then the older one goes on, as open as it.
    """

    def __init__(self) -> None:
        self._runs: OrderedDict[Place, Run] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, wish: Wish, now: Instant) -> Run | None:
        """The run that goes on with this wish, as far as is known."""
        if wish.new_run:
            return None
        with self._lock:
            found = self._runs.get(_place(wish))
        return found if found is not None and found.open(now) else None

    def keep(self, granted: Granted) -> None:
        """Remember the run of a token that was issued."""
        place = _place(granted.wish)
        with self._lock:
            known = self._runs.get(place)
            # Two tokens at once are answered in any order.
            if known is None or (known.opened, known.token_expires) <= (granted.run.opened, granted.run.token_expires):
                self._runs[place] = granted.run
            self._runs.move_to_end(place)
            if len(self._runs) > _MOST:
                self._runs.popitem(last=False)

    def forget(self, wish: Wish) -> None:
        """It is not as it was known."""
        with self._lock:
            self._runs.pop(_place(wish), None)


def _place(wish: Wish) -> Place:
    return wish.agent.agent, wish.instance, wish.purpose.purpose, wish.links[-1].run if wish.links else ""
