"""What an estate is judged from, read from a database: the registry whole, activations an agent at a time.

The settings are those that a server would judge in, by the same functions (`policy/setting.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from remit.access.activation import Activation, ActivationKey, Usage
from remit.access.activation_row import activation_of, suspended
from remit.certification.estate.compare import older_than_days
from remit.certification.estate.judging import STATES, Bench, Held
from remit.certification.estate.model import Row
from remit.certification.recount import began, standing
from remit.certification.setting import setting_of
from remit.certification.usage.coverage import KEY, NO_GAP
from remit.certification.usage.windows import windows
from remit.kernel.clock import Instant, Micros
from remit.kernel.errors import IntegrityFailed
from remit.policy.entitlement import Setting
from remit.policy.facts import Facts
from remit.policy.ports import Engine, FactSource
from remit.policy.setting import Moment
from remit.policy.view import View
from remit.storage.node_schema import nodes
from remit.storage.schema import activations, meta
from remit.tokens.sql import SqlRuns

_SOME: Final = 10_000  # rows that are read at once
_UNREADABLE: Final = (SQLAlchemyError, ValueError, KeyError, TypeError, AttributeError, msgspec.MsgspecError)


class Stored(NamedTuple):
    """A row. What cannot be read stands for nothing that is in force."""

    activation: Activation
    due: int
    readable: bool


@dataclass(frozen=True, slots=True)
class Source:
    """Where records come from: one snapshot, and who reads the registry of it."""

    connection: Connection
    facts: FactSource
    engine: Engine

    def view(self) -> View:
        """The registry, as a server has it in memory; of activations nothing yet.

        Raises:
            IntegrityFailed: It cannot be read.
        """
        facts = Facts(source=self.facts, engine=self.engine, contact=lambda: Instant(0))
        try:
            facts.load(self.connection, epoch=0)
        except _UNREADABLE as error:
            raise IntegrityFailed(
                "what entitlements stand on cannot be read", detail=repr(error), try_="remit audit verify"
            ) from error
        return facts.view()

    def activations(self, agent: str | None = None) -> Iterator[Stored]:
        """All that were ever started, or one agent's. Each is read to its end before anything else is."""
        query = select(activations).where(activations.c.serial > 0)
        if agent is not None:
            query = query.where(activations.c.agent == agent)
        for row in self.connection.execute(query.execution_options(yield_per=_SOME)):
            try:
                yield Stored(activation_of(row), row.due, readable=True)
            except _UNREADABLE:
                yield Stored(suspended(row), row.due, readable=False)

    def moment(self, newest: Instant) -> Moment:
        """The end of the record, and what the coverage clock said then. `newest`: when the last entry was made."""
        stored = self.connection.execute(select(meta.c.value).where(meta.c.key == KEY)).scalar_one_or_none()
        said = {"covered": 0, "at": newest} if stored is None else msgspec.json.decode(stored)
        now = max(newest, Instant(said["at"]))
        since = now - said["at"]
        reading = said["covered"] + (since if since <= NO_GAP else 0)
        query = select(nodes.c.covered).where(nodes.c.ended.is_(None))
        others = list(self.connection.execute(query).scalars())
        # Of several nodes none goes by more than what all of them wrote down.
        return Moment(now, min(reading, *others) if len(others) > 1 else reading)


@dataclass(slots=True)
class Entitlements:
    """Activations and their settings, in the order of their keys; those of one agent are in memory."""

    source: Source
    view: View
    keys: Sequence[ActivationKey]  # by `eid`, sorted
    _agent: str = ""
    _runs: Mapping[tuple[str, str], Instant] = field(default_factory=dict)

    def of(self, eid: int, now: Instant) -> tuple[Activation, Instant | None]:
        """One activation, and when the oldest run began that is open for its purpose."""
        key = self.keys[eid]
        if key.agent != self._agent:
            self._turn(key.agent, now)
        found = self.view.activations.find(key)
        assert found is not None  # noqa: S101 - the keys are of the same snapshot
        return found, self._runs.get((key.agent, key.purpose))

    def _turn(self, agent: str, now: Instant) -> None:
        known, connection = self.view.activations, self.source.connection
        known.let_go(self._agent)
        known.group(self._agent, {})
        known.group(agent, self.source.facts.together(connection, agent))
        known.load(agent, lambda: [row.activation for row in self.source.activations(agent)])
        self._runs = SqlRuns(connection).oldest_open([agent], now)
        self._agent = agent


@dataclass(frozen=True, kw_only=True)
class RecordsBench(Bench):
    """The estate's judge over what a database holds. Each entitlement has terms of its own here."""

    entitlements: Entitlements
    clock: Micros  # the coverage clock
    began: int  # the first day of use that was written down

    def activation(self, held: Held) -> Activation:
        """As it is kept, in the state that was recorded, with the use that stands."""
        known, _ = self.entitlements.of(held.row.eid, self.now)
        return replace(
            known, state=STATES[held.state], since=Instant(held.since), why=held.why, under=held.under,
            unsure=Instant(held.unsure),
            usage=later_use(known.usage, held.row, began=self.began, clock=self.clock),
        )  # fmt: skip

    def setting(self, held: Held) -> Setting:
        """What the server's own tick would judge it in."""
        known, opened = self.entitlements.of(held.row.eid, self.now)
        return setting_of(
            self.entitlements.view, known.key, covered=self.clock, now=self.now, prefer=known.boundary, opened=opened
        )

    def stands_on(self, row: Row) -> str:
        """Its key: the registry says the rest."""
        return "\n".join(self.entitlements.keys[row.eid])

    def moved(self, micros: int) -> RecordsBench:
        """The same, so much later or earlier, on both clocks."""
        return replace(self, now=Instant(self.now + micros), clock=Micros(self.clock + micros))


def bench(source: Source, keys: Sequence[ActivationKey], newest: Instant) -> RecordsBench:
    """The judge at the end of the record."""
    at = source.moment(newest)
    return RecordsBench(
        now=at.now, windows=windows(()), terms=(), entitlements=Entitlements(source, source.view(), keys),
        clock=Micros(at.covered), began=began(source.connection),
    )  # fmt: skip


def later_use(kept: Usage, row: Row, *, began: int, clock: Micros) -> Usage:
    """The use that an entitlement is judged by, as the daily sweep takes it: counted anew, where that is later (pure).

    Args:
        kept: What the activation keeps.
        row: What its days come to.
        began: The first day of use that was written down.
        clock: The coverage clock now.
    """
    if not row.days or (row.last, row.days) <= (kept.last, kept.days) or older_than_days(kept, row, began):
        return kept
    return standing(kept, row.usage(lambda _at: kept.covered), clock)
