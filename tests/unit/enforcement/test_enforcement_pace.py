"""Decisions by the second: every one is counted once, for a quarter of an hour, in no more memory than that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement.pace import ALLOW, DENY, OTHER, SECONDS, Pace, Paced


class Now:
    def __init__(self) -> None:
        self.at = 5000.0

    def __call__(self) -> float:
        return self.at


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from([ALLOW, DENY, OTHER])), max_size=60))
def test_what_was_counted_within_the_window_is_there_once(steps: list[tuple[int, int]]) -> None:
    now = Now()
    pace, made = Pace(now), []
    for after, kind in steps:
        now.at += after
        pace.count(kind)
        made.append((int(now.at), kind))
    now.at += 1
    found = pace.last(SECONDS)
    assert len(found) == SECONDS - 1
    begin = int(now.at) - (SECONDS - 1)
    for at, each in enumerate(found):
        expected = [sum(when == begin + at and kind == of for when, kind in made) for of in (ALLOW, DENY, OTHER)]
        assert each == Paced(*expected)


def test_the_second_that_goes_on_is_not_told() -> None:
    now = Now()
    pace = Pace(now)
    pace.count(DENY)
    assert sum(map(sum, pace.last(60))) == 0
    now.at += 1
    assert pace.last(60)[-1] == Paced(0, 1, 0)
    now.at += SECONDS
    assert sum(map(sum, pace.last())) == 0, "what is older is forgotten, not counted again"
