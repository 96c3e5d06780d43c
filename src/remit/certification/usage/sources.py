"""Sources of usage as they stand: who is heard, who has gone silent, and taking off one that will never speak again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from remit.certification.usage.model import OWN
from remit.certification.usage.silence import Hearing, hearing
from remit.certification.usage.silence_sql import Habit, SqlHabits
from remit.certification.usage.sql import Source, SqlUsage
from remit.certification.usage.windows import Windows
from remit.certification.usage.windows_sql import SqlWindows
from remit.kernel.clock import Clock, Instant
from remit.kernel.errors import Conflict, NotFound
from remit.kernel.names import AgentName, split_action
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.policy.view import View
from remit.storage.ports import Reader, Transaction, Writer


class Told(NamedTuple):
    """A source, when it told everything, and whether it is heard."""

    source: Source
    windows: Windows
    hearing: Hearing
    habit: Habit


class Standing(NamedTuple):
    """What hangs on a source."""

    entitlements: int  # on its servers, that a boundary in force names
    agents: tuple[AgentName, ...]  # whose they are
    alone: tuple[str, ...]  # servers of which no other source tells: without it Remit's own record counts there


def told(connection: Connection, now: Instant) -> list[Told]:
    """Every registered source, by name."""
    rows, habits, found = SqlWindows(connection), SqlHabits(connection), []
    for source in SqlUsage(connection).sources():
        if source.servers:
            windows, habit = rows.windows(source.source), habits.of(source.source)
            heard = hearing(windows, habit.waits, registered=source.created, now=now)
            found.append(Told(source, windows, heard, habit))
    return found


def standing(source: Source, others: Collection[Source], view: View, *, now: Instant) -> Standing:
    """What hangs on `source` now, beside the `others` that are registered (itself may be among them)."""
    mine, count = frozenset(source.servers), 0
    agents: list[AgentName] = []
    for name, agent in sorted(view.agents.items()):
        keys = [
            key for key, held in agent.reach.grants.items()
            if split_action(key[1])[0] in mine and any(now < grant.boundary.not_after for grant in held)
        ]  # fmt: skip
        count += len(keys)
        agents += [AgentName(name)] if keys else []
    elsewhere = {server for other in others if other.source != source.source for server in other.servers}
    return Standing(count, tuple(agents), tuple(sorted(mine - elsewhere)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Shows sources, and takes them off. Worker threads only.

    Args:
        writer: Where it is written.
        reader: Where it is read.
        records: Makes entries.
        clock: Says when.
        view: Which entitlements there are.
        covered: Told, within the change, of the servers whose record of use is another than before.
    """

    writer: Writer
    reader: Reader
    records: Records
    clock: Clock
    view: Callable[[], View]
    covered: Callable[[Transaction, Sequence[str]], None] = lambda _tx, _servers: None

    def listing(self) -> list[Told]:
        """Every source, by name."""
        now = self.clock.now()
        return self.reader.read(lambda connection: told(connection, now))

    def find(self, name: str) -> tuple[Told, Standing]:
        """One source, and what hangs on it.

        Raises:
            NotFound: No source of that name is registered.
        """
        found = self.listing()
        one = next((each for each in found if each.source.source == name), None)
        if one is None:
            raise _unknown(name)
        others = [each.source for each in found]
        return one, standing(one.source, others, self.view(), now=self.clock.now())

    def unregister(self, name: str, *, by: Actor) -> tuple[Source, Standing]:
        """Take a source off its servers: idle clocks no longer wait for it. What it told stays.

        Entitlements of its servers are judged with the next tick, by what is left: the other sources that tell of
        the server, or Remit's own record.

        Raises:
            NotFound: No source of that name is registered.
            Conflict: It is Remit's own enforcement.
        """
        if name == OWN:
            raise Conflict("remit is what Remit sees itself: it cannot be taken off", try_="remit usage sources")
        return self.writer.change(partial(self._unregister, name=name, by=by))

    def _unregister(self, tx: Transaction, *, name: str, by: Actor) -> tuple[Source, Standing]:
        rows, habits = SqlUsage(tx.connection), SqlHabits(tx.connection)
        before = rows.source(name)
        if before is None or not before.servers:
            raise _unknown(name)
        found = standing(before, rows.sources(), self.view(), now=self.clock.now())
        # Its row stays, and its batches go on: a verdict says up to which one it read, and no number may come twice.
        rows.put(before._replace(servers=(), batch=before.batch + 1))
        habits.put(name, habits.of(name)._replace(silent=Instant(0)))
        tx.touch(*(f"usage:{server}" for server in before.servers))
        self.covered(tx, before.servers)
        more = {"servers": list(before.servers), "entitlements": found.entitlements, "alone": list(found.alone)}
        changed = Changed(
            what="usage_source", name=name, change="remove", before=before.body(), after=None, more=more
        )  # fmt: skip
        record(tx, self.records, changed, by=by)
        return before, found


def _unknown(name: str) -> NotFound:
    return NotFound(f"there is no source {name}"[:200], try_="remit usage sources")
