"""Delegations in the database: who acts for whom, within what, and until when. A record; decisions go by the token."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import DAY, Instant
from remit.kernel.names import AgentName, PurposeName
from remit.storage.identity_schema import delegations

_KEPT = 30 * DAY  # what is over longer says nothing that the log does not


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """One agent's copy acts for another agent, in one run of that one."""

    delegation: str
    parent: AgentName  # for which it acts directly
    child: AgentName
    instance: str  # the copy
    purpose: PurposeName
    depth: int
    run: str
    above: str  # the parent's run
    allow: str  # canonical JSON of what was handed on; empty: all of it
    txn: str
    ends: Instant


class SqlDelegations:
    """Delegations, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @staticmethod
    def name(run: str, child: str, instance: str, allow: str) -> str:
        """The id of what is the same delegation, however often its token is renewed."""
        return "dlg_" + sha256(canonical([run, child, instance, allow])).hexdigest()[:26]

    def put(self, found: Delegation) -> None:
        """Insert, or bring up to date."""
        body = {"instance": found.instance, "run": found.run, "allow": found.allow, "txn": found.txn}
        values = {"body": canonical(body).decode("utf-8"), "state": "live", "ends": found.ends}
        here = delegations.c.delegation == found.delegation
        if self._connection.execute(update(delegations).where(here).values(values)).rowcount == 0:
            more = {
                "delegation": found.delegation, "parent": found.parent, "child": found.child, "above": found.above,
                "purpose": found.purpose, "depth": found.depth,
            }  # fmt: skip
            self._connection.execute(insert(delegations).values({**more, **values}))

    def children(self, parent: str, now: Instant) -> set[tuple[str, str]]:
        """(agent, instance) of those that act for an agent now, directly."""
        query = select(delegations).where(delegations.c.parent == parent, delegations.c.ends > now)
        return {(row.child, parse(row.body)["instance"]) for row in self._connection.execute(query)}

    def of_agent(self, agent: str, now: Instant) -> list[Delegation]:
        """Those that are not over, in which an agent acts or is acted for, the newest end first."""
        either = or_(delegations.c.parent == agent, delegations.c.child == agent)
        query = select(delegations).where(either, delegations.c.ends > now)
        return [_from(row) for row in self._connection.execute(query.order_by(delegations.c.ends.desc()))]

    def forget(self, now: Instant) -> None:
        """Let go of what is over for long."""
        self._connection.execute(delete(delegations).where(delegations.c.ends < now - _KEPT))


def _from(row: Row[Any]) -> Delegation:
    body = parse(row.body)
    return Delegation(
        delegation=row.delegation, parent=AgentName(row.parent), child=AgentName(row.child), instance=body["instance"],
        purpose=PurposeName(row.purpose), depth=row.depth, run=body["run"], above=row.above, allow=body["allow"],
        txn=body["txn"], ends=Instant(row.ends),
    )  # fmt: skip
