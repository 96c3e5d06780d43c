"""A keep covers what was shown; taken back, it leaves nothing usable that was not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.unit.certification.test_certification_passing import (
    DANA,
    DRIFT,
    EXPOSURE,
    LEAK,
    OUTLIER,
    CalmDesk,
    told,
    why,
)
from tests.unit.certification.test_certification_service import NOON, WORK, key
from tests.unit.certification.test_certification_unsure import tell_at

from remit.access.activation import ActivationState, Under
from remit.access.judge import SEVERED, TOXIC
from remit.access.model import Rule
from remit.agents.signals import Noticed, Signal
from remit.certification.ports import Nobody
from remit.certification.releasing import needing, put_back, releasable, released
from remit.kernel.clock import DAY, HOUR, SECOND, Instant
from remit.kernel.names import ActionName
from remit.storage.ports import Transaction

State = ActivationState
DOUBTS = {"purpose_drift", "peer_outlier"}


@pytest.fixture
def desk() -> CalmDesk:
    """What is high was at risk for three days, and needs a person."""
    desk = CalmDesk()
    desk.put("change")
    tell_at(desk, DRIFT, str(WORK), on=True)
    tell_at(desk, OUTLIER, "s/change", on=True)
    later(desk, 1, 73, 74)
    assert why(desk.stored("change")) == ("needs_human", "at_risk_too_long")
    return desk


def later(desk: CalmDesk, *hours: int) -> None:
    for each in hours:
        desk.at(each * HOUR)
        desk.known.used(key("change"), desk.clock.now())
        desk.service.judge_agent("bot")


def keep(desk: CalmDesk, shown: set[str] | None = None) -> Under | None:
    """And what it released."""
    was = needing(desk.stored("change"))
    desk.keep(key("change"), until=Instant(desk.clock.at + 30 * DAY), by=DANA, shown=shown)
    desk.service.judge_agent("bot")
    return was


def test_what_needed_a_person_does_so_again(desk: CalmDesk) -> None:
    before = desk.stored("change")
    was = keep(desk)
    assert desk.stored("change").state is State.ACTIVE
    later(desk, 80)
    desk.unkeep(key("change"), by=DANA, was=was)
    desk.service.judge_agent("bot")
    after = desk.stored("change")
    assert (*why(after), after.since) == (*why(before), before.since)
    assert after.covers == ()
    assert desk.verdicts()[-1]["verdict"] == "unkeep"


def test_what_was_at_risk_is_so_for_as_long(desk: CalmDesk) -> None:
    desk.hands.start(key("change"), by=DANA)
    later(desk, 75, 100)
    assert desk.stored("change").state is State.AT_RISK
    was = keep(desk)
    later(desk, 130)
    assert desk.stored("change").state is State.ACTIVE
    desk.unkeep(key("change"), by=DANA, was=was)
    later(desk, 147, 148)
    assert why(desk.stored("change")) == ("needs_human", "at_risk_too_long"), "72 hours, and not once more"


def test_what_was_started_anew_since_stays_so(desk: CalmDesk) -> None:
    was = keep(desk)
    later(desk, 80)
    desk.hands.start(key("change"), by=DANA)
    desk.unkeep(key("change"), by=DANA, was=was)
    assert desk.stored("change").state is State.AT_RISK


def test_under_what_ends_by_itself_it_needs_a_person_again(desk: CalmDesk) -> None:
    was = keep(desk)
    desk.at(80 * HOUR)
    tell_at(desk, EXPOSURE, "k1", on=True)
    desk.unkeep(key("change"), by=DANA, was=was)
    under = desk.stored("change").under
    assert desk.stored("change").state is State.SUSPENDED
    assert under is not None
    assert under.state is State.NEEDS_HUMAN


def test_what_ended_since_has_ended(desk: CalmDesk) -> None:
    was = keep(desk)
    desk.hands.suspend(key("change"), by=DANA)
    desk.unkeep(key("change"), by=DANA, was=was)
    assert why(desk.stored("change")) == ("suspended", "suspended")


def test_what_was_let_lapse_under_what_ends_by_itself_has_lapsed_when_that_is_over(desk: CalmDesk) -> None:
    was = keep(desk)
    desk.at(80 * HOUR)
    tell_at(desk, EXPOSURE, "k1", on=True)
    desk.service.judge_agent("bot")
    assert desk.stored("change").state is State.SUSPENDED
    desk.hands.lapse(key("change"), by=DANA)
    desk.unkeep(key("change"), by=DANA, was=was)
    tell_at(desk, EXPOSURE, "k1", on=False)
    desk.at(81 * HOUR)
    desk.service.judge_agent("bot")
    assert why(desk.stored("change")) == ("lapsed", "let_lapse"), "as if nobody had said it, but for what ended since"


def test_what_came_to_need_a_person_since_does_so_since_then(desk: CalmDesk) -> None:
    was = keep(desk)
    tell_at(desk, OUTLIER, "s/change", on=False)
    tell_at(desk, OUTLIER, "s/change", on=True)  # which is not the one that the person looked at
    later(desk, 80, 160)
    since = desk.stored("change").since
    assert why(desk.stored("change")) == ("needs_human", "at_risk_too_long")
    assert was is not None
    assert since > was.since
    desk.unkeep(key("change"), by=DANA, was=was)
    after = desk.stored("change")
    assert (*why(after), after.since) == ("needs_human", "at_risk_too_long", since)


def test_a_keep_says_nothing_of_what_was_not_shown(desk: CalmDesk) -> None:
    tell_at(desk, LEAK, f"{WORK} s/change: leak", on=True)
    desk.at(desk.clock.at - NOON + SECOND)
    was = needing(desk.stored("change"))
    assert was is not None
    kept = desk.keep(
        key("change"), until=Instant(desk.clock.at + DAY), by=DANA, shown={"purpose_drift", "peer_outlier"}
    )
    assert kept.covers == ("peer_outlier", "purpose_drift")
    desk.service.judge_agent("bot")
    assert why(desk.stored("change")) == ("needs_human", "at_risk_too_long"), "with that, the risk is 650,000"
    desk.keep(key("change"), until=Instant(desk.clock.at + DAY), by=DANA, shown={"purpose_drift", "at_risk_too_long"})
    desk.service.judge_agent("bot")
    assert why(desk.stored("change")) == ("needs_human", "at_risk_too_long"), "one doubt of two was not shown"
    desk.keep(key("change"), until=Instant(desk.clock.at + DAY), by=DANA, shown={*DOUBTS, "at_risk_too_long"})
    desk.service.judge_agent("bot")
    assert why(desk.stored("change")) == ("needs_human", TOXIC)


@pytest.mark.parametrize(("risk", "state"), [(500_000, "active"), (500_001, "at_risk"), (700_000, "at_risk")])
def test_a_keep_of_a_doubt_ends_no_hold_of_a_risk(risk: int, state: str) -> None:
    """At risk since the risk was 750,000, until it is 500,000 or less: no word about a doubt is one about that."""
    desk = CalmDesk()
    desk.put("change")
    tell_at(desk, DRIFT, str(WORK), on=True)
    for each in (750_000, risk):
        desk.known_risk = dataclasses.replace(desk.known_risk, value=each)
        later(desk, 1)
    assert why(desk.stored("change")) == ("at_risk", "doubt")
    keep(desk, {"purpose_drift"})
    assert desk.stored("change").state == state


def test_the_days_at_risk_beneath_another_state_are_put_back_too(desk: CalmDesk) -> None:
    since = Instant(desk.clock.at - 30 * HOUR)
    risky = Under(State.AT_RISK, "doubt", since)
    known = dataclasses.replace(desk.stored("change"), state=State.NEEDS_USAGE, why="record_incomplete", under=risky)
    assert releasable(known) == risky
    assert needing(known) is None
    assert releasable(dataclasses.replace(known, state=State.ACTIVE)) is None
    assert put_back(dataclasses.replace(known, under=None), risky).since == since


def test_what_an_undo_suspends_is_withdrawn_everywhere(desk: CalmDesk) -> None:
    """What a person had vouched for was critical to stop all the time: other systems are told, too."""
    keep(desk)
    told(desk, Noticed(Signal.CRITICAL, "", desk.clock.now()))
    begun: list[str] = []

    class Told(Nobody):
        def begin(self, tx: Transaction, **withdrawal: Any) -> None:
            super().begin(tx, **withdrawal)
            begun.append(withdrawal["cause"])

    desk.hands = dataclasses.replace(desk.hands, withdrawer=Told())
    desk.unkeep(key("change"), by=DANA)
    assert desk.stored("change").state is State.SUSPENDED
    assert begun == ["critical_signal"]


def test_a_keep_ends_the_days_at_risk_beneath_a_hole_in_the_record(desk: CalmDesk) -> None:
    """And an undo brings them back as they were: they are not begun anew."""
    known = desk.stored("change")
    risky = Under(State.AT_RISK, "doubt", Instant(desk.clock.at - 30 * HOUR))
    beneath = dataclasses.replace(known, state=State.NEEDS_USAGE, why="record_incomplete", under=risky)
    against = {"purpose_drift": Instant(NOON)}
    kept = dataclasses.replace(beneath, covers=("purpose_drift",), looked=desk.clock.now())
    after = released(kept, against, {"purpose_drift"}, quiet=True, now=desk.clock.now())
    assert (after.state, after.under) == (State.NEEDS_USAGE, None)
    assert released(kept, against, {"purpose_drift"}, quiet=False, now=desk.clock.now()).under == risky


def test_nobody_is_asked_about_what_ends_by_itself(desk: CalmDesk) -> None:
    keep(desk)
    told(desk, Noticed(EXPOSURE, "k1", desk.clock.now()))
    asked = len(desk.people.asked)
    desk.unkeep(key("change"), by=DANA)
    assert why(desk.stored("change")) == ("suspended", "credential_exposed")
    assert len(desk.people.asked) == asked


@pytest.mark.parametrize(("over", "state"), [(2, "at_risk"), (180, "needs_human")])
def test_the_days_at_risk_of_a_doubt_that_was_over_for_a_day_are_not_brought_back(over: int, state: str) -> None:
    """A doubt that is raised anew after that begins its own days, as it would have without the keep."""
    desk = CalmDesk()
    desk.put("change")
    tell_at(desk, DRIFT, str(WORK), on=True)
    later(desk, 1)
    was = keep(desk, {"purpose_drift"})
    later(desk, over)
    tell_at(desk, DRIFT, str(WORK), on=False)
    later(desk, 200)
    tell_at(desk, DRIFT, str(WORK), on=True)
    later(desk, 201)
    desk.unkeep(key("change"), by=DANA, was=was)
    assert desk.stored("change").state == state


def test_what_needs_another_is_kept_with_it() -> None:
    """In one change, in which the other is not seen as kept yet; else it would be passed over."""
    desk = CalmDesk()
    desk.rules["write"] = Rule(action=ActionName("s/write"), needs=(ActionName("s/pay"),))
    for tool in ("pay", "write"):
        desk.put(tool)
        tell_at(desk, LEAK, f"{WORK} s/{tool}: leak", on=True)
    desk.at(desk.clock.at - NOON + HOUR)
    desk.service.judge_agent("bot")
    assert [why(desk.stored(each)) for each in ("pay", "write")] == [("suspended", TOXIC), ("suspended", SEVERED)]

    def both(tx: Transaction) -> None:
        for tool in ("pay", "write"):
            desk.hands.keep(
                tx, key(tool), until=Instant(desk.clock.at + DAY), by=DANA, shown={"toxic_combination leak"}
            )

    desk.memory.change(both)
    assert desk.stored("write").state is State.SUSPENDED, "it starts nothing"
    desk.at(desk.clock.at - NOON + HOUR)
    desk.service.tick()
    desk.service.judge_agent("bot")
    assert [desk.stored(each).state for each in ("pay", "write")] == [State.ACTIVE, State.ACTIVE]
