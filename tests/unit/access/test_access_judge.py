"""The verdict: laws first, then each step, then the edges that a mutant would move."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remit.access.activation import ActivationState as State
from remit.access.judge import AT_RISK, CALM, EXPOSED, TOXIC, Facts, judge, statement, usable
from remit.access.parameters import SHIPPED
from remit.access.ttl import Habit, ttl
from remit.catalog.model import Tier
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, HOUR

TTL = 30 * DAY
HABIT = Habit(days=0)  # medium without a habit: 30 days
times = st.integers(0, 400 * DAY)


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    idle = draw(times)
    return Facts(
        tier=draw(st.sampled_from(Tier)),
        state=draw(st.sampled_from(State)),
        in_state=draw(times),
        idle=idle,
        idle_covered=draw(st.integers(0, idle)),
        habit=Habit(
            days=draw(st.integers(0, 40)),
            q95=draw(st.integers(0, 90)),
            flaps=draw(st.booleans()),
            cadence=draw(st.none() | st.integers(1, 100 * DAY)),
            shorter=draw(st.none() | st.integers(1, 365 * DAY)),
        ),
        risk=draw(st.integers(0, 1_000_000)),
        granted=draw(st.booleans()),
        agent=draw(st.sampled_from(["active", "suspended", "retired"])),
        owner_active=draw(st.booleans()),
        same_version=draw(st.booleans()),
        why=draw(st.sampled_from(["", EXPOSED, TOXIC, "owner_gone"])),
        calm=draw(times),
        exposed=draw(st.booleans()),
        critical=draw(st.booleans()),
        toxic=draw(st.booleans()),
        doubt=draw(st.booleans()),
        vouched=draw(st.booleans()),
        held=draw(st.booleans()),
    )


def active(**changes: Any) -> Facts:
    quiet = Facts(
        tier=Tier.MEDIUM, state=State.ACTIVE, in_state=0, idle=0, idle_covered=0, habit=HABIT, risk=0, granted=True,
        agent="active", owner_active=True, same_version=True,
    )  # fmt: skip
    return dataclasses.replace(quiet, **changes)


@given(facts())
def test_nothing_outlives_its_boundary_or_its_agent(found: Facts) -> None:
    ended = not found.granted or found.agent == "retired"
    verdict = judge(found)
    assert (verdict.state is State.REVOKED) >= ended
    assert not (ended and usable(verdict.state, found.tier))


@given(facts())
def test_what_people_or_time_ended_never_comes_back_by_being_judged(found: Facts) -> None:
    over = (found.why == EXPOSED and not found.exposed) or (found.why == TOXIC and not found.toxic)
    if found.state in {State.LAPSED, State.REVOKED} or (found.state is State.SUSPENDED and not over):
        assert not usable(judge(found).state, found.tier)


@given(facts())
def test_non_use_is_never_asserted_on_an_incomplete_record(found: Facts) -> None:
    if judge(found).state is State.LAPSED and found.state is not State.LAPSED:
        assert found.idle_covered >= ttl(found.tier, found.habit)


@given(facts(), st.integers(0, 100 * DAY))
def test_time_alone_only_takes_away(found: Facts, more: int) -> None:
    later = dataclasses.replace(
        found, idle=found.idle + more, idle_covered=found.idle_covered + more, in_state=found.in_state + more,
        calm=found.calm + more,
    )  # fmt: skip
    if not usable(judge(found).state, found.tier):
        assert not usable(judge(later).state, found.tier)


HOLE = active(tier=Tier.CRITICAL, state=State.NEEDS_USAGE, in_state=0, idle=30 * HOUR, idle_covered=20 * HOUR)


@given(facts())
@example(HOLE)  # its record is complete for its whole time before a person's day is over
@example(active(idle=20 * DAY, idle_covered=0))
def test_nothing_changes_before_it_is_due(found: Facts) -> None:
    verdict = judge(found)
    if verdict.left is None or verdict.state is not found.state:
        return
    assert verdict.left > 0
    wait = verdict.left - 1
    before = dataclasses.replace(
        found, idle=found.idle + wait, idle_covered=found.idle_covered + wait, in_state=found.in_state + wait,
        calm=found.calm + wait,
    )  # fmt: skip
    assert judge(before).state is verdict.state


@given(facts())
def test_the_same_facts_make_the_same_bytes(found: Facts) -> None:
    assert canonical(statement(found)) == canonical(statement(dataclasses.replace(found)))


@given(facts(), st.integers(0, 1_000_000))
def test_more_risk_never_makes_usable(found: Facts, more: int) -> None:
    worse = dataclasses.replace(found, risk=min(1_000_000, found.risk + more))
    assert usable(judge(found).state, found.tier) >= usable(judge(worse).state, found.tier)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, State.ACTIVE),
        ({"idle": TTL - 1, "idle_covered": TTL - 1}, State.EXPIRING),
        ({"idle": TTL, "idle_covered": TTL}, State.LAPSED),
        ({"idle": TTL, "idle_covered": TTL - 1}, State.NEEDS_USAGE),
        ({"idle": TTL * 7 // 10, "idle_covered": TTL * 7 // 10}, State.EXPIRING),
        ({"idle": TTL * 7 // 10 - 1, "idle_covered": TTL * 7 // 10 - 1}, State.ACTIVE),
        ({"risk": AT_RISK}, State.AT_RISK),
        ({"risk": AT_RISK - 1}, State.ACTIVE),
        ({"risk": CALM + 1, "state": State.AT_RISK}, State.AT_RISK),
        ({"risk": CALM, "state": State.AT_RISK}, State.ACTIVE),
        ({"risk": CALM, "state": State.AT_RISK, "calm": 24 * HOUR}, State.ACTIVE),
        ({"risk": CALM, "state": State.AT_RISK, "calm": 24 * HOUR - 1}, State.AT_RISK),
        ({"risk": CALM, "state": State.AT_RISK, "calm": 0, "in_state": 99 * DAY}, State.AT_RISK),
        ({"risk": AT_RISK, "state": State.AT_RISK, "in_state": 72 * HOUR}, State.NEEDS_HUMAN),
        ({"risk": AT_RISK, "state": State.AT_RISK, "in_state": 72 * HOUR - 1}, State.AT_RISK),
        ({"risk": AT_RISK, "state": State.ACTIVE, "in_state": 99 * DAY}, State.AT_RISK),
        ({"same_version": False}, State.ACTIVE),
        ({"same_version": False, "tier": Tier.HIGH}, State.SUSPENDED),
        ({"same_version": False, "tier": Tier.CRITICAL}, State.SUSPENDED),
        ({"owner_active": False}, State.SUSPENDED),
        ({"tier": Tier.CRITICAL, "idle": TTL, "state": State.NEEDS_USAGE, "in_state": 24 * HOUR}, State.SUSPENDED),
        (
            {"tier": Tier.CRITICAL, "idle": TTL, "state": State.NEEDS_USAGE, "in_state": 24 * HOUR - 1},
            State.NEEDS_USAGE,
        ),
        ({"tier": Tier.CRITICAL, "idle": TTL, "in_state": 99 * DAY}, State.NEEDS_USAGE),
        ({"agent": "suspended"}, State.ACTIVE),
        ({"exposed": True}, State.SUSPENDED),
        ({"exposed": True, "vouched": True}, State.SUSPENDED),
        ({"state": State.SUSPENDED, "why": EXPOSED}, State.ACTIVE),
        ({"state": State.SUSPENDED, "why": EXPOSED, "exposed": True}, State.SUSPENDED),
        ({"state": State.SUSPENDED, "why": "suspended"}, State.SUSPENDED),
        ({"critical": True}, State.SUSPENDED),
        ({"state": State.SUSPENDED, "why": "critical_signal"}, State.SUSPENDED),
        ({"toxic": True}, State.NEEDS_HUMAN),
        ({"toxic": True, "vouched": True}, State.ACTIVE),
        ({"toxic": True, "tier": Tier.CRITICAL}, State.SUSPENDED),
        ({"state": State.NEEDS_HUMAN, "why": TOXIC}, State.ACTIVE),
        ({"state": State.NEEDS_HUMAN, "why": "at_risk_too_long"}, State.NEEDS_HUMAN),
        ({"doubt": True}, State.AT_RISK),
        ({"doubt": True, "vouched": True}, State.ACTIVE),
        ({"doubt": True, "state": State.AT_RISK, "in_state": 72 * HOUR}, State.NEEDS_HUMAN),
        ({"idle": TTL, "idle_covered": TTL, "held": True}, State.EXPIRING),
        ({"idle": TTL + DAY, "idle_covered": TTL + DAY - 1, "held": True}, State.EXPIRING),
        ({"idle": TTL + DAY, "idle_covered": TTL + DAY, "held": True}, State.LAPSED),
        ({"idle": DAY, "idle_covered": DAY, "held": True, "tier": Tier.CRITICAL}, State.LAPSED),
        ({"idle": DAY, "idle_covered": DAY, "held": True, "habit": Habit(days=0, shorter=DAY)}, State.LAPSED),
        ({"idle": TTL, "idle_covered": TTL, "held": True, "critical": True}, State.SUSPENDED),
        ({"idle": TTL, "idle_covered": TTL, "held": True, "granted": False}, State.REVOKED),
    ],
)
def test_each_step(changes: dict[str, Any], state: State) -> None:
    assert judge(active(**changes)).state is state


@pytest.mark.parametrize("tier", Tier)
def test_usable_as_the_codes_say(tier: Tier) -> None:
    serious = tier in {Tier.CRITICAL, Tier.HIGH}
    expected = {State.ACTIVE, State.EXPIRING, State.NEEDS_USAGE, State.AT_RISK} | (
        set() if serious else {State.NEEDS_HUMAN}
    )
    assert {state for state in State if usable(state, tier)} == expected


def test_a_statement_says_by_which_numbers() -> None:
    changed = dataclasses.replace(SHIPPED, unknown=SHIPPED.unknown - 1)
    idle = active(idle=TTL - 1, idle_covered=TTL - 1)
    shipped, other = statement(idle), statement(idle, changed)
    assert (shipped["state"], other["state"]) == ("expiring", "lapsed")
    assert shipped["parameters"] == SHIPPED.sha256 != other["parameters"] == changed.sha256
    assert shipped["facts"] == other["facts"]
