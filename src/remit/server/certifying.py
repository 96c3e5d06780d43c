"""Certification in the background: what is due each second, what changed at once, everything once a day."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection

from remit.certification.service import CertificationService
from remit.kernel.clock import DAY, Clock
from remit.kernel.errors import RemitError

_EVERY = 1.0  # seconds
_log = structlog.get_logger("remit.certification")


@dataclass(slots=True, kw_only=True)
class Certifying:
    """The loop. One failure does not end it."""

    service: CertificationService
    clock: Clock
    _changed: dict[str, None] = field(default_factory=dict)
    _swept: int = 0

    def follow(self, _epoch: int, topics: tuple[str, ...], _connection: Connection) -> None:
        """Take note of agents about whom something changed (remit.storage.ports.Feed)."""
        for topic in topics:
            kind, _, name = topic.partition(":")
            if kind == "agent":
                self._changed[name] = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            try:
                await asyncio.to_thread(self.once)
            except RemitError as error:
                _log.warning("not certified", error=error.public, detail=error.detail)

    def once(self) -> None:
        """What is to be done now."""
        changed, self._changed = self._changed, {}
        for agent in changed:
            self.service.judge_agent(agent)
        self.service.tick()
        now = self.clock.now()
        if now - self._swept >= DAY:
            self._swept = now
            seen, moved = self.service.sweep()
            _log.info("swept", entitlements=seen, changed=moved)
