"""How well a person reviews, from what they answered (pure).

Integers only: thousandths of an answer a minute, millionths, microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from remit.kernel.clock import MINUTE, Instant
from remit.reviews.model import Said

SITTING: Final = 10 * MINUTE  # who pauses for longer begins anew
_WHOLE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Given:
    """One answer: when, what, when its question was asked, and whether that was made up."""

    at: Instant
    said: Said
    asked: Instant
    canary: bool = False

    @property
    def caught(self) -> bool:
        """For a made-up question, which is always about what must not stay: whether it was seen."""
        return self.said is not Said.KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """A reviewer's figures. None where there is nothing to measure."""

    answers: int
    per_minute: int | None  # thousandths, within sittings
    keep_share: int | None  # millionths
    canaries: int
    catch_rate: int | None  # millionths
    median_gap: int | None  # microseconds between neighbouring answers of a sitting
    median_wait: int | None  # microseconds from the question to its answer


def quality(given: Iterable[Given]) -> Quality:
    """The figures over these answers, in any order."""
    found = sorted(given, key=lambda each: each.at)
    gaps, canaries = gaps_of(found), [each for each in found if each.canary]
    return Quality(
        answers=len(found),
        per_minute=len(gaps) * 1000 * MINUTE // sum(gaps) if sum(gaps) else None,
        keep_share=share(sum(each.said is Said.KEEP for each in found), len(found)),
        canaries=len(canaries),
        catch_rate=share(sum(each.caught for each in canaries), len(canaries)),
        median_gap=median(gaps),
        median_wait=median([max(0, each.at - each.asked) for each in found]),
    )


def gaps_of(ordered: Sequence[Given]) -> list[int]:
    """The times between neighbouring answers of one sitting."""
    gaps = [after.at - before.at for before, after in pairwise(ordered)]
    return [gap for gap in gaps if gap <= SITTING]


def share(part: int, whole: int) -> int | None:
    """Millionths, rounded down."""
    return part * _WHOLE // whole if whole else None


def median(values: Sequence[int]) -> int | None:
    """The middle one; of two, the mean rounded down."""
    if not values:
        return None
    found, half = sorted(values), len(values) // 2
    return found[half] if len(found) % 2 else (found[half - 1] + found[half]) // 2
