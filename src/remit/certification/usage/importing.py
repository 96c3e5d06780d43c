"""Imports of usage: sources are registered, and what they tell is written down, a step at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

from sqlalchemy import Connection

from remit.access.activation import ActivationKey
from remit.certification.usage.imported import Imported, claim, entitlements, refuse_history
from remit.certification.usage.ingest import Known, Line, Taken, newest_signals, take
from remit.certification.usage.model import OWN, Kind, RefusedLine, UsageEvent, digest
from remit.certification.usage.silence import waited
from remit.certification.usage.silence_sql import SqlHabits
from remit.certification.usage.sql import Source, SqlUsage, SqlUseDays
from remit.certification.usage.windows import Span, Windows, holes, stretched, windows
from remit.certification.usage.windows_sql import SqlWindows
from remit.kernel.canonical import canonical
from remit.kernel.clock import Clock, Instant
from remit.kernel.errors import Conflict, Malformed, NotFound
from remit.kernel.names import check_name, split_action
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.policy.view import View
from remit.storage.ports import Reader, Transaction, Writer

STEP: Final = 1_000  # events in one change: decisions wait for the same writer
_MOST_WINDOWS: Final = 64  # named in an entry
_MOST_SERVERS: Final = 1_000
_TAKEN: Final = frozenset({OWN, "sources", "coverage"})  # Remit's own enforcement; paths of the API

Dirty = Callable[[Transaction, Sequence[ActivationKey]], None]
"""Told, within the change, of the entitlements whose use changed, in order."""
Covered = Callable[[Transaction, Sequence[str]], None]
"""Told, within the change, of the servers whose record of use is complete for another time than before."""
Noticed = Callable[[Transaction, UsageEvent], None]
"""Told, within the change, of the newest `signal` event about something, when one about it came in."""


def _nobody(_tx: Transaction, _what: object) -> None:
    """Nobody needs to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageService:
    """Usage of other sources. Worker threads only."""

    writer: Writer
    reader: Reader
    records: Records
    clock: Clock
    view: Callable[[], View]
    dirty: Dirty = _nobody
    covered: Covered = _nobody
    noticed: Noticed = _nobody

    def register(self, name: str, servers: Collection[str], *, by: Actor) -> Source:
        """Say that a source tells of the use of `servers`; for one that is known, of which from now on.

        Raises:
            Malformed: A name that none can have, or no server.
            Conflict: The name has a meaning of its own.
        """
        check_name(name, what="source")
        if name in _TAKEN:
            raise Conflict(f"no source can be called {name}", try_="choose another name")
        mine = tuple(sorted({check_name(server, what="server") for server in servers}))
        if not 0 < len(mine) <= _MOST_SERVERS:
            raise Malformed(f"a source tells of 1 to {_MOST_SERVERS} servers")
        return self.writer.change(partial(self._register, name=name, servers=mine, by=by))

    def _register(self, tx: Transaction, *, name: str, servers: tuple[str, ...], by: Actor) -> Source:
        rows = SqlUsage(tx.connection)
        row = rows.source(name)
        before = row if row is not None and row.servers else None  # one that was taken off is no source
        if before is not None and before.servers == servers:
            return before
        created, batch = (self.clock.now() if before is None else before.created), (0 if row is None else row.batch + 1)
        # Other servers are a step of their own: what a verdict read of the source until then was read of others.
        after = Source(name, servers, batch, created)
        rows.put(after)
        touched = sorted({*servers, *(before.servers if before else ())})
        tx.touch(*(f"usage:{server}" for server in touched))
        self.covered(tx, touched)
        changed = Changed(
            what="usage_source", name=name, change="create" if before is None else "update",
            before=before and before.body(), after=after.body(), more={"servers": list(servers)},
        )  # fmt: skip
        record(tx, self.records, changed, by=by)
        return after

    def coverage(self) -> Mapping[str, Windows]:
        """For each server that sources tell of: when all of them told everything."""
        return self.reader.read(lambda connection: SqlUsage(connection).coverage())

    def import_batch(
        self, source: str, lines: Sequence[Line | RefusedLine], *, covers: Iterable[Span] = (), by: Actor,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> Imported:  # fmt: skip
        """Write down what `source` tells, and that it told everything within `covers`.

        The windows come last, once all that is in them is there, and only if every line was understood: a line
        that was not may have been a use. `progress` is told after each change how many lines are done.

        Raises:
            NotFound: No source of that name is registered.
            Malformed: A line of a kind that is for a history only, or a window that is none; nothing is written.
        """
        self.reader.read(lambda connection: _registered(connection, source))
        refuse_history(lines)
        claims = [claim(source, span) for span in covers]
        found = Imported(source)
        found.refused += [line for line in lines if isinstance(line, RefusedLine)]
        events = [line for line in lines if isinstance(line, Line)]
        for at in range(0, len(events), STEP):
            self._write(found, events[at : at + STEP], by)
            progress(min(len(events), at + STEP))
        found.covered = all(line.told for line in found.refused)
        if claims and found.covered:
            self._write(found, claims, by)
        return found

    def _write(self, found: Imported, lines: Sequence[Line], by: Actor) -> None:
        taken, batch = self.writer.change(partial(self._apply, source=found.source, lines=lines, by=by))
        found.add(taken)
        found.batch = batch or found.batch

    def _apply(self, tx: Transaction, *, source: str, lines: Sequence[Line], by: Actor) -> tuple[Taken, int]:
        rows, now = SqlUsage(tx.connection), self.clock.now()
        registered = _registered(tx.connection, source)
        known = Known(
            agents=self.view().agents, purposes=_purposes(self.view(), now),
            stored=rows.stored(source, [line.event.id for line in lines]), servers=frozenset(registered.servers),
            holds=_holds(self.view(), now),
        )  # fmt: skip
        taken = take(lines, known, now=now)
        moved = self._cover(tx, registered, taken)
        if not taken.rows and not moved:
            return taken, 0
        batch = registered.batch + 1
        rows.put(registered._replace(batch=batch))
        rows.append(batch, taken.rows)
        SqlUseDays(tx.connection).add(taken.days)
        self._tell(tx, taken)
        record(tx, self.records, _entry(tx, registered, taken, batch), by=by)
        return taken, batch

    def _cover(self, tx: Transaction, source: Source, taken: Taken) -> bool:
        """Write what follows for the source's windows; whether anything about its coverage is new."""
        rows, name = SqlWindows(tx.connection), source.source
        claimed, told, before = rows.claims(name), rows.stretches(name), rows.windows(name)
        claims, numbers = claimed.merge(windows(taken.claims)), stretched(told, taken.told)
        after = claims.without(holes(numbers))
        rows.keep_claims(name, claimed, claims)
        rows.keep_stretches(name, told, numbers)
        rows.keep_windows(name, before, after)
        if after != before:
            tx.touch(*(f"usage:{server}" for server in source.servers))
            self.covered(tx, source.servers)
            self._waited(tx, source, before, after)
        return (claims, numbers, after) != (claimed, told, before)

    def _waited(self, tx: Transaction, source: Source, before: Windows, after: Windows) -> None:
        """Write down how long Remit waited for it, if it told further than ever before."""
        if not before.spans or not after.spans or after.spans[-1][1] <= before.spans[-1][1]:
            return
        habits = SqlHabits(tx.connection)
        known = habits.of(source.source)
        ended = max(before.spans[-1][1], source.created)
        habits.put(source.source, known._replace(waits=waited(known.waits, ended=ended, now=self.clock.now())))

    def _tell(self, tx: Transaction, taken: Taken) -> None:
        keys = entitlements(taken.days)
        tx.touch(*(f"activations:{agent}" for agent in sorted({row.key.agent for row in taken.days})))
        if keys:
            self.dirty(tx, keys)
        came = newest_signals(event for event in taken.rows if event.kind is Kind.SIGNAL)
        stored = newest_signals(SqlUsage(tx.connection).signals_of({agent for agent, _, _ in came}))
        for about in sorted(came):
            self.noticed(tx, stored.get(about, came[about]))


def _registered(connection: Connection, source: str) -> Source:
    """The source; one that was taken off is none.

    Raises:
        NotFound: No source of that name is registered.
    """
    found = SqlUsage(connection).source(source)
    if found is None or not found.servers:
        raise NotFound(f"there is no source {source}", try_=f"remit usage register {source} --server SERVER")
    return found


def _purposes(view: View, now: Instant) -> Callable[[str, str], Sequence[str]]:
    """For which purposes a boundary in force names an action of an agent, each agent looked up once."""

    @cache
    def of(agent: str) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        record = view.agents.get(agent)
        for (purpose, action), held in sorted(record.reach.grants.items()) if record else ():
            if any(now < grant.boundary.not_after for grant in held):
                found.setdefault(action, []).append(purpose)
        return found

    return lambda agent, action: of(agent).get(action, ())


def _holds(view: View, now: Instant) -> Callable[[str], Collection[str]]:
    """Of which servers a boundary in force names something of an agent, each agent looked up once."""

    @cache
    def of(agent: str) -> frozenset[str]:
        record = view.agents.get(agent)
        held = () if record is None else record.reach.grants.items()
        return frozenset(
            split_action(action)[0]
            for (_, action), grants in held
            if any(now < grant.boundary.not_after for grant in grants)
        )

    return of


def _entry(tx: Transaction, source: Source, taken: Taken, batch: int) -> Changed:
    spans = [list(span) for span in SqlWindows(tx.connection).windows(source.source).spans]
    more: dict[str, Any] = {
        "batch": batch,
        "count": len(taken.rows),
        "sha256": digest(taken.rows),
        "refused": len(taken.refused),
        "windows": spans[-_MOST_WINDOWS:],
        "windows_sha256": hashlib.sha256(canonical(spans)).hexdigest(),
    }
    return Changed(what="usage", name=source.source, change="import", before=None, after=None, more=more)
