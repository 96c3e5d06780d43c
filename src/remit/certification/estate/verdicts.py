"""Verdicts on a whole estate, in full or only on what is dirty or due, in one process or several.

Both ways come to the same: a verdict stands until what it was made from changes, or its time comes.
"""

from __future__ import annotations

import multiprocessing
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import Any, Final

from remit.access.activation import ActivationState, Under
from remit.certification.estate.judging import DIGEST, STATES, Bench, Found, Held
from remit.certification.estate.model import Row
from remit.certification.estate.ports import Estate
from remit.kernel.clock import Instant

_BATCH: Final = 5_000  # entitlements that are judged in one go
_AHEAD: Final = 2  # batches that wait for each process
_ROW: Final = len(Row._fields)
_ACTIVE: Final = STATES.index(ActivationState.ACTIVE)
Judge = Callable[[Iterable[list[Held]]], Iterator[Found]]


@dataclass(slots=True)
class Verdicts:
    """What stands, column by column, by entitlement."""

    states: bytearray = field(default_factory=bytearray)
    reasons: list[str] = field(default_factory=list)
    since: array[int] = field(default_factory=lambda: array("q"))
    due: array[int] = field(default_factory=lambda: array("q"))
    digests: bytearray = field(default_factory=bytearray)
    unders: dict[int, Under] = field(default_factory=dict)
    unsures: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.states)

    def copy(self) -> Verdicts:
        """The same, to be changed."""
        columns = self.states[:], self.reasons[:], self.since[:], self.due[:], self.digests[:]
        return Verdicts(*columns, {**self.unders}, {**self.unsures})

    def held(self, row: Row) -> Held:
        """A row with what was last recorded of it; what is new begins as active."""
        if row.eid >= len(self):
            return Held(row, _ACTIVE, row.started, "")
        eid = row.eid
        under, unsure = self.unders.get(eid), self.unsures.get(eid, 0)
        return Held(row, self.states[eid], self.since[eid], self.reasons[eid], under, unsure)

    def put(self, found: Found) -> None:
        """Take over a batch. What is new follows what is there, without a gap.

        Raises:
            ValueError: An entitlement is missing between them.
        """
        first = len(self)
        if list(found.eids) == list(range(first, first + len(found.eids))):
            self.states += found.states
            self.reasons += found.reasons
            self.since += found.since
            self.due += found.due
            self.digests += found.digests
            self.unders |= found.unders
            self.unsures |= found.unsures
            return
        for at, eid in enumerate(found.eids):
            if eid > len(self):
                raise ValueError(f"entitlement {len(self)} is missing")
            if eid == len(self):
                self._grow()
            self.states[eid], self.reasons[eid] = found.states[at], found.reasons[at]
            self.since[eid], self.due[eid] = found.since[at], found.due[at]
            self.digests[eid * DIGEST : (eid + 1) * DIGEST] = found.digests[at * DIGEST : (at + 1) * DIGEST]
            self.unders.pop(eid, None)
            self.unsures.pop(eid, None)
        self.unders |= found.unders
        self.unsures |= found.unsures

    def _grow(self) -> None:
        """Room for one more."""
        self.states.append(0)
        self.reasons.append("")
        self.since.append(0)
        self.due.append(0)
        self.digests += bytes(DIGEST)

    def due_by(self, now: Instant) -> list[int]:
        """Those whose verdict may have changed by itself."""
        return [eid for eid, due in enumerate(self.due) if due <= now]

    def root(self) -> str:
        """Hex SHA-256 over all digests in order of the entitlements: what one signature over a sweep is about."""
        return sha256(self.digests).hexdigest()


def full(estate: Estate, before: Verdicts | None = None, *, judge: Judge) -> Verdicts:
    """Judge everything.

    Args:
        estate: Rolled up.
        before: The verdicts that were last recorded; without them everything begins as active.
        judge: Judges batches, in their order (`judging`).
    """
    recorded, after = before or Verdicts(), Verdicts()
    for found in judge(_batches(map(recorded.held, estate.habits()))):
        after.put(found)
    return after


def incremental(
    estate: Estate, before: Verdicts, dirty: Iterable[int], *, now: Instant, judge: Judge
) -> tuple[Verdicts, int]:
    """Judge only what is dirty, or due by now: the verdicts on everything, and how many were judged."""
    wanted = sorted({*dirty, *before.due_by(now)})
    after = before.copy()
    for found in judge(_batches(map(before.held, estate.habits(wanted)))):
        after.put(found)
    return after, len(wanted)


def changed(before: Verdicts, after: Verdicts) -> list[int]:
    """Those that are in another state, for another reason, or go back to another one: all that is written."""
    both = zip(before.states, after.states, before.reasons, after.reasons, strict=False)
    moved = {eid for eid, (old, new, was, why) in enumerate(both) if (old, was) != (new, why)}
    other = {eid for eid in {*before.unders, *after.unders} if before.unders.get(eid) != after.unders.get(eid)}
    other |= {eid for eid, since in after.unsures.items() if before.unsures.get(eid) != since}
    known = sorted(moved | {eid for eid in other if eid < len(before)})
    return known + [eid for eid in range(len(before), len(after)) if after.states[eid] != _ACTIVE]


def differences(left: Verdicts, right: Verdicts) -> list[int]:
    """Those that do not stand alike, or of which another thing is remembered: that decides later."""
    most = max(len(left), len(right))
    alike = left.digests == right.digests and left.states == right.states
    if alike and left.unders == right.unders and left.unsures == right.unsures:
        return []
    return [eid for eid in range(most) if _one(left, eid) != _one(right, eid)]


def _one(verdicts: Verdicts, eid: int) -> tuple[bytes, bytes, Under | None, int]:
    digest, state = verdicts.digests[eid * DIGEST : (eid + 1) * DIGEST], verdicts.states[eid : eid + 1]
    return bytes(digest), bytes(state), verdicts.unders.get(eid), verdicts.unsures.get(eid, 0)


@contextmanager
def judging(bench: Bench, processes: int = 1) -> Iterator[Judge]:
    """What judges batches by `bench`, in this process or in others; the order, and what comes out, is the same."""
    if processes == 1:
        yield lambda batches: map(bench.judge, batches)
        return
    # Not forked: a database's threads do not survive that.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_sit, initargs=(bench,)) as pool:
        yield lambda batches: _in_order(pool, batches, processes * _AHEAD)


_bench: list[Bench] = []  # of a process that judges for another


def _sit(bench: Bench) -> None:
    _bench[:] = [bench]


def _judge(batch: list[tuple[Any, ...]]) -> Found:
    return _bench[0].judge([Held(Row(*each[:_ROW]), *each[_ROW:]) for each in batch])


def _flat(batch: list[Held]) -> list[tuple[Any, ...]]:
    """Plain tuples cross to another process in half the time."""
    return [(*held.row, *held[1:]) for held in batch]


def _in_order(pool: ProcessPoolExecutor, batches: Iterable[list[Held]], most: int) -> Iterator[Found]:
    """Never more than `most` batches wait, so that an estate is not in memory as a whole."""
    waiting: deque[Future[Found]] = deque()
    for batch in batches:
        waiting.append(pool.submit(_judge, _flat(batch)))
        if len(waiting) >= most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _batches(held: Iterator[Held]) -> Iterator[list[Held]]:
    while batch := list(islice(held, _BATCH)):
        yield batch
