"""Stops are set and ended. When `freeze` returns, it is durable and this node's view has it."""

from __future__ import annotations

from sqlalchemy import Connection

from remit.agents.sql import SqlAgents
from remit.catalog.sql import SqlServers
from remit.freezes import spec
from remit.freezes.model import Freeze, FreezeKind
from remit.freezes.sql import SqlFreezes
from remit.kernel.canonical import canonical
from remit.kernel.clock import Clock, rfc3339
from remit.kernel.errors import NotFound
from remit.kernel.names import AgentName, ServerName, new_id
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.storage.ports import Reader, Transaction, Writer


class FreezeService:
    """State changes of freezes."""

    def __init__(self, *, writer: Writer, reader: Reader, records: Records, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._records = records
        self._clock = clock

    def listing(self) -> list[Freeze]:
        """The freezes in force, oldest first."""
        return self._reader.read(lambda connection: SqlFreezes(connection).in_force())

    def freeze(self, kind: FreezeKind | str, name: str, reason: str, *, by: Actor) -> Freeze:
        """Stop an agent, instance, server or everything. What is frozen already stays as it was frozen.

        An instance need not have been seen: it may be stopped before it gets its first token.

        Raises:
            Malformed, ConfigInvalid: A kind or name that cannot be frozen.
            NotFound: There is no such agent or server; a misspelt freeze must not look like a stop.
        """
        of = spec.kind(kind)
        target, why = spec.target(of, name), spec.reason(reason)

        def apply(tx: Transaction) -> Freeze:
            rows = SqlFreezes(tx.connection)
            if (standing := rows.find(of, target)) is not None:
                return standing
            _must_exist(tx.connection, of, target)
            freeze = Freeze(id=new_id("frz"), kind=of, name=target, reason=why, by=by.person, since=self._clock.now())
            rows.put(freeze)
            self._record(tx, freeze, "freeze", by=by)
            return freeze

        return self._writer.change(apply)

    def unfreeze(self, kind: FreezeKind | str, name: str, *, by: Actor) -> Freeze | None:
        """End a freeze and return it; None if nothing was frozen. That everything takes two people is the caller's.

        Raises:
            Malformed, ConfigInvalid: A kind or name that cannot be frozen.
        """
        of = spec.kind(kind)
        target = spec.target(of, name)

        def apply(tx: Transaction) -> Freeze | None:
            rows = SqlFreezes(tx.connection)
            freeze = rows.find(of, target)
            if freeze is not None:
                rows.end(freeze, by=by.person, at=self._clock.now())
                self._record(tx, freeze, "unfreeze", by=by)
            return freeze

        return self._writer.change(apply)

    def _record(self, tx: Transaction, freeze: Freeze, change: str, *, by: Actor) -> None:
        tx.touch("freezes")
        body = _body(freeze)
        started = change == "freeze"
        changed = Changed(
            what="freeze",
            name=freeze.id,
            change=change,
            before=None if started else body,
            after=body if started else None,
            more={"target": freeze.kind.value, "target_name": freeze.name, "reason": freeze.reason},
        )
        record(tx, self._records, changed, by=by)


def _body(freeze: Freeze) -> str:
    said = {"id": freeze.id, "kind": freeze.kind.value, "name": freeze.name, "reason": freeze.reason}
    return canonical(said | {"by": freeze.by, "since": rfc3339(freeze.since)}).decode("utf-8")


def _must_exist(connection: Connection, kind: FreezeKind, name: str) -> None:
    if kind is FreezeKind.AGENT and SqlAgents(connection).find(AgentName(name)) is None:
        raise NotFound(f"there is no agent {name}", try_="remit agent list")
    if kind is FreezeKind.SERVER and SqlServers(connection).find(ServerName(name)) is None:
        raise NotFound(f"there is no server {name}", try_="remit server list")
