"""What an import tells of, and what is used together: nothing that was used a moment ago is idle on any record."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.unit.certification.test_certification_service import BOT, NOON, Desk, key, many

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_sql import SqlActivations
from remit.access.doubt import Doubt, DoubtState
from remit.access.judge import Facts
from remit.access.model import Rule
from remit.certification.replaying.replay import replay
from remit.certification.service import remade
from remit.certification.setting import setting_of
from remit.certification.together_sql import RunUse, SqlTogether
from remit.certification.transition import Transition, transition
from remit.certification.usage.days import DayKey, UseDay
from remit.certification.usage.sql import SqlUseDays
from remit.certification.usage.windows import Windows, windows
from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.kernel.names import ActionName
from remit.people.change import Actor
from remit.policy.entitlement import due_at, facts_of
from remit.policy.view import View

DANA = Actor(by="operator:dana")


class Company(Desk):
    """`write` is used together with `far/read`, of a server whose use another source tells of."""

    def __init__(self) -> None:
        super().__init__()
        self.far: Windows | None = None

    def view(self) -> View:
        return dataclasses.replace(super().view(), coverage={} if self.far is None else {"far": self.far})

    def group(self, *keys: ActivationKey) -> None:
        self.known.group(BOT, {one: tuple(each for each in keys if each != one) for one in keys})

    def facts(self, of: ActivationKey) -> Facts:
        known = self.known.find(of)
        assert known is not None
        return facts_of(known, setting_of(self.view(), of, covered=self.covered, now=self.clock.now()))

    def verdict(self, of: ActivationKey) -> Transition | int:
        known = self.known.find(of)
        assert known is not None
        return transition(known, setting_of(self.view(), of, covered=self.covered, now=self.clock.now()))

    def beside(self, usage: Usage, **changes: Any) -> None:
        """The other one of the group."""
        it = dataclasses.replace(self.stored("write"), key=FAR, usage=usage, **changes)
        self.memory.change(lambda tx: SqlActivations(tx.connection).put(it, expected=0, due=NOON + DAY))
        self.known.load(BOT, lambda: self.memory.read(lambda c: SqlActivations(c).of_agent(BOT)), again=True)
        self.group(WRITE, FAR)


WRITE = key("write")
FAR = key("write")._replace(action=ActionName("far/read"), scope="far")


@pytest.fixture
def desk() -> Company:
    return Company()


def imported(desk: Desk, tool: str, at: int) -> None:
    """Another source tells of a use at a moment."""
    day = UseDay(DayKey(*key(tool), at // DAY, "src"), 1, 0, 0, at, at)

    def write(tx: Any) -> None:
        SqlUseDays(tx.connection).add([day])
        desk.service.imported(tx, [key(tool)])

    desk.memory.change(write)


# an import -----------------------------------------------------------------------------------------


def test_a_use_that_is_imported_is_new_on_the_coverage_clock_too(desk: Desk) -> None:
    desk.put("write")
    desk.at(29 * DAY)
    imported(desk, "write", NOON + 29 * DAY - HOUR)
    assert desk.stored("write").usage == Usage(Instant(NOON + 29 * DAY - HOUR), Micros(29 * DAY), 1)
    assert desk.known.find(WRITE) == desk.stored("write")
    desk.at(31 * DAY)
    desk.service.tick()
    assert desk.stored("write").state is ActivationState.ACTIVE
    desk.at(59 * DAY)
    desk.service.tick()
    assert desk.stored("write").state is ActivationState.LAPSED


def test_what_is_imported_of_a_time_before_its_last_use_or_start_changes_nothing_there(desk: Desk) -> None:
    desk.put("write", usage=Usage(Instant(NOON + DAY), Micros(DAY), 2, (1,)))
    desk.at(9 * DAY)
    imported(desk, "write", NOON)
    imported(desk, "write", NOON + DAY)
    assert desk.stored("write").usage.covered == DAY
    restarted = Activation(**{
        **{each.name: getattr(desk.stored("write"), each.name) for each in dataclasses.fields(Activation)},
        "started": Instant(NOON + 8 * DAY), "usage": Usage(Instant(NOON + DAY), Micros(8 * DAY), 2, (1,)),
    })  # fmt: skip
    day = UseDay(DayKey(*WRITE, NOON // DAY + 5, "src"), 1, 0, 0, NOON + 5 * DAY, NOON + 5 * DAY)
    assert remade(restarted, [day], Micros(9 * DAY)).covered == 8 * DAY


def test_days_from_before_there_was_a_record_of_them_stay(desk: Desk) -> None:
    """It was used on five days, of which the record tells of none: one more that is told of does not make it one."""
    desk.put("write", usage=Usage(NOON, Micros(0), 5, (1, 1, 1, 1)))
    known, at = desk.stored("write"), NOON + 2 * DAY
    found = remade(known, [UseDay(DayKey(*WRITE, at // DAY, "src"), 1, 0, 0, at, at)], Micros(7))
    assert found == Usage(Instant(at), Micros(7), 5, (1, 1, 1, 1))


def test_a_use_that_is_imported_is_recorded_by_the_next_tick(desk: Desk) -> None:
    desk.put("write")
    desk.at(21 * DAY)
    desk.service.tick()
    assert desk.stored("write").state is ActivationState.EXPIRING
    imported(desk, "write", desk.clock.now())
    assert desk.service.tick() == 1
    assert desk.verdicts()[-1]["verdict"] == "extend"


# a use ---------------------------------------------------------------------------------------------


def test_what_was_expiring_and_is_used_is_extended_by_a_tick(desk: Desk) -> None:
    desk.put("write")
    desk.at(21 * DAY)
    desk.service.tick()
    desk.known.used(WRITE, desk.clock.now())
    with desk.service.flushing() as flush:
        desk.memory.change(flush)
    assert desk.service.tick() == 1
    assert (desk.stored("write").state, desk.verdicts()[-1]["verdict"]) == (ActivationState.ACTIVE, "extend")


def grouped(desk: Desk, *tools: str) -> None:
    runs = [RunUse(BOT, "work", f"run_{at}", f"s/{tool}", 0) for at in range(20) for tool in tools]
    desk.memory.change(lambda tx: SqlTogether(tx.connection).used(runs))
    assert desk.memory.change(lambda tx: SqlTogether(tx.connection).find(BOT)) is True
    desk.known.group(BOT, desk.memory.read(lambda connection: SqlTogether(connection).of_agent(BOT)))


@pytest.mark.parametrize("how", ["used", "imported"])
def test_so_is_what_is_used_together_with_it(desk: Desk, how: str) -> None:
    desk.rules["more"] = Rule(action=ActionName("s/more"))
    desk.put("write")
    desk.put("more")
    grouped(desk, "write", "more")
    desk.at(21 * DAY)
    assert desk.service.tick() == 2
    if how == "used":
        desk.known.used(WRITE, desk.clock.now())
        with desk.service.flushing() as flush:
            desk.memory.change(flush)
    else:
        imported(desk, "write", desk.clock.now())
    assert desk.service.tick() == 2
    assert {desk.stored(tool).state for tool in ("write", "more")} == {ActivationState.ACTIVE}


def test_when_a_servers_record_grows_what_is_used_together_with_it_is_judged_too(desk: Company) -> None:
    runs = [RunUse(BOT, "work", f"run_{at}", each, 0) for at in range(20) for each in ("s/write", "far/read")]
    desk.memory.change(lambda tx: SqlTogether(tx.connection).used(runs))
    assert desk.memory.change(lambda tx: SqlTogether(tx.connection).find(BOT)) is True
    desk.put("write")
    desk.memory.change(lambda tx: SqlActivations(tx.connection).postpone([(WRITE, NOON + 99 * DAY)]))
    for servers, due in (["else"], []), (["far"], [WRITE]), (["s"], [WRITE]):
        desk.memory.change(lambda tx, mine=servers: desk.service.covered(tx, mine))  # type: ignore[misc]
        assert desk.memory.read(lambda c: SqlActivations(c).due(desk.clock.now(), 9)) == due
        desk.memory.change(lambda tx: SqlActivations(tx.connection).postpone([(WRITE, NOON + 99 * DAY)]))


def test_what_a_doubt_changes_is_judged_with_the_next_tick(desk: Desk) -> None:
    """Raised, tried on a few, and over: idle clocks of the server stand still, and go on."""
    many(desk, 40, days=3)
    desk.put("read", usage=Usage(Instant(NOON + 29 * DAY), Micros(29 * DAY), 3, (9, 9)))
    later = [(key("read"), NOON + 99 * DAY)]
    doubting = desk.doubting()

    def is_due() -> bool:
        found = desk.memory.read(lambda c: SqlActivations(c).due(Instant(desk.clock.at + 1), 99))
        desk.memory.change(lambda tx: SqlActivations(tx.connection).postpone(later))
        return key("read") in found

    desk.memory.change(lambda tx: SqlActivations(tx.connection).postpone(later))
    desk.at(30 * DAY)
    desk.service.tick()
    assert desk.doubts["s"][0].state is DoubtState.DOUBTED
    assert is_due()
    desk.believe("s", agents=[BOT], by=DANA)
    assert is_due()
    desk.at(30 * DAY + HOUR)
    assert not is_due()
    assert doubting.tick() == 1
    assert is_due()


# what is used together -----------------------------------------------------------------------------


def test_of_what_is_used_together_the_least_idle_time_on_record_counts(desk: Company) -> None:
    """The newest use was imported; when on the coverage clock it was, nobody knows: its own reading stands beside."""
    desk.put("write", usage=Usage(Instant(NOON + 29 * DAY), Micros(29 * DAY), 1))
    desk.beside(Usage(Instant(NOON + 30 * DAY), Micros(0), 1))
    desk.at(31 * DAY)
    assert (desk.facts(WRITE).idle, desk.facts(WRITE).idle_covered) == (DAY, 2 * DAY)
    assert (desk.facts(FAR).idle, desk.facts(FAR).idle_covered) == (DAY, 2 * DAY)


@pytest.mark.parametrize(
    ("far", "covered"),
    [(None, 9 * DAY), (windows([]), 0), (windows([(0, NOON + 30 * DAY)]), 8 * DAY), (windows([(0, 2**60)]), 9 * DAY)],
)
def test_each_is_measured_by_its_own_servers_record(desk: Company, far: Windows | None, covered: int) -> None:
    desk.put("write")
    desk.beside(Usage(Instant(NOON + 22 * DAY), Micros(22 * DAY), 2, (1,)))
    desk.far = far
    desk.at(31 * DAY)
    assert (desk.facts(WRITE).idle, desk.facts(WRITE).idle_covered) == (9 * DAY, covered)


def test_a_doubt_about_its_server_counts_for_what_is_used_together_with_it(desk: Company) -> None:
    desk.put("write")
    desk.beside(Usage(Instant(NOON + 10 * DAY), Micros(10 * DAY), 2, (1,)))
    desk.at(31 * DAY)
    doubt = Doubt(
        server="far", agent="", since=Instant(NOON + 12 * DAY), covered=Micros(12 * DAY), state=DoubtState.DOUBTED,
        moved=NOON,
    )  # fmt: skip
    desk.doubts = {"far": (doubt,)}
    assert desk.facts(WRITE).idle_covered == 2 * DAY
    desk.far = windows([(0, NOON + 20 * DAY)])
    assert desk.facts(WRITE).idle_covered == 2 * DAY
    desk.doubts = {}
    assert desk.facts(WRITE).idle_covered == 10 * DAY


def test_a_start_of_one_is_no_use_of_the_other(desk: Company) -> None:
    """Whoever starts one again and again, and fails, keeps nothing else."""
    desk.put("write")
    desk.beside(Usage(NOON, Micros(30 * DAY), 1), started=Instant(NOON + 30 * DAY))
    desk.at(31 * DAY)
    assert (desk.facts(WRITE).idle, desk.facts(WRITE).idle_covered) == (31 * DAY, 31 * DAY)
    assert (desk.facts(FAR).idle, desk.facts(FAR).idle_covered) == (DAY, DAY)


def test_nor_is_the_first_start_of_one(desk: Company) -> None:
    desk.put("write")
    desk.beside(Usage(Instant(NOON + 30 * DAY), Micros(30 * DAY), 0), started=Instant(NOON + 30 * DAY))
    desk.at(31 * DAY)
    assert desk.facts(WRITE).idle == 31 * DAY


def test_a_clock_that_is_set_takes_nothing_from_company(desk: Company) -> None:
    desk.put("write")
    desk.beside(Usage(NOON, Micros(0), 1))
    for later in (400 * DAY, -400 * DAY):
        desk.at(later, covered=HOUR)
        assert desk.facts(WRITE).idle_covered == HOUR


def test_a_verdict_says_whose_use_it_was_made_from(desk: Company) -> None:
    desk.put("write")
    desk.beside(Usage(Instant(NOON + 2 * DAY), Micros(2 * DAY), 2, (2,)))
    desk.far = windows([(0, NOON + 40 * DAY)])
    desk.at(33 * DAY)
    found = desk.verdict(WRITE)
    assert isinstance(found, Transition)
    assert (found.after.state, found.reason, replay(found.verdict).outcome) == (ActivationState.LAPSED, "idle", "same")
    assert found.verdict["read"]["together"] == [
        {"action": "far/read", "last": NOON + 2 * DAY, "used": 2 * DAY, "covered": 33 * DAY, "windows": True}
    ]
    alone = desk.verdict(FAR)
    assert isinstance(alone, Transition)
    assert "together" not in alone.verdict["read"], "its own use was the newest and the least idle"


def test_where_the_record_stands_still_it_is_looked_at_when_that_changes_something(desk: Company) -> None:
    desk.put("write")
    desk.beside(Usage(NOON, Micros(0), 1))
    desk.far = windows([])
    for later, due in (DAY, 22 * DAY), (30 * DAY - 9, 30 * DAY):
        desk.at(later)
        known = desk.known.find(WRITE)
        assert known is not None
        setting = setting_of(desk.view(), WRITE, covered=desk.covered, now=desk.clock.now())
        assert due_at(facts_of(known, setting), setting) == NOON + due


# what hangs on what --------------------------------------------------------------------------------


def needs(desk: Desk) -> None:
    """`note` needs `write`."""
    desk.rules["note"] = Rule(action=ActionName("s/note"), needs=(ActionName("s/write"),))
    desk.put("write")
    desk.put("note")
    desk.memory.change(lambda tx: SqlActivations(tx.connection).postpone([(key("note"), NOON + 99 * DAY)]))


def test_what_hangs_on_what_moved_is_judged_with_the_next_tick(desk: Desk) -> None:
    """By the machine: two years at risk, one of them needs a person first, and what depends on it is looked at."""
    needs(desk)
    desk.at(30 * DAY)
    assert desk.service.tick() == 1
    assert desk.memory.read(lambda c: SqlActivations(c).due(Instant(desk.clock.at + 1), 9)) == [key("note")]


def test_so_is_what_hangs_on_what_a_person_moved(desk: Desk) -> None:
    needs(desk)
    desk.at(DAY)
    desk.hands.suspend(WRITE, by=DANA)
    assert desk.memory.read(lambda c: SqlActivations(c).due(Instant(desk.clock.at + 1), 9)) == [key("note")]
