"""What a rule asks beside bounds, rate and budget: when, how much, for whom, and after what.

One value, absent from most rules: a call of a rule without it pays for none of this.
"""

from __future__ import annotations

from dataclasses import dataclass

from remit.kernel.clock import Micros
from remit.kernel.names import ActionName

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time of the week by the clocks of one place: on `days`, from minute `start` of the day up to `end`."""

    days: tuple[int, ...]  # 0 is Monday; ascending
    start: int  # minutes since midnight
    end: int  # likewise, not included; 1440 is midnight at the end of the day
    zone: str  # of the IANA time zone database


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """At most `bytes` of results per UTC calendar unit (`hour`, `day`, `month`)."""

    bytes: int
    per: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An action that must have come to `ok` in the same run.

    `same` pairs an argument of this rule's action with the argument of the earlier one that must
    have had the same value; ascending by the latter. `within`: not longer ago than that.
    """

    action: ActionName
    same: tuple[tuple[str, str], ...] = ()
    within: Micros | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """All of them must hold. No windows: at any time. None: as often, as much, as deep as anything else allows."""

    windows: tuple[Window, ...] = ()  # one of them must be open
    volume: Volume | None = None
    max_depth: int | None = None  # agents between the caller and the one whose access it is; 0: nobody acts for it
    requires_before: tuple[Step, ...] = ()
    forbidden_after: tuple[ActionName, ...] = ()  # actions that were let through in the same run
    per_run: int | None = None  # calls
