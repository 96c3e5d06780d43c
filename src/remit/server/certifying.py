"""Certification in the background: what is due each second, what changed at once, everything once a day."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection

from remit.certification.service import CertificationService
from remit.kernel.clock import DAY, HOUR, Clock
from remit.kernel.errors import RemitError

_EVERY = 1.0  # seconds
_FIRST_SWEEP = HOUR  # after the start, which has enough to do; what is due is judged from the first second
_log = structlog.get_logger("remit.certification")


@dataclass(slots=True, kw_only=True)
class Certifying:
    """The loop. One failure does not end it."""

    service: CertificationService
    clock: Clock
    _changed: dict[str, None] = field(default_factory=dict)
    _next: int = 0  # when everything is swept; 0: not since the start
    _ending: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)  # `follow` runs on the writer's thread

    def follow(self, _epoch: int, topics: tuple[str, ...], _connection: Connection) -> None:
        """Take note of agents about whom something changed (remit.storage.ports.Feed)."""
        for topic in topics:
            kind, _, name = topic.partition(":")
            if kind == "agent":
                with self._lock:
                    self._changed[name] = None

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await asyncio.sleep(_EVERY)
                await self._tried()
        finally:
            self._ending.set()  # a thread cannot be cancelled: it stops before its next step

    async def _tried(self) -> None:
        try:
            await asyncio.to_thread(self.once)
        except RemitError as error:
            _log.warning("not certified", error=error.public, detail=error.detail)
        except Exception:  # noqa: BLE001 - whatever it was, without this loop nothing would lapse on the record
            _log.exception("not certified")

    def once(self) -> None:
        """What is to be done now."""
        try:
            self._judge_changed()
        finally:  # one agent that cannot be judged keeps nothing else from lapsing
            self._judge_due()

    def _judge_changed(self) -> None:
        with self._lock:
            changed, self._changed = list(self._changed), {}
        done = 0
        try:
            for agent in changed:
                self.service.judge_agent(agent, self._ending.is_set)
                done += 1
        finally:
            self._again(changed[done + 1 :] + changed[done : done + 1])

    def _again(self, agents: Iterable[str]) -> None:
        """Judge these in the next second. Who failed comes last: it must not keep the others waiting for ever."""
        with self._lock:
            self._changed |= dict.fromkeys(agents)

    def _judge_due(self) -> None:
        self.service.tick(self._ending.is_set)
        now = self.clock.now()
        if self._next == 0:
            self._next = now + _FIRST_SWEEP
        elif now >= self._next:
            self._next = now + DAY
            seen, moved = self.service.sweep(self._ending.is_set)
            _log.info("swept", entitlements=seen, changed=moved)
