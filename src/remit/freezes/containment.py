"""Whether a stop holds everywhere: what each enforcement point has confirmed.

An enforcement point that keeps state of its own refuses by itself once its lease is over:
`BOUND` after it **sent** the last acknowledgement that was answered as fresh. So a point that
has sent none for that long needs no further proof: it is expired, whatever it may still hold
unread. An acknowledgement is fresh only if it names the newest epoch; one that lags behind does
not renew the lease, or a point could hold it for ever without having heard of the freeze.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

GATEWAY: Final = "gateway"  # this node's own enforcement, which has applied a change before it is answered
BOUND: Final = 5.0  # seconds, as the bound of a view (policy.view.STALE_AFTER)


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest epoch a point confirmed, and when it last did so freshly (seconds, monotonic)."""

    epoch: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Containment:
    """Which points are known to hold a stop, which have refused by themselves, and which are not known of yet."""

    confirmed: tuple[str, ...]
    expired: tuple[str, ...]
    pending: tuple[str, ...]

    @property
    def contained(self) -> bool:
        """Whether no point can still let through what was stopped."""
        return not self.pending


def containment(points: Iterable[str], heard: Mapping[str, Heard], *, epoch: int, now: float) -> Containment:
    """Where `points` stand about a stop that took effect at `epoch`. Pure."""
    confirmed, expired, pending = [GATEWAY], [], []
    for name in sorted(points):
        last = heard.get(name)
        if last is not None and last.epoch >= epoch:
            confirmed.append(name)
        elif last is None or now - last.at > BOUND:
            expired.append(name)
        else:
            pending.append(name)
    return Containment(confirmed=tuple(confirmed), expired=tuple(expired), pending=tuple(pending))


class Acknowledgements:
    """What each registered point has confirmed to this process. Any thread.

    Args:
        names: The registered points.
        epoch: The newest epoch that this node has applied.
        current: Whether this node itself knows that it lacks nothing; else it lets no point go on.
        monotonic: Seconds that never go back.
        told: Is told of every point and the epoch that it confirmed.
    """

    def __init__(
        self,
        *,
        names: Callable[[], Iterable[str]],
        epoch: Callable[[], int],
        current: Callable[[], bool] = lambda: True,
        monotonic: Callable[[], float] = time.monotonic,
        told: Callable[[str, int], None] = lambda _point, _epoch: None,
    ) -> None:
        self._told = told
        self._names = names
        self._epoch = epoch
        self._current = current
        self._monotonic = monotonic
        self._heard: dict[str, Heard] = {}
        self._lock = threading.Lock()
        # A point may hold a lease that the process before this one gave it.
        self._began = monotonic()

    def confirm(self, point: str, epoch: int) -> bool:
        """`point` has applied everything up to `epoch`; whether that is all there is, so that its lease begins anew."""
        with self._lock:
            newest, last = self._epoch(), self._heard.get(point, Heard(-1, self._began))
            fresh = epoch >= newest and self._current()
            self._heard[point] = Heard(max(epoch, last.epoch), self._monotonic() if fresh else last.at)
        self._told(point, epoch)
        return fresh

    def connected(self) -> dict[str, bool]:
        """Every registered point, and whether it may go on by what this process last told it: its lease runs."""
        with self._lock:
            now, heard = self._monotonic(), self._heard
            return {
                name: name in heard and heard[name].epoch >= 0 and now - heard[name].at <= BOUND
                for name in sorted(self._names())
            }

    def held(self, applied: int) -> int:
        """The epoch that every point that hangs on this node has, once the node has `applied`; for other nodes to know.

        A point that is silent past the bound has refused by itself. One that has not been heard yet may hold a lease
        that the process before this one gave it, until the bound has passed.
        """
        with self._lock:
            names, now = set(self._names()), self._monotonic()
            if names and now - self._began <= BOUND:
                return 0
            heard = [last for name, last in self._heard.items() if name in names and now - last.at <= BOUND]
            return min([applied, *(last.epoch for last in heard)])

    def of(self, epoch: int) -> Containment:
        """Where every registered point stands about a stop that took effect at `epoch`."""
        with self._lock:
            names = set(self._names())
            self._heard = {name: last for name, last in self._heard.items() if name in names}
            heard = {name: self._heard.get(name, Heard(-1, self._began)) for name in names}
            return containment(names, heard, epoch=epoch, now=self._monotonic())
