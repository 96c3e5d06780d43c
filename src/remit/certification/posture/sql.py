"""The figures of each day in the database: a row for each agent, and one (agent "") for all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import Connection, delete, select

from remit.certification.posture.row import Row, row_from, row_text
from remit.storage.governance_schema import posture
from remit.storage.upsert import insert

ALL = ""
_STEP = 1000


class Dated(NamedTuple):
    """One row and where it stands."""

    day: int  # UTC days since 1970
    agent: str
    row: Row


class SqlPosture:
    """Rows of the posture, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def has(self, day: int, agent: str) -> bool:
        """Whether the row is there."""
        here = (posture.c.day == day, posture.c.agent == agent)
        return self._connection.execute(select(posture.c.day).where(*here)).first() is not None

    def among(self, day: int, agents: Collection[str]) -> set[str]:
        """Those of `agents` that have a row of that day."""
        query = select(posture.c.agent).where(posture.c.day == day, posture.c.agent.in_(agents))
        return set(self._connection.execute(query).scalars())

    def put(self, day: int, rows: Iterable[tuple[str, Row]], *, anew: bool = False) -> None:
        """Write rows. One that is there stays, for a day's first snapshot is the day's; or (`anew`) it goes."""
        values = [{"day": day, "agent": agent, "body": row_text(row)} for agent, row in rows]
        if values:
            if anew:
                theirs = posture.c.agent.in_([each["agent"] for each in values])
                self._connection.execute(delete(posture).where(posture.c.day == day, theirs))
            self._connection.execute(insert(posture, self._connection).values(values).on_conflict_do_nothing())

    def newest(self, *, until: int) -> int | None:
        """The newest day, `until` at the latest, whose rows are all there; None if there is none."""
        query = select(posture.c.day).where(posture.c.agent == ALL, posture.c.day <= until)
        return self._connection.execute(query.order_by(posture.c.day.desc()).limit(1)).scalar_one_or_none()

    def oldest(self) -> int | None:
        """The oldest day whose rows are all there."""
        query = select(posture.c.day).where(posture.c.agent == ALL).order_by(posture.c.day).limit(1)
        return self._connection.execute(query).scalar_one_or_none()

    def find(self, day: int, agent: str) -> Row | None:
        """One row, or None."""
        here = (posture.c.day == day, posture.c.agent == agent)
        found = self._connection.execute(select(posture.c.body).where(*here)).scalar_one_or_none()
        return None if found is None else row_from(found)

    def page(self, day: int, *, after: str = ALL, most: int = _STEP) -> list[Dated]:
        """Up to `most` agents' rows of a day, by name, those behind `after`."""
        here = (posture.c.day == day, posture.c.agent > after)
        query = select(posture).where(*here).order_by(posture.c.agent).limit(most)
        return [Dated(row.day, row.agent, row_from(row.body)) for row in self._connection.execute(query)]

    def day(self, day: int) -> Iterator[Dated]:
        """Every agent's row of a day, read in pages."""
        after = ALL
        while found := self.page(day, after=after):
            yield from found
            after = found[-1].agent

    def series(self, agent: str, *, since: int, until: int) -> list[Dated]:
        """The rows of one agent from day `since` to day `until`, both included, the oldest first."""
        query = select(posture).where(posture.c.agent == agent, posture.c.day >= since, posture.c.day <= until)
        rows = self._connection.execute(query.order_by(posture.c.day))
        return [Dated(row.day, row.agent, row_from(row.body)) for row in rows]

    def forget(self, *, before: int) -> None:
        """Delete the agents' rows of days before `before`; those of all agents together are kept for ever."""
        self._connection.execute(delete(posture).where(posture.c.day < before, posture.c.agent != ALL))
