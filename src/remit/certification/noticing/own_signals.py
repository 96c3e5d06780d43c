"""Keeps the `denied_often` and `keep_alive` signals that Remit itself raises in line with what agents call.

Once a day, agent by agent, by what Remit's own enforcement counted: what other sources tell of refusals and errors is
counted apart and raises nothing. Under what these are about (`signals.own`) nobody else raises anything, so what a
detector or a person noticed is never ended here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Connection

from remit.agents.signals import Signal, is_own, own
from remit.certification.noticing.clockwork_sql import called_in_vain
from remit.certification.noticing.refusals import QUIET_DAYS, denied_often
from remit.certification.noticing.toxic import MACHINE
from remit.certification.ports import Signaller
from remit.certification.usage.model import OWN
from remit.certification.usage.sql import SqlUseDays
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, Clock, Instant, rfc3339
from remit.people.notices import SqlNotices
from remit.policy.view import View
from remit.storage.ports import Reader, Transaction, Writer

_KINDS: Final = frozenset({Signal.DENIED_OFTEN, Signal.KEEP_ALIVE})
_ANY: Final = own()  # a signal about all that the agent does
_UNKNOWN: Final = "-"  # for which purpose, where a source did not say it
One = tuple[Signal, str]  # and what it is about


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSignals:
    """Worker threads only."""

    writer: Writer
    reader: Reader
    view: Callable[[], View]
    clock: Clock
    signaller: Signaller

    def check(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Look at every agent; how many signals moved. `stop` is asked between agents."""
        changed = 0
        for agent in sorted(self.view().agents):
            if stop():
                break
            changed += self._check(agent)
        return changed

    def _check(self, agent: str) -> int:
        record, now = self.view().agents.get(agent), self.clock.now()
        if record is None:
            return 0
        noticed = ((each.signal, each.about) for each in record.risk.noticed)
        before = {(kind, about) for kind, about in noticed if kind in _KINDS and is_own(about)}
        found = self.reader.read(partial(_found, agent=agent, before=before, now=now))
        moved = [(each, True) for each in sorted(found - before)] + [(each, False) for each in sorted(before - found)]

        def apply(tx: Transaction) -> int:
            for (kind, about), on in moved:
                self.signaller.signal_within(tx, agent, kind, about=about, on=on, by=MACHINE, own=True)
                SqlNotices(tx.connection).put(agent, _notice(kind, about, on=on, now=now))
            return len(moved)

        return self.writer.change(apply) if moved else 0


def _found(connection: Connection, *, agent: str, before: set[One], now: Instant) -> set[One]:
    today, often = now // DAY, (Signal.DENIED_OFTEN, _ANY)
    calls = SqlUseDays(connection).calls_of(agent, since=today - QUIET_DAYS, source=OWN)
    keys = called_in_vain(connection, agent, now=now)
    found = {(Signal.KEEP_ALIVE, own(key.purpose or _UNKNOWN, key.action)) for key in keys}
    return found | {often} if denied_often(calls, today=today, on=often in before) else found


def _notice(kind: Signal, about: str, *, on: bool, now: Instant) -> str:
    """What the owner is told, as canonical JSON."""
    purpose, _, action = about.removeprefix(_ANY).removeprefix(": ").partition(" ")
    what = {"purpose": purpose, "action": action} if action else {}
    said = {"what": "noticed" if on else "noticed_over", "reason": kind.value, **what, "at": rfc3339(now)}
    return canonical(said).decode("utf-8")
