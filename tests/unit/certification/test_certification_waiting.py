"""How much waits for a record that is doubted is what lapses when it is trusted."""

from __future__ import annotations

from tests.unit.certification.test_certification_service import NOON, Desk

from remit.access.activation import Usage
from remit.access.activation_sql import SqlActivations
from remit.access.model import Rule
from remit.kernel.clock import DAY, HOUR, MINUTE, Instant, Micros
from remit.kernel.names import ActionName
from remit.people.change import Actor


def waiting(desk: Desk) -> int:
    return desk.memory.read(lambda connection: SqlActivations(connection).waiting("s"))


def test_what_waits_is_what_lapses_when_it_is_trusted() -> None:
    desk, many = Desk(), 36
    for each in range(many):
        desk.rules[f"t{each}"] = Rule(action=ActionName(f"s/t{each}"))
        last = NOON if each < 11 else NOON + 15 * DAY
        desk.put(f"t{each}", usage=Usage(Instant(last), Micros(last - NOON), 1))
    counted = {}
    for day in range(1, 60):
        desk.at(day * DAY)
        desk.service.tick()
        desk.at(day * DAY + MINUTE)
        desk.service.tick()
        counted[day] = waiting(desk)
    (question,) = desk.people.asked
    assert (question["kind"], question["facts"]["would_lapse"]) == ("usage_doubted", 11)
    assert (counted[29], counted[30], counted[59]) == (0, 11, many)
    desk.believe(question["about"], agents=["bot"], by=Actor(by="ops"))
    desk.at(59 * DAY + HOUR)
    desk.service.tick()
    assert sum(each["to"] == "lapsed" for each in desk.verdicts()) == many
    assert waiting(desk) == 0
