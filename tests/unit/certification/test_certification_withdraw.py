"""The step machine: one order, nothing skipped, growing pauses, an incident in time, and once only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.certification.withdrawal.withdraw import (
    KEPT,
    LONGEST_PAUSE,
    MOST_TOGETHER,
    ORDER,
    PATIENCE,
    Asked,
    Covering,
    Entitlement,
    Outcome,
    Present,
    Result,
    Step,
    Target,
    Withdrawal,
    advanced,
    ends_tokens,
    looked,
    merged,
    pause,
    targets,
)
from remit.kernel.clock import HOUR, MINUTE, SECOND, Instant

NOON = Instant(1_795_521_600_000_000)
READ, PAY = Entitlement("work", "crm/read", "crm"), Entitlement("work", "pay/send", "pay")
STEPS = st.lists(st.tuples(st.sampled_from(Outcome), st.integers(0, 2 * HOUR)), max_size=60)


def begun(cause: str = "boundary_ended", *what: Entitlement) -> Withdrawal:
    return Withdrawal(id="wdr_1", agent="bot", cause=cause, what=what or (READ,), begun=NOON, due=NOON)


def run(steps: Sequence[tuple[Outcome, int]]) -> tuple[list[Withdrawal], list[int]]:
    """The states a withdrawal goes through, and when the incident was raised."""
    states, alarms, now = [begun()], list[int](), int(NOON)
    for outcome, later in steps:
        if not states[-1].open:
            break
        now += later
        moved = advanced(states[-1], Result(outcome, "said"), now=Instant(now))
        states.append(moved.after)
        alarms += [now] if moved.alarm else []
    return states, alarms


@given(STEPS)
def test_the_order_never_differs(steps: list[tuple[Outcome, int]]) -> None:
    states, _ = run(steps)
    for before, after in pairwise(states):
        places = ORDER.index(before.step), ORDER.index(after.step)
        last = after.did[-1]
        assert last.step is before.step
        if last.outcome is Outcome.AGAIN:
            assert places[0] == places[1]
        elif last.outcome is Outcome.OVERTAKEN:
            assert after.step is Step.ENDED
        else:
            assert places[1] == places[0] + 1
    done = [each.step for each in states[-1].did]
    assert done == sorted(done, key=ORDER.index)


@given(STEPS)
def test_the_incident_comes_once_and_not_before_its_time(steps: list[tuple[Outcome, int]]) -> None:
    states, alarms = run(steps)
    assert len(alarms) <= 1
    assert all(at - NOON >= PATIENCE for at in alarms)
    assert states[-1].alarmed is bool(alarms)


@given(st.integers(1, 400))
def test_who_tries_when_it_is_due_raises_the_incident_in_time_and_goes_on_for_ever(tries: int) -> None:
    state, alarms = begun(), list[Instant]()
    for _ in range(tries):
        moved = advanced(state, Result(Outcome.AGAIN, "down"), now=state.due)
        alarms += [state.due] if moved.alarm else []
        assert 0 < moved.after.due - state.due <= LONGEST_PAUSE
        state = moved.after
    assert alarms in ([], [NOON + PATIENCE])
    assert state.open
    assert len(state.did) == 1
    assert state.did[0].times == tries


def test_only_the_last_step_confirms() -> None:
    states, _ = run([(Outcome.DONE, 1)] * 9)
    assert [each.step for each in states] == list(ORDER)
    assert [each.confirmed is not None for each in states] == [False] * 6 + [True]
    assert states[-1].due == states[-1].confirmed + KEPT  # type: ignore[operator] # it is confirmed
    overtaken, _ = run([(Outcome.DONE, 1), (Outcome.OVERTAKEN, 1)])
    assert (overtaken[-1].step, overtaken[-1].confirmed) == (Step.ENDED, None)
    with pytest.raises(ValueError, match="ended"):
        advanced(states[-1], Result(Outcome.DONE), now=NOON)


def test_pauses_grow_up_to_an_hour() -> None:
    assert [pause(each) // SECOND for each in (1, 2, 3, 12, 13, 99)] == [1, 2, 4, 2048, 3600, 3600]


@pytest.mark.parametrize(
    ("cause", "left", "ends"),
    [
        ("idle", False, False),
        ("idle", True, False),
        ("boundary_ended", True, False),
        ("boundary_ended", False, True),
        ("critical", False, True),
        ("owner_gone", False, True),
        ("agent_retired", True, True),
        ("credential_exposed", True, True),
    ],
)
def test_tokens_end_with_the_last_access_and_never_for_idleness(cause: str, left: bool, ends: bool) -> None:  # noqa: FBT001 - a table
    assert ends_tokens(cause, left=left) is ends


def test_what_can_still_be_used_stops_it_and_what_was_given_back_is_left_out() -> None:
    before, after = Instant(NOON - 1), Instant(NOON + 1)
    both = begun("idle", READ, PAY)
    assert looked(both, {}).outcome is Outcome.DONE
    assert looked(both, {READ: before}).outcome is Outcome.AGAIN
    assert looked(both, {READ: NOON}).outcome is Outcome.AGAIN
    assert looked(both, {READ: before, PAY: after}).outcome is Outcome.AGAIN
    assert looked(both, {READ: after}).what == (PAY,)
    assert looked(both, {READ: after, PAY: after}).outcome is Outcome.OVERTAKEN
    assert looked(both, {Entitlement("other", "crm/read", "crm"): before}).outcome is Outcome.DONE
    # All of an agent is not given back because one of it is.
    every = begun("credential_exposed", Entitlement())
    assert looked(every, {READ: before}).outcome is Outcome.AGAIN
    assert looked(every, {READ: after}).what == (Entitlement(),)


def test_other_systems_are_told_of_what_is_theirs_and_not_in_force() -> None:
    crm, every = (
        Covering(system="a", servers=frozenset({"crm"})),
        Covering(system="b", servers=frozenset({"crm", "pay"})),
    )
    known = [READ, PAY, Entitlement("other", "crm/read", "crm")]
    all_of_it = begun("agent_retired", Entitlement())
    assert targets(all_of_it, known, [], [crm, every]) == [
        Target("a", "other", "crm/read"),
        Target("a", "work", "crm/read"),
        Target("b", "other", "crm/read"),
        Target("b", "work", "crm/read"),
        Target("b", "work", "pay/send"),
    ]
    assert targets(begun("boundary_ended", Entitlement(purpose="work")), known, [READ], [crm, every]) == [
        Target("b", "work", "pay/send")
    ]
    # What it names itself it names, known or not; and what merely lapsed is told only to who wants to hear it.
    assert targets(begun(), [], [], [crm]) == [Target("a", "work", "crm/read")]
    assert targets(begun("idle"), known, [], [crm]) == []
    eager = Covering(system="c", servers=frozenset({"crm"}), lapses=True)
    assert targets(begun("idle"), known, [], [crm, eager]) == [Target("c", "work", "crm/read")]


def test_only_what_nobody_looked_at_yet_takes_more() -> None:
    first = begun("idle", READ)
    joined = merged(first, [PAY, READ])
    assert joined is not None
    assert joined.what == (READ, PAY)
    tried = advanced(first, Result(Outcome.AGAIN), now=NOON).after
    assert merged(tried, [PAY]) is None
    assert merged(advanced(first, Result(Outcome.DONE), now=NOON).after, [PAY]) is None
    full = begun("idle", *(Entitlement("work", f"crm/{at}", "crm") for at in range(MOST_TOGETHER)))
    assert merged(full, [READ]) is None


def test_what_is_pending_is_what_is_not_known_to_be_gone() -> None:
    asked = tuple(
        Asked(target=Target("a", "work", f"crm/{each.value}"), token="", present=each) for each in Present
    )  # fmt: skip
    state = advanced(begun(), Result(Outcome.AGAIN, asked=asked), now=Instant(NOON + MINUTE)).after
    assert [each.present for each in state.pending] == [Present.PRESENT, Present.UNKNOWN]
