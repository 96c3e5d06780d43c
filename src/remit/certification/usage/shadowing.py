"""Use of a server outside Remit: found when the server's own log is imported, recorded, and told to the owner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, select

from remit.audit.log import Log
from remit.certification.usage.ingest import Line
from remit.certification.usage.matching import TOLERANCE, Passed, Shadow, Use, shadows, unmatched
from remit.certification.usage.model import Kind, RefusedLine
from remit.certification.usage.sql import SqlUsage
from remit.kernel.canonical import canonical
from remit.kernel.clock import Clock, Instant, parse_date_end, rfc3339
from remit.kernel.errors import Malformed
from remit.kernel.names import split_action
from remit.people.notices import SqlNotices
from remit.people.ports import Records
from remit.policy.view import View
from remit.storage.governance_schema import usage_events
from remit.storage.ports import Reader, Transaction, Writer

SHADOW: Final = "shadow"
_MOST_DECISIONS: Final = 100_000  # of one agent that are looked at
_MOST_TOLD: Final = 100  # entries of one import; what is beyond is counted in the last one
_LONGEST_NAME: Final = 80  # of an agent that nobody registered: anybody's text
_REACHED: Final = (Kind.USE, Kind.ERROR)


@dataclass(frozen=True, slots=True)
class Found:
    """What an import shows."""

    shadows: Sequence[Shadow] = ()
    unread: int = 0  # uses that are older than the decisions that can be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadowing:
    """Looks at what is imported. Worker threads only."""

    writer: Writer
    reader: Reader
    records: Records
    clock: Clock
    view: Callable[[], View]
    log: Log

    def look(self, source: str, lines: Sequence[Line | RefusedLine]) -> Found:
        """What of an import, before it is written, no decision of Remit stands behind.

        Only of servers that are registered here, and that the source tells of: of others Remit knows nothing.
        """
        mine = self.reader.read(lambda connection: SqlUsage(connection).source(source))
        servers = frozenset(mine.servers if mine is not None else ()) & frozenset(self.view().servers)
        uses = [use for line in lines if isinstance(line, Line) if (use := _use(line, servers)) is not None]
        if not uses:
            return Found()
        known = self.reader.read(partial(_known, source=source, uses=uses))
        fresh = [use for use in uses if use not in known]
        if not fresh:
            return Found()
        passed, since = self._passed(fresh)
        readable = [use for use in {*fresh, *known} if use.at >= since]
        new = frozenset(fresh)
        left = [use for use in unmatched(readable, passed) if use in new]
        return Found(shadows(left), sum(use.at < since for use in fresh))

    def tell(self, source: str, found: Found) -> None:
        """Record what was found, and tell the owners; what was found before is not told again."""
        if not found.shadows:
            return
        told = {_same(each.header) for each in self.log.recent(_MOST_TOLD * 10, kind="incident", what=SHADOW)}
        new = [each for each in found.shadows if _same(shown(source, each)) not in told]
        if new:
            self.writer.change(partial(self._tell, source=source, found=Found(new)))

    def _passed(self, uses: Iterable[Use]) -> tuple[list[Passed], Instant]:
        """What was let through of these agents, and since when all of it was read."""
        passed: list[Passed] = []
        horizon = self.log.horizon()
        since = Instant(0) if horizon is None else Instant(parse_date_end(horizon) + TOLERANCE)
        for agent in sorted({use.agent for use in uses} & set(self.view().agents)):
            entries = self.log.recent(_MOST_DECISIONS, kind="decision", agent=agent, forwarded=True)
            passed += [
                Passed(agent, each.header["action"], Instant(parse_date_end(each.header["time"]))) for each in entries
            ]
            if len(entries) == _MOST_DECISIONS:
                since = max(since, Instant(passed[-1].at + TOLERANCE))
        return passed, since

    def _tell(self, tx: Transaction, *, source: str, found: Found) -> None:
        agents, now = self.view().agents, self.clock.now()
        for at, each in enumerate(found.shadows[:_MOST_TOLD]):
            registered = each.agent in agents
            said = shown(source, each) | {"registered": registered}
            if at == _MOST_TOLD - 1:
                said |= {"more": len(found.shadows) - _MOST_TOLD}
            tx.record(self.records.entry("incident", said))
            if registered:
                reason = f"{each.action} was used {each.uses} times, as {source} says, without any decision"
                notice = canonical(said | {"reason": reason, "at": rfc3339(now)}).decode("utf-8")
                SqlNotices(tx.connection).put(each.agent, notice)


def _same(said: Mapping[str, Any]) -> tuple[object, ...]:
    """What makes two findings one: lines of an agent that is not registered are refused, and may come again."""
    return tuple(said.get(name) for name in ("source", "agent", "action", "count", "first", "last"))


def shown(source: str, each: Shadow) -> dict[str, Any]:
    """A finding, as it is recorded and answered."""
    return {
        "what": SHADOW,
        "source": source,
        "server": split_action(each.action)[0],
        "agent": each.agent[:_LONGEST_NAME],
        "action": each.action,
        "count": each.uses,
        "first": rfc3339(each.first),
        "last": rfc3339(each.last),
    }


def _use(line: Line, servers: frozenset[str]) -> Use | None:
    event = line.event
    if event.kind not in _REACHED or not event.action:
        return None
    try:
        server, _, _ = split_action(event.action)
    except Malformed:
        return None
    return Use(event.agent, event.action, event.at, event.id) if server in servers else None


def _known(connection: Connection, *, source: str, uses: Sequence[Use]) -> set[Use]:
    """What the source told before, near what it tells now: it has had its decisions."""
    columns, near = usage_events.c, 2 * TOLERANCE
    first, last = min(use.at for use in uses) - near, max(use.at for use in uses) + near
    query = select(columns.agent, columns.action, columns.at, columns.id).where(
        columns.source == source,
        columns.agent.in_(sorted({use.agent for use in uses})),
        columns.kind.in_([kind.value for kind in _REACHED]),
        columns.at.between(first, last),
    )
    return {Use(row.agent, row.action, Instant(row.at), row.id) for row in connection.execute(query)}
