"""The systems that operators declared: their rows, and what this node knows of them in memory."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from remit.certification.withdrawal.withdraw import Covering
from remit.connectors.system import System, stored
from remit.kernel.errors import Conflict, Malformed, NotFound
from remit.logs import logger
from remit.outbound.model import Endpoint, endpoint
from remit.storage.governance_schema import systems
from remit.storage.ports import Transaction

TOPIC = "systems"
_log = logger("remit.connectors")


def add(tx: Transaction, system: System) -> None:
    """Declare one.

    Raises:
        Conflict: There is one of that name.
    """
    if tx.connection.execute(select(systems.c.system).where(systems.c.system == system.system)).first() is not None:
        raise Conflict("there is a system of that name", try_=f"remit system remove {system.system}")
    tx.connection.execute(insert(systems).values(system=system.system, body=system.body))
    tx.touch(TOPIC)


def remove(tx: Transaction, name: str) -> str:
    """Take one out; the body it had. What it was told and did not confirm is not waited for any more.

    Raises:
        NotFound: There is none of that name.
    """
    gone = tx.connection.execute(delete(systems).where(systems.c.system == name).returning(systems.c.body)).first()
    if gone is None:
        raise NotFound("there is no system of that name", try_="remit system list")
    tx.touch(TOPIC)
    body: str = gone.body
    return body


class Directory:
    """Every declared system. Memory only; reloaded on change."""

    def __init__(self) -> None:
        self._known: Mapping[str, System] = {}

    def reload(self, connection: Connection) -> None:
        """Read all again. A damaged row is logged and left out: who removes the system takes it out."""
        known = {}
        for row in connection.execute(select(systems).order_by(systems.c.system)):
            try:
                known[row.system] = stored(row.system, row.body)
            except (Malformed, TypeError) as error:
                _log.error("a declared system cannot be read", system=row.system, detail=repr(error))
        self._known = known

    def follow(self, _epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        """What to subscribe to the feed."""
        if TOPIC in topics:
            self.reload(connection)

    def listing(self) -> list[System]:
        """Every one, by name."""
        return list(self._known.values())

    def find(self, name: str) -> System | None:
        """One by its name."""
        return self._known.get(name)

    def covering(self) -> list[Covering]:
        """What each is told of."""
        return [
            Covering(system=each.system, servers=frozenset(each.servers), lapses=each.lapses)
            for each in self._known.values()
        ]

    def endpoints(self) -> list[Endpoint]:
        """Where they are: hosts and ports that an operator wrote."""
        return [endpoint(each.url) for each in self._known.values()]
