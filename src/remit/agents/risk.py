"""How risky an agent is now, in millionths, as a person or a signal said."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from remit.kernel.clock import Instant
from remit.kernel.errors import Malformed
from remit.kernel.names import AgentName
from remit.storage.schema import risks

MOST = 1_000_000


def checked(value: object) -> int:
    """A risk from 0 to 1,000,000.

    Raises:
        Malformed: It is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
        raise Malformed("a risk is a whole number from 0 to 1000000 (millionths)")
    return value


class SqlRisks:
    """Risks, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self, agent: str | None = None) -> list[tuple[str, int]]:
        """Agents with a risk: all of them, or one."""
        query = select(risks.c.agent, risks.c.risk)
        rows = self._connection.execute(query if agent is None else query.where(risks.c.agent == agent))
        return [(row.agent, row.risk) for row in rows]

    def put(self, agent: AgentName, risk: int, *, now: Instant) -> None:
        """Say how risky an agent is; 0 takes the word back."""
        self._connection.execute(delete(risks).where(risks.c.agent == agent))
        if risk:
            self._connection.execute(insert(risks).values(agent=agent, risk=risk, since=now))
