"""Certification as it runs: what is due is judged, what changed is recorded, what was used is written down.

It keeps no access alive: every decision judges for itself. What it does is record transitions,
tell owners, and make the record of use durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_seal import UNSEALED, Unsealed
from remit.access.activation_sql import SqlActivations
from remit.certification.batch import Batch, Consequences, Recent
from remit.certification.doubts_sql import SqlDoubts
from remit.certification.recount import Counted, Recount
from remit.certification.setting import setting_of
from remit.certification.together_sql import RunUse, SqlTogether
from remit.certification.transition import Transition, transition
from remit.certification.usage.coverage import CoverageClock
from remit.certification.usage.days import DayKey, UseDay, usage_of
from remit.certification.usage.sql import SqlUseDays
from remit.kernel.clock import DAY, Clock, Instant, Micros, parse_date_end
from remit.kernel.names import ActionName, split_action
from remit.logs import logger
from remit.policy.activations import Seen
from remit.policy.view import View
from remit.storage.ports import Reader, Transaction, Writer

_STEP = 500  # activations judged in one change
_FIRST = ("", "", "", "")
_OWN = "remit"  # the source of what this Remit's own enforcement saw
_NOTHING_SEEN = Seen({}, {}, {})
# From these states a use of what is used together with it can bring something back.
_FADING = frozenset({ActivationState.EXPIRING, ActivationState.NEEDS_USAGE})
_log = logger("remit.certification")


class CertificationService:
    """Judges activations outside of decisions. Worker threads only."""

    def __init__(  # noqa: PLR0913 - what it works with
        self, *, writer: Writer, reader: Reader, clock: Clock, coverage: CoverageClock,
        view: Callable[[], View], after: Consequences, seal: Unsealed = UNSEALED,
        prepare: Callable[[str], None] = lambda _agent: None,
    ) -> None:  # fmt: skip
        """Put it together. `prepare` loads an agent's activations into the view."""
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._coverage = coverage
        self._view = view
        self._seal = seal
        self._after_it = after
        self._prepare = prepare
        self._recent = Recent()

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
        now, counted = self._clock.now(), Counted()
        at: tuple[str, ...] = _FIRST
        while not stop() and (found := self._after(at)):
            counted.changed += self._judged(found, now, counted)
            counted.seen += len(found)
            at = tuple(found[-1])
        if counted.missed:
            _log.warning("a sweep moved what no tick had looked at", entitlements=counted.missed)
        self._writer.change(lambda tx: tx.record(self._after_it.records.entry("sweep", counted.body())))
        return counted.seen, counted.changed

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
        written twice: a day's count of uses is then too high, and nothing is judged by that.
        """
        known, taken, seen = self._view().activations, list[Activation](), _NOTHING_SEEN

        def flush(tx: Transaction) -> None:
            nonlocal seen
            taken.extend(known.take_unwritten())
            seen = known.take_seen()
            _write_seen(tx.connection, seen)
            self._write_uses(tx.connection, taken)

        try:
            yield flush
        except BaseException:
            known.unwritten(taken, seen)
            raise

    def replay_uses(self, tx: Transaction, uses: Iterable[Mapping[str, Any]]) -> None:
        """Write the use that a crash kept from being written, from `ok` outcomes of the log, within a change.

        Seen twice is harmless. The coverage clock's reading of that moment is lost; today's is
        later, so the entitlement lasts a little longer, and never shorter.
        """
        rows, covered, days = self._rows(tx.connection), self._coverage.covered(), list[UseDay]()
        for use in uses:
            action, at = str(use.get("action", "")), parse_date_end(use["time"])
            key = ActivationKey(
                use["agent"], use.get("purpose", ""), ActionName(action), split_action(action)[0] if action else ""
            )
            if (known := rows.find(key)) is not None:
                rows.use(key, known.usage.after(at, covered), due=self._clock.now())
                days.append(UseDay(DayKey(*key, at // DAY, _OWN), 1, 0, 0, at, at))
        SqlUseDays(tx.connection).add(days)

    def imported(self, tx: Transaction, keys: Sequence[ActivationKey]) -> None:
        """Bring entitlements in line with the days of use that an import told of, within its change.

        What is used is worked out anew from all days, so that late, repeated and shuffled arrival come to the same.
        """
        rows, days, now = self._rows(tx.connection), SqlUseDays(tx.connection).days_of(keys), self._clock.now()
        covered = self._coverage.covered()
        for known, _ in rows.some(keys):
            rows.use(known.key, remade(known, days.get(known.key, ()), covered), due=now)
            tx.touch(f"activations:{known.key.agent}")
        # What is used together has one idle time.
        others = {key for found in SqlTogether(tx.connection).beside(keys).values() for key in found}
        rows.postpone((key, now) for key in sorted(others.difference(keys)))

    def covered(self, tx: Transaction, servers: Sequence[str]) -> None:
        """The record of use of some servers is complete for another time than before, within that change.

        What is idle by it is judged with the next tick: else decisions would go by it before anybody is told, or
        the limiter has looked.
        """
        self._due_of(tx, servers, self._clock.now())

    def _due_of(self, tx: Transaction, servers: Sequence[str], at: Instant) -> None:
        """Have what is idle by the record of some servers judged: what is of them, or used together with that."""
        rows = self._rows(tx.connection)
        rows.due_now(servers, at)
        rows.postpone((key, at) for key in SqlTogether(tx.connection).beside_servers(servers))

    def _write_uses(self, connection: Connection, uses: Iterable[Activation]) -> None:
        """The usage is what the days of all nodes come to: each knows only the calls that it let through itself."""
        view, rows, covered, now = self._view(), self._rows(connection), self._coverage.covered(), self._clock.now()
        used = list(uses)
        days = SqlUseDays(connection).days_of([each.key for each in used])
        for each in used:
            known = replace(each, usage=remade(each, days.get(each.key, ()), covered))
            setting = setting_of(view, each.key, covered=covered, now=now, prefer=each.boundary)
            found = transition(known, setting)
            # What its use has changed is recorded with the next tick, and not when its time would have been over.
            rows.use(each.key, known.usage, due=now if isinstance(found, Transition) else found)
        rows.postpone((key, now) for key in _brought_back(view, [each.key for each in used]))

    def _judged(self, found: Sequence[ActivationKey], now: Instant, counted: Counted | None = None) -> int:
        """Judge `found` on what is committed, with the use that only this node knows yet, in one change.

        With `counted`, their use is counted anew from its days, and compared.
        """
        self._load_kin(found)
        with self.flushing() as flush:

            def apply(tx: Transaction) -> int:
                flush(tx)
                waiting = {} if counted is None else self._recount(tx, found, now, counted)
                changed = self._apply(tx, found, now)
                if counted is not None and changed and waiting:
                    after = self._rows(tx.connection).some(list(waiting))
                    counted.missed += sum(each.serial != waiting[each.key] for each, _ in after)
                return changed

            return self._writer.change(apply)

    def _load_kin(self, keys: Sequence[ActivationKey]) -> None:
        """Load whose entitlements hang together: what one is judged with must be known, called lately or not."""
        agents, known = sorted({key.agent for key in keys}), self._view().agents
        grouped = self._reader.read(lambda connection: SqlTogether(connection).grouped(agents))
        for agent in agents:
            record = known.get(agent)
            if agent in grouped or (record is not None and record.reach.needs):
                self._prepare(agent)

    def _recount(
        self, tx: Transaction, keys: Sequence[ActivationKey], now: Instant, counted: Counted
    ) -> dict[ActivationKey, int]:
        recount = Recount(
            tx=tx, rows=self._rows(tx.connection), records=self._after_it.records, now=now,
            covered=self._coverage.covered(),
        )  # fmt: skip
        return recount.step(keys, counted)

    def _apply(self, tx: Transaction, keys: Sequence[ActivationKey], now: Instant) -> int:
        batch = Batch(
            tx=tx, rows=self._rows(tx.connection), view=self._view(), now=now, covered=self._coverage.covered(),
            recent=self._recent, after=self._after_it,
        )  # fmt: skip
        known, changed = self._view().doubts, batch.judge(keys)
        doubts = SqlDoubts(tx.connection).by_server()
        if doubted := sorted(server for server in doubts if doubts[server] != known.get(server)):
            self._due_of(tx, doubted, Instant(now + 1))  # once the doubt is in the view
        return changed


def _write_seen(connection: Connection, seen: Seen) -> None:
    days = [
        UseDay(DayKey(*key, day, _OWN), uses, 0, 0, first, last)
        for (key, day), (uses, first, last) in seen.days.items()
    ]
    # Beside the uses, whose day, first and last they leave as they are (`usage_days.together`).
    days += [
        UseDay(DayKey(*key, day, _OWN), 0, vain.denied, vain.errors, vain.first, vain.last)
        for (key, day), vain in seen.vain.items()
    ]
    SqlUseDays(connection).add(days)
    runs = [RunUse(key.agent, key.purpose, run, key.action, day) for (key, run), day in seen.runs.items()]
    SqlTogether(connection).used(runs)


def _brought_back(view: View, used: Sequence[ActivationKey]) -> list[ActivationKey]:
    """What is on record as fading, and is used together with what was used. Each group is looked at once."""
    looked, found = set(used), list[ActivationKey]()
    grouped: set[ActivationKey] = set()
    for key in used:
        if key not in grouped:
            others = view.activations.together(key)
            grouped |= {each.key for each in others}
            found += [each.key for each in others if each.state in _FADING and each.key not in looked]
    return sorted(found)


def remade(known: Activation, days: Iterable[UseDay], covered: Micros) -> Usage:
    """The usage of an activation from its days of use.

    Days from before there was a record of them are known to the activation alone: it never ends up with less.

    Args:
        known: As it is known.
        days: Its days of use.
        covered: The coverage clock now. When on it a use was that only the days tell of is not known: with today's
            reading the entitlement lasts a little longer, and with that of an older use it would lapse in use.
    """
    usage = known.usage
    found = usage_of(Usage(known.started, usage.covered), list(days), lambda _at: usage.covered)
    newest = max(found.last, usage.last)
    reading = max(covered, usage.covered) if newest > max(usage.last, known.started) else usage.covered
    if found.days < usage.days:
        return replace(usage, last=newest, covered=reading)
    return replace(found, last=newest, covered=reading)
