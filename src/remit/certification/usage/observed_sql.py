"""Imported use as rightsizing reads it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from remit.certification.rightsizing.proposal import Observed
from remit.certification.usage.model import OWN, Kind
from remit.kernel.clock import Instant
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.storage.governance_schema import usage_events
from remit.storage.ports import Reader


class SqlObservedUses:
    """Implements remit.certification.ports.ObservedUses on the table of imported events."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def of(self, agent: AgentName, *, most: int) -> Sequence[Observed]:
        """The newest uses of one agent, newest first. Remit's own are left out: the log has them, arguments and all."""
        columns = usage_events.c
        query = (
            select(columns.purpose, columns.action, columns.at)
            .where(columns.agent == agent, columns.kind == Kind.USE.value, columns.source != OWN)
            .order_by(columns.at.desc(), columns.source, columns.id)
            .limit(most)
        )

        def read(connection: Connection) -> list[Observed]:
            return [
                Observed(
                    agent=agent,
                    purpose=PurposeName(row.purpose),
                    action=ActionName(row.action),
                    at=Instant(row.at),
                )
                for row in connection.execute(query)
            ]

        return self._reader.read(read)
