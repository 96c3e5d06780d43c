"""Doubts about servers' records of use, in the database."""

from __future__ import annotations

from collections import defaultdict

import msgspec
from sqlalchemy import Connection, delete, insert, select

from remit.access.doubt import Doubt, DoubtState
from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant, Micros
from remit.storage.governance_schema import doubts


class SqlDoubts:
    """Doubts, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Doubt]:
        """Every doubt, also those that are over and not forgotten yet."""
        query = select(doubts).order_by(doubts.c.server, doubts.c.agent)
        return [
            _doubt(row.server, row.agent, row.since, row.state, row.body) for row in self._connection.execute(query)
        ]

    def by_server(self) -> dict[str, tuple[Doubt, ...]]:
        """The same, by server."""
        found: dict[str, list[Doubt]] = defaultdict(list)
        for each in self.all():
            found[each.server].append(each)
        return {server: tuple(mine) for server, mine in found.items()}

    def put(self, doubt: Doubt) -> None:
        """Insert or replace one."""
        self.remove(doubt)
        said = {"covered": doubt.covered, "moved": doubt.moved, "canary": list(doubt.canary)}
        row = {
            "server": doubt.server, "agent": doubt.agent, "since": doubt.since, "state": doubt.state.value,
            "body": canonical(said).decode("utf-8"),
        }  # fmt: skip
        self._connection.execute(insert(doubts).values(row))

    def remove(self, doubt: Doubt) -> None:
        """Forget one."""
        self._connection.execute(delete(doubts).where(doubts.c.server == doubt.server, doubts.c.agent == doubt.agent))


def _doubt(server: str, agent: str, since: int, state: str, body: str) -> Doubt:
    said = msgspec.json.decode(body)
    return Doubt(
        server=server, agent=agent, since=Instant(since), state=DoubtState(state), covered=Micros(said["covered"]),
        moved=Instant(said["moved"]), canary=tuple(said["canary"]),
    )  # fmt: skip
