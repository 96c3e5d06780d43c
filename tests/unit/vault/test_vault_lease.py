"""What a lease goes through: once it must end nobody gets it, and only a provider's word makes it gone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import HOUR, MINUTE, SECOND, Instant, Micros
from remit.kernel.names import AgentName, InstanceId, SecretName
from remit.vault.document import Dynamic
from remit.vault.lease import (
    INCIDENT,
    OPEN,
    Lease,
    LeaseState,
    Standing,
    Why,
    due,
    ending,
    ends,
    fit,
    late,
    made,
    overdue,
    same,
    tried,
)

NOON = Instant(1_800_000_000_000_000)
DYNAMIC = Dynamic(maker="postgres", settings={"host": "db.test"}, ttl=Micros(HOUR))
FRESH = Lease(
    lease="lea_1", secret=SecretName("db"), agent=AgentName("bot"), instance=InstanceId("i"), state=LeaseState.MAKING,
    maker="postgres", settings=DYNAMIC.settings, purpose="work", action="api:GET /x", node="one", made=NOON,
    since=NOON, ends=Instant(NOON + HOUR), handle={"user": "remit_lea_1"},
)  # fmt: skip
STANDS = Standing(dynamic=DYNAMIC)
LIVE = made(FRESH, FRESH.handle, until=FRESH.ends, now=NOON)
STATES = st.sampled_from(LeaseState)
LATER = st.integers(0, 3 * HOUR).map(lambda after: Instant(NOON + after))
STANDINGS = st.builds(
    Standing, stopped=st.sampled_from(["", "revoked", "agent_suspended"]), entitled=st.booleans(),
    dynamic=st.sampled_from([None, DYNAMIC, replace(DYNAMIC, settings={"host": "other.test"})]), held=st.booleans(),
)  # fmt: skip


@given(STATES, STANDINGS, LATER)
def test_it_ends_exactly_where_something_behind_it_is_missing(state: LeaseState, it: Standing, now: Instant) -> None:
    why = ends(replace(FRESH, state=state), it, now=now)
    stands = it.held and not it.stopped and it.entitled and now < FRESH.ends and it.dynamic == DYNAMIC
    assert (why is None) == (stands or state not in OPEN)


@pytest.mark.parametrize(
    ("standing", "after", "why"),
    [
        (STANDS, 0, None),
        (STANDS, HOUR - 1, None),
        (STANDS, HOUR, Why.TTL),
        (replace(STANDS, held=False), 0, Why.NODE),
        (replace(STANDS, stopped="revoked"), 0, Why.STOPPED),
        (replace(STANDS, entitled=False), 0, Why.LAPSED),
        (replace(STANDS, dynamic=None), 0, Why.CHANGED),
        (replace(STANDS, dynamic=replace(DYNAMIC, maker="openbao")), 0, Why.CHANGED),
        (replace(STANDS, dynamic=replace(DYNAMIC, ttl=Micros(MINUTE))), 0, None),
        (replace(STANDS, stopped="revoked", entitled=False), HOUR, Why.STOPPED),
    ],
)
def test_why_it_ends(standing: Standing, after: int, why: Why | None) -> None:
    assert ends(LIVE, standing, now=Instant(NOON + after)) is why


@given(STATES, LATER, st.integers(2, 4 * HOUR))
def test_no_call_gets_one_that_ends_or_is_about_to(state: LeaseState, now: Instant, ttl: int) -> None:
    it = replace(FRESH, state=state, ends=Instant(NOON + ttl))
    if fit(it, now=now):
        assert state is LeaseState.LIVE
        assert ends(it, STANDS, now=now) is None
        assert it.ends - now >= min(30 * SECOND, ttl // 10)


@given(STATES, st.sampled_from(Why), LATER)
def test_the_first_reason_stays(state: LeaseState, why: Why, now: Instant) -> None:
    it = replace(FRESH, state=state, why="ttl" if state not in OPEN else "")
    after = ending(it, why, now=now, detail="d")
    assert after == it if state not in OPEN else (after.state, after.why, after.since) == ("ending", why.value, now)
    assert after.lease == it.lease
    assert ending(after, Why.ASKED, now=Instant(now + 1)) == after


@given(st.lists(st.booleans(), max_size=30), st.booleans())
def test_only_what_was_read_again_as_gone_is_over(attempts: list[bool], comes_late: bool) -> None:  # noqa: FBT001
    it, now = ending(LIVE, Why.TTL, now=NOON), NOON
    for gone in attempts:
        now = due(it, now=now)
        it = tried(it, gone=gone, said="" if gone else "still there", now=now)
        assert (it.state is LeaseState.ENDED) == gone
        if gone:
            break
    with pytest.raises(ValueError, match="this lease is"):
        tried(replace(it, state=LeaseState.ENDED), gone=True, said="", now=now)
    if comes_late:
        again = late(it, {"user": "remit_lea_1", "more": "x"}, now=now)
        assert (again.state, again.attempts, again.handle["more"]) == (LeaseState.ENDING, 0, "x")


@pytest.mark.parametrize("state", [LeaseState.LIVE, LeaseState.ENDING, LeaseState.ENDED])
def test_what_ended_is_not_made(state: LeaseState) -> None:
    with pytest.raises(ValueError, match="this lease is"):
        made(replace(FRESH, state=state), {}, until=FRESH.ends, now=NOON)


@pytest.mark.parametrize("state", OPEN)
def test_what_goes_on_is_not_late(state: LeaseState) -> None:
    with pytest.raises(ValueError, match="this lease is"):
        late(replace(FRESH, state=state), {}, now=NOON)


@given(st.integers(0, 2 * HOUR))
def test_its_provider_may_end_it_earlier_and_never_later(until: int) -> None:
    assert made(FRESH, {}, until=Instant(NOON + until), now=NOON).ends == NOON + min(until, HOUR)


def test_people_hear_once_after_fifteen_minutes() -> None:
    it, now, told = ending(LIVE, Why.STOPPED, now=NOON), NOON, list[Instant]()
    for _ in range(60):
        now = due(it, now=now)
        it = tried(it, gone=False, said="down", now=now)
        if overdue(it, now=now):
            told.append(now)
            it = replace(it, incident=now)
    assert told == [NOON + INCIDENT]
    assert now > NOON + 2 * INCIDENT


@given(st.integers(1, 100), st.integers(0, 2 * HOUR))
def test_it_is_tried_at_least_every_minute(attempts: int, after: int) -> None:
    it, now = replace(ending(LIVE, Why.TTL, now=NOON), attempts=attempts), Instant(NOON + after)
    assert now < due(it, now=now) <= now + MINUTE
    assert due(replace(it, attempts=0), now=now) == now


def test_a_shorter_life_is_no_other_credential() -> None:
    assert same(LIVE, replace(DYNAMIC, ttl=Micros(SECOND)))
    assert not same(LIVE, None)


@pytest.mark.parametrize(("ttl", "before"), [(HOUR, 30 * SECOND), (100 * SECOND, 10 * SECOND)])
def test_the_last_moments_are_for_calls_under_way(ttl: int, before: int) -> None:
    it = replace(LIVE, ends=Instant(NOON + ttl))
    assert fit(it, now=Instant(it.ends - before - 1))
    assert not fit(it, now=Instant(it.ends - before))


def test_what_is_late_begins_anew_and_is_late_since_it_began_to_end() -> None:
    going = replace(ending(LIVE, Why.TTL, now=NOON), attempts=4)
    again = late(going, {"user": "u"}, now=Instant(NOON + MINUTE))
    assert (again.since, again.attempts, again.why, again.handle) == (NOON, 0, "late", {"user": "u"})
    over = tried(going, gone=True, said="", now=Instant(NOON + SECOND))
    assert late(over, {}, now=Instant(NOON + MINUTE)).since == NOON + MINUTE
