"""What an estate consists of: integers, so that a million entitlements fit where a thousand names would.

Entitlements are interned: `eid` counts from 0 without a gap. Names stand outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from remit.access.activation import Usage
from remit.kernel.clock import Instant, Micros

Covered = Callable[[int], int]
"""A coverage clock's reading at a moment. It never goes back."""


class Event(NamedTuple):
    """One justified use. The same source and number twice is the same event, so telling it again changes nothing."""

    source: int
    seq: int
    eid: int
    happened: int  # microseconds since 1970


class Start(NamedTuple):
    """When an entitlement was started, what the coverage clock said then, and on which terms it stands."""

    eid: int
    terms: int  # which of the estate's `Terms`
    started: int
    covered: int


class Day(NamedTuple):
    """A UTC day with a use of one entitlement.

    Uses are not counted. So a day is the same in whatever order its events came, and however often.
    """

    eid: int
    day: int  # since 1970


class Row(NamedTuple):
    """What is known of one entitlement's use. `gaps` are as the column of that name holds them."""

    eid: int
    terms: int
    started: int
    covered: int  # at its start
    last: int  # 0 without a use
    days: int
    gaps: str  # days between its newest days of use, the newest last: `1,7,3`

    def usage(self, covered: Covered) -> Usage:
        """The same value that `usage_days.usage_of` makes of its days."""
        if not self.days:
            return Usage(Instant(self.started), Micros(self.covered))
        gaps = tuple(map(int, self.gaps.split(","))) if self.gaps else ()
        return Usage(Instant(self.last), Micros(max(self.covered, covered(self.last))), self.days, gaps)
