"""When the record of use is complete: disjoint half-open windows of time (pure; integers only).

A source says for which time it told everything, and may number its events. A number that is
missing takes the time between its neighbours away until it comes: something happened then that
nobody told.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import NamedTuple

from remit.kernel.clock import Instant, Micros

Span = tuple[int, int]
_FIRST_NUMBERS = (0, 1)  # a source counts from one of these


@dataclass(frozen=True, slots=True)
class Windows:
    """Disjoint windows [start, until), in order; windows that touch are one. Made by `windows`."""

    spans: tuple[Span, ...] = ()
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _before: tuple[int, ...] = field(init=False, repr=False, compare=False)  # microseconds in the windows before each

    def __post_init__(self) -> None:
        # A decision may ask `measure`, so the sums are there before.
        object.__setattr__(self, "_starts", tuple(start for start, _ in self.spans))
        lengths = (until - start for start, until in self.spans)
        object.__setattr__(self, "_before", tuple(accumulate(lengths, initial=0)))

    def measure(self, start: Instant | int, until: Instant | int) -> Micros:
        """Microseconds of [start, until) that lie in a window; 0 if `until` is not after `start`."""
        return Micros(max(0, self._reading(until) - self._reading(start)))

    def covers(self, start: int, until: int) -> bool:
        """Whether all of [start, until) lies in a window."""
        return self.measure(start, until) == max(0, until - start)

    def merge(self, other: Windows) -> Windows:
        """What lies in either."""
        return windows((*self.spans, *other.spans))

    def intersect(self, other: Windows) -> Windows:
        """What lies in both."""
        return windows(_both(self.spans, other.spans))

    def without(self, other: Windows) -> Windows:
        """What lies in this and not in `other`."""
        if not self.spans or not other.spans:
            return self
        return self.intersect(other.gaps(self.spans[0][0], self.spans[-1][1]))

    def gaps(self, start: int, until: int) -> Windows:
        """What of [start, until) lies in no window."""
        edges = [start, *(edge for span in self.spans for edge in span), until]
        around = zip(edges[::2], edges[1::2], strict=True)
        return windows((max(left, start), min(right, until)) for left, right in around)

    def _reading(self, at: int) -> int:
        """Microseconds of the windows before `at`."""
        index = bisect_right(self._starts, at)
        if index == 0:
            return 0
        start, until = self.spans[index - 1]
        return self._before[index - 1] + min(at, until) - start


def windows(spans: Iterable[Span]) -> Windows:
    """The windows over `spans`, in any order; those that overlap or touch are one, and empty ones are none."""
    found: list[Span] = []
    for start, until in sorted(span for span in spans if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(until, found[-1][1]))
        else:
            found.append((start, until))
    return Windows(tuple(found))


def _both(ours: tuple[Span, ...], theirs: tuple[Span, ...]) -> Iterator[Span]:
    left, right = 0, 0
    while left < len(ours) and right < len(theirs):
        (start, until), (other_start, other_until) = ours[left], theirs[right]
        yield max(start, other_start), min(until, other_until)
        if until < other_until:
            left += 1
        else:
            right += 1


class Stretch(NamedTuple):
    """Numbers `low` to `high` without a gap, and when the first and the last of them happened."""

    low: int
    high: int
    first: int
    last: int


def stretched(known: Iterable[Stretch], told: Mapping[int, int]) -> list[Stretch]:
    """The stretches with more numbers (number: when it happened). A number that is known stays as it is known."""
    alone = (Stretch(number, number, at, at) for number, at in told.items())
    found: list[Stretch] = []
    for each in sorted((*known, *alone), key=lambda each: (each.low, -each.high)):
        if not found or each.low > found[-1].high + 1:
            found.append(each)
        elif each.high > found[-1].high:
            found[-1] = Stretch(found[-1].low, each.high, found[-1].first, each.last)
    return found


def holes(stretches: Iterable[Stretch]) -> Windows:
    """The time in which numbers are missing: between the neighbours of each gap, both ends included.

    What is missing before the first number that came takes everything before it away.
    """
    ordered = list(stretches)
    lost = [_between(left.last, right.first) for left, right in pairwise(ordered)]
    if ordered and ordered[0].low > _FIRST_NUMBERS[-1]:
        lost.append((0, ordered[0].first))
    return windows(lost)


def _between(left: int, right: int) -> Span:
    return min(left, right), max(left, right) + 1


@dataclass(frozen=True, slots=True)
class Coverage:
    """For each server whose use other sources tell of, when all of them told everything. Unchangeable."""

    servers: Mapping[str, Windows] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, server: str) -> Windows | None:
        """The windows of a server; None if no source tells of it: then Remit's own coverage clock counts."""
        return self.servers.get(server)
