"""Doubts about a record of use: raised by the limiter, ended by a person, tried on a few agents first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Any, Final

from remit.access.activation_sql import SqlActivations
from remit.access.doubt import Doubt, DoubtState
from remit.certification.doubts_sql import SqlDoubts
from remit.certification.limiter import Place
from remit.certification.ports import Asker
from remit.certification.together_sql import SqlTogether
from remit.kernel.clock import DAY, HOUR, Clock, Instant, Micros, rfc3339
from remit.kernel.errors import Conflict, NotFound
from remit.people.change import Actor
from remit.people.ports import Records
from remit.storage.ports import Reader, Transaction, Writer

TOPIC: Final = "doubts"
KIND: Final = "usage_doubted"
_CANARY_PERCENT: Final = 1
_CANARY_FOR: Final = HOUR
_QUIET_FOR: Final = DAY  # after a person said that a record is right, what it says is not doubted again for so long


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubting:
    """State changes of doubts. Worker threads only.

    Args:
        refused: How many calls of these agents were refused since then because what they need had lapsed and
            a person has to start it.
    """

    writer: Writer
    reader: Reader
    records: Records
    clock: Clock
    asker: Asker
    refused: Callable[[Sequence[str], Instant], int] = lambda _agents, _since: 0

    def raise_within(
        self, tx: Transaction, place: Place, *, since: Instant, covered: Micros, many: int, of: int
    ) -> None:
        """Doubt a record from a moment on, within a change, and ask a person."""
        now = self.clock.now()
        doubt = Doubt(
            server=place.server, agent=place.agent, since=since, covered=covered, state=DoubtState.DOUBTED, moved=now
        )
        SqlDoubts(tx.connection).put(doubt)
        said = {
            "server": place.server,
            "about": place.agent,
            "would_lapse": many,
            "of": of,
            "believed_until": rfc3339(since),
        }
        tx.record(self.records.entry("incident", {"what": KIND, **said}))
        self.asker.ask(tx, kind=KIND, agent=place.agent, about=doubt.name, why="too_many_at_once", facts=said)
        tx.touch(TOPIC)

    def trust(self, tx: Transaction, name: str, *, agents: Iterable[str], by: Actor) -> Doubt:
        """A person says that the record is right: it is believed of a few agents first, after an hour of all.

        Args:
            tx: The change.
            name: Of the doubt: the server, or the server and the agent.
            agents: Those whose entitlements it holds.
            by: Who says so.

        Raises:
            NotFound, Conflict: There is no such doubt; it is being ended already.
        """
        doubt = _found(tx, name)
        if doubt.state is not DoubtState.DOUBTED:
            raise Conflict(f"the record of {name} is believed again already")
        few = canary_of(agents, name)
        return self._move(tx, replace(doubt, state=DoubtState.CANARY, canary=few), by=by.person)

    def distrust(self, tx: Transaction, name: str, *, by: Actor) -> Doubt:
        """A person says that the record is wrong: the idle clocks go on standing still until somebody trusts it.

        Raises:
            NotFound: There is no such doubt.
        """
        return self._move(tx, replace(_found(tx, name), state=DoubtState.DOUBTED, canary=()), by=by.person)

    def tick(self, _stop: Callable[[], bool] = lambda: False) -> int:
        """End what was tried for long enough on a few, and forget what is long over; how many moved."""
        due = [each for each in self.reader.read(lambda connection: SqlDoubts(connection).all()) if self._due(each)]
        return sum(self.writer.change(partial(self._next, doubt=each)) for each in due)

    def _due(self, doubt: Doubt) -> bool:
        waits = {DoubtState.CANARY: _CANARY_FOR, DoubtState.OVER: _QUIET_FOR}.get(doubt.state)
        return waits is not None and self.clock.now() >= doubt.moved + waits

    def _next(self, tx: Transaction, doubt: Doubt) -> int:
        if doubt.state is DoubtState.OVER:
            SqlDoubts(tx.connection).remove(doubt)
            tx.touch(TOPIC)
            return 1
        refused = self.refused(doubt.canary, doubt.moved)
        if refused:
            back = replace(doubt, state=DoubtState.DOUBTED, canary=())
            self._move(tx, back, by="", refused=refused)
            facts = {"server": doubt.server, "about": doubt.agent, "refused": refused, "tried_on": list(doubt.canary)}
            self.asker.ask(tx, kind=KIND, agent=doubt.agent, about=doubt.name, why="work_was_refused", facts=facts)
        else:
            self._move(tx, replace(doubt, state=DoubtState.OVER, canary=()), by="")
        return 1

    def _move(self, tx: Transaction, doubt: Doubt, *, by: str, **more: int) -> Doubt:
        moved = replace(doubt, moved=self.clock.now())
        SqlDoubts(tx.connection).put(moved)
        said: dict[str, Any] = {
            "server": doubt.server, "about": doubt.agent, "state": doubt.state.value, "by": by, **more,
        }  # fmt: skip
        if doubt.canary:
            said["tried_on"] = list(doubt.canary)
        tx.record(self.records.entry("doubt", said))
        tx.touch(TOPIC)
        # Idle clocks go on, or stand still: what that changes is recorded with the next tick.
        SqlActivations(tx.connection).due_now([doubt.server], moved.moved)
        SqlActivations(tx.connection).postpone(
            (key, moved.moved) for key in SqlTogether(tx.connection).beside_servers([doubt.server])
        )
        return moved


def canary_of(agents: Iterable[str], name: str) -> tuple[str, ...]:
    """One agent of a hundred, at least one, whom nobody can choose: those first in order of a hash (pure)."""
    ordered = sorted(set(agents), key=lambda agent: sha256(f"{name}\n{agent}".encode()).digest())
    return tuple(sorted(ordered[: max(1, len(ordered) * _CANARY_PERCENT // 100)]))


def _found(tx: Transaction, name: str) -> Doubt:
    for doubt in SqlDoubts(tx.connection).all():
        if doubt.name == name and doubt.state is not DoubtState.OVER:
            return doubt
    raise NotFound(f"nobody doubts the record of use of {name}"[:200])
