"""Withdrawals as they run: begun within the change that decides them, then one recorded step after the other.

What is Remit's own (looking, tokens, runs) is done in batches in the certification loop. Other systems
may be slow or down, so they are told and read again aside, and nothing waits for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from remit.certification.usage.aside import Aside, Work
from remit.certification.withdrawal.cascade import Act, Cascade
from remit.certification.withdrawal.sql import SqlWithdrawals, Stored
from remit.certification.withdrawal.withdraw import (
    Advanced,
    Entitlement,
    Outcome,
    Result,
    Step,
    Withdrawal,
    advanced,
    merged,
)
from remit.kernel.canonical import canonical
from remit.kernel.clock import MINUTE, Clock, Instant, rfc3339
from remit.kernel.names import new_id
from remit.logs import logger
from remit.people.notices import SqlNotices
from remit.people.ports import Records
from remit.storage.ports import Reader, Transaction, Writer

_BATCH: Final = 100  # withdrawals taken one step further in one change
_ASIDE: Final = 20  # that may wait for other systems at once
_LEASE: Final = MINUTE  # whoever takes one aside has this long; after a crash it is tried again then
_MEMBERS: Final = ("purpose", "action", "scope")
_log = logger("remit.certification")


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawing:
    """Implements remit.certification.ports.Withdrawer, and carries what was begun to its end. Worker threads only."""

    writer: Writer
    reader: Reader
    records: Records
    clock: Clock
    cascade: Cascade
    aside: Callable[[Work], object] = field(default_factory=Aside)
    _outside: set[str] = field(default_factory=set)

    # beginning ---------------------------------------------------------------------------------

    def begin(self, tx: Transaction, *, agent: str, cause: str, what: Mapping[str, Any]) -> None:
        """Begin, within the change that made the decision; joins one of the same cause that was not looked at yet."""
        now, rows = self.clock.now(), SqlWithdrawals(tx.connection)
        meant = Entitlement(**{name: str(what[name]) for name in _MEMBERS if what.get(name)})
        known = rows.begun(agent, cause, now=now)
        joined = None if known is None else merged(known, [meant])
        if joined is not None:
            rows.write(joined)
        else:
            rows.add(Withdrawal(id=new_id("wdr"), agent=agent, cause=cause, what=(meant,), begun=now, due=now))

    # going on ----------------------------------------------------------------------------------

    def tick(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Take what is due further; how many steps were done here. One indexed read where nothing is due."""
        done = 0
        for _ in Step:  # a withdrawal that needs no other system ends in one tick
            found = self._due()
            if not found or stop():
                break
            done += self._further(found)
        return done

    def forget(self) -> int:
        """Delete withdrawals that ended long ago; how many. For the daily sweep: the log keeps every step."""
        now = self.clock.now()
        return self.writer.change(lambda tx: SqlWithdrawals(tx.connection).forget(now, _BATCH))

    def _due(self) -> list[Stored]:
        now = self.clock.now()
        return self.reader.read(lambda connection: SqlWithdrawals(connection).due(now, _BATCH))

    def _further(self, found: Sequence[Stored]) -> int:
        """One step of each; those that need another system are kept from being due, and done aside."""
        here: list[tuple[Stored, Act]] = []
        away: list[Stored] = []
        looks = self.cascade.looks()
        for stored in found:
            act = self.cascade.act(stored.withdrawal, looks)
            if act is None:
                away.append(stored)
            else:
                here.append((stored, act))
        done = self._written(here) if here else 0
        if away:
            self._take_aside(away)
        return done

    def _take_aside(self, found: Sequence[Stored]) -> None:
        room = max(0, _ASIDE - len(self._outside))
        mine, later = found[:room], found[room:]

        def apply(tx: Transaction) -> list[Stored]:
            rows, now = SqlWithdrawals(tx.connection), self.clock.now()
            held = [each for each in found if rows.hold(each)]
            for each in held:
                # What finds no room is due again as soon as there may be some.
                rows.lease(each, Instant(now + (_LEASE if each in mine else _LEASE // 60)))
            return [each for each in held if each in mine]

        if later:
            _log.info("withdrawals wait for other systems", count=len(later))
        for stored in self.writer.change(apply):
            self._outside.add(stored.withdrawal.id)
            self.aside(lambda stored=stored: self._away(stored))  # type: ignore[misc] # mypy does not see the default

    def _away(self, stored: Stored) -> None:
        """The step of one withdrawal that needs other systems."""
        try:
            self._written([(stored, self.cascade.away(stored.withdrawal))])
        finally:
            self._outside.discard(stored.withdrawal.id)

    def _written(self, steps: Sequence[tuple[Stored, Act]]) -> int:
        """Do and record steps in one change. One that somebody else took meanwhile is left to them."""

        def apply(tx: Transaction) -> int:
            rows, done = SqlWithdrawals(tx.connection), 0
            for stored, act in steps:
                if not rows.hold(stored):
                    continue
                now = self.clock.now()
                result = act(tx)
                moved = advanced(stored.withdrawal, result, now=now)
                rows.write(moved.after)
                self._record(tx, stored.withdrawal, result, moved, now)
                done += 1
            return done

        return self.writer.change(apply)

    def _record(self, tx: Transaction, before: Withdrawal, result: Result, moved: Advanced, now: Instant) -> None:
        said: dict[str, Any] = {
            "withdrawal": before.id,
            "agent": before.agent,
            "cause": before.cause,
            "step": before.step.value,
            "outcome": result.outcome.value,
            "told": result.told,
        }
        if before.step is Step.DECISION:
            said |= {"begun": rfc3339(before.begun), "what": [each._asdict() for each in moved.after.what]}
        if result.outcome is Outcome.AGAIN:
            said["tries"] = moved.after.tries
        if moved.after.pending and before.step in {Step.SYSTEMS, Step.CONFIRM}:
            said["pending"] = [f"{each.target.system} {each.target.action}" for each in moved.after.pending]
        tx.record(self.records.entry("withdrawal", said))
        if moved.alarm:
            self._alarm(tx, moved.after, result, now)

    def _alarm(self, tx: Transaction, after: Withdrawal, result: Result, now: Instant) -> None:
        """It is not known to be gone in time: that is for people to look at, while it is tried further."""
        said = {"what": "withdrawal_unconfirmed", "withdrawal": after.id, "agent": after.agent,
                "step": after.step.value, "told": result.told}  # fmt: skip
        tx.record(self.records.entry("incident", said))
        notice = {"what": "withdrawal_unconfirmed", "reason": result.told, "withdrawal": after.id, "at": rfc3339(now)}
        SqlNotices(tx.connection).put(after.agent, canonical(notice).decode("utf-8"))
