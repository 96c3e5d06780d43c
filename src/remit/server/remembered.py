"""An answer that is costly to come by, kept for whom an older one will do: it is made anew behind their backs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from remit.kernel.clock import Clock, Instant, Micros

T = TypeVar("T")
_PATIENCE: Final = 0.2  # seconds


class Remembered(Generic[T]):
    """What `make` says, and when it said so. Any thread; `make` runs on one thread at a time.

    Args:
        make: Comes by the answer. Its errors are raised to who waits for it; made behind somebody's back, the next one
            who asks tries again.
        clock: The time.
        behind: Comes by the same answer where nobody waits for it: slower, and less in the way of others.
    """

    def __init__(self, make: Callable[[], T], clock: Clock, *, behind: Callable[[], T] | None = None) -> None:
        self._make: Final = make
        self._made_behind: Final = behind or make
        self._clock: Final = clock
        self._making: Final = threading.Lock()
        self._known: tuple[T, Instant] | None = None

    def now(self) -> T:
        """A new answer. Blocks."""
        with self._making:
            return self._renewed(self._make)

    def within(self, age: Micros) -> T | None:
        """The newest answer there is, at once. If it is older than `age`, another is begun.

        The very first is waited for a moment; None if it is not there then.
        """
        known = self._known
        old = known is None or self._clock.now() - known[1] > age
        if old and self._making.acquire(blocking=False):
            maker = threading.Thread(target=self._behind, name="remit-remembered", daemon=True)
            maker.start()
            if known is None:
                maker.join(_PATIENCE)
                known = self._known
        return None if known is None else known[0]

    def _renewed(self, make: Callable[[], T]) -> T:
        found = make()
        self._known = (found, self._clock.now())
        return found

    def _behind(self) -> None:
        try:
            self._renewed(self._made_behind)
        except Exception:  # noqa: BLE001, S110 - nobody waits for it; whoever asks next is told
            pass
        finally:
            self._making.release()
