"""When the whole heap is looked through for cycles."""

from __future__ import annotations

import gc

import pytest

from remit.server import garbage


@pytest.mark.parametrize(
    ("passes", "seconds", "expected"), [(0, 59.9, "no"), (19, 1.0, "no"), (20, 1.0, "yes"), (0, 60.0, "yes")]
)
def test_once_a_minute_and_when_much_has_come(passes: int, seconds: float, expected: str) -> None:
    assert ("yes" if garbage.due(passes, seconds) else "no") == expected


def test_objects_in_cycles_count_towards_it() -> None:
    """What `due` is told is what the collector counts: passes over the middle generation, as objects come."""
    before = gc.get_threshold()
    gc.collect()
    try:
        gc.set_threshold(100, 5, 1_000_000)
        kept: list[list[object]] = []
        for _ in range(20_000):
            one: list[object] = []
            one.append(one)
            kept.append(one)
        assert gc.get_count()[2] >= 20
    finally:
        gc.set_threshold(*before)
