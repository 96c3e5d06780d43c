from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))  # `benchmarks` is no installed package

from benchmarks.freeze import Call, Stop, leaked

STOPS = [
    Stop(sent=90, answered=100, refused=105, ending=200),
    Stop(sent=290, answered=300, refused=305, ending=400),
]


def call(number: int, started: int) -> Call:
    return Call(number, started, started + 10, "")


def test_only_a_call_that_began_while_a_freeze_held_is_a_leak() -> None:
    calls = [call(1, 95), call(2, 150), call(3, 200), call(4, 250), call(5, 295), call(6, 399), call(7, 400)]
    assert [each.number for each in leaked(STOPS, calls, {1, 2, 3, 4, 5, 6, 7})] == [2, 6]


def test_a_call_that_never_arrived_is_none() -> None:
    assert leaked(STOPS, [call(1, 95), call(2, 150), call(6, 399)], {1}) == []
