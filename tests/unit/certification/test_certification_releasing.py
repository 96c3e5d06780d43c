"""A keep releases what its person was shown and no more; in whatever order several are taken back, people are asked."""

from __future__ import annotations

import pytest
from tests.unit.certification.test_certification_passing import DANA, DRIFT, LEAK, CalmDesk, why
from tests.unit.certification.test_certification_service import NOON, WORK, key
from tests.unit.certification.test_certification_unsure import tell_at

from remit.access.activation import ActivationState, Kept, Under
from remit.access.judge import TOO_LONG, TOXIC
from remit.agents.signals import Signal
from remit.certification.releasing import needing
from remit.certification.replaying.replay import replay
from remit.kernel.clock import DAY, HOUR, Instant

State = ActivationState
OF_LEAK = {f"{TOXIC} leak"}


@pytest.fixture
def desk() -> CalmDesk:
    return CalmDesk()


def later(desk: CalmDesk, tool: str, *hours: int) -> None:
    for each in hours:
        desk.at(each * HOUR)
        desk.known.used(key(tool), desk.clock.now())
        desk.service.judge_agent("bot")


def keep(desk: CalmDesk, tool: str, shown: set[str] | None = None) -> Under | None:
    """And what it may have released."""
    was = needing(desk.stored(tool))
    desk.keep(key(tool), until=Instant(desk.clock.at + 30 * DAY), by=DANA, shown=shown)
    desk.at(desk.clock.at - NOON + 1)
    desk.service.judge_agent("bot")
    return was


def risky(desk: CalmDesk, tool: str, by: str) -> None:
    desk.put(tool)
    if by == "doubt":
        tell_at(desk, DRIFT, str(WORK), on=True)
    else:
        tell_at(desk, Signal.ANOMALY, "", on=True)
        tell_at(desk, Signal.DENIED_OFTEN, "", on=True)


def leak(desk: CalmDesk, tool: str, *, on: bool = True) -> None:
    tell_at(desk, LEAK, f"{WORK} s/{tool}: leak", on=on)


def asked(desk: CalmDesk) -> list[tuple[str, str]]:
    return [(each["kind"], each["why"]) for each in desk.people.asked]


# a keep releases what was shown ------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["change", "pay"])
@pytest.mark.parametrize("by", ["risk", "doubt"])
def test_who_keeps_a_combination_says_nothing_of_what_needs_a_person_otherwise(
    desk: CalmDesk, tool: str, by: str
) -> None:
    risky(desk, tool, by)
    later(desk, tool, 1, 20, 40, 60, 73, 74)
    leak(desk, tool)
    keep(desk, tool, OF_LEAK)
    assert why(desk.stored(tool)) == ("needs_human", TOO_LONG)
    keep(desk, tool, {*OF_LEAK, TOO_LONG, *({DRIFT.value} if by == "doubt" else ())})
    assert desk.stored(tool).state is (State.ACTIVE if by == "doubt" else State.AT_RISK), "that was shown"
    assert {replay(each).outcome for each in desk.verdicts()} == {"same", "by_hand"}


def test_what_came_to_need_a_person_beneath_a_combination_is_asked_about_then(desk: CalmDesk) -> None:
    risky(desk, "pay", "risk")
    later(desk, "pay", 1)
    leak(desk, "pay")
    later(desk, "pay", 74)
    assert why(desk.stored("pay")) == ("suspended", TOXIC)
    assert asked(desk) == []
    keep(desk, "pay", OF_LEAK)
    assert why(desk.stored("pay")) == ("needs_human", TOO_LONG)
    assert asked(desk) == [("needs_human", TOO_LONG)]


@pytest.mark.parametrize("tool", ["change", "pay"])
@pytest.mark.parametrize("by", ["risk", "doubt"])
def test_the_days_at_risk_run_on_through_a_keep_of_something_else(desk: CalmDesk, tool: str, by: str) -> None:
    risky(desk, tool, by)
    later(desk, tool, 1)
    leak(desk, tool)
    later(desk, tool, 70)
    keep(desk, tool, OF_LEAK)
    assert desk.stored(tool).state is State.AT_RISK
    later(desk, tool, 73)
    assert why(desk.stored(tool)) == ("needs_human", TOO_LONG)


def test_a_doubt_that_is_raised_after_they_looked_begins_its_own_days(desk: CalmDesk) -> None:
    risky(desk, "change", "risk")
    later(desk, "change", 1, 73, 74)
    looked = desk.clock.now()
    tell_at(desk, DRIFT, str(WORK), on=True)
    desk.keep(key("change"), until=Instant(NOON + 90 * DAY), by=DANA, seen=looked, shown={TOO_LONG})
    later(desk, "change", 75)
    assert desk.stored("change").state is State.AT_RISK


# several keeps -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["12", "21"])
def test_in_whatever_order_two_keeps_are_taken_back_it_needs_a_person(desk: CalmDesk, order: str) -> None:
    risky(desk, "change", "doubt")
    later(desk, "change", 1, 73, 74)
    was = {"1": keep(desk, "change")}
    later(desk, "change", 80)
    leak(desk, "change")
    was["2"] = keep(desk, "change")
    later(desk, "change", 82)
    for each in order:
        desk.unkeep(key("change"), by=DANA, was=was[each])
        desk.service.judge_agent("bot")
    leak(desk, "change", on=False)
    assert why(desk.stored("change")) == ("needs_human", TOO_LONG)


def test_who_takes_a_keep_back_takes_nobody_elses(desk: CalmDesk) -> None:
    risky(desk, "change", "doubt")
    later(desk, "change", 1, 73, 74)
    keep(desk, "change")
    first = desk.stored("change")
    later(desk, "change", 80)
    leak(desk, "change")
    keep(desk, "change")
    left = Kept(first.vouched, first.looked, first.covers)
    desk.unkeep(key("change"), by=DANA, left=left)
    desk.service.judge_agent("bot")
    after = desk.stored("change")
    assert why(after) == ("needs_human", TOXIC), "that one is taken back"
    assert (after.vouched, after.covers, after.looked) == (first.vouched, first.covers, first.looked)
    desk.unkeep(key("change"), by=DANA, left=left._replace(shown=None))
    assert desk.stored("change").covers == first.covers, "what was there when they looked"
    leak(desk, "change", on=False)
    assert desk.stored("change").state is State.ACTIVE
    desk.unkeep(key("change"), by=DANA, left=left._replace(until=desk.clock.now()))
    assert desk.stored("change").covers == (), "it is over"


# who is needed is asked --------------------------------------------------------------------------


@pytest.mark.parametrize("asks", [False, True])
def test_who_is_needed_when_a_keep_is_taken_back_is_asked_once(desk: CalmDesk, *, asks: bool) -> None:
    risky(desk, "change", "doubt")
    later(desk, "change", 1, 70)
    was = keep(desk, "change")
    later(desk, "change", 75)
    desk.unkeep(key("change"), by=DANA, was=was, asks=asks)
    assert why(desk.stored("change")) == ("needs_human", TOO_LONG)
    later(desk, "change", 76, 100)
    assert asked(desk) == ([] if asks else [("needs_human", TOO_LONG)])


# a doubt that comes and goes ---------------------------------------------------------------------


def test_a_doubt_that_comes_and_goes_hourly_for_a_month_is_asked_about(desk: CalmDesk) -> None:
    desk.put("write")
    for hour in range(1, 30 * 24):
        later(desk, "write", hour)
        tell_at(desk, DRIFT, str(WORK), on=hour % 2 == 1)
    assert why(desk.stored("write")) == ("needs_human", TOO_LONG)
    assert asked(desk) == [("needs_human", TOO_LONG)]
    assert sum(each["from"] != each["to"] for each in desk.verdicts()) <= 4
    assert {replay(each).outcome for each in desk.verdicts()} == {"same"}


def test_a_doubt_is_over_when_it_was_for_a_day(desk: CalmDesk) -> None:
    desk.put("write")
    tell_at(desk, DRIFT, str(WORK), on=True)
    later(desk, "write", 10)
    tell_at(desk, DRIFT, str(WORK), on=False)
    later(desk, "write", 34)
    assert why(desk.stored("write")) == ("at_risk", "doubt")
    later(desk, "write", 35)
    assert desk.stored("write").state is State.ACTIVE
