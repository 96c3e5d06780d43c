"""What ends by itself leaves nothing behind, hides nothing, and its order with other things does not matter."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.thorough import examples
from tests.unit.certification.test_certification_service import BOT, NOON, TIERS, WORK, Desk, key

from remit.access.activation import Activation, ActivationState, Under
from remit.access.activation_sql import SqlActivations
from remit.access.judge import EXPOSED, PASSING, TOXIC
from remit.access.model import Rule
from remit.agents.risk import QUIET, moved
from remit.agents.signals import Noticed, Signal
from remit.certification.replaying.replay import replay
from remit.kernel.clock import DAY, HOUR, SECOND, Instant
from remit.kernel.errors import Conflict
from remit.kernel.names import ActionName
from remit.people.change import Actor
from remit.policy.view import View

State = ActivationState
DANA = Actor(by="dana")
ABOUT = {
    Signal.CREDENTIAL_EXPOSED: "k1", Signal.CRITICAL: "", Signal.PURPOSE_DRIFT: str(WORK),
    Signal.PEER_OUTLIER: "s/change", Signal.TOXIC_COMBINATION: f"{WORK} s/change: leak",
}  # fmt: skip
EXPOSURE, CRITICAL, DRIFT, OUTLIER, LEAK = ABOUT


class CalmDesk(Desk):
    """One that knows since when the risk is little."""

    def __init__(self) -> None:
        self.known_risk = QUIET
        super().__init__()

    def view(self) -> View:
        view = super().view()
        view.agents[BOT].risk = self.known_risk
        return view


@pytest.fixture
def desk() -> CalmDesk:
    return CalmDesk()


def tell(desk: CalmDesk, signal: Signal, *, on: bool, about: str | None = None) -> None:
    """Something is noticed or over, a second later, and everything of the agent is judged."""
    desk.at(desk.clock.at - NOON + SECOND)
    which, now = (signal, ABOUT[signal] if about is None else about), desk.clock.now()
    others = tuple(each for each in desk.noticed if each[:2] != which)
    desk.noticed = (*others, Noticed(*which, now)) if on else others
    desk.known_risk = moved(desk.known_risk, said=0, noticed=desk.noticed, now=now)
    desk.service.judge_agent("bot")


def told(desk: CalmDesk, one: Noticed) -> None:
    desk.noticed = (*desk.noticed, one)
    desk.known_risk = moved(desk.known_risk, said=0, noticed=desk.noticed, now=desk.clock.now())


def why(activation: Activation) -> tuple[str, str]:
    return activation.state.value, activation.why


# what was there before is there again ------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.LAPSED, "idle"),
        (State.NEEDS_HUMAN, "at_risk_too_long"),
        (State.AT_RISK, "risk"),
        (State.SUSPENDED, "suspended"),
        (State.ACTIVE, ""),
    ],
)
@pytest.mark.parametrize("tool", TIERS)
def test_an_exposed_credential_leaves_everything_as_it_was(
    desk: CalmDesk, tool: str, state: State, reason: str
) -> None:
    desk.put(tool, state=state, why=reason)
    tell(desk, EXPOSURE, on=True)
    assert desk.stored(tool).state is State.SUSPENDED
    tell(desk, EXPOSURE, on=False)
    after = desk.stored(tool)
    assert (after.state, after.under) == (state, None)
    assert after.why == reason or state is State.ACTIVE
    assert after.since == NOON or state is State.ACTIVE, "the days at risk run on"
    assert {replay(each).outcome for each in desk.verdicts()} <= {"same"}


def test_what_is_needed_and_suspended_leaves_it_as_it_was_too(desk: CalmDesk) -> None:
    desk.rules["change"] = Rule(action=ActionName("s/change"), needs=(ActionName("s/read"),))
    desk.put("change", state=State.NEEDS_HUMAN, why="at_risk_too_long")
    desk.put("read")
    desk.hands.suspend(key("read"), by=DANA)
    desk.at(SECOND)
    desk.service.tick()
    assert why(desk.stored("change")) == ("suspended", "what_it_needs_is_suspended")
    desk.hands.start(key("read"), by=DANA)
    desk.at(2 * SECOND)
    desk.service.tick()
    assert why(desk.stored("change")) == ("needs_human", "at_risk_too_long")


def test_so_does_a_combination(desk: CalmDesk) -> None:
    desk.put("pay", state=State.LAPSED, why="idle")
    desk.put("change")
    for signal, on in ((Signal.ANOMALY, True), (Signal.UNAPPROVED_VERSION, True), (Signal.UNAPPROVED_VERSION, False)):
        tell(desk, signal, on=on, about="")
    since = desk.stored("change").since
    for tool in ("pay", "change"):
        tell(desk, LEAK, on=True, about=f"{WORK} s/{tool}: leak")
    assert (why(desk.stored("pay")), why(desk.stored("change"))) == (("suspended", TOXIC), ("needs_human", TOXIC))
    for tool in ("pay", "change"):
        tell(desk, LEAK, on=False, about=f"{WORK} s/{tool}: leak")
    assert why(desk.stored("pay")) == ("lapsed", "idle")
    assert (*why(desk.stored("change")), desk.stored("change").since) == ("at_risk", "risk", since)


def test_what_comes_back_withdraws_nothing_again_and_what_lapses_meanwhile_has_lapsed(desk: CalmDesk) -> None:
    desk.put("change", state=State.LAPSED, why="idle")
    desk.put("write")
    tell(desk, EXPOSURE, on=True)
    begun = len(desk.people.begun)
    desk.at(40 * DAY)
    tell(desk, EXPOSURE, on=False)
    assert why(desk.stored("write")) == ("lapsed", "idle")
    assert [each["what"]["action"] for each in desk.people.begun[begun:]] == ["s/write"]


def test_a_person_lets_lapse_what_is_suspended_for_now(desk: CalmDesk) -> None:
    desk.put("write")
    tell(desk, EXPOSURE, on=True)
    desk.hands.lapse(key("write"), by=DANA)
    assert why(desk.stored("write")) == ("suspended", EXPOSED)
    tell(desk, EXPOSURE, on=False)
    assert why(desk.stored("write")) == ("lapsed", "let_lapse")


def test_what_is_remembered_is_stored_and_read(desk: CalmDesk) -> None:
    desk.put("change", state=State.AT_RISK, why="doubt")
    tell(desk, EXPOSURE, on=True)
    stored = desk.memory.read(lambda c: SqlActivations(c).find(key("change")))
    assert stored is not None
    assert stored.under == Under(State.AT_RISK, "doubt", NOON)


def test_a_row_from_before_begins_anew(desk: CalmDesk) -> None:
    desk.put("change", state=State.SUSPENDED, why=EXPOSED)
    desk.service.judge_agent("bot")
    assert desk.stored("change").state is State.ACTIVE


# nothing is hidden -------------------------------------------------------------------------------


def test_what_a_detector_is_sure_of_stays_when_the_credential_is_rotated(desk: CalmDesk) -> None:
    desk.put("write")
    for signal, on in ((EXPOSURE, True), (CRITICAL, True), (CRITICAL, False), (EXPOSURE, False)):
        tell(desk, signal, on=on)
    assert why(desk.stored("write")) == ("suspended", "critical_signal")
    assert [(each["kind"], each["why"]) for each in desk.people.asked] == [("needs_human", "critical_signal")]
    assert [each["reason"] for each in desk.verdicts()] == [EXPOSED, "critical_signal"]
    assert {replay(each).outcome for each in desk.verdicts()} == {"same"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda desk: setattr(desk, "version", "2"), "version_changed"),
        (lambda desk: setattr(desk, "owner_active", False), "owner_gone"),
    ],
)
def test_so_does_another_version_or_a_lost_owner_and_a_person_is_asked(
    desk: CalmDesk, change: Any, reason: str
) -> None:
    desk.put("change")
    tell(desk, EXPOSURE, on=True)
    change(desk)
    desk.service.judge_agent("bot")
    assert why(desk.stored("change")) == ("suspended", reason)
    assert [each["why"] for each in desk.people.asked] == [reason]


def test_the_tokens_of_whoever_has_the_credential_end_whatever_the_reason(desk: CalmDesk) -> None:
    desk.put("change")
    desk.version = "2"
    tell(desk, EXPOSURE, on=True)
    assert [each["cause"] for each in desk.people.begun] == [EXPOSED, "version_changed"]


def owner(desk: CalmDesk, on: bool) -> None:  # noqa: FBT001 - one of the events
    desk.owner_active = not on


def version(desk: CalmDesk, on: bool) -> None:  # noqa: FBT001 - one of the events
    desk.version = "2" if on else "1"


def noticed(signal: Signal) -> Callable[[CalmDesk, bool], None]:
    return lambda desk, on: tell(desk, signal, on=on)


EVENTS: dict[str, Callable[[CalmDesk, bool], None]] = {
    **{signal.value: noticed(signal) for signal in ABOUT},
    "owner": owner,
    "version": version,
}


def outcome(events: list[tuple[str, bool]], tool: str, before: tuple[State, str]) -> dict[str, Any]:
    """What is left a day after each of the events was judged as it came, and all is over."""
    desk = CalmDesk()
    desk.put(tool, state=before[0], why=before[1])
    for name, on in events:
        EVENTS[name](desk, on)
        desk.service.judge_agent("bot")
    desk.at(desk.clock.at - NOON + 25 * HOUR)  # what was at risk is calm again
    desk.known.used(key(tool), desk.clock.now())
    desk.service.sweep()
    after = desk.stored(tool)
    assert after.why not in PASSING
    assert {replay(each).outcome for each in desk.verdicts()} <= {"same"}
    asked = any(each["kind"] == "needs_human" for each in desk.people.asked)
    return {"state": after.state.value, "asked": asked, "under": after.under}


BEFORE = [(State.ACTIVE, ""), (State.LAPSED, "idle"), (State.AT_RISK, "risk"), (State.REVOKED, "boundary_ended")]


@given(
    names=st.lists(st.sampled_from(sorted(EVENTS)), min_size=2, max_size=4, unique=True),
    tool=st.sampled_from(["write", "change", "pay"]),
    before=st.sampled_from(BEFORE),
    data=st.data(),
)
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_order_of_what_is_noticed_does_not_matter(
    names: list[str], tool: str, before: tuple[State, str], data: st.DataObject
) -> None:
    one_by_one = [(name, on) for name in sorted(names) for on in (True, False)]
    mixed = data.draw(st.permutations([name for name in names for _ in range(2)]))
    seen: set[str] = set()
    events = [(name, name not in seen and not seen.add(name)) for name in mixed]  # type: ignore[func-returns-value]
    assert outcome(events, tool, before) == outcome(one_by_one, tool, before)


def test_no_order_of_the_two_worst_brings_anything_back() -> None:
    ons = [(EXPOSURE.value, True), (CRITICAL.value, True), (EXPOSURE.value, False), (CRITICAL.value, False)]
    orders = [
        each
        for each in itertools.permutations(ons)
        if all(each.index((name, True)) < each.index((name, False)) for name in (EXPOSURE.value, CRITICAL.value))
    ]
    found = [outcome(list(each), "write", (State.ACTIVE, "")) for each in orders]
    assert len(found) == 6
    assert all(each == {"state": "suspended", "asked": True, "under": None} for each in found)


def test_doubt_that_comes_and_goes_while_a_credential_is_exposed_is_remembered(desk: CalmDesk) -> None:
    desk.put("change")
    for signal, on in ((EXPOSURE, True), (DRIFT, True), (DRIFT, False)):
        tell(desk, signal, on=on)
    assert why(desk.stored("change")) == ("suspended", EXPOSED)
    tell(desk, EXPOSURE, on=False)
    assert why(desk.stored("change")) == ("at_risk", "doubt")


def test_a_credential_that_is_exposed_for_days_and_then_rotated_asks_nobody(desk: CalmDesk) -> None:
    desk.put("write")
    tell(desk, EXPOSURE, on=True)
    desk.at(5 * DAY)
    desk.service.sweep()
    tell(desk, EXPOSURE, on=False)
    assert desk.stored("write").state is State.ACTIVE
    assert desk.people.asked == []


def test_whoever_is_asked_about_a_suspension_learns_that_a_detector_is_sure(desk: CalmDesk) -> None:
    desk.put("write", state=State.SUSPENDED, why="record_incomplete_too_long")
    tell(desk, CRITICAL, on=True)
    assert why(desk.stored("write")) == ("suspended", "critical_signal")
    assert [(each["why"], each["facts"]["critical"]) for each in desk.people.asked] == [("critical_signal", True)]
    desk.service.judge_agent("bot")
    tell(desk, CRITICAL, on=False)
    assert (desk.stored("write").state, len(desk.people.asked)) == (State.SUSPENDED, 1)
    assert {replay(each).outcome for each in desk.verdicts()} == {"same"}


# a keep is about what a person saw ---------------------------------------------------------------


def keep(desk: CalmDesk, tool: str, seen: Instant | None = None) -> Activation:
    return desk.keep(key(tool), until=Instant(desk.clock.at + 30 * DAY), by=DANA, seen=seen)


def test_a_keep_says_nothing_of_a_combination_that_comes_later(desk: CalmDesk) -> None:
    desk.put("pay")
    tell(desk, OUTLIER, on=True, about="s/pay")
    assert desk.stored("pay").state is State.AT_RISK
    assert keep(desk, "pay").covers == ("peer_outlier",)
    desk.service.judge_agent("bot")
    assert desk.stored("pay").state is State.ACTIVE, "of what was seen it counts"
    tell(desk, LEAK, on=True, about=f"{WORK} s/pay: leak")
    assert why(desk.stored("pay")) == ("suspended", TOXIC)
    assert {replay(each).outcome for each in desk.verdicts()} == {"same", "by_hand"}


def test_nor_one_about_a_combination_of_another(desk: CalmDesk) -> None:
    desk.put("change")
    tell(desk, LEAK, on=True)
    assert keep(desk, "change").covers == ("toxic_combination leak",)
    assert desk.stored("change").state is State.ACTIVE
    tell(desk, LEAK, on=True, about=f"{WORK} s/change: fraud")
    assert why(desk.stored("change")) == ("needs_human", TOXIC)
    tell(desk, LEAK, on=False, about=f"{WORK} s/change: fraud")
    assert desk.stored("change").state is State.ACTIVE
    tell(desk, LEAK, on=False)
    tell(desk, LEAK, on=True)
    assert desk.stored("change").state is State.ACTIVE, "the same again is the same"


def test_nor_one_about_a_drift_of_another_kind_of_doubt(desk: CalmDesk) -> None:
    desk.put("change")
    tell(desk, DRIFT, on=True)
    keep(desk, "change")
    tell(desk, OUTLIER, on=True)
    assert desk.stored("change").state is State.AT_RISK


def test_what_arose_between_an_answer_and_its_carrying_out_is_not_covered(desk: CalmDesk) -> None:
    desk.put("change")
    tell(desk, DRIFT, on=True)
    answered = desk.clock.now()
    tell(desk, OUTLIER, on=True)
    assert keep(desk, "change", seen=answered).covers == ("purpose_drift",)


def test_a_keep_that_does_not_say_what_about_covers_nothing(desk: CalmDesk) -> None:
    later, until = Instant(NOON + HOUR), Instant(NOON + 30 * DAY)
    told(desk, Noticed(DRIFT, ABOUT[DRIFT], NOON))
    desk.put("change", vouched=until, why="kept", since=later)
    desk.at(2 * HOUR)
    desk.service.judge_agent("bot")
    assert desk.stored("change").state is State.AT_RISK


def test_a_keep_does_not_bring_back_what_had_lapsed_before_the_combination(desk: CalmDesk) -> None:
    desk.put("pay", state=State.LAPSED, why="idle")
    tell(desk, LEAK, on=True, about=f"{WORK} s/pay: leak")
    assert why(keep(desk, "pay")) == ("lapsed", "idle")


# a person's hand knows what a tick knows ---------------------------------------------------------


def test_nothing_is_started_that_a_tick_would_suspend_again_right_after_a_restart(desk: CalmDesk) -> None:
    desk.rules["write"] = Rule(action=ActionName("s/write"), needs=(ActionName("s/read"),))
    for tool in ("read", "write"):
        desk.put(tool, state=State.SUSPENDED, why="suspended")
    rows = [desk.stored(tool) for tool in ("read", "write")]
    desk.known.forget()
    hands = replace(desk.hands, prepare=lambda agent: desk.known.load(agent, lambda: rows))
    with pytest.raises(Conflict, match="what_it_needs_is_suspended"):
        hands.start(key("write"), by=DANA)
