"""How long after a freeze each enforcement point confirmed it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

_KEPT: Final = 200  # freezes; the oldest goes first


class Arrivals:
    """The first confirmation of each freeze by each point, for as long as this process runs. Any thread.

    Args:
        monotonic: Seconds that never go back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._began: OrderedDict[str, tuple[int, float]] = OrderedDict()  # freeze: its epoch, and when that was
        self._after: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()

    def began(self, freeze: str, epoch: int) -> None:
        """This node has applied a freeze that took effect at `epoch`, before it was answered."""
        with self._lock:
            self._began[freeze] = (epoch, self._monotonic())
            while len(self._began) > _KEPT:
                self._after.pop(self._began.popitem(last=False)[0], None)

    def confirmed(self, point: str, epoch: int) -> None:
        """`point` has applied everything up to `epoch`."""
        with self._lock:
            for freeze, (of, at) in self._began.items():
                if epoch >= of:
                    after = int((self._monotonic() - at) * 1000)
                    self._after.setdefault(freeze, {}).setdefault(point, after)

    def of(self, freeze: str) -> Mapping[str, int]:
        """Milliseconds from the freeze to each point's first confirmation; nothing that this process did not see."""
        with self._lock:
            return dict(self._after.get(freeze, {}))
