"""Somebody is told, once, when a source has gone silent, and once when it is heard again.

Else nobody would know: while a source is silent the idle clocks of its servers stand still, so that nothing
lapses there for want of use, and what is critical stops after a day. Nothing of this is asked by a decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from remit.certification.usage.silence_sql import SqlHabits
from remit.certification.usage.sources import Told, standing, told
from remit.kernel.canonical import canonical
from remit.kernel.clock import HOUR, MINUTE, Clock, Instant, rfc3339
from remit.people.notices import SqlNotices
from remit.people.ports import Records
from remit.policy.view import View
from remit.storage.ports import Reader, Transaction, Writer

SILENT: Final = "usage_silent"
HEARD: Final = "usage_heard"
_EVERY: Final = MINUTE
_GRACE: Final = HOUR  # after the start: while Remit was away nobody could tell it anything


@dataclass(slots=True, kw_only=True)
class Listening:
    """Looks once a minute. Worker threads only."""

    writer: Writer
    reader: Reader
    records: Records
    clock: Clock
    view: Callable[[], View]
    _next: int = 0  # when it looks again; 0: not since the start

    def tick(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Tell what is new about any source; how many sources that were."""
        now = self.clock.now()
        if self._next == 0:
            self._next = now + _GRACE
        if now < self._next:
            return 0
        self._next = now + _EVERY
        count = 0
        for each in self.reader.read(lambda connection: told(connection, now)):
            if _news(each) and not stop():
                count += self.writer.change(partial(self._tell, name=each.source.source))
        return count

    def _tell(self, tx: Transaction, *, name: str) -> bool:
        """Look again within the change: another node may have told it, or the source has spoken."""
        now = self.clock.now()
        everything = told(tx.connection, now)
        each = next((one for one in everything if one.source.source == name), None)
        if each is None or not _news(each):
            return False
        silent = Instant(0) if each.hearing.heard else now
        SqlHabits(tx.connection).put(name, each.habit._replace(silent=silent))
        found = standing(each.source, [one.source for one in everything], self.view(), now=now)
        said = _said(each)
        counts = {"entitlements": found.entitlements, "agents": len(found.agents)}
        tx.record(self.records.entry("incident", said | counts))
        notice = canonical(said | {"reason": _reason(each), "at": rfc3339(now)}).decode("utf-8")
        for agent in found.agents:
            SqlNotices(tx.connection).put(agent, notice)
        return True


def _news(each: Told) -> bool:
    """Whether it is otherwise than was told last."""
    return each.hearing.heard is (each.habit.silent != 0)


def _said(each: Told) -> dict[str, Any]:
    heard, until = each.hearing.heard, each.hearing.told
    return {
        "what": HEARD if heard else SILENT,
        "source": each.source.source,
        "servers": list(each.source.servers),
        "complete_until": None if until is None else rfc3339(until),
        "expected": rfc3339(each.hearing.expected),
    }


def _reason(each: Told) -> str:
    name, servers = each.source.source, ", ".join(each.source.servers[:5])
    if each.hearing.heard:
        return f"{name} tells again of {servers}: idle clocks go on there"
    return f"{name} tells nothing of {servers}: idle clocks stand still there"
