"""Terms: in order, once each, never early, and always half a term for the backup."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.catalog.model import Tier
from remit.kernel.clock import DAY, HOUR, Instant
from remit.reviews.model import NEVER, Kind, Stage
from remit.reviews.schedule import CLOSINGS, TERMS, Closing, Course, Deed, advance, ends, next_at

ASKED = Instant(1_000_000_000_000)
ORDER = list(Stage)
tiers = st.sampled_from(list(Tier))


def course(tier: Tier) -> Course:
    return Course(tier, ASKED, Stage.ASKED, ASKED)


def run(tier: Tier, ticks: list[int]) -> list[tuple[Instant, Course, Deed | None]]:
    """What each tick (thousandths of the term after asking) comes to."""
    at = course(tier)
    found: list[tuple[Instant, Course, Deed | None]] = []
    for tick in sorted(ticks):
        now = Instant(ASKED + TERMS[tier] * tick // 1000)
        at, deed = advance(at, now)
        found.append((now, at, deed))
    return found


@settings(deadline=None)
@given(tiers, st.lists(st.integers(0, 4000), max_size=40))
def test_deeds_come_in_order_and_once(tier: Tier, ticks: list[int]) -> None:
    found = run(tier, ticks)
    stages = [ORDER.index(at.stage) for _, at, _ in found]
    assert stages == sorted(stages)
    deeds = [deed for _, _, deed in found if deed is not None]
    rank = {Deed.REMIND: 0, Deed.ESCALATE: 1, Deed.CLOSE: 2}
    assert [rank[deed] for deed in deeds] == sorted(rank[deed] for deed in deeds)
    assert deeds.count(Deed.REMIND) <= 2
    assert deeds.count(Deed.ESCALATE) <= 1
    assert deeds.count(Deed.CLOSE) <= 1


@settings(deadline=None)
@given(tiers, st.lists(st.integers(0, 4000), max_size=40))
def test_nothing_ends_before_the_backup_had_half_a_term(tier: Tier, ticks: list[int]) -> None:
    found = run(tier, ticks)
    escalated = next((now for now, _, deed in found if deed is Deed.ESCALATE), None)
    closed = next((now for now, _, deed in found if deed is Deed.CLOSE), None)
    if escalated is not None:
        assert escalated >= ends(course(tier))
    if closed is not None:
        assert escalated is not None
        assert closed >= max(escalated, ends(course(tier))) + TERMS[tier] // 2


@settings(deadline=None)
@given(tiers, st.lists(st.integers(0, 4000), max_size=40))
def test_when_it_is_due_it_happens_and_not_before(tier: Tier, ticks: list[int]) -> None:
    for _, at, _ in run(tier, ticks):
        due = next_at(at)
        if due == NEVER:
            assert at.stage is Stage.OVER
            continue
        assert advance(at, Instant(due - 1)) == (at, None)
        after, deed = advance(at, due)
        assert deed is not None
        assert next_at(after) > due


@settings(deadline=None)
@given(tiers, st.integers(0, 3000))
def test_asking_twice_at_one_moment_does_nothing_more(tier: Tier, tick: int) -> None:
    now = Instant(ASKED + TERMS[tier] * tick // 1000)
    once, _ = advance(course(tier), now)
    assert advance(once, now) == (once, None)


@pytest.mark.parametrize(
    ("tier", "term"),
    [(Tier.CRITICAL, 24 * HOUR), (Tier.HIGH, 72 * HOUR), (Tier.MEDIUM, 14 * DAY), (Tier.LOW, 14 * DAY)],
)
def test_the_whole_course_on_time(tier: Tier, term: int) -> None:
    at, times, deeds = course(tier), [], []
    while next_at(at) != NEVER:
        times.append(next_at(at) - ASKED)
        at, deed = advance(at, next_at(at))
        deeds.append(deed)
    assert times == [term * 50 // 100, term * 80 // 100, term, term * 150 // 100]
    assert deeds == [Deed.REMIND, Deed.REMIND, Deed.ESCALATE, Deed.CLOSE]
    assert all(before < after for before, after in pairwise(times))


def test_after_a_long_silence_only_the_last_deed_is_done() -> None:
    late, deed = advance(course(Tier.CRITICAL), Instant(ASKED + 100 * DAY))
    assert (late.stage, deed) == (Stage.ESCALATED, Deed.ESCALATE)
    assert next_at(late) == ASKED + 100 * DAY + 12 * HOUR


def test_every_kind_has_an_end_and_only_doubts_wait_for_ever() -> None:
    assert CLOSINGS.keys() == set(Kind)
    assert [kind for kind, closing in CLOSINGS.items() if closing is Closing.WAIT] == [Kind.USAGE_DOUBTED]
