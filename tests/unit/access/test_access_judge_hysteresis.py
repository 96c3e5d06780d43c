"""Risk goes in at one threshold and out at another: between them a verdict stays what it was."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.activation import ActivationState as State
from remit.access.judge import AT_RISK, CALM, Facts, Verdict, judge, usable
from remit.access.ttl import Habit
from remit.catalog.model import Tier
from remit.kernel.clock import DAY, HOUR

BETWEEN = st.integers(CALM + 1, AT_RISK - 1)
SERIOUS = (Tier.CRITICAL, Tier.HIGH)


def facts(state: State, risk: int, *, tier: Tier = Tier.HIGH, in_state: int = HOUR) -> Facts:
    return Facts(
        tier=tier, state=state, in_state=in_state, idle=0, idle_covered=0, habit=Habit(days=0, cadence=20 * DAY),
        risk=risk, granted=True, agent="active", owner_active=True, same_version=True,
    )  # fmt: skip


def test_the_thresholds_are_those_of_the_design() -> None:
    assert (CALM, AT_RISK) == (500_000, 700_000)


@pytest.mark.parametrize("tier", Tier)
@pytest.mark.parametrize("risk", [0, 500_001, 600_000, 699_999, 700_000, 1_000_000])
def test_what_needs_a_person_still_does_whatever_the_risk(tier: Tier, risk: int) -> None:
    found = judge(facts(State.NEEDS_HUMAN, risk, tier=tier, in_state=90 * DAY))
    assert (found.state, found.reason) == (State.NEEDS_HUMAN, "at_risk_too_long")
    assert usable(found.state, tier) is (tier not in SERIOUS)


@pytest.mark.parametrize("tier", Tier)
def test_what_needs_a_person_lapses_all_the_same_and_is_due_then(tier: Tier) -> None:
    waits = facts(State.NEEDS_HUMAN, 0, tier=tier)
    left = judge(waits).left
    assert left is not None
    gone = msgspec.structs.replace(waits, idle=waits.idle + left, idle_covered=waits.idle_covered + left)
    assert judge(gone).state is State.LAPSED


@given(BETWEEN, st.sampled_from(Tier))
def test_between_the_thresholds_nothing_flutters(risk: int, tier: Tier) -> None:
    for state in (State.ACTIVE, State.AT_RISK, State.NEEDS_HUMAN):
        assert judge(facts(state, risk, tier=tier)).state is state


def test_the_days_at_risk_run_on_between_the_thresholds() -> None:
    """Else whoever keeps the risk just under the upper one would never have to face a person."""
    assert judge(facts(State.AT_RISK, CALM + 1, in_state=72 * HOUR - 1)).state is State.AT_RISK
    assert judge(facts(State.AT_RISK, CALM + 1, in_state=72 * HOUR)).state is State.NEEDS_HUMAN


@given(st.lists(st.integers(0, 1_000_000), max_size=30), st.sampled_from(SERIOUS))
def test_once_it_needs_a_person_no_falling_risk_ends_that(risks: list[int], tier: Tier) -> None:
    state = State.NEEDS_HUMAN
    for risk in risks:
        state = judge(facts(state, risk, tier=tier)).state
        assert not usable(state, tier)


@given(st.lists(st.booleans(), min_size=30 * 24, max_size=30 * 24))
def test_a_risk_that_comes_and_goes_hourly_for_a_month_changes_little(highs: list[bool]) -> None:
    """Anything round the thresholds, hour by hour, for 30 days: at most 4 changes of state."""
    state, since, calm, changes = State.ACTIVE, 0, 0, 0
    for hour, high in enumerate(highs):
        # Never low for a whole day: that would be the end of it, and no flutter.
        now, risk = hour * HOUR, 710_000 if high or hour % 12 == 0 else 490_000
        calm = now if risk > CALM else calm
        found = judge(
            msgspec.structs.replace(facts(state, risk, tier=Tier.MEDIUM), in_state=now - since, calm=now - calm)
        )
        if found.state is not state:
            state, since, changes = found.state, now, changes + 1
    assert changes <= 4


def test_it_is_over_when_it_was_low_for_a_day() -> None:
    low = msgspec.structs.replace(facts(State.AT_RISK, CALM), calm=24 * HOUR)
    assert judge(low).state is State.ACTIVE
    assert judge(msgspec.structs.replace(low, calm=24 * HOUR - 1)) == Verdict(State.AT_RISK, "risk", 1)
    assert judge(msgspec.structs.replace(low, risk=CALM + 1)).state is State.AT_RISK
