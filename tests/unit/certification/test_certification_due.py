"""Whatever ends by a clock is due when it ends: a tick finds it, and a sweep has nothing left to find."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.certification.test_certification_service import NOON, Desk, key

from remit.access.activation import ActivationState
from remit.agents.signals import Noticed, Signal
from remit.kernel.clock import DAY, HOUR, Instant
from remit.kernel.errors import Conflict
from remit.people.change import Actor

DANA = Actor(by="operator:dana")
TOXIC = Noticed(Signal.TOXIC_COMBINATION, "work s/pay: leak", Instant(NOON - HOUR))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def nothing_left(desk: Desk) -> bool:
    return desk.service.sweep()[1] == 0


def test_the_end_of_a_persons_keep_is_due(desk: Desk) -> None:
    desk.noticed = (TOXIC,)
    desk.put("pay", state=ActivationState.SUSPENDED, why="toxic_combination")
    desk.keep(key("pay"), until=Instant(NOON + 6 * HOUR), by=DANA)
    assert desk.stored("pay").covers == ("toxic_combination leak",)
    desk.at(6 * HOUR + 1)
    assert desk.service.tick() == 1
    assert desk.stored("pay").state is ActivationState.SUSPENDED
    assert nothing_left(desk)


def test_a_keep_about_nothing_covers_nothing_that_comes_after(desk: Desk) -> None:
    """Also not what arose between the answer and its carrying out."""
    desk.put("pay", state=ActivationState.NEEDS_HUMAN, why="at_risk_too_long")
    desk.noticed = (replace_since(TOXIC, NOON + 5),)
    desk.at(10)
    with pytest.raises(Conflict, match="suspended"):
        desk.keep(key("pay"), until=Instant(NOON + DAY), by=DANA, seen=Instant(NOON + 1))


def replace_since(noticed: Noticed, since: int) -> Noticed:
    return noticed._replace(since=Instant(since))


def test_the_end_of_a_boundary_is_due(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    shorter = Instant(NOON + 3 * DAY)
    whole = desk.view

    def ending() -> object:
        view = whole()
        agent = view.agents["bot"]
        left = tuple(replace(each, not_after=shorter) for each in agent.boundaries)
        return replace(view, agents={"bot": type(agent)(agent.agent, left)})

    monkeypatch.setattr(desk.service, "_view", ending)
    desk.put("read")
    desk.at(1)
    desk.service.sweep()
    desk.at(3 * DAY + 1)
    assert desk.service.tick() == 1
    assert desk.stored("read").state is ActivationState.REVOKED
    assert nothing_left(desk)


def test_what_is_started_while_it_is_doubted_is_recorded_so_with_the_next_tick(desk: Desk) -> None:
    desk.noticed = (Noticed(Signal.PURPOSE_DRIFT, "work", NOON),)
    desk.hands.start(key("write"), by=DANA)
    desk.at(2)
    assert desk.service.tick() == 1
    assert desk.stored("write").state is ActivationState.AT_RISK
    assert nothing_left(desk)
