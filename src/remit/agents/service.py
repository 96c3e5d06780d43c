"""Agents are registered, changed, suspended, resumed and retired."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from remit.agents import lifecycle
from remit.agents.admission import end_problems, owner_problems
from remit.agents.model import Agent, AgentState
from remit.agents.ports import DataKeys
from remit.agents.risk import Risk, SqlRisks, checked, moved, signal_of
from remit.agents.signals import OWN, Noticed, is_own
from remit.agents.sql import SqlAgents, body
from remit.agents.suspended import SqlSuspensions
from remit.kernel.clock import Clock
from remit.kernel.errors import Conflict, Malformed, NotFound
from remit.kernel.names import AgentName, OwnerName
from remit.keys.jose import public_key
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.people.sql import SqlOwners
from remit.storage.ports import Reader, Transaction, Writer


class AgentService:
    """State changes of agents. Implements remit.people.ports.Suspender."""

    def __init__(self, *, writer: Writer, reader: Reader, records: Records, data_keys: DataKeys, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._records = records
        self._data_keys = data_keys
        self._clock = clock

    def agents(self) -> list[Agent]:
        """Every agent in any state, by name."""
        return self._reader.read(lambda connection: SqlAgents(connection).all())

    def agent(self, name: str) -> Agent:
        """One agent.

        Raises:
            NotFound: There is none of that name.
        """
        return self._reader.read(lambda connection: _found(SqlAgents(connection), name))

    def put(self, tx: Transaction, agent: Agent, *, by: Actor) -> None:
        """Register or update, within a change; what must be true (`admission`) was checked by the caller.

        Raises:
            Conflict: The agent is retired.
        """
        before = SqlAgents(tx.connection).find(agent.agent)
        if before is not None:
            lifecycle.move(agent.agent, before.state, agent.state)
        if agent != before:
            self._data_keys.ensure_data_key(tx, f"agent:{agent.agent}")
            self._store(tx, before, agent, "create" if before is None else "update", by=by)

    def suspend(self, name: str, *, by: Actor, over: Collection[str] = ()) -> Agent:
        """Stop an agent until someone resumes it; a no-op if it is suspended, unless by one of `over`: then it is
        from now on suspended by whoever this is.

        Raises:
            NotFound, Conflict: Unknown; retired.
        """

        def apply(tx: Transaction) -> Agent:
            agent = _found(SqlAgents(tx.connection), name)
            standing = SqlSuspensions(tx.connection).by(agent.agent)
            if agent.state is AgentState.SUSPENDED and standing in over and standing != by.person:
                self._store(tx, agent, agent, "suspend", by=by)
                return agent
            return self._move(tx, name, AgentState.SUSPENDED, "suspend", by=by)

        return self._writer.change(apply)

    def resume(self, name: str, *, by: Actor, may_resume: Callable[[str | None], None] = lambda _by: None) -> Agent:
        """Let a suspended agent work again; a no-op if it is active.

        Args:
            name: Of the agent.
            by: Who resumes it.
            may_resume: Is told who suspended it (None: nobody knows any more), and raises if that forbids it.

        Raises:
            NotFound, Conflict: Unknown; retired, without an active owner, or past its end.
            Forbidden: `may_resume` raised it.
        """

        def apply(tx: Transaction) -> Agent:
            agent = _found(SqlAgents(tx.connection), name)
            if agent.state is AgentState.SUSPENDED:
                may_resume(SqlSuspensions(tx.connection).by(agent.agent))
            owner = SqlOwners(tx.connection).find(agent.owner)
            problems = owner_problems(agent, owner) + end_problems(agent, now=self._clock.now())
            if problems and agent.state is not AgentState.RETIRED:
                raise Conflict(f"the agent {name} cannot be resumed: {problems[0].message}")
            return self._move(tx, name, AgentState.ACTIVE, "resume", by=by)

        return self._writer.change(apply)

    def retire(self, name: str, *, by: Actor) -> Agent:
        """End an agent for ever; a no-op if it is retired.

        Raises:
            NotFound: There is none of that name.
        """
        return self._writer.change(lambda tx: self.retire_within(tx, name, by=by))

    def retire_within(self, tx: Transaction, name: str, *, by: Actor) -> Agent:
        """The same, within a change."""
        return self._move(tx, name, AgentState.RETIRED, "retire", by=by)

    def erase_within(self, tx: Transaction, name: str, *, by: Actor, more: Mapping[str, Any]) -> Agent:
        """Make what was recorded about a retired agent unreadable for ever, within a change; headers stay as they are.

        Its data key goes, and with it every payload; what is recorded about it from now on has a new one.

        Raises:
            NotFound, Conflict: Unknown; not retired: of an agent at work it would take what people and verdicts need.
        """
        agent = _found(SqlAgents(tx.connection), name)
        check_erase(agent)
        owner = f"agent:{agent.agent}"
        self._data_keys.erase_data_key(tx, owner)
        self._data_keys.ensure_data_key(tx, owner)
        kept = body(agent)
        changed = Changed(what="agent", name=agent.agent, change="erase", before=kept, after=kept, more=more)
        record(tx, self._records, changed, by=by)
        return agent

    def set_risk(self, name: str, value: object, *, by: Actor) -> int:
        """Say how risky an agent is now, in millionths; 0 takes the word back.

        Raises:
            NotFound, Malformed: There is none of that name; no risk.
        """
        risk = checked(value)

        def apply(tx: Transaction) -> None:
            rows, agent = SqlRisks(tx.connection), _found(SqlAgents(tx.connection), name)
            before, now = rows.find(agent.agent), self._clock.now()
            after = moved(before, said=risk, noticed=before.noticed, now=now)
            rows.put(agent.agent, after, now=now)
            self._risk_changed(tx, agent.agent, "set", before, after, {"risk": risk}, by=by)

        self._writer.change(apply)
        return risk

    def risk(self, name: str) -> Risk:
        """What is known against an agent."""
        return self._reader.read(lambda connection: SqlRisks(connection).find(name))

    def signal(self, name: str, signal: object, *, about: str = "", on: bool = True, by: Actor) -> Risk:
        """Say that something was noticed about an agent, or that it is over; what is known against it then.

        Raises:
            NotFound, Malformed: There is no agent, or no signal, of that name; or it is said the way in which only
                Remit itself says it (a person may end that).
        """
        if on and is_own(about):
            raise Malformed(f"what Remit itself noticed begins with {OWN}", try_="say in other words what it is about")
        return self._writer.change(lambda tx: self.signal_within(tx, name, signal, about=about, on=on, by=by))

    def signal_within(
        self, tx: Transaction, name: str, signal: object, *, about: str = "", on: bool = True, by: Actor,
        own: bool = False,
    ) -> Risk:  # fmt: skip
        """The same, within a change. What is on already stays as it is.

        With `own`, only what the same actor raised is ended: a feed says nothing against a person's word, and a line
        of last winter nothing against today's.
        """
        kind, rows, agent = signal_of(signal), SqlRisks(tx.connection), _found(SqlAgents(tx.connection), name)
        before, now = rows.find(agent.agent), self._clock.now()
        others = tuple(each for each in before.noticed if (each.signal, each.about) != (kind, about))
        if on is (len(others) < len(before.noticed)):
            return before
        if not on and own and rows.raised_by(agent.agent, kind, about) != by.person:
            return before
        if on:
            rows.on(agent.agent, Noticed(kind, about, now), by=by.person)
        else:
            rows.off(agent.agent, kind, about)
        noticed = tuple(sorted((*others, Noticed(kind, about, now)))) if on else others
        after = moved(before, said=before.said, noticed=noticed, now=now)
        rows.put(agent.agent, after, now=now)
        said = {"signal": kind.value, "about": about, "on": on, "risk": after.value}
        self._risk_changed(tx, agent.agent, "signal", before, after, said, by=by)
        return after

    def _risk_changed(
        self, tx: Transaction, name: AgentName, change: str, before: Risk, after: Risk, more: dict[str, Any], *,
        by: Actor,
    ) -> None:  # fmt: skip
        tx.touch(f"agent:{name}")
        changed = Changed(
            what="risk", name=name, change=change, before=str(before.value), after=str(after.value), more=more
        )
        record(tx, self._records, changed, by=by)

    def owner_gone(self, tx: Transaction, owner: OwnerName, successor: OwnerName | None, *, by: Actor) -> None:
        """Give the agents of `owner` to `successor`; with none, suspend those that are active."""
        for agent in SqlAgents(tx.connection).of_owner(owner):
            if agent.state is AgentState.RETIRED:
                continue
            if successor is not None:
                self._store(tx, agent, replace(agent, owner=successor), "succeed", by=by)
            elif agent.state is AgentState.ACTIVE:
                self._store(tx, agent, replace(agent, state=AgentState.SUSPENDED), "suspend", by=by)

    def _move(self, tx: Transaction, name: str, state: AgentState, change: str, *, by: Actor) -> Agent:
        before = _found(SqlAgents(tx.connection), name)
        lifecycle.move(name, before.state, state)
        after = replace(before, state=state)
        if after != before:
            self._store(tx, before, after, change, by=by)
        return after

    def _store(self, tx: Transaction, before: Agent | None, after: Agent, change: str, *, by: Actor) -> None:
        SqlAgents(tx.connection).put(after)
        if change == "suspend":
            SqlSuspensions(tx.connection).put(after.agent, by.person, now=self._clock.now())
        elif after.state is not AgentState.SUSPENDED:
            SqlSuspensions(tx.connection).end(after.agent)
        tx.touch(f"agent:{after.agent}")
        changed = Changed(
            what="agent",
            name=after.agent,
            change=change,
            before=None if before is None else body(before),
            after=body(after),
            more=_notable(before, after),
        )
        record(tx, self._records, changed, by=by)


def check_erase(agent: Agent) -> None:
    """See that what was recorded about an agent may be erased.

    Raises:
        Conflict: It is not retired.
    """
    if agent.state is not AgentState.RETIRED:
        raise Conflict(
            f"the agent {agent.agent} is {agent.state.value}: only of a retired one it may be erased",
            try_=f"remit agent retire {agent.agent}",
        )


def _notable(before: Agent | None, after: Agent) -> dict[str, Any]:
    """What the entry says in clear: the owner, the state, and a changed version, key or limit."""
    said: dict[str, Any] = {"owner": after.owner, "state": after.state.value}
    if before is None or before.version != after.version:
        said["version"] = after.version
        said["version_before"] = None if before is None else before.version
    keys = _thumbprints(after)
    if before is None or _thumbprints(before) != keys:
        said["keys"] = keys
        said["keys_before"] = [] if before is None else _thumbprints(before)
    limit = None if before is None else before.max_widening
    if after.max_widening != limit:
        said["max_widening"] = after.max_widening
        said["max_widening_before"] = limit
    if after.uids != (() if before is None else before.uids):
        said["uids"] = list(after.uids)
        said["uids_before"] = [] if before is None else list(before.uids)
    if after.bindings != (() if before is None else before.bindings):
        said["bindings"] = [each.credential for each in after.bindings]
        said["bindings_before"] = [] if before is None else [each.credential for each in before.bindings]
    if after.delegates != (() if before is None else before.delegates):
        said["delegates"] = list(after.delegates)
        said["delegates_before"] = [] if before is None else list(before.delegates)
    return said


def _thumbprints(agent: Agent) -> list[str]:
    return sorted(public_key(key).thumbprint for key in agent.keys)


def _found(rows: SqlAgents, name: str) -> Agent:
    agent = rows.find(AgentName(name))
    if agent is None:
        raise NotFound(f"there is no agent {name}")
    return agent
