"""Openings of boundaries for emergencies, in the database. They are kept: who opened what is asked for years later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, or_, select, update

from remit.access.opening import NEVER, Opening, OpeningState
from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant
from remit.kernel.names import AgentName, BoundaryName
from remit.storage.governance_schema import openings

Key = tuple[AgentName, BoundaryName]


class SqlOpenings:
    """Openings, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, opening: str) -> Opening | None:
        """One opening, or None."""
        row = self._connection.execute(select(openings).where(openings.c.opening == opening)).one_or_none()
        return None if row is None else _opening(row)

    def concerning(self, boundary: BoundaryName, agent: AgentName, *, by: str) -> list[Opening]:
        """What decides whether `by` may open a boundary: every opening of it, and every one of theirs."""
        of_it = (openings.c.agent == agent) & (openings.c.boundary == boundary)
        return self._all(select(openings).where(or_(of_it, openings.c.by == by)))

    def standing(self) -> dict[Key, Opening]:
        """For each boundary, the opening that ends last of those to which something is still to happen.

        Every one that is open is among them.
        """
        found: dict[Key, Opening] = {}
        for each in self._all(select(openings).where(openings.c.due < NEVER)):
            known = found.get((each.agent, each.boundary))
            if known is None or known.ends <= each.ends:
                found[each.agent, each.boundary] = each
        return found

    def due(self, now: Instant, most: int) -> list[Opening]:
        """Those to which something is to happen by now."""
        return self._all(select(openings).where(openings.c.due <= now).order_by(openings.c.due).limit(most))

    def newest(self, agent: str | None, *, most: int) -> list[Opening]:
        """The newest of one agent, or of all, newest first."""
        query = select(openings).order_by(openings.c.opening.desc()).limit(most)
        return [_opening(row) for row in self._connection.execute(
            query if agent is None else query.where(openings.c.agent == agent)
        )]  # fmt: skip

    def put(self, opening: Opening) -> None:
        """Insert or replace."""
        values = {
            "agent": opening.agent, "boundary": opening.boundary, "by": opening.by, "opened": opening.opened,
            "ends": opening.ends, "due": opening.due, "body": text(opening),
        }  # fmt: skip
        done = self._connection.execute(update(openings).where(openings.c.opening == opening.opening).values(values))
        if done.rowcount == 0:
            self._connection.execute(insert(openings).values(opening=opening.opening, **values))

    def _all(self, query: Any) -> list[Opening]:  # noqa: ANN401 - a query of the table
        found: Iterable[Any] = self._connection.execute(query)
        return sorted(map(_opening, found), key=lambda each: (each.opened, each.opening))


def text(opening: Opening) -> str:
    """What is stored beside the columns."""
    said = {
        "reason": opening.reason, "ticket": opening.ticket, "state": opening.state.value,
        "closed_by": opening.closed_by, "reviewed": opening.reviewed, "reviewed_by": opening.reviewed_by,
        "note": opening.note,
    }  # fmt: skip
    return canonical(said).decode("utf-8")


def _opening(row: Any) -> Opening:  # noqa: ANN401 - a row of the table
    said = msgspec.json.decode(row.body)
    return Opening(
        opening=row.opening, agent=AgentName(row.agent), boundary=BoundaryName(row.boundary), by=row.by,
        opened=row.opened, ends=row.ends, reason=said["reason"], ticket=said["ticket"],
        state=OpeningState(said["state"]), closed_by=said["closed_by"], reviewed=said["reviewed"],
        reviewed_by=said["reviewed_by"], note=said["note"],
    )  # fmt: skip
