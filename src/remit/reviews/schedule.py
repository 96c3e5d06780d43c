"""How long a question may wait, and what happens then (pure).

    asked -- 50 % reminder -- 80 % reminder -- 100 % the backup is asked -- 150 % decided by not being decided

Nobody's silence keeps access alive: what is asked about is suspended (critical, high) or lapses
(medium, low). But a backup always has half a term, however late it was that they were asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from remit.catalog.model import Tier
from remit.kernel.clock import DAY, HOUR, Instant
from remit.reviews.model import NEVER, Kind, Stage

TERMS: Final[Mapping[Tier, int]] = {
    Tier.CRITICAL: 24 * HOUR,
    Tier.HIGH: 72 * HOUR,
    Tier.MEDIUM: 14 * DAY,
    Tier.LOW: 14 * DAY,
}
_PERCENT: Final[Mapping[Stage, int]] = {  # of the term, when a stage ends
    Stage.ASKED: 50,
    Stage.REMINDED: 80,
    Stage.REMINDED_AGAIN: 100,
    Stage.ESCALATED: 150,
}
_NEXT: Final[Mapping[Stage, Stage]] = dict(zip(list(Stage), list(Stage)[1:], strict=False))


class Deed(StrEnum):
    """What is to be done."""

    REMIND = "remind"
    ESCALATE = "escalate"
    CLOSE = "close"


_DEEDS: Final[Mapping[Stage, Deed]] = {
    Stage.REMINDED: Deed.REMIND,
    Stage.REMINDED_AGAIN: Deed.REMIND,
    Stage.ESCALATED: Deed.ESCALATE,
    Stage.OVER: Deed.CLOSE,
}


class Closing(StrEnum):
    """What is done to what was asked about when nobody decides."""

    WITHDRAW = "withdraw"  # suspended if critical or high, lapsed if not
    REJECT = "reject"  # an emergency that nobody would answer for
    NOTHING = "nothing"  # it asked for advice only
    WAIT = "wait"  # what is doubted stays so until a person says otherwise, for that takes nothing from anyone


CLOSINGS: Final[Mapping[Kind, Closing]] = {
    Kind.NEEDS_HUMAN: Closing.WITHDRAW,
    Kind.BOUNDARY_DUE: Closing.WITHDRAW,
    Kind.TOXIC: Closing.WITHDRAW,
    Kind.BREAKGLASS_REVIEW: Closing.REJECT,
    Kind.CADENCE_WANTED: Closing.NOTHING,
    Kind.USAGE_DOUBTED: Closing.WAIT,
}


@dataclass(frozen=True, slots=True)
class Course:
    """Where a question stands in its term. `moved` is when it came to its stage."""

    tier: Tier
    asked: Instant
    stage: Stage
    moved: Instant


def ends(course: Course) -> Instant:
    """When its term is over and the backup is asked."""
    return Instant(course.asked + TERMS[course.tier])


def next_at(course: Course) -> Instant:
    """When something happens by itself; `NEVER` at the end."""
    if course.stage is Stage.OVER:
        return NEVER
    term = TERMS[course.tier]
    at = course.asked + term * _PERCENT[course.stage] // 100
    if course.stage is Stage.ESCALATED:
        at = max(at, course.moved + term // 2)
    return Instant(at)


def advance(course: Course, now: Instant) -> tuple[Course, Deed | None]:
    """Where it stands at `now`, and the one deed that is due: of several that were missed, the last."""
    deed = None
    while next_at(course) <= now:
        stage = _NEXT[course.stage]
        course, deed = Course(course.tier, course.asked, stage, now), _DEEDS[stage]
    return course, deed
