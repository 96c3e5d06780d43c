"""Purposes and boundaries in the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from remit.access.codec import draft_from, draft_text, purpose_from, purpose_text, rules_from, rules_text
from remit.access.draft import History, Version
from remit.access.model import Boundary, BoundaryState, Purpose
from remit.kernel.clock import Instant
from remit.kernel.names import AgentName, BoundaryName, PurposeName
from remit.storage.schema import boundaries, purposes

_BREAK_GLASS = "break_glass"
_WAITING = frozenset({BoundaryState.PROPOSED, BoundaryState.WAITING_FOR_CATALOG})
_OPEN = frozenset({BoundaryState.ACTIVE, *_WAITING})
# What a decision reads; the documents as written, which are many, stay on disk.
_IN_FORCE = select(
    boundaries.c.boundary,
    boundaries.c.version,
    boundaries.c.agent,
    boundaries.c.purpose,
    boundaries.c.rules,
    boundaries.c.not_after,
    boundaries.c.approved_by,
    boundaries.c.approved_at,
    boundaries.c.kind,
).where(boundaries.c.state == BoundaryState.ACTIVE.value)


class SqlPurposes:
    """Purposes, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, name: PurposeName) -> Purpose | None:
        """The purpose in any state; None if there is none of that name."""
        row = self._connection.execute(select(purposes).where(purposes.c.purpose == name)).one_or_none()
        return None if row is None else purpose_from(row.body, row.state)

    def all(self) -> list[Purpose]:
        """Every purpose in any state, by name."""
        rows = self._connection.execute(select(purposes).order_by(purposes.c.purpose))
        return [purpose_from(row.body, row.state) for row in rows]

    def put(self, purpose: Purpose) -> None:
        """Insert or replace."""
        values = {"state": purpose.state.value, "body": purpose_text(purpose)}
        done = self._connection.execute(update(purposes).where(purposes.c.purpose == purpose.purpose).values(values))
        if done.rowcount == 0:
            self._connection.execute(insert(purposes).values(purpose=purpose.purpose, **values))


class SqlBoundaries:
    """Versions of boundaries, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def history(self, name: BoundaryName) -> History:
        """Where a boundary stands; empty if there never was one of that name."""
        versions = self.versions(name)
        return History(
            active=next((each for each in versions if each.state is BoundaryState.ACTIVE), None),
            waiting=next((each for each in versions if each.state in _WAITING), None),
            last=versions[0].version if versions else 0,
        )

    def versions(self, name: BoundaryName) -> list[Version]:
        """Every version of a boundary, newest first."""
        query = select(boundaries).where(boundaries.c.boundary == name).order_by(boundaries.c.version.desc())
        return [_version(row) for row in self._connection.execute(query)]

    def of_agent(self, agent: AgentName) -> list[Version]:
        """Every version in any state of the boundaries of one agent, by name and version."""
        query = select(boundaries).where(boundaries.c.agent == agent)
        found = [_version(row) for row in self._connection.execute(query)]
        return sorted(found, key=lambda each: (each.draft.boundary, each.version))

    def approved_between(self, start: Instant, end: Instant) -> list[AgentName]:
        """The agents of whose boundaries a version was approved in that time, in order."""
        when = boundaries.c.approved_at
        query = select(boundaries.c.agent).where(when >= start, when < end).distinct()
        return sorted(AgentName(name) for name in self._connection.execute(query).scalars())

    def open(self, *, agent: str = "", waiting: bool = False, most: int | None = None) -> list[Version]:
        """The versions that are in force or wait (or wait alone), of one agent or of all, by name and version.

        Of more than `most` those that are in force, then those that are proposed, then the others.
        """
        states = [state.value for state in (_WAITING if waiting else _OPEN)]
        query = select(boundaries).where(boundaries.c.state.in_(states))
        query = query.where(boundaries.c.agent == agent) if agent else query
        if most is not None:
            # By state first: of what waits, what an owner can approve comes before what waits for a server's tools.
            query = query.order_by(boundaries.c.state, boundaries.c.boundary, boundaries.c.version).limit(most)
        found = [_version(row) for row in self._connection.execute(query)]
        return sorted(found, key=lambda each: (each.draft.boundary, each.version))

    def ends(self, by: Instant) -> dict[BoundaryName, Instant]:
        """Those in force that end by then, with when, by name."""
        where = (boundaries.c.state == BoundaryState.ACTIVE.value) & (boundaries.c.not_after <= by)
        query = select(boundaries.c.boundary, boundaries.c.not_after).where(where).order_by(boundaries.c.boundary)
        return {BoundaryName(name): Instant(end) for name, end in self._connection.execute(query)}

    def active_after(self, name: str, *, most: int) -> list[Version]:
        """The next versions in force whose boundaries' names come after `name`, by name."""
        where = (boundaries.c.state == BoundaryState.ACTIVE.value) & (boundaries.c.boundary > name)
        query = select(boundaries).where(where).order_by(boundaries.c.boundary).limit(most)
        return [_version(row) for row in self._connection.execute(query)]

    def open_names(self) -> list[BoundaryName]:
        """The names of all boundaries that are in force or wait, in order."""
        states = [state.value for state in _OPEN]
        query = select(boundaries.c.boundary).where(boundaries.c.state.in_(states)).distinct()
        return sorted(BoundaryName(name) for name in self._connection.execute(query).scalars())

    def put(self, version: Version) -> None:
        """Insert a version, or write its new state."""
        key = (boundaries.c.boundary == version.draft.boundary) & (boundaries.c.version == version.version)
        values = {
            "state": version.state.value,
            "rules": None if version.rules is None else rules_text(version.rules),
            "approved_by": version.approved_by,
            "approved_at": version.approved_at,
        }
        if self._connection.execute(update(boundaries).where(key).values(values)).rowcount == 0:
            fixed = {
                "boundary": version.draft.boundary,
                "version": version.version,
                "agent": version.draft.agent,
                "purpose": version.draft.purpose,
                "source": draft_text(version.draft),
                "not_after": version.draft.not_after,
                "kind": _BREAK_GLASS if version.draft.break_glass else None,
            }
            self._connection.execute(insert(boundaries).values(**fixed, **values))


def _version(row: Row[Any]) -> Version:
    return Version(
        draft=draft_from(row.source),
        version=row.version,
        state=BoundaryState(row.state),
        rules=None if row.rules is None else rules_from(row.rules),
        approved_by=row.approved_by,
        approved_at=row.approved_at,
    )


def _boundary(row: Any) -> Boundary:  # noqa: ANN401 - a row of _IN_FORCE
    return Boundary(
        boundary=row.boundary,
        version=row.version,
        agent=row.agent,
        purpose=row.purpose,
        rules=rules_from(row.rules),
        not_after=row.not_after,
        state=BoundaryState.ACTIVE,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        break_glass=row.kind == _BREAK_GLASS,
    )


def load_all(connection: Connection) -> Iterator[Boundary]:
    """Every boundary version in force, one at a time."""
    for row in connection.execute(_IN_FORCE):
        yield _boundary(row)


def load(connection: Connection, name: str) -> Boundary | None:
    """The version of one boundary that is in force, or None."""
    row = connection.execute(_IN_FORCE.where(boundaries.c.boundary == name)).one_or_none()
    return None if row is None else _boundary(row)


def load_of_agent(connection: Connection, agent: str) -> list[Boundary]:
    """One agent's boundary versions in force, in byte order of their names."""
    rows = connection.execute(_IN_FORCE.where(boundaries.c.agent == AgentName(agent)))
    return sorted(map(_boundary, rows), key=lambda each: each.boundary)


def load_purposes(connection: Connection) -> list[Purpose]:
    """Every purpose in any state."""
    return SqlPurposes(connection).all()


def load_purpose(connection: Connection, name: str) -> Purpose | None:
    """One purpose in any state, or None."""
    return SqlPurposes(connection).find(PurposeName(name))
