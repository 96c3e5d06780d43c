"""Leaf first: what is needed goes after what needs it, and nothing goes on without what it needs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.certification.test_certification_service import NOON, Desk, key

from remit.access.activation import Activation, ActivationState, Usage
from remit.access.model import Rule
from remit.certification.replaying.replay import replay
from remit.certification.together_sql import RunUse, SqlTogether
from remit.kernel.clock import DAY, Instant, Micros
from remit.kernel.names import ActionName
from remit.people.change import Actor

DANA = Actor(by="operator:dana")


@pytest.fixture
def desk() -> Desk:
    """`write` needs `read`, and `note` needs `write`. `read` lasts two weeks by its habit, the others a month."""
    desk = Desk()
    for name, needs in (("read", ()), ("write", ("s/read",)), ("note", ("s/write",))):
        desk.rules[name] = Rule(action=ActionName(f"s/{name}"), needs=tuple(map(ActionName, needs)))
    desk.put("read", usage=Usage(NOON, Micros(0), 4, (1, 1, 1)))
    return desk


def states(desk: Desk, *tools: str) -> list[str]:
    return [desk.stored(tool).state.value for tool in tools]


def test_what_is_needed_is_kept_until_what_needs_it_has_gone(desk: Desk) -> None:
    desk.put("write")
    desk.at(20 * DAY)
    desk.service.sweep()
    assert states(desk, "read", "write") == ["expiring", "active"]
    assert [(each["reason"], each["read"]["needed_by"]) for each in desk.verdicts()] == [("needed", "s/write")]
    desk.at(30 * DAY)
    desk.service.tick()
    assert states(desk, "read", "write") == ["lapsed", "lapsed"]
    ended = [each["action"] for each in desk.verdicts() if each["to"] == "lapsed"]
    assert ended == ["s/write", "s/read"], "leaf first"
    assert {replay(each).outcome for each in desk.verdicts()} == {"same"}


def test_it_reaches_through(desk: Desk) -> None:
    desk.put("write", state=ActivationState.LAPSED)
    desk.put("note")
    desk.at(20 * DAY)
    desk.service.sweep()
    assert states(desk, "read", "write", "note") == ["expiring", "lapsed", "active"]


def test_nothing_critical_and_nothing_past_its_owners_word_is_kept_for_another(desk: Desk) -> None:
    desk.rules["read"] = replace(desk.rules["read"], ttl=Micros(15 * DAY))
    desk.put("write")
    desk.at(15 * DAY)
    desk.service.sweep()
    assert states(desk, "read", "write") == ["lapsed", "active"]


def test_a_node_that_has_just_started_loads_what_hangs_together_before_it_judges(desk: Desk) -> None:
    loaded: list[str] = []
    desk.put("write")
    desk.known.forget()

    def prepare(agent: str) -> None:
        loaded.append(agent)
        desk.known.load(agent, lambda: rows(desk))

    desk.service._prepare = prepare
    desk.at(20 * DAY)
    desk.service.sweep()
    assert loaded == ["bot"]
    assert states(desk, "read", "write") == ["expiring", "active"]


def test_so_is_what_is_used_together(desk: Desk) -> None:
    desk.rules = {name: replace(rule, needs=()) for name, rule in desk.rules.items()}
    desk.put("write", usage=Usage(Instant(NOON + 12 * DAY), Micros(12 * DAY), 4, (1, 1, 1)))
    together = [RunUse("bot", "work", f"run_{at}", f"s/{tool}", 0) for at in range(20) for tool in ("read", "write")]
    desk.memory.change(lambda tx: SqlTogether(tx.connection).used(together))
    assert desk.memory.change(lambda tx: SqlTogether(tx.connection).find("bot")) is True
    desk.known.forget()

    def prepare(agent: str) -> None:
        groups = desk.memory.read(lambda connection: SqlTogether(connection).of_agent(agent))
        desk.known.group(agent, groups)
        desk.known.load(agent, lambda: rows(desk))

    desk.service._prepare = prepare
    desk.at(20 * DAY)
    desk.service.sweep()
    assert states(desk, "read", "write") == ["active", "active"]


def rows(desk: Desk) -> list[Activation]:
    return [desk.stored(tool) for tool in ("read", "write")]


def test_nothing_goes_on_without_what_it_needs_and_comes_back_with_it(desk: Desk) -> None:
    desk.put("write")
    desk.put("note")
    desk.at(DAY)
    desk.hands.suspend(key("read"), by=DANA)
    desk.at(DAY + 2)
    assert desk.service.tick() == 2
    assert states(desk, "read", "write", "note") == ["suspended"] * 3
    assert {each["reason"] for each in desk.verdicts()[1:]} == {"what_it_needs_is_suspended"}
    assert desk.people.asked == [], "it ends by itself, so nobody is asked"
    assert {each["what"]["action"] for each in desk.people.begun} >= {"s/write", "s/note"}
    desk.hands.start(key("read"), by=DANA)
    desk.at(DAY + 10)
    assert desk.service.tick() == 2
    assert states(desk, "read", "write", "note") == ["active"] * 3


def test_what_has_lapsed_is_no_reason_to_take_what_needs_it(desk: Desk) -> None:
    """It comes back by itself when it is called."""
    desk.put("write")
    desk.hands.lapse(key("read"), by=DANA)
    desk.at(DAY)
    desk.service.sweep()
    assert states(desk, "read", "write") == ["lapsed", "active"]


def test_two_that_need_each_other_through_two_boundaries_release_each_other(desk: Desk) -> None:
    desk.rules["read"] = replace(desk.rules["read"], needs=(ActionName("s/note"),))
    desk.put("write")
    desk.put("note")
    desk.at(DAY)
    desk.hands.suspend(key("read"), by=DANA)
    desk.at(DAY + 2)
    desk.service.tick()
    assert states(desk, "read", "write", "note") == ["suspended"] * 3
    desk.hands.start(key("read"), by=DANA)
    desk.at(DAY + 10)
    desk.service.tick()
    assert states(desk, "read", "write", "note") == ["active"] * 3
