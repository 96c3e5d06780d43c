"""Usage in the database: sources, their events, and use by the day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, func, insert, select, tuple_, update

from remit.access.activation import ActivationKey
from remit.certification.usage.days import Calls, DayKey, UseDay, added_up
from remit.certification.usage.model import Kind, UsageEvent
from remit.certification.usage.windows import Windows
from remit.certification.usage.windows_sql import SqlWindows
from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.storage.governance_schema import usage_events, usage_sources, use_days

_SOME = 400  # ids or keys named in one statement
_ENTITLEMENT = tuple_(use_days.c.agent, use_days.c.purpose, use_days.c.action, use_days.c.scope)
_SUMS = [func.sum(use_days.c[name]) for name in Calls._fields]
_APPEND = (
    "INSERT INTO usage_events (batch, source, id, at, kind, agent, purpose, action, run, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, id) DO NOTHING"
)
# `usage_days.together`, in SQL: of two rows only those with uses say when, if there is one.
_ADD = """
INSERT INTO use_days (agent, purpose, action, scope, day, source, uses, denied, errors, first, last)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (agent, purpose, action, scope, day, source) DO UPDATE SET
uses = use_days.uses + excluded.uses,
denied = use_days.denied + excluded.denied,
errors = use_days.errors + excluded.errors,
first = CASE WHEN (use_days.uses = 0 AND excluded.uses > 0)
    OR ((use_days.uses = 0) = (excluded.uses = 0) AND excluded.first < use_days.first)
    THEN excluded.first ELSE use_days.first END,
last = CASE WHEN (use_days.uses = 0 AND excluded.uses > 0)
    OR ((use_days.uses = 0) = (excluded.uses = 0) AND excluded.last > use_days.last)
    THEN excluded.last ELSE use_days.last END
"""


class Source(NamedTuple):
    """Who tells of use. `batch` is its newest import; 0 before the first."""

    source: str
    servers: tuple[str, ...]
    batch: int
    created: Instant

    def body(self) -> str:
        """What the log names by its digest."""
        said = {"source": self.source, "servers": list(self.servers), "created": self.created}
        return canonical(said).decode("utf-8")


class SqlUsage:
    """Sources and their events, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def sources(self) -> list[Source]:
        """Every source, by name."""
        return sorted(_source(row) for row in self._connection.execute(select(usage_sources)))

    def source(self, name: str) -> Source | None:
        """One source, or None."""
        row = self._connection.execute(select(usage_sources).where(usage_sources.c.source == name)).one_or_none()
        return None if row is None else _source(row)

    def put(self, source: Source) -> None:
        """Insert or replace a source."""
        values = {
            "servers": canonical(list(source.servers)).decode("utf-8"),
            "batch": source.batch,
            "created": source.created,
        }
        of = usage_sources.c.source == source.source
        if self._connection.execute(update(usage_sources).where(of).values(values)).rowcount == 0:
            self._connection.execute(insert(usage_sources).values(source=source.source, **values))

    def stored(self, source: str, ids: Sequence[str]) -> dict[str, UsageEvent]:
        """Of `ids`, those that are stored."""
        found: dict[str, UsageEvent] = {}
        for some in _parts(list(dict.fromkeys(ids))):
            query = select(usage_events).where(usage_events.c.source == source, usage_events.c.id.in_(some))
            found |= {row.id: _event(row) for row in self._connection.execute(query)}
        return found

    def append(self, batch: int, events: Sequence[UsageEvent]) -> None:
        """Insert events. One that is there already stays as it is."""
        rows = [(batch, *event[:3], event.kind.value, *event[4:]) for event in events]
        _many(self._connection, _APPEND, rows)

    def events_of(self, agent: str, upto: Mapping[str, int] | None = None) -> list[UsageEvent]:
        """Every event of one agent in order of time, source and id.

        Args:
            agent: Whose.
            upto: By source, the newest batch that is read; sources that it leaves out are not. None: everything.
        """
        query = select(usage_events).where(usage_events.c.agent == agent)
        rows = (row for row in self._connection.execute(query) if upto is None or row.batch <= upto.get(row.source, -1))
        return sorted(map(_event, rows), key=lambda event: (event.at, event.source, event.id))

    def signals_of(self, agents: Iterable[str]) -> list[UsageEvent]:
        """Every word of any source on what was noticed about these agents."""
        found: list[UsageEvent] = []
        for some in _parts(sorted(agents)):
            signals = usage_events.c.kind == Kind.SIGNAL.value
            query = select(usage_events).where(usage_events.c.agent.in_(some), usage_events.c.action == "", signals)
            found += map(_event, self._connection.execute(query))
        return found

    def coverage(self) -> Mapping[str, Windows]:
        """For each server that sources tell of: when all of them told everything."""
        return SqlWindows(self._connection).coverage()


class SqlUseDays:
    """Use by the day, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, rows: Iterable[UseDay]) -> None:
        """Add to what is stored: counts add up, the first and last times widen."""
        _many(self._connection, _ADD, [(*row.key, *row[1:]) for row in added_up(rows)])

    def days_of(self, keys: Iterable[ActivationKey], *, since: int = 0) -> dict[ActivationKey, list[UseDay]]:
        """The days of each of `keys` from the UTC day `since` on, in order; a key without any has none."""
        found: dict[ActivationKey, list[UseDay]] = defaultdict(list)
        wanted = {tuple(key): key for key in keys}
        for some in _parts(sorted(wanted)):
            query = select(use_days).where(_ENTITLEMENT.in_(some), use_days.c.day >= since)
            for row in self._connection.execute(query):
                found[wanted[row.agent, row.purpose, row.action, row.scope]].append(_day(row))
        return {key: sorted(days) for key, days in found.items()}

    def of_agent(self, agent: str) -> list[UseDay]:
        """Every day of one agent, in order of the keys."""
        return sorted(map(_day, self._connection.execute(select(use_days).where(use_days.c.agent == agent))))

    def calls_of(self, agent: str, *, since: int, source: str) -> dict[int, Calls]:
        """Everything that an agent called, as one source tells it, on each UTC day from `since` on."""
        of = (use_days.c.agent == agent, use_days.c.source == source, use_days.c.day >= since)
        query = select(use_days.c.day, *_SUMS).where(*of)
        found = self._connection.execute(query.group_by(use_days.c.day))
        return {day: Calls(*map(int, sums)) for day, *sums in found}

    def called_on(self, agent: str, *, least: int, since: int, source: str | None = None) -> dict[ActivationKey, Calls]:
        """What an agent called on at least so many UTC days from `since` on, in order of the keys.

        With `source`, as that one tells it; else as all do.
        """
        names = (use_days.c.agent, use_days.c.purpose, use_days.c.action, use_days.c.scope)
        of = [use_days.c.agent == agent, use_days.c.day >= since]
        of += [] if source is None else [use_days.c.source == source]
        query = select(*names, *_SUMS).where(*of).group_by(*names)
        rows = self._connection.execute(query.having(func.count(use_days.c.day.distinct()) >= least))
        found = {
            ActivationKey(AgentName(name), PurposeName(purpose), ActionName(action), scope): Calls(*map(int, sums))
            for name, purpose, action, scope, *sums in rows
        }
        return {key: found[key] for key in sorted(found)}


def _many(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """One statement for many rows, by the driver itself: decisions wait for the same writer."""
    if rows:
        postgres = connection.dialect.name == "postgresql"
        connection.exec_driver_sql(statement.replace("?", "%s") if postgres else statement, list(rows))


def _parts(values: list[Any]) -> Iterator[list[Any]]:
    for at in range(0, len(values), _SOME):
        yield values[at : at + _SOME]


def _source(row: Any) -> Source:  # noqa: ANN401 - a row of the table
    return Source(row.source, tuple(msgspec.json.decode(row.servers)), row.batch, Instant(row.created))


def _event(row: Any) -> UsageEvent:  # noqa: ANN401 - a row of the table
    return UsageEvent(
        row.source, row.id, Instant(row.at), Kind(row.kind), row.agent, row.purpose, row.action, row.run, row.body
    )


def _day(row: Any) -> UseDay:  # noqa: ANN401 - a row of the table
    key = DayKey(row.agent, row.purpose, row.action, row.scope, row.day, row.source)
    return UseDay(key, row.uses, row.denied, row.errors, row.first, row.last)
