"""Certification in the background: what is due each second, what changed at once, everything once a day."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from remit.certification.service import CertificationService
from remit.kernel.clock import DAY, EPOCH, MINUTE, Clock, Instant
from remit.kernel.errors import RemitError
from remit.logs import logger
from remit.server.changed import Changed

_EVERY = 1.0  # seconds
_FIRST_SWEEP = 10 * MINUTE  # after the start, which has enough to do; what is due is judged from the first second
_log = logger("remit.certification")
Stop = Callable[[], bool]
"""Asked between steps: whether the server ends."""


@dataclass(slots=True, kw_only=True)
class Certifying:
    """The loop. One failure ends neither it nor what comes after.

    Args:
        service: Judges.
        clock: Says when.
        noticing: Looks at one agent before it is judged, because something about it changed.
        ticks: What else is asked each second, by name; cheap when nothing is due.
        daily: What is done once a day, after everything was judged.
        swept: When that was last, as far as it is known.
        changed: Whom something changed about since they were judged.
        leads: Whether this node is the one that does it. The others take note of what changed, and do nothing: when
            the leader goes, whoever follows judges all of that again.
    """

    service: CertificationService
    clock: Clock
    noticing: Callable[[str], object] = lambda _agent: None
    ticks: Mapping[str, Callable[[Stop], object]] = field(default_factory=dict)
    daily: Mapping[str, Callable[[Stop], object]] = field(default_factory=dict)
    swept: Callable[[], Instant] = lambda: EPOCH  # when everything was swept last, by the log
    changed: Changed = field(default_factory=Changed)
    leads: Callable[[], bool] = lambda: True
    _next: int = 0  # when everything is swept; 0: not since the start
    _ending: threading.Event = field(default_factory=threading.Event)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await asyncio.sleep(_EVERY)
                await asyncio.to_thread(self.once)
        finally:
            self._ending.set()  # a thread cannot be cancelled: it stops before its next step

    def once(self) -> None:
        """What is to be done now. One agent that cannot be judged keeps nothing else from lapsing."""
        if not self.leads():
            return
        self._tried("changed", self._judge_changed)
        self._tried("due", self.service.tick)
        for name, tick in self.ticks.items():
            self._tried(name, tick)
        if self._sweeps():
            self._tried("sweep", self._sweep)
            for name, work in self.daily.items():
                self._tried(name, work)

    def _tried(self, name: str, work: Callable[[Stop], object]) -> None:
        if self._ending.is_set():
            return  # the process ends, and waits for this thread
        try:
            work(lambda: self._ending.is_set() or not self.leads())
        except RemitError as error:
            _log.warning("not certified", what=name, error=error.public, detail=error.detail)
        except Exception:  # noqa: BLE001 - whatever it was, without this loop nothing would lapse on the record
            _log.exception("not certified", what=name)

    def _judge_changed(self, stop: Stop) -> None:
        changed, done = self.changed.take(), 0
        try:
            for agent in changed:
                self.noticing(agent)
                self.service.judge_agent(agent, stop)
                done += 1
        finally:
            # In the next second. Who failed comes last: it must not keep the others waiting for ever.
            self.changed.again(changed[done + 1 :] + changed[done : done + 1])

    def _sweeps(self) -> bool:
        now = self.clock.now()
        if self._next == 0:
            # A server that starts anew every few hours must not be one that never sweeps.
            self._next = max(now + _FIRST_SWEEP, self.swept() + DAY)
        if now < self._next:
            return False
        self._next = now + DAY
        return True

    def _sweep(self, stop: Stop) -> None:
        seen, moved = self.service.sweep(stop)
        _log.info("swept", entitlements=seen, changed=moved)
