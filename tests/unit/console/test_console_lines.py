"""Two texts beside each other: nothing that differs is left out, and numbers are those of the lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.console.lines import beside, changed

LINES = st.lists(st.sampled_from(["a", "b", "c", "", "d"]), max_size=30)


@given(LINES, LINES)
def test_every_line_stands_under_its_number_and_what_is_not_shown_is_the_same(old: list[str], new: list[str]) -> None:
    rows = [row for part in beside(old, new) for row in part]
    for row in rows:
        assert row.old is None or old[row.old - 1] == row.was
        assert row.new is None or new[row.new - 1] == row.now
        assert row.how != "same" or row.was == row.now
    shown_old, shown_new = {row.old for row in rows}, {row.new for row in rows}
    hidden_old = [line for at, line in enumerate(old, 1) if at not in shown_old]
    hidden_new = [line for at, line in enumerate(new, 1) if at not in shown_new]
    assert hidden_old == hidden_new


def test_files_that_came_and_went_are_named() -> None:
    found = changed({"a": "1\n", "b": "same\n", "c": "x\ny\n"}, {"b": "same\n", "c": "x\nz\n", "d": "2\n"})
    assert [(each.file, each.how) for each in found] == [("a", "removed"), ("c", "changed"), ("d", "added")]
    assert [(row.how, row.old, row.was, row.new, row.now) for part in found[1].parts for row in part] == [
        ("same", 1, "x", 1, "x"), ("changed", 2, "y", 2, "z"),
    ]  # fmt: skip
