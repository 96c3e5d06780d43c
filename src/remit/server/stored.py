"""The stored facts of all rooms, as the policy decision point reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from remit.access import sql as access_sql
from remit.access.activation import Activation, ActivationKey
from remit.access.activation_seal import Unsealed
from remit.access.activation_sql import SqlActivations
from remit.access.doubt import Doubt
from remit.access.model import Boundary, Purpose
from remit.access.opening import Opening
from remit.access.openings_sql import SqlOpenings
from remit.access.sql import SqlPurposes
from remit.agents.model import Agent
from remit.agents.risk import Risk, SqlRisks
from remit.agents.sql import SqlAgents
from remit.catalog.model import Server
from remit.catalog.sql import SqlServers
from remit.certification.doubts_sql import SqlDoubts
from remit.certification.together_sql import SqlTogether
from remit.certification.usage.sql import SqlUsage
from remit.freezes.model import Freeze
from remit.freezes.sql import SqlFreezes
from remit.kernel.names import AgentName, BoundaryName, OwnerName, PurposeName, ServerName
from remit.people.model import Owner
from remit.people.sql import SqlOwners
from remit.policy.approved import Standing
from remit.policy.entitlement import Covered
from remit.policy.sql import SqlPolicies
from remit.requests.sql import SqlRequests


class StoredFacts:
    """Implements remit.policy.ports.FactSource over the rooms' repositories."""

    def __init__(self, seal: Unsealed) -> None:
        self._seal = seal

    def owners(self, connection: Connection) -> Iterable[Owner]:
        """Every owner."""
        return SqlOwners(connection).all()

    def owner(self, connection: Connection, name: str) -> Owner | None:
        """One owner."""
        return SqlOwners(connection).find(OwnerName(name))

    def agents(self, connection: Connection) -> Iterable[Agent]:
        """Every agent."""
        return SqlAgents(connection).all()

    def agent(self, connection: Connection, name: str) -> Agent | None:
        """One agent."""
        return SqlAgents(connection).find(AgentName(name))

    def purposes(self, connection: Connection) -> Iterable[Purpose]:
        """Every purpose."""
        return SqlPurposes(connection).all()

    def purpose(self, connection: Connection, name: str) -> Purpose | None:
        """One purpose."""
        return SqlPurposes(connection).find(PurposeName(name))

    def boundaries(self, connection: Connection) -> Iterable[Boundary]:
        """Every boundary version in force."""
        return access_sql.load_all(connection)

    def boundaries_of(self, connection: Connection, agent: str) -> Iterable[Boundary]:
        """One agent's boundary versions in force."""
        return access_sql.load_of_agent(connection, agent)

    def servers(self, connection: Connection) -> Iterable[Server]:
        """Every server with its tools."""
        return SqlServers(connection).all()

    def server(self, connection: Connection, name: str) -> Server | None:
        """One server with its tools."""
        return SqlServers(connection).find(ServerName(name))

    def activations(self, connection: Connection, agent: str) -> Iterable[Activation]:
        """One agent's activations."""
        return SqlActivations(connection, self._seal).of_agent(agent)

    def together(self, connection: Connection, agent: str) -> Mapping[ActivationKey, tuple[ActivationKey, ...]]:
        """What is used together."""
        return SqlTogether(connection).of_agent(agent)

    def coverage(self, connection: Connection) -> Mapping[str, Covered]:
        """When each server's record of use is complete."""
        return SqlUsage(connection).coverage()

    def doubts(self, connection: Connection) -> Mapping[str, tuple[Doubt, ...]]:
        """Whose record of use is not believed."""
        return SqlDoubts(connection).by_server()

    def openings(self, connection: Connection) -> Mapping[tuple[AgentName, BoundaryName], Opening]:
        """Which boundaries for emergencies are open."""
        return SqlOpenings(connection).standing()

    def approvals(self, connection: Connection) -> Iterable[Standing]:
        """The access requests that still say something."""
        return SqlRequests(connection).standing()

    def risks(self, connection: Connection, agent: str | None = None) -> Iterable[tuple[str, Risk]]:
        """Agents' risks."""
        return SqlRisks(connection).all(agent)

    def freezes(self, connection: Connection) -> Iterable[Freeze]:
        """The freezes in force."""
        return SqlFreezes(connection).in_force()

    def policies(self, connection: Connection) -> Mapping[str, str]:
        """The organisation's policies."""
        return SqlPolicies(connection).all()
