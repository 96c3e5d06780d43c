"""An agent that tries what it may not, again and again: days of which most calls were refused (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remit.certification.usage.days import Calls

# Published in docs/certification.md.
LEAST_DENIED: Final = 20  # calls of one UTC day
LOOKED_BACK: Final = 2  # days before today on which it may have begun; a day is whole only when it is over
QUIET_DAYS: Final = 7  # without such a day: then it is over


def refused_day(calls: Calls) -> bool:
    """Whether so much of one day was refused: at least 20 calls, and more than half of all."""
    return calls.denied >= LEAST_DENIED and 2 * calls.denied > calls.all


def denied_often(days: Mapping[int, Calls], *, today: int, on: bool) -> bool:
    """Whether an agent tries what it may not.

    Args:
        days: Everything that it called, by UTC day; the last `QUIET_DAYS` before today are read.
        today: Days since 1970.
        on: Whether it was said of it before. A person who says that it is over is not contradicted by an old day.
    """
    back = QUIET_DAYS if on else LOOKED_BACK
    return any(refused_day(calls) for day, calls in days.items() if today - back <= day <= today)
