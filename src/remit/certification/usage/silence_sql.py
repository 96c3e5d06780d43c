"""How sources speak, in the database: a row for each that spoke twice, or whose silence was told."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, insert, select, update

from remit.certification.usage.silence import Waits
from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant
from remit.storage.governance_schema import usage_habits


class Habit(NamedTuple):
    """How one source speaks."""

    waits: Waits = ()
    silent: Instant = Instant(0)  # when its silence was told; 0: it is heard, as far as anybody was told


class SqlHabits:
    """Habits of sources, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, source: str) -> Habit:
        """One source's; of one that has none, an empty one."""
        query = select(usage_habits).where(usage_habits.c.source == source)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return Habit()
        waits = tuple((day, wait) for day, wait in msgspec.json.decode(row.waits))
        return Habit(waits, Instant(row.silent))

    def put(self, source: str, habit: Habit) -> None:
        """Insert or replace one."""
        said = canonical([list(each) for each in habit.waits]).decode("utf-8")
        values = {"waits": said, "silent": habit.silent}
        of = usage_habits.c.source == source
        if self._connection.execute(update(usage_habits).where(of).values(values)).rowcount == 0:
            self._connection.execute(insert(usage_habits).values(source=source, **values))
