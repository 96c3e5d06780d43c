"""The verdict: laws first, then each step, then the edges that a mutant would move."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remit.access.activation import ActivationState as State
from remit.access.judge import (
    AT_RISK,
    CALM,
    EXPOSED,
    PASSING,
    SECRET_EXPOSED,
    SEVERED,
    TOXIC,
    Facts,
    judge,
    statement,
    usable,
)
from remit.access.parameters import SHIPPED
from remit.access.ttl import Habit, ttl
from remit.catalog.model import Tier
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, HOUR

TTL = 30 * DAY
HABIT = Habit(days=0)  # medium without a habit: 30 days
PAYEE = "toxic_combination pay-and-payee"
AGAINST = ("toxic_combination", PAYEE, "purpose_drift", "peer_outlier")
times = st.integers(0, 400 * DAY)


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    idle, state = draw(times), draw(st.sampled_from(State))
    why = draw(st.sampled_from(["", EXPOSED, SECRET_EXPOSED, TOXIC, SEVERED, "owner_gone"]))
    under = state in {State.SUSPENDED, State.NEEDS_HUMAN} and why in PASSING
    return Facts(
        tier=draw(st.sampled_from(Tier)),
        state=state,
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
        why=why,
        calm=draw(times),
        exposed=draw(st.booleans()),
        secret_exposed=draw(st.booleans()),
        critical=draw(st.booleans()),
        against=tuple(draw(st.lists(st.sampled_from(AGAINST), unique=True))),
        vouched=tuple(draw(st.lists(st.sampled_from(AGAINST), unique=True))),
        held=draw(st.booleans()),
        needed=draw(st.booleans()),
        severed=draw(st.booleans()),
        under=draw(st.sampled_from(["", "at_risk", "needs_human", "lapsed", "revoked", "needs_usage"]))
        if under
        else "",
        under_why=draw(st.sampled_from(["", "doubt", "idle"])),
        under_for=draw(times),
        unsure_for=draw(st.integers(0, idle)),
    )


def active(**changes: Any) -> Facts:
    quiet = Facts(
        tier=Tier.MEDIUM, state=State.ACTIVE, in_state=0, idle=0, idle_covered=0, habit=HABIT, risk=0, granted=True,
        agent="active", owner_active=True, same_version=True,
    )  # fmt: skip
    return msgspec.structs.replace(quiet, **changes)


@given(facts())
def test_nothing_outlives_its_boundary_or_its_agent(found: Facts) -> None:
    ended = not found.granted or found.agent == "retired"
    verdict = judge(found)
    assert (verdict.state is State.REVOKED) >= ended
    assert not (ended and usable(verdict.state, found.tier))


@given(facts())
def test_what_people_or_time_ended_never_comes_back_by_being_judged(found: Facts) -> None:
    remembered = State(found.under) if found.under else found.state
    by_a_person = found.state is State.SUSPENDED and found.why not in PASSING
    if remembered in {State.LAPSED, State.REVOKED} or by_a_person:
        assert not usable(judge(found).state, found.tier)


@given(facts())
def test_what_needs_a_person_stays_so_until_a_person_answers(found: Facts) -> None:
    """Whatever else is so: silence, a hole in the record, something that needs it, or a reason that ends by itself."""
    waits = found.under == State.NEEDS_HUMAN or (found.state is State.NEEDS_HUMAN and found.why not in PASSING)
    if waits:
        verdict = judge(found)
        assert verdict.state in {State.NEEDS_HUMAN, State.SUSPENDED, State.LAPSED, State.REVOKED}
        if verdict.state is State.SUSPENDED and verdict.reason in PASSING:
            assert verdict.under is not None
            assert verdict.under.state is State.NEEDS_HUMAN


@given(facts(), st.sampled_from(["exposed", "secret_exposed", "severed"]))
def test_what_ends_by_itself_leaves_everything_as_it_was(found: Facts, sign: str) -> None:
    """With it and then without it again is as never with it, but for what the judge need not remember."""
    without = msgspec.structs.replace(
        found, exposed=False, secret_exposed=False, severed=False, why="x" if found.why in PASSING else found.why
    )
    without = msgspec.structs.replace(without, under="", under_why="", under_for=0)
    during = judge(msgspec.structs.replace(without, **{sign: True}))
    if during.reason not in PASSING:
        return  # something that needs a person goes before it
    under = during.under
    same = under is not None and under.state is without.state
    after = msgspec.structs.replace(
        without, state=during.state, why=during.reason, in_state=0, under=under.state.value if under else "",
        under_why=under.why if under else "", under_for=without.in_state if same else 0,
    )  # fmt: skip
    never, again = judge(without), judge(after)
    assert usable(again.state, found.tier) == usable(never.state, found.tier)
    assert (again.state in {State.SUSPENDED, State.NEEDS_HUMAN}) == (
        never.state in {State.SUSPENDED, State.NEEDS_HUMAN}
    )


@given(facts())
def test_nothing_that_ends_by_itself_hides_what_needs_a_person(found: Facts) -> None:
    with_it = judge(msgspec.structs.replace(found, critical=True, exposed=True, severed=True, against=(PAYEE,)))
    assert with_it == judge(msgspec.structs.replace(found, critical=True))


@given(facts())
def test_a_keep_counts_for_nothing_that_a_person_did_not_see(found: Facts) -> None:
    other = tuple(each for each in found.vouched if each not in found.against)
    assert judge(msgspec.structs.replace(found, vouched=other)) == judge(msgspec.structs.replace(found, vouched=()))


@given(facts())
def test_non_use_is_never_asserted_on_an_incomplete_record(found: Facts) -> None:
    if judge(found).state is State.LAPSED and found.state is not State.LAPSED:
        assert found.idle_covered >= ttl(found.tier, found.habit)


@given(facts(), st.integers(0, 100 * DAY))
def test_time_alone_only_takes_away(found: Facts, more: int) -> None:
    later = msgspec.structs.replace(
        found, idle=found.idle + more, idle_covered=found.idle_covered + more, in_state=found.in_state + more,
        calm=found.calm + more,
    )  # fmt: skip
    if not usable(judge(found).state, found.tier):
        assert not usable(judge(later).state, found.tier)


HOLE = active(tier=Tier.CRITICAL, state=State.NEEDS_USAGE, unsure_for=0, idle=30 * HOUR, idle_covered=20 * HOUR)


@given(facts())
@example(HOLE)  # its record is complete for its whole time before a person's day is over
@example(active(idle=20 * DAY, idle_covered=0))
def test_nothing_changes_before_it_is_due(found: Facts) -> None:
    verdict = judge(found)
    if verdict.left is None or verdict.state is not found.state:
        return
    assert verdict.left > 0
    wait = verdict.left - 1
    before = msgspec.structs.replace(
        found, idle=found.idle + wait, idle_covered=found.idle_covered + wait, in_state=found.in_state + wait,
        calm=found.calm + wait, unsure_for=found.unsure_for if verdict.unsure is None else found.unsure_for + wait,
    )  # fmt: skip
    assert judge(before).state is verdict.state


@given(facts())
def test_the_same_facts_make_the_same_bytes(found: Facts) -> None:
    assert canonical(statement(found)) == canonical(statement(msgspec.structs.replace(found)))


@given(facts(), st.integers(0, 1_000_000))
def test_more_risk_never_makes_usable(found: Facts, more: int) -> None:
    worse = msgspec.structs.replace(found, risk=min(1_000_000, found.risk + more))
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
        ({"tier": Tier.CRITICAL, "idle": TTL, "state": State.NEEDS_USAGE, "unsure_for": 24 * HOUR}, State.SUSPENDED),
        (
            {"tier": Tier.CRITICAL, "idle": TTL, "state": State.NEEDS_USAGE, "unsure_for": 24 * HOUR - 1},
            State.NEEDS_USAGE,
        ),
        ({"tier": Tier.CRITICAL, "idle": TTL, "in_state": 99 * DAY}, State.NEEDS_USAGE),
        ({"agent": "suspended"}, State.ACTIVE),
        ({"exposed": True}, State.SUSPENDED),
        ({"exposed": True, "vouched": (PAYEE, "peer_outlier")}, State.SUSPENDED),
        ({"state": State.SUSPENDED, "why": EXPOSED}, State.ACTIVE),
        ({"state": State.SUSPENDED, "why": EXPOSED, "exposed": True}, State.SUSPENDED),
        ({"state": State.SUSPENDED, "why": "suspended"}, State.SUSPENDED),
        ({"critical": True}, State.SUSPENDED),
        ({"state": State.SUSPENDED, "why": "critical_signal"}, State.SUSPENDED),
        ({"against": (PAYEE,)}, State.NEEDS_HUMAN),
        ({"against": (PAYEE,), "vouched": (PAYEE,)}, State.ACTIVE),
        ({"against": (PAYEE,), "tier": Tier.CRITICAL}, State.SUSPENDED),
        ({"state": State.NEEDS_HUMAN, "why": TOXIC}, State.ACTIVE),
        ({"state": State.NEEDS_HUMAN, "why": "at_risk_too_long"}, State.NEEDS_HUMAN),
        ({"against": ("peer_outlier",)}, State.AT_RISK),
        ({"against": ("peer_outlier",), "vouched": ("peer_outlier",)}, State.ACTIVE),
        ({"against": ("peer_outlier",), "state": State.AT_RISK, "in_state": 72 * HOUR}, State.NEEDS_HUMAN),
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
