"""Which approvals widened an agent's boundaries in a year, by whom, and what is left of its limit (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from remit.access.added import Approval, TierOf, approvals
from remit.access.draft import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Widened:
    """One agent in one UTC year."""

    agent: str
    year: int
    widenings: tuple[Approval, ...]  # in order of time; what the agent began with is none
    limit: int | None  # its `max_widening` as it is today

    @property
    def points(self) -> int:
        """What all of them added."""
        return sum(each.points for each in self.widenings)

    @property
    def left(self) -> int | None:
        """What approvals may still add; None without a limit."""
        return None if self.limit is None else max(0, self.limit - self.points)


def widened(versions: Iterable[Version], tier: TierOf, *, agent: str, year: int, limit: int | None) -> Widened:
    """The widenings of one agent in a year.

    Args:
        versions: Every version that there ever was of its boundaries.
        tier: The risk tier of an action.
        agent: Whose.
        year: UTC.
        limit: Its `max_widening`.
    """
    found = [each for each in approvals(versions, tier) if each.year == year and each.reasons]
    found.sort(key=lambda each: (each.version.approved_at or 0, each.version.draft.boundary, each.version.version))
    return Widened(agent=agent, year=year, widenings=tuple(found), limit=limit)
