"""Use by the day: what an entitlement's usage is made from, whatever order events came in (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from remit.access.activation import MOST_GAPS, Usage
from remit.certification.usage.model import Kind, UsageEvent
from remit.kernel.clock import DAY, Instant, Micros
from remit.kernel.names import split_action

Covered = Callable[[Instant], Micros]
"""A coverage clock's reading at a moment. It never goes back."""


class DayKey(NamedTuple):
    """What a row is about. `purpose` is empty where nobody knows it."""

    agent: str
    purpose: str
    action: str
    scope: str
    day: int  # UTC, since 1970
    source: str


class UseDay(NamedTuple):
    """What a source told of one entitlement on one day. `first` and `last` are of the uses; of all, if none was one."""

    key: DayKey
    uses: int
    denied: int
    errors: int
    first: int
    last: int


class Calls(NamedTuple):
    """How many calls, by what they came to. What nobody saw the end of is not among them."""

    uses: int
    denied: int
    errors: int

    @property
    def all(self) -> int:
        """All of them."""
        return self.uses + self.denied + self.errors


def day_of(event: UsageEvent, purpose: str) -> UseDay:
    """The row of one call for `purpose`."""
    server, _, _ = split_action(event.action)
    key = DayKey(event.agent, purpose, event.action, server, event.at // DAY, event.source)
    is_use, is_denial = event.kind is Kind.USE, event.kind is Kind.DENIAL
    return UseDay(key, int(is_use), int(is_denial), int(not is_use and not is_denial), event.at, event.at)


def together(left: UseDay, right: UseDay) -> UseDay:
    """Two rows of one key as one. The order of rows, and how they are grouped, changes nothing."""
    if bool(left.uses) is bool(right.uses):
        first, last = min(left.first, right.first), max(left.last, right.last)
    else:
        used = left if left.uses else right
        first, last = used.first, used.last
    return UseDay(left.key, left.uses + right.uses, left.denied + right.denied, left.errors + right.errors, first, last)


def added_up(rows: Iterable[UseDay]) -> list[UseDay]:
    """One row for each key, in order of the keys."""
    found: dict[DayKey, UseDay] = {}
    for row in rows:
        known = found.get(row.key)
        found[row.key] = row if known is None else together(known, row)
    return [found[key] for key in sorted(found)]


def usage_of(start: Usage, rows: Sequence[UseDay], covered: Covered) -> Usage:
    """What folding `Usage.after` over every use of `rows`, in order of time, makes of `start`.

    Args:
        start: The usage of an entitlement without a day of use: its start, and the coverage clock then.
        rows: Its days, of any sources, in any order.
        covered: The coverage clock.

    Raises:
        ValueError: `start` has days of use already; what they were can not be told apart from `rows`.
    """
    if start.days:
        raise ValueError("usage is made from its days alone")
    newest: dict[int, int] = {}
    for row in rows:
        if row.uses:
            newest[row.key.day] = max(row.last, newest.get(row.key.day, row.last))
    if not newest:
        return start
    days = sorted(newest)
    last = Instant(newest[days[-1]])
    few = days[-MOST_GAPS - 1 :]
    gaps = tuple(right - left for left, right in pairwise(few))
    return Usage(last, Micros(max(start.covered, covered(last))), len(days), gaps)
