"""The coverage clock: for how long the record of use has been complete, all told.

Non-use may be asserted only where nothing could have been missed. So idleness is measured on
this clock, which runs while Remit runs and beats, and stands still otherwise: after an outage,
a gap in the heartbeats or a jump of the wall clock nothing has become idle that could not be seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, insert, select

from remit.kernel.canonical import canonical
from remit.kernel.clock import SECOND, Instant, Micros
from remit.storage.schema import meta

KEY: Final = "coverage"
BEAT_SECONDS: Final = 60.0
# A restart within two beats and a half leaves no gap: what came meanwhile found nobody who could let it pass.
NO_GAP: Final = 150 * SECOND


class CoverageClock:
    """Microseconds of complete record. Any thread; written only by `beat`.

    Where several nodes write one record, each runs this clock, and each keeps the use it saw in memory for up to a
    beat. The record is complete only as far as all of them have written theirs down: `written` is the lowest reading
    at which another node last did (None: there is no other node).
    """

    def __init__(
        self, monotonic: Callable[[], int] = time.monotonic_ns, *, written: Callable[[], int | None] = lambda: None
    ) -> None:
        self._monotonic = monotonic
        self._written = written
        self._base = 0
        self._since = monotonic()

    def open(self, connection: Connection, now: Instant) -> Micros:
        """Go on from the last beat; returns the gap that was left out, in microseconds (0: none)."""
        stored = connection.execute(select(meta.c.value).where(meta.c.key == KEY)).scalar_one_or_none()
        said = {"covered": 0, "at": now} if stored is None else msgspec.json.decode(stored)
        away = now - said["at"]
        whole = 0 <= away <= NO_GAP
        self._base, self._since = said["covered"] + (away if whole else 0), self._monotonic()
        return Micros(0 if whole else abs(away))

    def covered(self) -> Micros:
        """For how long the record is complete: what idleness is measured by."""
        reading, written = self.reading(), self._written()
        return reading if written is None else Micros(min(reading, written))

    def reading(self) -> Micros:
        """The clock's own reading: when something is seen that this node will write down."""
        return Micros(self._base + (self._monotonic() - self._since) // 1000)

    def beat(self, connection: Connection, now: Instant) -> None:
        """Keep the reading, within a change."""
        value = canonical({"covered": self.reading(), "at": now}).decode("utf-8")
        connection.execute(delete(meta).where(meta.c.key == KEY))
        connection.execute(insert(meta).values(key=KEY, value=value))
