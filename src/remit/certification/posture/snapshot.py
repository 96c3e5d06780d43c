"""The posture is written down: once a UTC day the sums of every agent's privilege, a row for each agent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from remit.access.activation import Activation, ActivationKey
from remit.access.activation_seal import UNSEALED, Unsealed
from remit.access.activation_sql import SqlActivations
from remit.agents.model import AgentState
from remit.certification.posture.growth import Tally, tally
from remit.certification.posture.hazard import SHIPPED, Hazard
from remit.certification.posture.privilege import standings
from remit.certification.posture.row import Row
from remit.certification.posture.sql import ALL, SqlPosture
from remit.certification.together_sql import SqlTogether
from remit.certification.usage.coverage import CoverageClock
from remit.kernel.clock import DAY, EPOCH, MINUTE, Clock, Instant
from remit.kernel.errors import RemitError
from remit.kernel.names import AgentName
from remit.logs import logger
from remit.people.succession import stand_ins
from remit.policy.activations import Activations
from remit.policy.view import AgentRecord, View
from remit.storage.ports import Reader, Transaction, Writer
from remit.tokens.sql import SqlRuns

_STEP = 100  # agents in one change
_KEYS = 500  # activations in one query
_ANEW = MINUTE  # between two counts of a first day, at least
_REST = 50  # times as long as the last count took
_KEPT = 800  # days for which an agent's own rows are kept: two years and a little
_log = logger("remit.certification")


@dataclass(slots=True, kw_only=True)
class Posture:
    """Writes the posture. Worker threads only."""

    writer: Writer
    reader: Reader
    clock: Clock
    coverage: CoverageClock
    view: Callable[[], View]
    seal: Unsealed = UNSEALED
    table: Hazard = SHIPPED
    _again: Instant = EPOCH  # when the figures of a first day are counted anew

    def missing(self) -> bool:
        """Whether today's rows are not all there yet."""
        day = self.clock.now() // DAY
        return not self.reader.read(lambda connection: SqlPosture(connection).has(day, ALL))

    def snapshot(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Write today's rows, if they are not there; how many agents' rows were written.

        What a day's first snapshot wrote stays, but on the first day there is: counted as the first agent came, its
        figures would say of a whole day that nothing was used. They are counted anew every minute, or more seldom
        where that takes long. If it is stopped, or fails, the next one goes on where it ended. No decision waits for
        it longer than for a hundred rows.
        """
        now = self.clock.now()
        day, written = now // DAY, 0
        anew = not self.missing()
        if anew and not (now >= self._again and self._first(day)):
            return 0
        names = sorted(name for name, each in self.view().agents.items() if each.agent.state is not AgentState.RETIRED)
        for at in range(0, len(names), _STEP):
            if stop():
                return written
            written += self._step(day, names[at : at + _STEP], now, anew=anew)
        counted = set(names)
        self.writer.change(lambda tx: self._finish(tx, day, counted, anew=anew))
        ended = self.clock.now()
        self._again = Instant(ended + max(_ANEW, (ended - now) * _REST))
        if not anew:
            _log.info("posture", agents=written)
        return written

    def _first(self, day: int) -> bool:
        return self.reader.read(lambda connection: SqlPosture(connection).oldest()) == day

    def _step(self, day: int, names: Sequence[str], now: Instant, *, anew: bool) -> int:
        known = set() if anew else self.reader.read(lambda connection: SqlPosture(connection).among(day, names))
        rows = [(name, row) for name in names if name not in known and (row := self._tried(name, now)) is not None]
        self.writer.change(lambda tx: SqlPosture(tx.connection).put(day, rows, anew=anew))
        return len(rows)

    def _finish(self, tx: Transaction, day: int, counted: Collection[str], *, anew: bool) -> None:
        rows = SqlPosture(tx.connection)
        # Who was retired since the first count of a first day keeps a row, and is in the sums of all no more.
        total = sum((each.row.sums for each in rows.day(day) if not anew or each.agent in counted), Tally())
        rows.put(day, [(ALL, Row(sums=total, table=self.table.sha256))], anew=anew)
        rows.forget(before=day - _KEPT)

    def _tried(self, name: str, now: Instant) -> Row | None:
        """An agent's row. One whose record cannot be read has none today, and keeps no other from having one."""
        view = self.view()
        record = view.agents.get(AgentName(name))
        try:
            return None if record is None else self._row(view, record, now)
        except RemitError as error:
            _log.warning("no posture", agent=name, error=error.public, detail=error.detail)
            return None

    def _row(self, view: View, record: AgentRecord, now: Instant) -> Row:
        agent = record.agent
        view = self._loaded(view, agent.agent)
        runs = self.reader.read(lambda connection: SqlRuns(connection).open_runs(agent.agent, now))
        sums = tally(
            standings(view, record, covered=self.coverage.covered(), now=now),
            view.activations.of(agent.agent),
            table=self.table,
            now=now,
        )
        live = len({run.instance for run in runs if run.open(now)})
        return Row(
            sums=replace(sums, instances=live, max_instances=agent.max_instances),
            table=self.table.sha256,
            owner=agent.owner,
            stand_ins=stand_ins(view.owners.get(agent.owner), view.owners.get),
            max_children=agent.max_children,
        )

    def _loaded(self, view: View, agent: str) -> View:
        """The view with the agent's activations; those of an agent that does nothing are not kept in memory for it."""
        if view.activations.knows(agent):
            return view
        own = Activations(self.coverage.covered)
        own.group(agent, self.reader.read(lambda connection: SqlTogether(connection).of_agent(agent)))
        own.load(agent, lambda: list(self._stored(agent)))
        return replace(view, activations=own)

    def _stored(self, agent: str) -> Iterator[Activation]:
        """What is stored of an agent; a row that cannot be read is left out, and stops nothing."""
        keys = self.reader.read(lambda connection: SqlActivations(connection, self.seal).keys_of(agent))
        for at in range(0, len(keys), _KEYS):
            some = keys[at : at + _KEYS]

            def query(connection: Connection, some: Sequence[ActivationKey] = some) -> list[Activation]:
                return [each for each, _ in SqlActivations(connection, self.seal).some(some)]

            yield from self.reader.read(query)
