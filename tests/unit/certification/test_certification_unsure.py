"""What is critical is kept for one day on an incomplete record, whatever comes in between."""

from __future__ import annotations

import pytest
from tests.unit.certification.test_certification_passing import (
    CRITICAL,
    DANA,
    DRIFT,
    EXPOSURE,
    LEAK,
    OUTLIER,
    CalmDesk,
    keep,
    why,
)
from tests.unit.certification.test_certification_service import NOON, WORK, key

from remit.access.activation import ActivationState, Usage
from remit.access.codec import rules_text
from remit.access.doubt import Doubt, DoubtState
from remit.access.judge import EXPOSED, TOXIC
from remit.access.model import Rule
from remit.agents.risk import moved
from remit.agents.signals import Noticed, Signal
from remit.certification.replaying.reading import rules_digest
from remit.certification.replaying.replay import replay
from remit.certification.usage.days import DayKey, UseDay
from remit.certification.usage.sql import SqlUseDays
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant, Micros
from remit.kernel.names import ActionName
from remit.storage.ports import Transaction

State = ActivationState
TOO_LONG = ("suspended", "record_incomplete_too_long")
LEAK_OF_PAY = f"{WORK} s/pay: leak"


@pytest.fixture
def desk() -> CalmDesk:
    """It is in daily use, and its record stops an hour after its last one."""
    desk = CalmDesk()
    desk.put("pay")
    desk.put("read")
    return desk


def hours(desk: CalmDesk, later: int, *, record: int = 1) -> None:
    """So many hours after its last use; the record of it is complete for `record` of them."""
    desk.at(later * HOUR, covered=record * HOUR)
    desk.service.tick()


def test_the_day_is_measured_from_when_it_was_noticed(desk: CalmDesk) -> None:
    hours(desk, 24)
    assert why(desk.stored("pay")) == ("needs_usage", "record_incomplete")
    hours(desk, 47)
    assert desk.stored("pay").state is State.NEEDS_USAGE
    hours(desk, 48)
    assert why(desk.stored("pay")) == TOO_LONG


@pytest.mark.parametrize("signal", [EXPOSURE, LEAK])
def test_a_suspension_in_between_begins_no_new_day(desk: CalmDesk, signal: Signal) -> None:
    """It is risky too, so that it is the risk that is remembered under the suspension."""
    about = LEAK_OF_PAY if signal is LEAK else "k1"
    hours(desk, 24)
    noticed = desk.clock.now()
    hours(desk, 30)
    tell_at(desk, OUTLIER, "s/pay", on=True)
    tell_at(desk, signal, about, on=True)
    assert why(desk.stored("pay")) == ("suspended", EXPOSED if signal is EXPOSURE else TOXIC)
    hours(desk, 40)
    tell_at(desk, signal, about, on=False)
    assert why(desk.stored("pay")) == ("needs_usage", "record_incomplete")
    assert desk.stored("pay").unsure == noticed
    hours(desk, 48)
    assert why(desk.stored("pay")) == TOO_LONG
    assert {replay(each).outcome for each in desk.verdicts()} == {"same"}


def test_what_becomes_so_during_a_suspension_is_noticed_then(desk: CalmDesk) -> None:
    tell_at(desk, EXPOSURE, "k1", on=True)
    hours(desk, 24)
    after = desk.stored("pay")
    assert (why(after), after.unsure) == (("suspended", EXPOSED), NOON + DAY)
    hours(desk, 49)
    tell_at(desk, EXPOSURE, "k1", on=False)
    assert why(desk.stored("pay")) == TOO_LONG
    assert [each["about"] for each in desk.people.asked] == [after.id], "a person is asked, as without it"
    assert {replay(each).outcome for each in desk.verdicts()} == {"same"}


def test_nor_does_the_risk_of_its_agent_or_a_persons_keep(desk: CalmDesk) -> None:
    hours(desk, 23)
    tell_at(desk, DRIFT, str(WORK), on=True)
    hours(desk, 25)
    keep(desk, "pay")
    hours(desk, 30)
    tell_at(desk, DRIFT, str(WORK), on=False)
    hours(desk, 50)
    assert why(desk.stored("pay")) == TOO_LONG


def test_a_use_begins_it_anew_also_where_nothing_was_recorded_of_that(desk: CalmDesk) -> None:
    tell_at(desk, EXPOSURE, "k1", on=True)
    hours(desk, 24)
    desk.at(30 * HOUR, covered=HOUR)
    desk.known.used(key("pay"), desk.clock.now())
    hours(desk, 31)
    tell_at(desk, EXPOSURE, "k1", on=False)
    assert desk.stored("pay").state is State.ACTIVE
    hours(desk, 54)
    assert (desk.stored("pay").state, desk.stored("pay").unsure) == (State.NEEDS_USAGE, NOON + 54 * HOUR)
    hours(desk, 77)
    assert desk.stored("pay").state is State.NEEDS_USAGE
    hours(desk, 78)
    assert why(desk.stored("pay")) == TOO_LONG


def test_a_start_by_hand_does_too(desk: CalmDesk) -> None:
    hours(desk, 24)
    hours(desk, 48)
    desk.hands.start(key("pay"), by=DANA)
    assert (desk.stored("pay").state, desk.stored("pay").unsure) == (State.ACTIVE, 0)
    hours(desk, 72)
    assert why(desk.stored("pay")) == ("needs_usage", "record_incomplete")


def test_after_an_outage_the_day_begins_with_the_first_look(desk: CalmDesk) -> None:
    """Nobody could have looked before: what was in use when everything stopped is not taken when it is back."""
    hours(desk, 400)
    assert why(desk.stored("pay")) == ("needs_usage", "record_incomplete")
    hours(desk, 424)
    assert why(desk.stored("pay")) == TOO_LONG


def test_nothing_of_it_is_remembered_of_what_is_not_critical(desk: CalmDesk) -> None:
    hours(desk, 31 * 24)
    assert (desk.stored("read").state, desk.stored("read").unsure) == (State.NEEDS_USAGE, 0)


def test_what_only_a_person_starts_again_has_no_day(desk: CalmDesk) -> None:
    tell_at(desk, CRITICAL, "", on=True)
    hours(desk, 30)
    assert (why(desk.stored("pay")), desk.stored("pay").unsure) == (("suspended", "critical_signal"), 0)


def test_a_mark_from_before_the_last_use_says_nothing() -> None:
    desk = CalmDesk()
    use = Instant(NOON - 2 * DAY)
    desk.put("pay", usage=Usage(use, Micros(0), 1), started=use, unsure=Instant(use - HOUR))
    desk.at(HOUR)
    desk.service.sweep()
    assert (desk.stored("pay").state, desk.stored("pay").unsure) == (State.NEEDS_USAGE, NOON + HOUR)


@pytest.mark.parametrize("exposed", [False, True])
def test_what_was_used_just_before_it_was_noticed_was_in_use_then(desk: CalmDesk, *, exposed: bool) -> None:
    """Its use of ten seconds before is told six hours later: the day of what was thought until then is not its own."""
    if exposed:
        tell_at(desk, EXPOSURE, "k1", on=True)
    hours(desk, 24)
    assert desk.stored("pay").unsure == NOON + DAY
    desk.at(30 * HOUR, covered=HOUR)
    told_of(desk, Instant(NOON + DAY - 10 * SECOND))
    hours(desk, 31)
    hours(desk, 48)
    if exposed:
        tell_at(desk, EXPOSURE, "k1", on=False)
    assert why(desk.stored("pay")) == ("needs_usage", "record_incomplete"), "its time is over for ten seconds"
    assert desk.stored("pay").unsure == NOON + 2 * DAY
    hours(desk, 71)
    assert desk.stored("pay").state is State.NEEDS_USAGE
    hours(desk, 72)
    assert why(desk.stored("pay")) == TOO_LONG
    assert {replay(each).outcome for each in desk.verdicts()} == {"same"}


def test_a_use_from_before_its_time_was_over_changes_nothing_of_the_day(desk: CalmDesk) -> None:
    hours(desk, 30)
    desk.at(31 * HOUR, covered=HOUR)
    told_of(desk, Instant(NOON + 6 * HOUR))
    hours(desk, 53)
    assert desk.stored("pay").state is State.NEEDS_USAGE
    hours(desk, 54)
    assert why(desk.stored("pay")) == TOO_LONG


def test_a_daily_job_that_is_told_of_a_day_late_stays_in_use(desk: CalmDesk) -> None:
    """It is done ten minutes earlier each day, and nothing is missing from the record but the last day."""
    uses = [Instant(NOON + day * (DAY - 10 * MINUTE)) for day in range(1, 6)]
    for quarter in range(1, 5 * 96):
        at = quarter * 15 * MINUTE
        desk.at(at, covered=max(0, at - DAY))
        for use in uses:
            if NOON + at - 15 * MINUTE < use + DAY + 5 * MINUTE <= NOON + at:
                told_of(desk, use)
        desk.service.tick()
        assert desk.stored("pay").state in {State.ACTIVE, State.NEEDS_USAGE, State.EXPIRING}, at // HOUR


def told_of(desk: CalmDesk, use: Instant) -> None:
    """Another source tells of a use of what is critical."""
    row = UseDay(DayKey(*key("pay"), use // DAY, "log"), 1, 0, 0, use, use)

    def arrives(tx: Transaction) -> None:
        SqlUseDays(tx.connection).add([row])
        desk.service.imported(tx, [key("pay")])

    desk.memory.change(arrives)


# what a keep covers ------------------------------------------------------------------------------


@pytest.mark.parametrize(("signal", "about"), [(OUTLIER, "s/change"), (DRIFT, str(WORK))])
def test_a_doubt_that_is_raised_anew_is_not_the_one_that_was_kept(desk: CalmDesk, signal: Signal, about: str) -> None:
    desk.put("change")
    tell_at(desk, signal, about, on=True)
    keep(desk, "change")
    desk.service.judge_agent("bot")
    assert desk.stored("change").state is State.ACTIVE, "of what was seen it counts"
    tell_at(desk, signal, about, on=False)
    tell_at(desk, signal, about, on=True)
    assert why(desk.stored("change")) == ("at_risk", "doubt")
    keep(desk, "change")
    desk.service.judge_agent("bot")
    assert desk.stored("change").state is State.ACTIVE, "a person looked at that too"


def test_what_was_kept_stays_kept_when_it_starts_anew(desk: CalmDesk) -> None:
    desk.put("change")
    tell_at(desk, OUTLIER, "s/change", on=True)
    before = keep(desk, "change")
    after = desk.hands.start(key("change"), by=DANA)
    assert (after.vouched, after.covers, after.looked) == (before.vouched, before.covers, before.looked)
    assert after.state is State.ACTIVE, "else the same doubt would count again, although a person looked at it"


# what a verdict read ------------------------------------------------------------------------------


def test_a_verdict_says_by_which_rules_it_was_made(desk: CalmDesk) -> None:
    hours(desk, 24)
    desk.rules["write"] = Rule(action=ActionName("s/write"), needs=(ActionName("s/read"),))
    hours(desk, 48)
    before, after = (each["read"]["rules"] for each in desk.verdicts())
    assert set(before) == set(after) == {"b@1"}
    assert before != after, "the same version said something else for a while"
    assert after["b@1"] == rules_digest(rules_text({each.action: each for each in desk.rules.values()}))


def test_what_starts_while_its_record_is_doubted_starts_at_the_clocks_own_reading(desk: CalmDesk) -> None:
    """Else more time without use is on record than passed, once the record is believed again."""
    doubt = Doubt(
        server="s", agent="", since=NOON, covered=Micros(0), state=DoubtState.DOUBTED, moved=NOON,
    )  # fmt: skip
    desk.doubts = {"s": (doubt,)}
    desk.at(5 * DAY)
    after = desk.hands.start(key("read"), by=DANA)
    assert after.usage.covered == 5 * DAY


def tell_at(desk: CalmDesk, signal: Signal, about: str, *, on: bool) -> None:
    """Something is noticed or over a second later, and the record stands still."""
    desk.at(desk.clock.at - NOON + SECOND, covered=desk.covered)
    now = desk.clock.now()
    others = tuple(each for each in desk.noticed if each[:2] != (signal, about))
    desk.noticed = (*others, Noticed(signal, about, now)) if on else others
    desk.known_risk = moved(desk.known_risk, said=0, noticed=desk.noticed, now=now)
    desk.service.judge_agent("bot")
