"""Who answers for what: the owner and backups that `operators.cedar` is asked about."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection

from remit.agents.sql import SqlAgents
from remit.kernel.names import AgentName, OwnerName
from remit.people.sql import SqlOwners
from remit.storage.ports import Reader


@dataclass(frozen=True, slots=True)
class Accountable:
    """Answers from what is committed. Empty for what does not exist: nobody owns it."""

    reader: Reader

    def for_agent(self, name: str) -> Collection[str]:
        """The owner and the backups of an agent; a retired person answers for nothing."""

        def query(connection: Connection) -> set[str]:
            agent = SqlAgents(connection).find(AgentName(name))
            return set() if agent is None else _people(SqlOwners(connection), agent.owner)

        return self.reader.read(query)

    def for_owner(self, name: str) -> Collection[str]:
        """An owner and their backups."""
        return self.reader.read(lambda connection: _people(SqlOwners(connection), OwnerName(name)))


def _people(rows: SqlOwners, name: OwnerName) -> set[str]:
    owner = rows.find(name)
    if owner is None:
        return set()
    found = [owner, *(backup for each in owner.backup if (backup := rows.find(each)))]
    return {person.owner for person in found if person.active}
