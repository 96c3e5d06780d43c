"""Risk goes in at one threshold and out at another: between them a verdict stays what it was."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.activation import ActivationState as State
from remit.access.judge import AT_RISK, CALM, Facts, Verdict, judge, usable
from remit.catalog.model import Tier
from remit.kernel.clock import DAY, HOUR

BETWEEN = st.integers(CALM + 1, AT_RISK - 1)
SERIOUS = (Tier.CRITICAL, Tier.HIGH)


def facts(state: State, risk: int, *, tier: Tier = Tier.HIGH, in_state: int = HOUR) -> Facts:
    return Facts(
        tier=tier, state=state, in_state=in_state, idle=0, idle_covered=0, ttl=30 * DAY, risk=risk, granted=True,
        agent="active", owner_active=True, same_version=True,
    )  # fmt: skip


def test_the_thresholds_are_those_of_the_design() -> None:
    assert (CALM, AT_RISK) == (500_000, 700_000)


@pytest.mark.parametrize("tier", Tier)
@pytest.mark.parametrize("risk", [500_001, 600_000, 699_999, 700_000, 1_000_000])
def test_what_needs_a_person_still_does_while_the_risk_is_not_low(tier: Tier, risk: int) -> None:
    found = judge(facts(State.NEEDS_HUMAN, risk, tier=tier, in_state=90 * DAY))
    assert found == Verdict(State.NEEDS_HUMAN, "at_risk_too_long")
    assert usable(found.state, tier) is (tier not in SERIOUS)


@given(BETWEEN, st.sampled_from(Tier))
def test_between_the_thresholds_nothing_flutters(risk: int, tier: Tier) -> None:
    for state in (State.ACTIVE, State.AT_RISK, State.NEEDS_HUMAN):
        assert judge(facts(state, risk, tier=tier)).state is state


def test_the_days_at_risk_run_on_between_the_thresholds() -> None:
    """Else whoever keeps the risk just under the upper one would never have to face a person."""
    assert judge(facts(State.AT_RISK, CALM + 1, in_state=72 * HOUR - 1)).state is State.AT_RISK
    assert judge(facts(State.AT_RISK, CALM + 1, in_state=72 * HOUR)).state is State.NEEDS_HUMAN


@given(st.lists(st.integers(0, 1_000_000), max_size=30), st.sampled_from(SERIOUS))
def test_once_it_needs_a_person_it_is_not_usable_before_the_risk_is_low(risks: list[int], tier: Tier) -> None:
    state = State.NEEDS_HUMAN
    for risk in risks:
        before, state = state, judge(facts(state, risk, tier=tier)).state
        if before is State.NEEDS_HUMAN and risk > CALM:
            assert not usable(state, tier)


@pytest.mark.parametrize(("state", "risk"), [(State.AT_RISK, CALM), (State.NEEDS_HUMAN, CALM)])
def test_at_the_lower_threshold_it_is_over(state: State, risk: int) -> None:
    assert judge(facts(state, risk)).state is State.ACTIVE
    assert judge(dataclasses.replace(facts(state, risk), risk=risk + 1)).state is state
