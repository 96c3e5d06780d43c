"""What is used together: found from runs, whatever their order, and only from enough of them."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from remit.certification.together import ENOUGH_RUNS, groups_of, others_of

ACTIONS = ("s/a", "s/b", "s/c", "s/d")


def runs(*counted: tuple[int, set[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for count, actions in counted:
        for _ in range(count):
            found[f"run_{len(found)}"] = actions
    return found


def test_what_nearly_always_goes_together_is_one_group() -> None:
    assert groups_of(runs((18, {"s/read", "s/list"}), (2, {"s/list"}))) == {"s/list": "s/list", "s/read": "s/list"}


def test_four_of_five_are_enough_and_less_is_not() -> None:
    assert groups_of(runs((80, {"s/a", "s/b"}), (20, {"s/a"})))
    assert groups_of(runs((79, {"s/a", "s/b"}), (21, {"s/a"}))) == {}


def test_few_runs_say_nothing() -> None:
    assert groups_of(runs((ENOUGH_RUNS - 1, {"s/a", "s/b"}))) == {}
    assert groups_of(runs((ENOUGH_RUNS, {"s/a", "s/b"})))
    # Runs there are enough, but not of these two.
    assert groups_of(runs((ENOUGH_RUNS - 1, {"s/a", "s/b"}), (50, {"s/c"}))) == {}


def test_groups_hang_together_through_a_third() -> None:
    found = groups_of(runs((90, {"s/a", "s/b", "s/c"}), (10, {"s/a", "s/b"}), (10, {"s/b", "s/c"})))
    assert set(found.values()) == {"s/a"}
    assert others_of(found.items()) == {
        "s/a": ("s/b", "s/c"), "s/b": ("s/a", "s/c"), "s/c": ("s/a", "s/b"),
    }  # fmt: skip


@given(st.lists(st.sets(st.sampled_from(ACTIONS), min_size=1), max_size=60), st.integers())
def test_the_order_of_runs_changes_nothing(seen: list[set[str]], seed: int) -> None:
    ordered = {f"r{at}": actions for at, actions in enumerate(seen)}
    shuffled = list(ordered.items())
    random.Random(seed).shuffle(shuffled)
    found = groups_of(ordered)
    assert found == groups_of(dict(shuffled))
    assert all(found.get(group) == group for group in found.values())
