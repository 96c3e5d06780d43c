"""Certification as it runs: what is due is judged, what changed is recorded, what was used is written down.

It keeps no access alive: every decision judges for itself. What it does is record transitions,
tell owners, and make the record of use durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from remit.access.activation import Activation, ActivationKey
from remit.access.activation_seal import UNSEALED, Unsealed
from remit.access.activation_sql import SqlActivations
from remit.certification.coverage import CoverageClock
from remit.certification.setting import setting_of
from remit.certification.transition import Transition, transition
from remit.kernel.clock import HOUR, Clock, Instant, parse_date_end
from remit.kernel.names import ActionName
from remit.people.notices import SqlNotices
from remit.people.ports import Records
from remit.policy.entitlement import due_at, facts_of
from remit.policy.view import View
from remit.storage.ports import Reader, Transaction, Writer

_STEP = 500  # activations judged in one change
_UNREADABLE = HOUR  # until it is looked at again; else a damaged row would stay due, and be logged every second
_FIRST = ("", "", "", "")


class CertificationService:
    """Judges activations outside of decisions. Worker threads only."""

    def __init__(
        self, *, writer: Writer, reader: Reader, records: Records, clock: Clock, coverage: CoverageClock,
        view: Callable[[], View], seal: Unsealed = UNSEALED,
    ) -> None:  # fmt: skip
        self._writer = writer
        self._reader = reader
        self._records = records
        self._clock = clock
        self._coverage = coverage
        self._view = view
        self._seal = seal

    def tick(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Judge what is due by now; how many changed state. `stop` is asked between steps."""
        now, changed = self._clock.now(), 0
        before: list[ActivationKey] = []
        while not stop() and (found := self._due(now)) != before:  # the same again: judging moves them no further
            changed, before = changed + self._judged(found, now), found
            if len(found) < _STEP:
                break
        return changed

    def sweep(self, stop: Callable[[], bool] = lambda: False) -> tuple[int, int]:
        """Judge everything: (how many, how many changed state). Nothing relies on it; it finds what was missed."""
        now, seen, changed = self._clock.now(), 0, 0
        at: tuple[str, ...] = _FIRST
        while not stop() and (found := self._after(at)):
            seen, changed, at = seen + len(found), changed + self._judged(found, now), tuple(found[-1])
        return seen, changed

    def _due(self, now: Instant) -> list[ActivationKey]:
        return self._reader.read(lambda connection: self._rows(connection).due(now, _STEP))

    def _after(self, at: tuple[str, ...]) -> list[ActivationKey]:
        return self._reader.read(lambda connection: self._rows(connection).after(at, _STEP))

    def _rows(self, connection: Connection) -> SqlActivations:
        return SqlActivations(connection, self._seal)

    def judge_agent(self, agent: str, stop: Callable[[], bool] = lambda: False) -> int:
        """Judge everything of one agent, because something about it changed; how many changed state.

        `stop` is asked between steps: an agent may have very many, and decisions wait for the same writer.
        """
        found = self._reader.read(lambda connection: self._rows(connection).keys_of(agent))
        now, changed = self._clock.now(), 0
        for at in range(0, len(found), _STEP):
            if stop():
                break
            changed += self._judged(found[at : at + _STEP], now)
        return changed

    @contextmanager
    def flushing(self) -> Iterator[Callable[[Transaction], None]]:
        """Around a change: what writes, within it, the use that this node has seen.

        If the change fails, wherever that is (a notice, a record, the commit), the use is kept for
        the next one: else an entitlement in use would lapse as idle. After an `InDoubt` it may be
        written twice, which is harmless.
        """
        known, taken = self._view().activations, list[Activation]()

        def flush(tx: Transaction) -> None:
            taken.extend(known.take_unwritten())
            self._write_uses(tx.connection, taken)

        try:
            yield flush
        except BaseException:
            known.unwritten(taken)
            raise

    def replay_uses(self, tx: Transaction, uses: Iterable[Mapping[str, Any]]) -> None:
        """Write the use that a crash kept from being written, from `ok` outcomes of the log, within a change.

        Seen twice is harmless. The coverage clock's reading of that moment is lost; today's is
        later, so the entitlement lasts a little longer, and never shorter.
        """
        rows, covered = self._rows(tx.connection), self._coverage.covered()
        for use in uses:
            action = str(use.get("action", ""))
            key = ActivationKey(use["agent"], use.get("purpose", ""), ActionName(action), action.partition("/")[0])
            if (known := rows.find(key)) is not None:
                rows.use(key, known.usage.after(parse_date_end(use["time"]), covered), due=self._clock.now())

    def _write_uses(self, connection: Connection, uses: Iterable[Activation]) -> None:
        view, rows, covered, now = self._view(), self._rows(connection), self._coverage.covered(), self._clock.now()
        for each in uses:
            setting = setting_of(view, each.key, covered=covered, now=now, prefer=each.boundary)
            rows.use(each.key, each.usage, due=due_at(facts_of(each, setting), now))

    def _judged(self, found: Sequence[ActivationKey], now: Instant) -> int:
        """Judge `found` on what is committed, with the use that only this node knows yet, in one change."""
        with self.flushing() as flush:

            def apply(tx: Transaction) -> int:
                flush(tx)
                return self._apply(tx, found, now)

            return self._writer.change(apply)

    def _apply(self, tx: Transaction, keys: Sequence[ActivationKey], now: Instant) -> int:
        rows, view, covered = self._rows(tx.connection), self._view(), self._coverage.covered()
        taken: list[Transition] = []
        later: list[tuple[ActivationKey, int]] = []
        unread = set(keys)
        for stored, due in rows.some(keys):
            unread.discard(stored.key)
            setting = setting_of(view, stored.key, covered=covered, now=now, prefer=stored.boundary)
            step = transition(stored, setting)
            if isinstance(step, Transition):
                taken.append(step)
            elif step != due:
                later.append((stored.key, step))
        rows.postpone([*later, *((key, now + _UNREADABLE) for key in sorted(unread))])
        for step in taken:
            self.take(tx, step)
        return len(taken)

    def take(self, tx: Transaction, step: Transition) -> None:
        """Write one transition, its verdict and its notice, within a change."""
        after = step.after
        if not self._rows(tx.connection).put(after, expected=step.before.serial, due=step.due):
            return
        tx.record(self._records.entry("verdict", step.verdict))
        if step.notice is not None:
            SqlNotices(tx.connection).put(after.key.agent, step.notice)
        tx.touch(f"activations:{after.key.agent}")
