"""The table `leases`: credentials that were made for one instance each, how far each is, how it ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, insert, select, update

from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant
from remit.kernel.errors import IntegrityFailed
from remit.kernel.names import AgentName, InstanceId, SecretName
from remit.storage.credential_schema import leases
from remit.storage.node_schema import nodes
from remit.vault.lease import OPEN, Lease, LeaseState


class SqlLeases:
    """The leases on one open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, lease: str) -> Lease | None:
        """One of them."""
        found = self._connection.execute(select(leases).where(leases.c.lease == lease)).mappings().first()
        return None if found is None else _stored(found)

    def going(self) -> list[Lease]:
        """Those that nobody has begun to take away."""
        query = select(leases).where(leases.c.ended.is_(None), leases.c.state.in_([each.value for each in OPEN]))
        return [_stored(row) for row in self._connection.execute(query.order_by(leases.c.lease)).mappings()]

    def settings(self) -> list[Mapping[str, Any]]:
        """How what may be at its provider yet was made there, and is ended; each once."""
        bodies = self._connection.execute(select(leases.c.body).where(leases.c.ended.is_(None))).scalars()
        found = (msgspec.json.decode(each)["settings"] for each in bodies)
        return list({canonical(each): each for each in found}.values())

    def listing(self, secret: str | None = None, *, every: bool, most: int) -> list[Lease]:
        """The newest, newest first; of one secret or of all; with `every`, those that are over too."""
        query = select(leases).order_by(leases.c.lease.desc()).limit(most)
        if secret is not None:
            query = query.where(leases.c.secret == secret)
        if not every:
            query = query.where(leases.c.ended.is_(None))
        return [_stored(row) for row in self._connection.execute(query).mappings()]

    def add(self, it: Lease) -> None:
        """Insert."""
        self._connection.execute(insert(leases).values(lease=it.lease, **_values(it)))

    def write(self, it: Lease) -> None:
        """Replace its row."""
        self._connection.execute(update(leases).where(leases.c.lease == it.lease).values(**_values(it)))

    def alive(self) -> Collection[str]:
        """The nodes that nobody has given up. Read after leases: a node registers before it makes one."""
        return set(self._connection.execute(select(nodes.c.node).where(nodes.c.ended.is_(None))).scalars())


def body(it: Lease) -> str:
    """A lease in its one form; never a value."""
    said: dict[str, Any] = {
        "maker": it.maker, "settings": dict(it.settings), "purpose": it.purpose, "action": it.action, "node": it.node,
        "made": it.made, "since": it.since, "ends": it.ends, "handle": dict(it.handle), "why": it.why,
        "detail": it.detail, "attempts": it.attempts, "said": it.said,
    }  # fmt: skip
    return canonical(said if it.incident is None else said | {"incident": it.incident}).decode()


def _values(it: Lease) -> dict[str, Any]:
    return {
        "secret": it.secret, "agent": it.agent, "instance": it.instance, "state": it.state.value, "body": body(it),
        "ended": it.since if it.state is LeaseState.ENDED else None,
    }  # fmt: skip


def _stored(row: RowMapping) -> Lease:
    said = msgspec.json.decode(row["body"])
    try:
        state = LeaseState(row["state"])
    except ValueError as error:
        raise IntegrityFailed("a lease is in no state that there is", detail=row["lease"]) from error
    if (state is LeaseState.ENDED) is not (row["ended"] is not None):
        raise IntegrityFailed("a lease is over and goes on", detail=row["lease"])
    incident = said.get("incident")
    return Lease(
        lease=row["lease"], secret=SecretName(row["secret"]), agent=AgentName(row["agent"]),
        instance=InstanceId(row["instance"]), state=state, maker=said["maker"], settings=said["settings"],
        purpose=said["purpose"], action=said["action"], node=said["node"], made=Instant(said["made"]),
        since=Instant(said["since"]), ends=Instant(said["ends"]), handle=said["handle"], why=said["why"],
        detail=said["detail"], attempts=said["attempts"], said=said["said"],
        incident=None if incident is None else Instant(incident),
    )  # fmt: skip
