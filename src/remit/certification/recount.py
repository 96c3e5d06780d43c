"""Use counted anew from its days, to be compared with what was kept up to date with every use.

Both must be the same. Where they are not, that is an incident, and the later use stands: nothing is withdrawn
because a counter was wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import Connection, func, select

from remit.access.activation import Activation, ActivationKey, Usage
from remit.access.activation_sql import SqlActivations
from remit.certification.replaying.reading import older, said_of, too_fast
from remit.certification.usage.days import UseDay, usage_of
from remit.certification.usage.sql import SqlUseDays
from remit.kernel.clock import Instant, Micros
from remit.people.ports import Records
from remit.storage.governance_schema import use_days
from remit.storage.ports import Transaction

OWN: Final = "remit"
_NAMED: Final = 100  # activations that an entry of a sweep names
_NEVER: Final = 2**31


@dataclass(slots=True)
class Counted:
    """What a sweep found, step by step: the fields of its entry."""

    seen: int = 0
    changed: int = 0  # in another state
    missed: int = 0  # of these, what no tick would have looked at by then: none, or something made nobody due
    compared: int = 0  # the others are from before use was written down by the day
    differences: list[str] = field(default_factory=list)  # activations

    def body(self) -> dict[str, Any]:
        """As it stands in the log."""
        return {
            "seen": self.seen,
            "changed": self.changed,
            "missed": self.missed,
            "compared": self.compared,
            "differences": len(self.differences),
            "activations": self.differences[:_NAMED],
        }


def recounted(known: Activation, days: Sequence[UseDay], *, since: int) -> Usage | None:
    """The use of one activation by its days (pure); None if some of it is from before days were written down.

    The coverage clock's reading at its last use is not written down by the day, so the known one is taken over.

    Args:
        known: As it was kept up to date.
        days: Its days of use, of all sources.
        since: The first day of use that this Remit wrote down of anything. A use on an older day has no row,
            and one of that day may have none; of each newer day there is one.
    """
    usage = known.usage
    if older(usage, {row.key.day for row in days if row.uses}, since):
        return None
    # Without a day of use it tells only when it was started, which no day says.
    start = Usage(usage.last if not usage.days else Instant(0), usage.covered)
    return usage_of(start, days, lambda _at: usage.covered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """One step of a sweep, within its change, after what this node saw was written down."""

    tx: Transaction
    rows: SqlActivations
    records: Records
    now: Instant
    covered: Micros

    def step(self, keys: Sequence[ActivationKey], found: Counted) -> dict[ActivationKey, int]:
        """Compare the use of `keys`, and note in `found` what differs; the serials of what is not due now."""
        days = SqlUseDays(self.tx.connection).days_of(keys)
        since, waiting = first_day(self.tx), dict[ActivationKey, int]()
        for known, due in self.rows.some(keys):
            if due > self.now + 1:  # what hangs on what moved in this very moment is due after it
                waiting[known.key] = known.serial
            if self._wrong_clock(known, due):
                found.differences.append(known.id)
                waiting.pop(known.key, None)
                continue
            mine = days.get(known.key, [])
            again = recounted(known, mine, since=since)
            if again is None:
                continue
            found.compared += 1
            if again != known.usage:
                found.differences.append(known.id)
                self._differs(known, again, due)
                waiting.pop(known.key, None)
        return waiting

    def _wrong_clock(self, known: Activation, due: int) -> bool:
        """Whether the coverage clock cannot have read what is kept of its last use; that is an incident.

        Lowered, it is put where the clock may have been at the earliest, so that nothing lapses for it. One that is
        ahead of the clock keeps it in force until a person starts it anew.
        """
        usage = known.usage
        run, passed = self.covered - usage.covered, self.now - max(usage.last, known.started)
        if not too_fast(run, passed) and not too_fast(-run, 0):
            return False
        about = {"activation": known.id, "agent": known.key.agent, "action": known.key.action}
        said = {"kept": usage.covered, "clock": self.covered, "passed": passed}
        self.tx.record(self.records.entry("incident", {"what": "usage_differs", **about, **said}))
        if run > 0:
            again = replace(usage, covered=Micros(self.covered - max(0, passed)))
            self.rows.use(known.key, again, due=min(due, self.now))
            self.tx.touch(f"activations:{known.key.agent}")
        return True

    def _differs(self, known: Activation, again: Usage, due: int) -> None:
        stands = _later(again, known.usage)
        said = {"kept": said_of(known.usage), "counted": said_of(again), "stands": "counted" if stands else "kept"}
        about = {"activation": known.id, "agent": known.key.agent, "action": known.key.action}
        self.tx.record(self.records.entry("incident", {"what": "usage_differs", **about, **said}))
        if stands:
            self.rows.use(known.key, standing(known.usage, again, self.covered), due=min(due, self.now))
            self.tx.touch(f"activations:{known.key.agent}")


def first_day(tx: Transaction) -> int:
    """The first UTC day on which this Remit's own use was written down; one that never comes, if none was."""
    return began(tx.connection)


def began(connection: Connection) -> int:
    """The same, on a connection."""
    query = select(func.min(use_days.c.day)).where(use_days.c.source == OWN)
    found = connection.execute(query).scalar_one()
    return _NEVER if found is None else int(found)


def standing(kept: Usage, counted: Usage, covered: Micros) -> Usage:
    """Which of two different uses an entitlement is judged by: the later (pure).

    When on the coverage clock a use was that only its day tells of is lost; today's reading (`covered`) lasts a little
    longer, never shorter.
    """
    if not _later(counted, kept):
        return kept
    return Usage(counted.last, covered if counted.last > kept.last else counted.covered, counted.days, counted.gaps)


def _later(counted: Usage, kept: Usage) -> bool:
    return (counted.last, counted.days) > (kept.last, kept.days)
