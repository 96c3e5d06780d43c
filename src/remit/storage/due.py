"""The table `due`: what is to be done next, by whichever node takes it first.

A claim is fenced: taking one raises its number, and what was done under an older one is not recorded. Two nodes may
both ask a provider, one of them late; they cannot both say what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from remit.kernel.clock import Instant
from remit.storage.credential_schema import due


@dataclass(frozen=True, slots=True)
class Claim:
    """It is this node's until then."""

    kind: str
    name: str
    fence: int


class Due:
    """The table on one open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, kind: str, name: str, at: Instant) -> None:
        """Something new to be done; what stands there already only gets another time."""
        if not self._connection.execute(update(due).where(_row(kind, name)).values(at=at)).rowcount:
            values = {"kind": kind, "name": name, "at": at, "fence": 0, "node": "", "until": 0}
            self._connection.execute(insert(due).values(**values))

    def ready(self, kind: str, *, now: Instant, most: int) -> list[str]:
        """What is due and nobody's, the longest waiting first."""
        free = (due.c.kind == kind) & (due.c.at <= now) & (due.c.until <= now)
        query = select(due.c.name).where(free).order_by(due.c.at, due.c.name).limit(most)
        return list(self._connection.execute(query).scalars())

    def claim(self, kind: str, name: str, *, node: str, now: Instant, until: Instant) -> Claim | None:
        """Take it; None if it is not due, another node's or gone."""
        free = _row(kind, name) & (due.c.at <= now) & (due.c.until <= now)
        taken = update(due).where(free).values(fence=due.c.fence + 1, node=node, until=until)
        if self._connection.execute(taken).rowcount != 1:
            return None
        fence: int = self._connection.execute(select(due.c.fence).where(_row(kind, name))).scalar_one()
        return Claim(kind, name, fence)

    def keeps(self, claim: Claim) -> bool:
        """Whether nobody has taken it since."""
        row = _row(claim.kind, claim.name) & (due.c.fence == claim.fence)
        return self._connection.execute(select(due.c.name).where(row)).first() is not None

    def holds(self, claim: Claim, until: Instant) -> bool:
        """Whether nobody has taken it since, and nobody may before `until`."""
        row = _row(claim.kind, claim.name) & (due.c.fence == claim.fence) & (due.c.until >= until)
        return self._connection.execute(select(due.c.name).where(row)).first() is not None

    def give_back(self, claim: Claim, at: Instant) -> bool:
        """It is due again at `at`; whether it was still this node's to say."""
        row = _row(claim.kind, claim.name) & (due.c.fence == claim.fence)
        return self._connection.execute(update(due).where(row).values(at=at, node="", until=0)).rowcount == 1

    def release(self, kind: str, *, node: str) -> None:
        """What a process of this name had taken is nobody's again: it is over, and this one has its place."""
        mine = (due.c.kind == kind) & (due.c.node == node)
        self._connection.execute(update(due).where(mine).values(node="", until=0))

    def remove(self, claim: Claim) -> bool:
        """It is done for good; whether it was still this node's to say."""
        row = _row(claim.kind, claim.name) & (due.c.fence == claim.fence)
        return self._connection.execute(delete(due).where(row)).rowcount == 1


def _row(kind: str, name: str) -> ColumnElement[bool]:
    return (due.c.kind == kind) & (due.c.name == name)
