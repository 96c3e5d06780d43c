"""Looks anew at what is used together: once a day, agent by agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from remit.access.activation_sql import SqlActivations
from remit.certification.together_sql import SqlTogether
from remit.kernel.clock import DAY, Clock
from remit.storage.ports import Reader, Transaction, Writer

_RUNS_KEPT: Final = 90  # days for which it is remembered what runs used: habits change


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Worker threads only."""

    writer: Writer
    reader: Reader
    clock: Clock

    def regroup(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Find every agent's groups anew; of how many they changed. `stop` is asked between agents."""
        before, changed = self.clock.now() // DAY - _RUNS_KEPT, 0
        self.writer.change(lambda tx: SqlTogether(tx.connection).forget(before=before))
        for agent in self.reader.read(lambda connection: SqlTogether(connection).agents()):
            if stop():
                break
            changed += self.writer.change(partial(self._find, agent=agent))
        return changed

    def _find(self, tx: Transaction, agent: str) -> int:
        if not SqlTogether(tx.connection).find(agent):
            return 0
        rows = SqlActivations(tx.connection)
        # What left a group, or joined one, has another idle time: it is judged with the next tick.
        rows.postpone((key, self.clock.now()) for key in rows.keys_of(agent))
        tx.touch(f"activations:{agent}")
        return 1
