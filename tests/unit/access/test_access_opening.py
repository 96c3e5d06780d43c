"""Break-glass: never longer than an hour, never without somebody who answers for it, reviewed by somebody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.access.test_access_versions import catalog, draft, in_force

from remit.access import spec
from remit.access.codec import draft_from, draft_text
from remit.access.model import Boundary, BoundaryState
from remit.access.opening import (
    LONGEST,
    NEVER,
    REVIEW_WITHIN,
    Opening,
    OpeningState,
    blocking,
    closed,
    end_of,
    latest_end,
    moved,
    seen,
)
from remit.access.propose import propose
from remit.catalog.model import PinState
from remit.kernel.clock import DAY, HOUR, MINUTE, Instant, Micros
from remit.kernel.errors import Conflict, Forbidden, Malformed, RemitError
from remit.kernel.names import AgentName, BoundaryName, PurposeName
from remit.people.document import SpecInvalid

NOW = Instant(1_790_000_000_000_000)
BOT = AgentName("bot")
GLASS = Boundary(
    boundary=BoundaryName("glass"), version=1, agent=BOT, purpose=PurposeName("p"), rules={},
    not_after=Instant(NOW + 400 * DAY), state=BoundaryState.ACTIVE, approved_by=None, approved_at=None,
    break_glass=True,
)  # fmt: skip


def opening(opened: int = NOW, lasts: int = HOUR, **parts: Any) -> Opening:
    made = {"opening": "opn_1", "agent": BOT, "boundary": GLASS.boundary, "by": "dana", "reason": "r", "ticket": "t"}
    return Opening(**(made | {"opened": Instant(opened), "ends": Instant(opened + lasts)} | parts))


def end(lasts: int = 30 * MINUTE, *, by: str = "dana", now: int = NOW, of: Boundary = GLASS, **parts: Any) -> Instant:
    return end_of(of, Micros(lasts), by=by, openings=parts.get("openings", ()), now=Instant(now))


def test_it_ends_when_it_was_asked_to() -> None:
    assert end(30 * MINUTE) == NOW + 30 * MINUTE
    assert end(LONGEST) == NOW + HOUR


@pytest.mark.parametrize("lasts", [0, -1, LONGEST + 1, DAY])
def test_no_time_and_more_than_an_hour_are_refused(lasts: int) -> None:
    with pytest.raises(Malformed, match="60 minutes"):
        end(lasts)


def test_the_agent_itself_opens_nothing() -> None:
    with pytest.raises(Forbidden, match="own boundary"):
        end(by=BOT)


def test_only_a_boundary_for_emergencies_that_has_not_ended_is_opened() -> None:
    with pytest.raises(Conflict, match="not for emergencies"):
        end(of=replace(GLASS, break_glass=False))
    with pytest.raises(Conflict, match="has ended"):
        end(of=replace(GLASS, not_after=NOW))


def test_what_is_open_is_not_opened_again() -> None:
    with pytest.raises(Conflict, match="is open until"):
        end(openings=[opening(NOW - MINUTE)])
    others = [opening(NOW - MINUTE, boundary=BoundaryName("other")), opening(NOW - MINUTE, agent=AgentName("b"))]
    assert end(openings=others) == NOW + 30 * MINUTE


def test_openings_of_a_day_share_one_hour_until_somebody_accepts_them() -> None:
    first = opening(NOW - 50 * MINUTE, 10 * MINUTE)
    with pytest.raises(Conflict, match="unreviewed may be open") as refused:
        end(openings=[first])
    assert refused.value.try_.startswith("--for 10m")
    assert end(10 * MINUTE, openings=[first]) == NOW + 10 * MINUTE
    assert end(openings=[replace(first, state=OpeningState.REVIEWED)]) == NOW + 30 * MINUTE
    rejected = replace(first, state=OpeningState.REJECTED, by="lee")
    with pytest.raises(Conflict, match="unreviewed"):
        end(openings=[rejected])
    yesterday = opening(NOW - DAY, 10 * MINUTE, by="lee")
    assert end(openings=[yesterday]) == NOW + 30 * MINUTE
    with pytest.raises(Conflict, match="unreviewed"):
        end(now=NOW - 1, openings=[yesterday])


PEOPLE = st.sampled_from(["dana", "lee"])
WISHES = st.lists(st.tuples(st.integers(0, 90), st.integers(1, 60), PEOPLE, st.booleans()), max_size=12)


@settings(max_examples=400, deadline=None)
@given(WISHES)
@example([(0, 30, "dana", False), (30, 30, "lee", False), (0, 1, "lee", False)])
def test_without_an_acceptance_no_day_has_more_than_an_hour(wishes: list[tuple[int, int, str, bool]]) -> None:
    """Whoever asks, however often: what nobody accepted lies within one hour from the first of it."""
    now, made = int(NOW), list[Opening]()
    for wait, minutes, by, close in wishes:
        now += wait * MINUTE
        try:
            ends = end(minutes * MINUTE, by=by, now=now, openings=made)
        except RemitError:
            continue
        found = opening(now, ends - now, opening=f"opn_{len(made)}", by=by)
        assert now < found.ends <= now + HOUR
        made.append(closed(found, by=by, now=Instant(now + 1)) if close else found)
    for each in made:
        within = [one for one in made if 0 <= one.opened - each.opened < DAY]
        assert max(one.ends for one in within) <= each.opened + HOUR


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(-2 * DAY, 0), st.sampled_from(OpeningState)), max_size=8))
def test_the_latest_end_is_never_later_than_an_hour_from_now(earlier: list[tuple[int, OpeningState]]) -> None:
    openings = [opening(NOW + at, state=state) for at, state in earlier]
    assert latest_end(openings, now=NOW) <= NOW + HOUR


def test_who_owes_a_review_opens_nothing() -> None:
    last = opening(NOW - DAY - HOUR)
    assert last.ends + REVIEW_WITHIN == NOW
    assert end(openings=[last], now=NOW - 1) > 0, "its review is not overdue yet"
    with pytest.raises(Forbidden, match="before somebody else accepts opn_1"):
        end(openings=[last])
    assert end(by="lee", openings=[last]) == NOW + 30 * MINUTE, "another person owes nothing"
    elsewhere = replace(last, agent=AgentName("other"), boundary=BoundaryName("x"))
    assert blocking([elsewhere], by="dana", now=NOW) == elsewhere, "whatever it was that they opened"
    assert blocking([replace(last, state=OpeningState.REVIEWED)], by="dana", now=NOW) is None


def test_who_was_rejected_opens_nothing_from_then_on() -> None:
    rejected = opening(NOW - HOUR, MINUTE, state=OpeningState.REJECTED)
    with pytest.raises(Forbidden, match="before somebody else accepts"):
        end(openings=[rejected], of=replace(GLASS, boundary=BoundaryName("another")))


def test_whether_a_review_is_overdue_is_a_matter_of_time_alone() -> None:
    for state in (OpeningState.OPEN, OpeningState.UNREVIEWED, OpeningState.OVERDUE):
        late = opening(NOW - DAY - HOUR, state=state)
        assert blocking([late], by="dana", now=NOW) == late
        assert blocking([late], by="dana", now=Instant(NOW - 1)) is None


def test_its_life() -> None:
    it = opening(lasts=HOUR)
    assert (it.live(NOW), it.live(Instant(NOW + HOUR - 1)), it.live(Instant(NOW + HOUR))) == (True, True, False)
    assert it.due == it.ends
    assert moved(it, now=Instant(it.ends - 1)) == it
    over = moved(it, now=it.ends)
    assert (over.state, over.due) == (OpeningState.UNREVIEWED, it.ends + DAY)
    assert moved(over, now=Instant(over.due - 1)) == over
    late = moved(over, now=over.due)
    assert (late.state, late.due) == (OpeningState.OVERDUE, NEVER)
    assert moved(late, now=Instant(late.ends + 900 * DAY)) == late


def test_closing_ends_it_now_and_once() -> None:
    it = closed(opening(), by="lee", now=Instant(NOW + MINUTE))
    assert (it.ends, it.closed_by, it.live(Instant(NOW + MINUTE))) == (NOW + MINUTE, "lee", False)
    with pytest.raises(Conflict, match="has ended"):
        closed(it, by="lee", now=Instant(NOW + MINUTE))


def test_somebody_else_reviews_it_once_it_is_over() -> None:
    it, later = opening(), Instant(NOW + HOUR)
    with pytest.raises(Forbidden, match="somebody else"):
        seen(it, by="dana", accepted=True, note="", now=later)
    with pytest.raises(Conflict, match="still open"):
        seen(it, by="lee", accepted=True, note="", now=Instant(later - 1))
    no = seen(it, by="lee", accepted=False, note="why?", now=later)
    assert (no.state, no.reviewed, no.reviewed_by, no.note, no.due) == ("rejected", later, "lee", "why?", NEVER)
    yes = seen(no, by="mo", accepted=True, note="", now=later)
    assert (yes.state, yes.reviewed_by) == ("reviewed", "mo")
    with pytest.raises(Conflict, match="accepted by mo"):
        seen(yes, by="lee", accepted=False, note="", now=later)


# the document -----------------------------------------------------------------------------------


def glass(*, break_glass: object) -> Any:
    said = {"boundary": "b", "agent": "bot", "purpose": "p", "allow": [{"action": "pay/a"}], "not_after": "2027-03-31"}
    return spec.boundary(said | {"break_glass": break_glass})


def test_a_document_says_so_and_it_is_kept() -> None:
    assert (glass(break_glass=True).break_glass, glass(break_glass=False).break_glass) == (True, False)
    assert draft_from(draft_text(glass(break_glass=True))) == glass(break_glass=True)
    assert draft_text(glass(break_glass=False)) == draft_text(draft("pay/a"))
    for wrong in ("yes", 1, None):
        with pytest.raises(SpecInvalid, match="true or false"):
            glass(break_glass=wrong)


def test_taking_the_flag_away_widens_and_setting_it_narrows() -> None:
    tools = catalog(a=PinState.APPROVED)
    history = in_force(glass(break_glass=True), tools)
    assert history.active is not None
    assert history.active.boundary().break_glass
    wider = propose(draft("pay/a"), history, tools.get, now=NOW)
    assert (wider.change, wider.waits, wider.reasons) == ("widen", True, ("it is no longer for emergencies only",))
    ordinary = in_force(draft("pay/a"), tools)
    narrower = propose(glass(break_glass=True), ordinary, tools.get, now=NOW)
    assert (narrower.change, narrower.now.boundary().break_glass) == ("narrow", True)
