"""Agents in the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from remit.agents.binding import Binding
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.kernel.canonical import canonical, parse
from remit.kernel.names import AgentName, OwnerName
from remit.storage.schema import agents


def body(agent: Agent) -> str:
    """The stored body of an agent; its digest is what the log names."""
    said = {
        "agent": agent.agent,
        "owner": agent.owner,
        "version": agent.version,
        "purposes": list(agent.purposes),
        "max_instances": agent.max_instances,
        "sender_constraint": agent.sender_constraint.value,
        "not_after": agent.not_after,
        "max_run": agent.max_run,
        "keys": [dict(key) for key in agent.keys],
        "state": agent.state.value,
    }
    # What is not said is left out, so that the digests of older agents stay what the log says.
    if agent.uids:
        said["uids"] = list(agent.uids)
    if agent.bindings:
        said["bindings"] = [[each.method, dict(each.said)] for each in agent.bindings]
    if agent.delegates:
        said["delegates"] = list(agent.delegates)
    if agent.max_children:
        said["max_children"] = agent.max_children
    if agent.max_widening is not None:
        said["max_widening"] = agent.max_widening
    return canonical(said).decode("utf-8")


def _agent(row: Row[Any]) -> Agent:
    said = parse(row.body)
    return Agent(
        agent=AgentName(row.agent),
        owner=OwnerName(row.owner),
        version=said["version"],
        purposes=tuple(said["purposes"]),
        max_instances=said["max_instances"],
        sender_constraint=SenderConstraint(said["sender_constraint"]),
        not_after=said["not_after"],
        max_run=said["max_run"],
        keys=tuple(said["keys"]),
        state=AgentState(row.state),
        uids=tuple(said.get("uids", ())),
        bindings=tuple(Binding(method, conditions) for method, conditions in said.get("bindings", ())),
        delegates=tuple(AgentName(each) for each in said.get("delegates", ())),
        max_children=said.get("max_children", 0),
        max_widening=said.get("max_widening"),
    )


class SqlAgents:
    """Agents, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, name: AgentName) -> Agent | None:
        """The agent in any state; None if there is none of that name."""
        row = self._connection.execute(select(agents).where(agents.c.agent == name)).one_or_none()
        return None if row is None else _agent(row)

    def all(self) -> list[Agent]:
        """Every agent in any state, by name."""
        return [_agent(row) for row in self._connection.execute(select(agents).order_by(agents.c.agent))]

    def of_owner(self, owner: OwnerName) -> list[Agent]:
        """The agents that `owner` answers for, in any state, by name."""
        query = select(agents).where(agents.c.owner == owner).order_by(agents.c.agent)
        return [_agent(row) for row in self._connection.execute(query)]

    def put(self, agent: Agent) -> None:
        """Insert or replace."""
        values = {"owner": agent.owner, "state": agent.state.value, "body": body(agent)}
        done = self._connection.execute(update(agents).where(agents.c.agent == agent.agent).values(values))
        if done.rowcount == 0:
            self._connection.execute(insert(agents).values(agent=agent.agent, **values))


def load_all(connection: Connection) -> list[Agent]:
    """Every agent in any state."""
    return SqlAgents(connection).all()


def load(connection: Connection, name: str) -> Agent | None:
    """One agent in any state, or None."""
    return SqlAgents(connection).find(AgentName(name))
