"""Stops are set and ended. When `freeze` returns, it is durable and this node's view has it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection

from remit.agents.sql import SqlAgents
from remit.catalog.sql import SqlServers
from remit.freezes import spec
from remit.freezes.model import Freeze, FreezeKind
from remit.freezes.ports import SecretNames
from remit.freezes.sql import SqlFreezes
from remit.kernel.canonical import canonical
from remit.kernel.clock import Clock, rfc3339
from remit.kernel.errors import NotFound
from remit.kernel.names import AgentName, OwnerName, ServerName, new_id, split_action
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.people.sql import SqlOwners
from remit.storage.ports import Reader, Transaction, Writer

_CALLS_OF_AN_ENTRY: Final = 500  # so that no entry grows without bound


class FreezeService:
    """State changes of freezes."""

    def __init__(self, *, writer: Writer, reader: Reader, records: Records, clock: Clock, secrets: SecretNames) -> None:
        self._secrets = secrets
        self._writer = writer
        self._reader = reader
        self._records = records
        self._clock = clock

    def listing(self) -> list[Freeze]:
        """The freezes in force, oldest first."""
        return self._reader.read(lambda connection: SqlFreezes(connection).in_force())

    def freeze(
        self, kind: FreezeKind | str, name: str, reason: str, *, by: Actor, over: Collection[str] = ()
    ) -> Freeze:
        """Stop what `kind` and `name` say. What is frozen already stays as it was frozen, unless by one of `over`:
        then this freeze takes its place, in the same transaction.

        A key (an instance, or a client key) need not have been seen: it may be stopped before it is first used.

        Raises:
            Malformed: A kind or name that cannot be frozen.
            NotFound: There is no such agent, owner, server, tool or secret; a misspelt freeze must not look like a
                stop.
        """
        of = spec.kind(kind)
        target, why = spec.target(of, name), spec.reason(reason)

        def apply(tx: Transaction) -> Freeze:
            rows = SqlFreezes(tx.connection)
            if (standing := rows.find(of, target)) is not None:
                if standing.by == by.person or standing.by not in over:
                    return standing
                self._end(tx, standing, "replace", by=by)
            self._must_exist(tx.connection, of, target)
            freeze = Freeze(id=new_id("frz"), kind=of, name=target, reason=why, by=by.person, since=self._clock.now())
            rows.put(freeze)
            self._record(tx, freeze, "freeze", by=by)
            return freeze

        return self._writer.change(apply)

    def unfreeze(
        self,
        kind: FreezeKind | str,
        name: str,
        *,
        by: Actor,
        may_end: Callable[[Freeze], None] = lambda _freeze: None,
    ) -> Freeze | None:
        """End a freeze and return it; None if nothing was frozen. That everything takes two people is the caller's.

        Raises:
            Malformed: A kind or name that cannot be frozen.
            Forbidden: `may_end` raised it about the freeze that stands.
        """
        of = spec.kind(kind)
        target = spec.target(of, name)

        def apply(tx: Transaction) -> Freeze | None:
            rows = SqlFreezes(tx.connection)
            freeze = rows.find(of, target)
            if freeze is not None:
                may_end(freeze)
                self._end(tx, freeze, "unfreeze", by=by)
            return freeze

        return self._writer.change(apply)

    def _end(self, tx: Transaction, freeze: Freeze, change: str, *, by: Actor) -> None:
        SqlFreezes(tx.connection).end(freeze, by=by.person, at=self._clock.now())
        self._record(tx, freeze, change, by=by)

    def note_cut(self, freeze: Freeze, cut: Sequence[Mapping[str, str]], *, by: Actor) -> None:
        """Record which calls a freeze cut, in entries of the freeze's own, before it is answered."""
        for at in range(0, len(cut), _CALLS_OF_AN_ENTRY):
            part = list(cut[at : at + _CALLS_OF_AN_ENTRY])
            more = {"target": freeze.kind.value, "target_name": freeze.name, "cut": part}
            changed = Changed(what="freeze", name=freeze.id, change="cut", before=None, after=None, more=more)
            self._writer.change(partial(record, records=self._records, changed=changed, by=by))

    def _must_exist(self, connection: Connection, kind: FreezeKind, name: str) -> None:
        # A person may stop at once what will only be registered later if it is a key; a name that nobody
        # has is a slip of the pen.
        find = _FIND.get(kind)
        if find is not None and not find(connection, name):
            raise NotFound(f"there is no {kind} {name}"[:200], try_=_LISTED[kind])
        if kind is FreezeKind.CREDENTIAL and not spec.thumbprint(name) and not self._secret(connection, name):
            raise NotFound(
                f"there is no secret {name}, and it is no client key's thumbprint"[:200], try_="remit secret list"
            )

    def _secret(self, connection: Connection, name: str) -> bool:
        """Whether there is such a secret, or a server that is to get it once it is set."""
        servers = SqlServers(connection).all()
        awaited = {server.credential.secret for server in servers if server.credential is not None}
        return name in awaited or name in self._secrets.names(connection)

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


def _tool_exists(connection: Connection, action: str) -> bool:
    name, tool, _ = split_action(action)
    server = SqlServers(connection).find(name)
    return server is not None and tool in server.tools


_FIND: Mapping[FreezeKind, Callable[[Connection, str], bool]] = {
    FreezeKind.AGENT: lambda connection, name: SqlAgents(connection).find(AgentName(name)) is not None,
    FreezeKind.OWNER: lambda connection, name: SqlOwners(connection).find(OwnerName(name)) is not None,
    FreezeKind.SERVER: lambda connection, name: SqlServers(connection).find(ServerName(name)) is not None,
    FreezeKind.TOOL: _tool_exists,
}
_LISTED: Mapping[FreezeKind, str] = {
    FreezeKind.AGENT: "remit agent list",
    FreezeKind.OWNER: "remit owner list",
    FreezeKind.SERVER: "remit server list",
    FreezeKind.TOOL: "remit server review SERVER",
}
