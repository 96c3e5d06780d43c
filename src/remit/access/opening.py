"""Break-glass: a boundary for emergencies, which a person holds open for a short time (pure).

Its rules are worth nothing until somebody opens it, and then for an hour at the most. Nothing is
renewed by it: no activation is started, used or extended. Whoever opens answers for it: somebody
else looks at it within a day of its end, or who opened it opens nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from remit.access.model import Boundary
from remit.kernel.clock import DAY, HOUR, MINUTE, Instant, Micros, rfc3339
from remit.kernel.errors import Conflict, Forbidden, Malformed
from remit.kernel.names import AgentName, BoundaryName

LONGEST: Final = HOUR
REVIEW_WITHIN: Final = DAY  # of its end
_TOGETHER: Final = DAY  # openings of one boundary within this time are one, unless somebody accepted them meanwhile
NEVER: Final = Instant(2**62)  # nothing happens by itself any more


class OpeningState(StrEnum):
    """Where it stands with its review; whether it is still open is a matter of time."""

    OPEN = "open"  # its review was not asked for yet
    UNREVIEWED = "unreviewed"  # it is over, and somebody is asked to look at it
    OVERDUE = "overdue"  # nobody did in time
    REJECTED = "rejected"  # somebody looked at it and did not accept it
    REVIEWED = "reviewed"  # somebody accepted it


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A person held a boundary for emergencies open, from `opened` until before `ends`."""

    opening: str  # `opn_`
    agent: AgentName
    boundary: BoundaryName
    by: str
    opened: Instant
    ends: Instant  # of one that was closed, when it was
    reason: str
    ticket: str
    state: OpeningState = OpeningState.OPEN
    closed_by: str = ""
    reviewed: Instant | None = None
    reviewed_by: str = ""
    note: str = ""

    def live(self, now: Instant) -> bool:
        """Whether it is open at `now`."""
        return now < self.ends

    @property
    def review_due(self) -> Instant:
        """By when somebody else is to have looked at it."""
        return Instant(self.ends + REVIEW_WITHIN)

    @property
    def due(self) -> Instant:
        """When something happens by itself: its review is asked for, or is overdue."""
        match self.state:
            case OpeningState.OPEN:
                return self.ends
            case OpeningState.UNREVIEWED:
                return self.review_due
            case _:
                return NEVER


def end_of(boundary: Boundary, lasts: Micros, *, by: str, openings: Iterable[Opening], now: Instant) -> Instant:
    """When a new opening would end.

    Args:
        boundary: In force.
        lasts: For how long it is wanted.
        by: Who opens it.
        openings: Earlier ones: all of this boundary within the last day, and all by this person.
        now: The time.

    Raises:
        Malformed: No time, or more than an hour.
        Forbidden: The agent itself, or somebody whose last opening nobody accepted in time.
        Conflict: No boundary for emergencies, past its end, open already, or as long open as it may be.
    """
    known = list(openings)
    if not 0 < lasts <= LONGEST:
        raise Malformed("a boundary is opened for 60 minutes at the most", try_="--for 30m")
    if by == boundary.agent:
        raise Forbidden(f"{by} may not open its own boundary", try_="its owner, a backup, or security does")
    if (owed := blocking(known, by=by, now=now)) is not None:
        raise Forbidden(
            f"{by} may open nothing before somebody else accepts {owed.opening}",
            try_=f"ask a reviewer: remit breakglass review {owed.opening} --note TEXT",
        )
    if not boundary.break_glass:
        raise Conflict(f"{boundary.boundary} is not for emergencies: it needs no opening", try_="remit boundary list")
    if now >= boundary.not_after:
        raise Conflict(f"{boundary.boundary} has ended", try_="a later not_after, and remit apply DIR")
    mine = [each for each in known if (each.agent, each.boundary) == (boundary.agent, boundary.boundary)]
    if (open_ := next((each for each in mine if each.live(now)), None)) is not None:
        raise Conflict(
            f"{boundary.boundary} is open until {rfc3339(open_.ends)}", try_=f"remit breakglass close {open_.opening}"
        )
    return _fitting(boundary, Instant(now + lasts), latest_end(mine, now=now), now)


def _fitting(boundary: Boundary, wanted: Instant, latest: Instant, now: Instant) -> Instant:
    if wanted <= latest:
        return wanted
    left = (latest - now) // MINUTE
    review = "have somebody else review the last opening: remit breakglass list"
    raise Conflict(
        f"{boundary.boundary} was opened within the last day, and unreviewed may be open until {rfc3339(latest)} only",
        try_=f"--for {left}m, or {review}" if left > 0 else review,
    )


def latest_end(openings: Iterable[Opening], *, now: Instant) -> Instant:
    """The latest moment until which a boundary may be open, after these earlier openings of it.

    Those of the last day that nobody accepted count as one with a new one: an hour from the first of them.
    """
    began = (
        each.opened
        for each in openings
        if each.state is not OpeningState.REVIEWED and now - each.opened < _TOGETHER
    )  # fmt: skip
    return Instant(min(now, min(began, default=now)) + LONGEST)


def blocking(openings: Iterable[Opening], *, by: str, now: Instant) -> Opening | None:
    """The first opening for which `by` may open nothing: not accepted by a day after its end, or rejected."""
    owed = (
        each
        for each in openings
        if each.by == by
        and each.state is not OpeningState.REVIEWED
        and (each.state is OpeningState.REJECTED or now >= each.review_due)
    )
    return min(owed, key=lambda each: (each.opened, each.opening), default=None)


def closed(opening: Opening, *, by: str, now: Instant) -> Opening:
    """It ends now.

    Raises:
        Conflict: It has ended.
    """
    if not opening.live(now):
        raise Conflict(f"{opening.opening} has ended", try_=f"remit breakglass review {opening.opening} --note TEXT")
    return replace(opening, ends=max(now, opening.opened), closed_by=by)


def moved(opening: Opening, *, now: Instant) -> Opening:
    """What has happened by itself by `now`: one step."""
    if now < opening.due:
        return opening
    following = OpeningState.UNREVIEWED if opening.state is OpeningState.OPEN else OpeningState.OVERDUE
    return replace(opening, state=following)


def seen(opening: Opening, *, by: str, accepted: bool, note: str, now: Instant) -> Opening:
    """Somebody looked at it.

    Raises:
        Forbidden: Who opened it.
        Conflict: It is open still, or was accepted already.
    """
    if by == opening.by:
        raise Forbidden(f"{by} opened this, and somebody else reviews it", try_="ask the owner, a backup or security")
    if opening.live(now):
        raise Conflict(f"{opening.opening} is still open", try_=f"remit breakglass close {opening.opening}")
    if opening.state is OpeningState.REVIEWED:
        raise Conflict(f"{opening.opening} was accepted by {opening.reviewed_by}")
    state = OpeningState.REVIEWED if accepted else OpeningState.REJECTED
    return replace(opening, state=state, reviewed=now, reviewed_by=by, note=note)
