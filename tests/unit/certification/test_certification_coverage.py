"""The coverage clock: it runs while Remit runs, and nothing else moves it."""

from __future__ import annotations

from remit.certification.usage.coverage import CoverageClock
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant
from remit.storage.memory import MemoryWriter

NOON = Instant(1_795_521_600_000_000)


class Ticking:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.at = 5_000

    def __call__(self) -> int:
        return self.at

    def move(self, micros: int) -> None:
        self.at += micros * 1000


def opened(memory: MemoryWriter, now: int) -> tuple[CoverageClock, Ticking, int]:
    ticking = Ticking()
    clock = CoverageClock(ticking)
    gap = memory.read(lambda connection: clock.open(connection, Instant(now)))
    return clock, ticking, gap


def test_it_runs_with_the_process_whatever_the_wall_clock_says() -> None:
    memory = MemoryWriter()
    clock, ticking, gap = opened(memory, NOON)
    assert (clock.covered(), gap) == (0, 0)
    ticking.move(HOUR)
    memory.change(lambda tx: clock.beat(tx.connection, Instant(NOON - DAY)))
    assert clock.covered() == HOUR


def test_a_short_restart_leaves_no_gap_and_a_long_one_does() -> None:
    memory = MemoryWriter()
    clock, ticking, _ = opened(memory, NOON)
    ticking.move(HOUR)
    memory.change(lambda tx: clock.beat(tx.connection, Instant(NOON + HOUR)))
    soon, _, gap = opened(memory, NOON + HOUR + 150 * SECOND)
    assert (soon.covered(), gap) == (HOUR + 150 * SECOND, 0)
    late, _, gap = opened(memory, NOON + HOUR + 150 * SECOND + 1)
    assert (late.covered(), gap) == (HOUR, 150 * SECOND + 1)


def test_a_wall_clock_that_went_back_is_a_gap() -> None:
    memory = MemoryWriter()
    clock, ticking, _ = opened(memory, NOON)
    ticking.move(MINUTE)
    memory.change(lambda tx: clock.beat(tx.connection, Instant(NOON + MINUTE)))
    again, _, gap = opened(memory, NOON)
    assert (again.covered(), gap) == (MINUTE, MINUTE)


def test_among_several_nodes_it_is_complete_as_far_as_all_have_written() -> None:
    memory, ticking = MemoryWriter(), Ticking()
    others: list[int] = []
    clock = CoverageClock(ticking, written=lambda: min(others, default=None))
    memory.read(lambda connection: clock.open(connection, NOON))
    ticking.move(HOUR)
    assert clock.covered() == clock.reading() == HOUR
    others += [HOUR - MINUTE, 2 * HOUR]
    assert (clock.covered(), clock.reading()) == (HOUR - MINUTE, HOUR)
    memory.change(lambda tx: clock.beat(tx.connection, NOON))
    later = CoverageClock(ticking)
    memory.read(lambda connection: later.open(connection, NOON))
    assert later.covered() == HOUR  # what is kept is the clock, not how far the others are
