"""The steps of a rotation (pure): what follows what, when it is due, when people must hear of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import MINUTE, SECOND, Instant, Micros
from remit.kernel.names import SecretName
from remit.vault.document import Cause, Rotate
from remit.vault.model import Version, VersionState
from remit.vault.rotation import (
    ENDED,
    GIVE_UP,
    INCIDENT,
    Outcome,
    Rotation,
    Step,
    abandoned,
    after,
    due,
    hurried,
    overdue,
)
from remit.vault.rotation_wanted import PAUSE, ages, leaves, rests, wanted

NOON = Instant(1_800_000_000_000_000)
BEGUN = Rotation(
    rotation="rot_1", secret=SecretName("s"), cause=Cause.ASKED, by="dana", new=2, old=1, step=Step.CREATE,
    started=NOON, since=NOON, drained=Micros(SECOND),
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(list(Outcome)), st.integers(0, 30 * MINUTE)), max_size=40))
def test_the_old_one_is_revoked_only_after_the_new_one_was_verified_and_used(
    outcomes: list[tuple[Outcome, int]],
) -> None:
    it, now, passed = BEGUN, NOON, list[Step]()
    for outcome, pause in outcomes:
        if it.step in ENDED:
            break
        now = Instant(now + pause)
        before, it = it, after(it, outcome, now=now)
        passed += [before.step] if outcome is Outcome.OK else []
        assert it.since >= before.since
        assert due(it, now=now) >= now
        if it.step in {Step.REVOKE, Step.CONFIRM, Step.DONE}:
            assert passed[:4] == [Step.CREATE, Step.VERIFY, Step.PROMOTE, Step.DRAIN]
        if it.step is Step.DONE:
            assert Step.CONFIRM in passed
        if it.step in {Step.UNDO, Step.UNDONE} and outcome not in {Outcome.KEPT, Outcome.UNASKED}:
            assert Step.REVOKE not in passed
            assert not {Step.DRAIN, Step.CONFIRM} & set(passed)


def test_a_drain_ends_with_its_time_and_not_before() -> None:
    it = replace(BEGUN, step=Step.DRAIN)
    assert due(it, now=NOON) == NOON + SECOND
    assert due(hurried(it), now=NOON) == NOON


def test_it_is_tried_again_after_a_pause_that_doubles_up_to_a_minute() -> None:
    it, pauses = BEGUN, list[int]()
    for _ in range(9):
        it = after(it, Outcome.UNCLEAR, now=NOON)
        pauses.append((due(it, now=NOON) - NOON) // SECOND)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_what_was_not_seen_to_work_within_an_hour_is_taken_back() -> None:
    for step in (Step.CREATE, Step.VERIFY):
        it = replace(BEGUN, step=step)
        assert after(it, Outcome.UNCLEAR, now=Instant(NOON + GIVE_UP - 1)).step is step
        assert after(it, Outcome.UNCLEAR, now=Instant(NOON + GIVE_UP)).step is Step.UNDO


def test_revoking_and_confirming_in_turns_is_one_undertaking() -> None:
    it, now = replace(BEGUN, step=Step.REVOKE), NOON
    for outcome in (Outcome.OK, Outcome.STILL_THERE) * 8:
        now = Instant(now + MINUTE)
        it = after(it, outcome, now=now)
    assert it.since == NOON
    assert overdue(it, now=now)
    assert not overdue(it, now=Instant(NOON + INCIDENT - 1))
    assert not overdue(replace(it, incident=now), now=now)


@pytest.mark.parametrize(("step", "version"), [(Step.REVOKE, 1), (Step.CONFIRM, 1), (Step.UNDO, 2)])
def test_people_hear_of_what_stays_whichever_it_is_and_may_leave_it(step: Step, version: int) -> None:
    it, late = replace(BEGUN, step=step), Instant(NOON + INCIDENT)
    assert overdue(it, now=late)
    assert not leaves(it, Cause.ASKED, exposed=False)
    told = replace(it, incident=late)
    assert leaves(told, Cause.ASKED, exposed=False)
    assert abandoned(told, now=late).step is Step.UNDONE
    assert f"version {version} may work there" in abandoned(told, now=late).said
    for before in (Step.CREATE, Step.VERIFY, Step.PROMOTE, Step.DRAIN):
        assert not overdue(replace(BEGUN, step=before), now=late)
        assert not leaves(replace(told, step=before), Cause.ASKED, exposed=True)


def test_what_is_over_goes_on_no_further() -> None:
    for step in ENDED:
        with pytest.raises(ValueError, match=step.value):
            after(replace(BEGUN, step=step), Outcome.OK, now=NOON)


def version(*, exposed: int | None = None) -> Version:
    return Version(
        secret=SecretName("s"), version=1, state=VersionState.ACTIVE, sealed=b"", key="", attributes={}, made=NOON,
        since=NOON, exposed=None if exposed is None else Instant(exposed),
    )  # fmt: skip


@given(st.none() | st.integers(1, 100), st.none() | st.integers(-50, 50), st.booleans(), st.integers(0, 200), st.data())
def test_nothing_begins_but_for_a_reason_that_the_document_names(
    every: int | None, frozen: int | None, exposed: object, age: int, data: st.DataObject
) -> None:
    on = tuple(data.draw(st.sets(st.sampled_from([Cause.EXPOSURE, Cause.FREEZE]))))
    rotate = Rotate(rotator="http", settings={}, every=None if every is None else Micros(every), on=on)
    at = None if frozen is None else Instant(NOON + frozen)
    found = wanted(rotate, version(exposed=NOON if exposed else None), frozen=at, now=Instant(NOON + age))
    reasons = {
        Cause.EXPOSURE: exposed and Cause.EXPOSURE in on,
        Cause.FREEZE: frozen is not None and frozen >= 0 and Cause.FREEZE in on,
        Cause.AGE: every is not None and age >= every,
    }
    assert found is next((cause for cause, so in reasons.items() if so), None)
    aged = ages(rotate, version())
    assert (aged is None) == (every is None)
    assert reasons[Cause.AGE] == (aged is not None and NOON + age >= aged)


def test_a_rotation_that_came_to_nothing_rests() -> None:
    undone = replace(BEGUN, step=Step.UNDONE)
    assert rests(undone, NOON, now=Instant(NOON + PAUSE - 1))
    assert not rests(undone, NOON, now=Instant(NOON + PAUSE))
    assert not rests(replace(BEGUN, step=Step.DONE), NOON, now=NOON)
    assert not rests(None, None, now=NOON)
