"""An answer that may be old: at once, made anew behind, and never two of them at once."""

from __future__ import annotations

import threading
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest

from remit.kernel.clock import Instant, Micros
from remit.server.door import Ask
from remit.server.http_coverage import CoverageDoors
from remit.server.operators import Operator
from remit.server.remembered import Remembered


class Clock:
    def __init__(self) -> None:
        self.at = Instant(0)

    def now(self) -> Instant:
        return self.at


def settled() -> None:
    for thread in threading.enumerate():
        if thread.name == "remit-remembered":
            thread.join(10)


class Quiet:
    """A log in which nothing stands, as soon as it is let be read."""

    def __init__(self) -> None:
        self.reads, self.free = 0, threading.Event()

    def since(self, *_: object, **__: object) -> list[object]:
        self.reads += 1
        assert self.free.wait(10)
        return []

    def horizon(self) -> None:
        """Nothing was taken out of it."""


def test_coverage_of_a_day_is_read_behind_the_back_of_whom_an_older_one_will_do() -> None:
    log = Quiet()
    view: Any = SimpleNamespace(servers={}, coverage={})
    doors = CoverageDoors(view=lambda: view, log=log, clock=Clock())  # type: ignore[arg-type]

    def asked(**query: str) -> dict[str, Any]:
        return doors.coverage(Ask(operator=cast("Operator", None), path={}, query=query, body={}))

    first = asked(within="60")
    assert not first["complete"]
    assert "ask again" in first["unknown"][0]
    log.free.set()
    settled()
    reads = log.reads
    assert asked(within="60")["complete"]
    assert log.reads == reads
    assert asked()["complete"]
    assert asked(within="60", hours="2")["complete"]
    assert log.reads > reads, "who asks for another time, or for now, is told of that"


def test_one_that_is_young_enough_is_given_again() -> None:
    clock, numbers = Clock(), count()
    kept = Remembered(lambda: next(numbers), clock)
    assert kept.within(Micros(10)) == 0
    clock.at = Instant(10)
    assert kept.within(Micros(10)) == 0
    settled()
    assert kept.within(Micros(10)) == 0


def test_one_that_is_too_old_is_given_at_once_and_made_anew_behind() -> None:
    clock, numbers = Clock(), count()
    kept = Remembered(lambda: next(numbers), clock)
    kept.within(Micros(10))
    clock.at = Instant(11)
    assert kept.within(Micros(10)) == 0
    settled()
    assert kept.within(Micros(10)) == 1


def test_who_asks_for_the_present_is_never_given_an_old_one() -> None:
    clock, numbers = Clock(), count()
    kept = Remembered(lambda: next(numbers), clock)
    assert [kept.now(), kept.now(), kept.within(Micros(10))] == [0, 1, 1]


def test_the_first_is_not_waited_for_if_it_takes_long() -> None:
    clock, go = Clock(), threading.Event()
    kept = Remembered(lambda: go.wait(10), clock)
    assert [kept.within(Micros(1)), kept.within(Micros(1))] == [None, None]
    go.set()
    settled()
    assert kept.within(Micros(1)) is True


def test_where_nobody_waits_it_is_made_the_slower_way() -> None:
    kept = Remembered(lambda: "in front", Clock(), behind=lambda: "behind")
    first = kept.within(Micros(1))
    settled()
    assert first in {None, "behind"}
    assert kept.within(Micros(1)) == "behind"
    assert kept.now() == "in front"


def test_only_one_is_made_at_a_time_and_nobody_waits_for_it() -> None:
    clock, going, go, numbers = Clock(), threading.Event(), threading.Event(), count()

    def make() -> int:
        number = next(numbers)
        if number:
            going.set()
            assert go.wait(10)
        return number

    kept = Remembered(make, clock)
    kept.within(Micros(1))
    clock.at = Instant(5)
    assert kept.within(Micros(1)) == 0
    assert going.wait(10)
    assert [kept.within(Micros(1)) for _ in range(5)] == [0] * 5
    go.set()
    settled()
    assert kept.within(Micros(100)) == 1
    assert next(numbers) == 2


def test_an_error_behind_is_tried_again_and_one_in_front_is_raised() -> None:
    clock, numbers = Clock(), count()

    def make() -> int:
        if (number := next(numbers)) == 1:
            raise ValueError
        return number

    kept = Remembered(make, clock)
    kept.within(Micros(1))
    clock.at = Instant(5)
    assert kept.within(Micros(1)) == 0
    settled()
    assert kept.within(Micros(1)) == 0
    settled()
    assert kept.within(Micros(1)) == 2

    def never() -> int:
        raise ValueError

    broken = Remembered(never, clock)
    assert [broken.within(Micros(1)), broken.within(Micros(1))] == [None, None]
    with pytest.raises(ValueError):  # noqa: PT011 - its own
        broken.now()
