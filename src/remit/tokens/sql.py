"""Runs and instances in the database, and the single use of proofs inside the token's own transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select, update

from remit.kernel.clock import DAY, Instant
from remit.kernel.names import AgentName, InstanceId, PurposeName, RunId
from remit.storage import upsert
from remit.storage.model import ConsumeProof
from remit.storage.schema import instances, proofs, runs
from remit.tokens.model import RUN_IDLE, Granted, Run

_KEEP_RUNS = 30 * DAY


class SqlRuns:
    """The agents' runs and instances on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def consume(self, proof: ConsumeProof) -> bool:
        """Use `proof` in this transaction; False if it was used before, by whatever door."""
        statement = upsert.insert(proofs, self._connection).values(key=proof.key, expires=proof.expires)
        # RETURNING, not rowcount: the PostgreSQL driver does not tell the latter for an insert.
        inserted = self._connection.execute(statement.on_conflict_do_nothing().returning(proofs.c.key))
        return inserted.first() is not None

    def open_runs(self, agent: AgentName, now: Instant) -> list[Run]:
        """The agent's runs that may still be open at `now`."""
        query = select(runs).where(runs.c.agent == agent, runs.c.ends > now, runs.c.token_expires > now - RUN_IDLE)
        return [
            Run(
                run=RunId(row.run),
                instance=InstanceId(row.instance),
                purpose=PurposeName(row.purpose),
                opened=Instant(row.opened),
                ends=Instant(row.ends),
                token_expires=Instant(row.token_expires),
                above=row.above or "",
            )
            for row in self._connection.execute(query)
        ]

    def oldest_open(self, agents: Sequence[str], now: Instant) -> dict[tuple[str, str], Instant]:
        """For each agent and purpose with an open run at `now`, when the oldest began."""
        open_ = (runs.c.ends > now, runs.c.token_expires > now - RUN_IDLE)
        query = select(runs).where(runs.c.agent.in_(agents), *open_).order_by(runs.c.opened.desc())
        return {(row.agent, row.purpose): Instant(row.opened) for row in self._connection.execute(query)}

    def end(self, agent: AgentName, instance: InstanceId, *, now: Instant) -> list[RunId]:
        """End the open runs of one instance at `now`; their ids."""
        here = (runs.c.agent == agent, runs.c.instance == instance, runs.c.ends > now)
        found = self._connection.execute(update(runs).where(*here).values(ends=now).returning(runs.c.run))
        return [RunId(row.run) for row in found]

    def save(self, granted: Granted, *, now: Instant) -> None:
        """Keep the run and the instance of a token that is being issued."""
        run, agent = granted.run, granted.wish.agent.agent
        times = {"ends": run.ends, "token_expires": run.token_expires}
        if not self._connection.execute(update(runs).where(runs.c.run == run.run).values(**times)).rowcount:
            opened = {"run": run.run, "agent": agent, "instance": run.instance, "purpose": run.purpose}
            opened["above"] = run.above
            self._connection.execute(insert(runs).values(**opened, opened=run.opened, **times))
            # Runs long over say nothing any more that the log does not.
            self._connection.execute(delete(runs).where(runs.c.agent == agent, runs.c.ends < now - _KEEP_RUNS))
        seen = {"credential": granted.wish.credential, "last_seen": now}
        here = (instances.c.agent == agent, instances.c.instance == run.instance)
        if not self._connection.execute(update(instances).where(*here).values(**seen)).rowcount:
            self._connection.execute(
                insert(instances).values(agent=agent, instance=run.instance, first_seen=now, **seen)
            )
