from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))  # `benchmarks` is no installed package

from benchmarks.plot import reach
from benchmarks.report import finish, percentile, row, tail_row


def test_a_percentile_is_a_measured_value() -> None:
    assert percentile([*range(1, 101)], 99) == 99
    assert percentile([*range(1, 501)], 99) == 495
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([7.0], 99) == 7.0


def test_a_row_is_judged_in_its_direction() -> None:
    assert row("share", [44.0, 46.0, 45.0], "%", floor=45, aim=65)["ok"] is True
    assert row("share", [44.0, 44.9, 60.0], "%", floor=45, aim=65)["ok"] is False
    assert row("times", [2.0, 1.9, 2.1], "x", floor=2, aim=1.3, less_is_better=True)["ok"] is True
    assert row("times", [2.2, 1.9, 2.1], "x", floor=2, aim=1.3, less_is_better=True)["ok"] is False
    assert row("told", [1.0], "us")["ok"] is None


def test_rounding_rescues_nobody() -> None:
    missed = row("share", [44.999], "%", floor=45, aim=65)
    assert (missed["median"], missed["ok"]) == (45.0, False)


def test_a_tail_is_that_of_all_times_and_its_spread_that_of_stretches() -> None:
    times = [*([1.0] * 99), 50.0, *([2.0] * 99), 3.0]
    measured = tail_row("tail", times, "ms", part=100, parts=2, floor=10, aim=5)
    assert (measured["median"], measured["low"], measured["high"], measured["ok"]) == (50.0, 3.0, 50.0, False)


def test_a_missed_floor_is_the_exit_code() -> None:
    said: list[str] = []
    good, bad = row("a", [9.0], "x", floor=5, aim=12), row("b", [4.0], "x", floor=5, aim=12)
    assert finish("some", [good, row("c", [1.0], "us")], as_json=True, say=said.append) == 0
    assert finish("some", [good, bad], as_json=False, say=said.append) == 1


def test_a_bar_reaches_the_same_line_for_every_floor_and_aim() -> None:
    for floor, aim, less in ((2.0, 1.3, True), (45.0, 65.0, False)):
        for value, reached in ((floor, 0.0), (aim, 1.0)):
            assert reach(row("a", [value], "x", floor=floor, aim=aim, less_is_better=less)) == reached
