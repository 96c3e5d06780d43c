"""Use by day: every call of the days that are shown is counted on its day, once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.console.uses import DAYS, HEIGHT, WIDTH, by_day, line
from remit.kernel.clock import DAY, SECOND, Instant, rfc3339

NOW = Instant(20_000 * DAY + DAY // 2)


@given(
    st.lists(st.tuples(st.integers(0, 60 * 86_400), st.sampled_from(["allow", "deny"]), st.sampled_from(["a", "b"])))
)
def test_each_call_is_counted_on_its_day(calls: list[tuple[int, str, str]]) -> None:
    entries = [
        {"time": rfc3339(Instant(NOW - ago * SECOND)), "answer": answer, "action": action}
        for ago, answer, action in calls
    ]
    rows = by_day(entries, {"a"}, now=NOW)
    assert len(rows) == DAYS
    first = NOW // DAY - DAYS + 1
    mine = [(ago, answer) for ago, answer, action in calls if action == "a" and (NOW - ago * SECOND) // DAY >= first]
    assert sum(row["uses"] for row in rows) == sum(answer == "allow" for _, answer in mine)
    assert sum(row["refused"] for row in rows) == sum(answer == "deny" for _, answer in mine)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60))
def test_the_line_stays_in_its_box(values: list[int]) -> None:
    points = [tuple(map(float, each.split(","))) for each in line(values).split()]
    assert len(points) == len(values)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
