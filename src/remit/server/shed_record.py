"""What was refused for load, in the log: in sum, because an entry for each would be the very load."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from remit.audit.service import Recorder
from remit.kernel.errors import RemitError
from remit.logs import logger
from remit.storage.model import Work
from remit.storage.ports import Writer

_EVERY: Final = 5.0  # seconds
_log = logger("remit.server")


def risen(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What was added since, of counters that only go up; without those that stand still (pure)."""
    return {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}


class Sheds(Protocol):
    """What refuses for load, and counts."""

    @property
    def name(self) -> str:
        """In the log."""
        ...

    @property
    def refused(self) -> Mapping[str, int]:
        """How many it refused since the start, by reason."""
        ...


@dataclass(slots=True, kw_only=True)
class ShedRecord:
    """Belongs to the event loop."""

    lanes: Sequence[Sheds]
    writer: Writer
    records: Recorder
    _said: dict[str, int] = field(default_factory=dict)

    async def run(self) -> None:
        """Say it every few seconds, and once more at the end."""
        try:
            while True:
                await asyncio.sleep(_EVERY)
                await self.tell()
        finally:
            await self.tell()

    async def tell(self) -> None:
        """Record what was refused since this was last recorded, if anything was."""
        now = {f"{lane.name}_{reason}": count for lane in self.lanes for reason, count in lane.refused.items()}
        if not (said := risen(self._said, now)):
            return
        try:
            await self.writer.submit_async(Work((self.records.entry("shed", said),)))
        except RemitError as error:
            _log.warning("what was refused for load could not be recorded", error=error.public, detail=error.detail)
            return  # it is in the next sum
        self._said = now
