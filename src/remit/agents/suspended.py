"""Who suspended an agent: an owner may take back what an owner did, and not what security did."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from remit.kernel.clock import Instant
from remit.kernel.names import AgentName
from remit.storage.schema import suspensions


class SqlSuspensions:
    """Suspensions in force, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def by(self, agent: AgentName) -> str | None:
        """Who suspended the agent; None if it is not suspended, or if nobody knows any more."""
        query = select(suspensions.c.by).where(suspensions.c.agent == agent)
        found: str | None = self._connection.execute(query).scalar_one_or_none()
        return found

    def put(self, agent: AgentName, by: str, *, now: Instant) -> None:
        """Keep who suspended it last."""
        self.end(agent)
        self._connection.execute(insert(suspensions).values(agent=agent, by=by, since=now))

    def end(self, agent: AgentName) -> None:
        """It is suspended no longer."""
        self._connection.execute(delete(suspensions).where(suspensions.c.agent == agent))
