"""The posture is read: today, as time series, person by person, what is used like a clock, what approvals widened."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Final, NamedTuple

from sqlalchemy import Connection

from remit.access.activation import ActivationKey
from remit.access.added import tiers
from remit.access.sql import SqlBoundaries, load_of_agent
from remit.agents.sql import SqlAgents
from remit.catalog.sql import SqlServers
from remit.certification.noticing.clockwork import Clockwork
from remit.certification.noticing.clockwork_sql import used_evenly_of
from remit.certification.posture.reach import Person, people
from remit.certification.posture.row import Row
from remit.certification.posture.sql import ALL, Dated, SqlPosture
from remit.certification.posture.widening import Widened, widened
from remit.kernel.clock import DAY, Clock, Instant, parse_date_end
from remit.kernel.names import split_action
from remit.storage.ports import Reader

COMPARED: Final = 90  # days between the two rows that people's reach is compared on


class LikeAClock(NamedTuple):
    """An entitlement that is used like a clock, and the boundaries that name it without a `cadence`."""

    key: ActivationKey
    boundaries: tuple[str, ...]
    how: Clockwork


@dataclass(frozen=True, slots=True, kw_only=True)
class PostureReport:
    """Reads the posture. Worker threads only."""

    reader: Reader
    clock: Clock

    def newest(self, *, after: str = ALL, most: int) -> tuple[int, Row, list[Dated]] | None:
        """(day, the row of all, up to `most` agents' rows behind `after`) of the newest day; None before the first."""

        def query(connection: Connection) -> tuple[int, Row, list[Dated]] | None:
            rows = SqlPosture(connection)
            day = rows.newest(until=self.clock.now() // DAY)
            total = None if day is None else rows.find(day, ALL)
            return None if day is None or total is None else (day, total, rows.page(day, after=after, most=most))

        return self.reader.read(query)

    def day(self, connection: Connection) -> int | None:
        """The newest UTC day (since 1970) whose rows are all there; None before the first."""
        return SqlPosture(connection).newest(until=self.clock.now() // DAY)

    def everybody(self, connection: Connection) -> tuple[int, Row | None] | None:
        """The newest day and the sums of all agents on it; None before the first. Of a first day they change."""
        day = self.day(connection)
        return None if day is None else (day, SqlPosture(connection).find(day, ALL))

    def rows(self, day: int) -> list[Dated]:
        """Every agent's row of a day."""
        return self.reader.read(lambda connection: list(SqlPosture(connection).day(day)))

    def series(self, agent: str, *, days: int) -> list[Dated]:
        """The rows of an agent (or of all, "") over the last `days` days, today among them, the oldest first."""
        until = self.clock.now() // DAY
        return self.reader.read(
            lambda connection: SqlPosture(connection).series(agent, since=until - days + 1, until=until)
        )

    def people(self) -> tuple[int, int, list[Person]] | None:
        """(today, the day it is compared with, everybody); None before the first snapshot.

        Compared is with the row of 90 days before, or the newest before that, or else the oldest there is.
        """

        def query(connection: Connection) -> tuple[int, int, list[Person]] | None:
            rows = SqlPosture(connection)
            day = rows.newest(until=self.clock.now() // DAY)
            if day is None:
                return None
            then = rows.newest(until=day - COMPARED)
            then = (rows.oldest() or day) if then is None else then
            return day, then, people((each.row for each in rows.day(day)), (each.row for each in rows.day(then)))

        return self.reader.read(query)

    def clockwork(self, agent: str, *, after: str, most: int) -> tuple[list[LikeAClock], str | None]:
        """What is used like a clock though no owner said that it would be, and the agent to go on behind, or None.

        Args:
            agent: Of one agent; "" for all.
            after: Only agents behind this name.
            most: After so many rows no further agent is looked at.
        """
        names = self.reader.read(lambda connection: [each.agent for each in SqlAgents(connection).all()])
        found: list[LikeAClock] = []
        for name in sorted(each for each in names if each > after and agent in {"", each}):
            found += self.reader.read(partial(_like_a_clock, agent=name, now=self.clock.now()))
            if len(found) >= most:
                return found, name
        return found, None

    def widenings(self, year: int) -> list[Widened]:
        """Each agent that was given anything in a UTC year, and what is left of its limit; by name."""

        def query(connection: Connection) -> list[Widened]:
            start, end = _year(year), _year(year + 1)
            tier = tiers(cache(SqlServers(connection).find))
            boundaries, agents = SqlBoundaries(connection), SqlAgents(connection)
            found = []
            for name in boundaries.approved_between(start, end):
                agent = agents.find(name)
                limit = None if agent is None else agent.max_widening
                found.append(widened(boundaries.of_agent(name), tier, agent=name, year=year, limit=limit))
            return found

        return self.reader.read(query)


def _like_a_clock(connection: Connection, *, agent: str, now: Instant) -> list[LikeAClock]:
    granted: dict[ActivationKey, list[str]] = {}
    declared: set[ActivationKey] = set()
    for boundary in load_of_agent(connection, agent):
        if boundary.break_glass or now >= boundary.not_after:
            continue
        for action, rule in boundary.rules.items():
            key = ActivationKey(boundary.agent, boundary.purpose, action, split_action(action)[0])
            granted.setdefault(key, []).append(boundary.boundary)
            if rule.cadence is not None:
                declared.add(key)
    found = used_evenly_of(connection, agent, granted.keys() - declared, now=now)
    return [LikeAClock(key, tuple(granted[key]), how) for key, how in found.items()]


def _year(year: int) -> Instant:
    """The first moment of a UTC year."""
    return Instant(parse_date_end(f"{year:04d}-01-01") - DAY)
