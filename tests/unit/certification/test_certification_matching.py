"""Which uses a decision stands behind."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remit.certification.usage.matching import Passed, Use, brokered, shadows, unmatched
from remit.kernel.clock import Instant

AGENTS = st.sampled_from(["a", "b"])
TIMES = st.integers(0, 12)
USES = st.lists(st.tuples(AGENTS, TIMES), max_size=5)
TOLERANCE = 2


def uses(drawn: list[tuple[str, int]]) -> list[Use]:
    return [Use(agent, "s/t", Instant(at), str(number)) for number, (agent, at) in enumerate(drawn)]


def passed(drawn: list[tuple[str, int]]) -> list[Passed]:
    return [Passed(agent, "s/t", Instant(at)) for agent, at in drawn]


def fewest(some: list[Use], decisions: list[Passed]) -> int:
    """By trying everything: the fewest uses that are left without a decision."""
    best = len(some)
    for order in permutations(range(len(decisions))):
        left, free = 0, list(order)
        for use in some:
            mine = next(
                (n for n in free if decisions[n].agent == use.agent and abs(decisions[n].at - use.at) <= TOLERANCE),
                None,
            )
            if mine is None:
                left += 1
            else:
                free.remove(mine)
        best = min(best, left)
    return best


@given(USES, USES)
def test_as_few_are_left_as_can_be(seen: Any, decided: Any) -> None:
    assert len(unmatched(uses(seen), passed(decided), tolerance=TOLERANCE)) == fewest(uses(seen), passed(decided))


@given(USES, USES, st.randoms(use_true_random=False))
def test_the_order_of_what_is_told_changes_nothing(seen: Any, decided: Any, random: Any) -> None:
    one = unmatched(uses(seen), passed(decided), tolerance=TOLERANCE)
    some, others = uses(seen), passed(decided)
    random.shuffle(some)
    random.shuffle(others)
    assert unmatched(some, others, tolerance=TOLERANCE) == one


def test_a_decision_accounts_for_one_use() -> None:
    left = unmatched(uses([("a", 1), ("a", 1)]), passed([("a", 1)]), tolerance=TOLERANCE)
    assert len(left) == 1


def test_no_use_is_accounted_for_by_another_agents_decision() -> None:
    assert unmatched(uses([("a", 1)]), passed([("b", 1)]), tolerance=TOLERANCE)


@given(USES)
def test_findings_count_every_use_that_is_left(seen: Any) -> None:
    left = uses(seen)
    found = shadows(left)
    assert sum(each.uses for each in found) == len(left)
    assert [each.agent for each in found] == sorted({use.agent for use in left})


def test_a_use_whose_decision_is_missing_is_unmatched() -> None:
    outcomes = [("s", "d1", "ok"), ("s", "d2", "error"), ("s", "d3", "not_sent"), ("open", "d4", "ok")]
    (row,) = brokered(outcomes, {"d1"}, {"s": "key"})
    assert (row.uses, row.decisions, row.unmatched) == (2, 1, 1)
    assert row.outcomes == {"ok": 1, "error": 1, "not_sent": 1}
