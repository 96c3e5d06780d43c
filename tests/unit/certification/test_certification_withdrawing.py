"""Withdrawals as they run: killed anywhere they come to the same end, and other systems may lie, be down or be slow."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from sqlalchemy import insert, select

from remit.certification.withdrawal.cascade import Cascade
from remit.certification.withdrawal.own import NoDelegation
from remit.certification.withdrawal.ports import Found, Standing, SystemSilent
from remit.certification.withdrawal.sql import SqlWithdrawals
from remit.certification.withdrawal.withdraw import ORDER, Covering, Entitlement, Present, Step, Target, Withdrawal
from remit.certification.withdrawal.withdrawing import Withdrawing
from remit.kernel.clock import HOUR, MINUTE, SECOND, FixedClock, Instant
from remit.kernel.errors import IntegrityFailed
from remit.people.notices import SqlNotices
from remit.storage.memory import MemoryWriter
from remit.storage.model import Entry
from remit.storage.ports import Transaction
from remit.storage.schema import revoked_tokens, runs

NOON = Instant(1_795_521_600_000_000)
T = TypeVar("T")
READ = Entitlement("work", "crm/read", "crm")
HELD = frozenset({Target("crm", "work", "crm/read"), Target("crm", "work", "crm/write")})


class Killed(BaseException):
    """The process is gone."""


class Records:
    def __init__(self) -> None:
        self.count = 0

    def entry(self, kind: str, fields: Any, *, id: str | None = None, about: Any = None, payload: Any = None) -> Entry:  # noqa: A002 - the port's
        assert about is payload is id is None
        self.count += 1
        return Entry(f"{kind}-{self.count}", json.dumps({"kind": kind, **fields}).encode())


class World(MemoryWriter):
    """Everything a withdrawal touches: rows, and a system outside. It can be killed before or after anything."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FixedClock(NOON)
        self.records = Records()
        self.usable: dict[Entitlement, Instant] = {}
        self.left: frozenset[str] = frozenset()
        self.damaged: set[str] = set()
        self.systems = [Covering(system="crm", servers=frozenset({"crm"}))]
        self.rights = set(HELD)
        self.keeps: set[Target] = set()  # what a system says it took away, and did not
        self.lies = self.down = self.mute = False
        self.silent: set[str] = set()
        self.did: list[str] = []
        self.kill_at: int | None = None
        self.moments = 0
        self.withdrawing = self.started()
        rows = [
            {
                "run": f"run_{purpose}", "agent": "bot", "instance": "i", "purpose": purpose, "opened": NOON - HOUR,
                "ends": NOON + HOUR, "token_expires": NOON + MINUTE,
            }
            for purpose in ("work", "other")
        ]  # fmt: skip
        self.change(lambda tx: tx.connection.execute(insert(runs), rows) and None)

    def started(self) -> Withdrawing:
        """A process that has just started over what is durable."""
        cascade = Cascade(
            reader=self, records=self.records, clock=self.clock, stands=self, brokered=self, children=NoDelegation(),
            systems=self,
        )  # fmt: skip
        return Withdrawing(
            writer=self, reader=self, records=self.records, clock=self.clock, cascade=cascade,
            aside=lambda work: work(),
        )  # fmt: skip

    # the moments at which it can be killed -----------------------------------------------------

    def moment(self) -> None:
        self.moments += 1
        if self.moments - 1 == self.kill_at:
            raise Killed

    def change(self, apply: Callable[[Transaction], T]) -> T:
        def inside(tx: Transaction) -> T:
            found = apply(tx)
            self.moment()  # before the commit: all of it is undone
            return found

        found = super().change(inside)
        self.moment()
        return found

    # the places --------------------------------------------------------------------------------

    def standing(self, agent: str) -> Standing:
        if agent in self.damaged:
            raise IntegrityFailed("the entitlement of bot cannot be read")
        return Standing(usable=self.usable, left=self.left)

    def end(self, _withdrawal: Withdrawal) -> Found:
        self.did.append("brokered")
        return Found(0, "none")

    def covering(self) -> list[Covering]:
        return self.systems

    def withdraw(self, target: Target, withdrawal: Withdrawal) -> str:
        self.moment()
        if self.down or target.system in self.silent:
            raise SystemSilent("it could not be reached")
        self.did.append(f"withdraw {target.action}")
        if not self.lies and target not in self.keeps:
            self.rights.discard(target)
        self.moment()
        return f"for {withdrawal.id}"

    def reread(self, target: Target, withdrawal: Withdrawal, token: str) -> Present:
        self.moment()
        assert token == f"for {withdrawal.id}"
        self.did.append(f"reread {target.action}")
        if self.down or self.mute:
            return Present.UNKNOWN
        return Present.PRESENT if target in self.rights else Present.ABSENT

    # what a test does --------------------------------------------------------------------------

    def begin(self, cause: str = "agent_retired", **what: str) -> None:
        super().change(lambda tx: self.withdrawing.begin(tx, agent="bot", cause=cause, what=what))

    def on(self, micros: int = 0) -> None:
        self.clock.at += micros
        self.withdrawing.tick()

    def all(self) -> list[Withdrawal]:
        return self.read(lambda c: SqlWithdrawals(c).listing(agent=None, unfinished=False, most=99))

    def one(self) -> Withdrawal:
        (found,) = self.all()
        return found

    def said(self, kind: str) -> list[dict[str, Any]]:
        return [said for each in self.entries if (said := json.loads(each.header))["kind"] == kind]

    def open_runs(self) -> list[str]:
        return self.read(lambda c: list(c.execute(select(runs.c.run).where(runs.c.ends > self.clock.at)).scalars()))

    def revoked(self) -> set[str]:
        return self.read(lambda c: set(c.execute(select(revoked_tokens.c.key)).scalars()))


def retired() -> World:
    """An agent that is retired while it holds rights in a system."""
    world = World()
    for action in ("crm/read", "crm/write"):
        world.begin(purpose="work", action=action, scope="crm")
    return world


def test_one_tick_of_the_loop_takes_it_to_its_end_and_says_each_step() -> None:
    world = retired()
    assert len(world.all()) == 1, "the second joined the first"
    world.on()
    found = world.one()
    assert (found.step, found.confirmed) == (Step.ENDED, NOON)
    assert [each["step"] for each in world.said("withdrawal")] == [step.value for step in ORDER[:-1]]
    assert {each["withdrawal"] for each in world.said("withdrawal")} == {found.id}
    assert world.said("withdrawal")[0]["what"] == [
        {"purpose": "work", "action": action, "scope": "crm"} for action in ("crm/read", "crm/write")
    ]
    assert world.rights == set()
    assert (world.open_runs(), world.revoked()) == ([], {"run_other", "run_work"})
    assert [each["name"] for each in world.said("change")] == ["run_other", "run_work"]
    before = len(world.entries)
    world.on(HOUR)
    assert len(world.entries) == before, "what ended is left alone"


def ending(world: World) -> tuple[Any, ...]:
    """What a withdrawal came to: all that does not tell when it was done or how often it was tried."""
    (found,) = world.all()
    steps = [each["step"] for each in world.said("withdrawal")]
    return (
        found.step, found.what, found.ended, found.asked, found.confirmed is not None, world.rights, world.open_runs(),
        world.revoked(), tuple(dict.fromkeys(steps)), tuple(dict.fromkeys(world.did)),
    )  # fmt: skip


def test_killed_anywhere_and_started_again_it_comes_to_the_same_end() -> None:
    whole = retired()
    at = whole.moments
    whole.on()
    whole.on(2 * MINUTE)
    assert whole.one().confirmed is not None
    moments = range(at, whole.moments)
    assert len(moments) > 20
    for moment in moments:
        world = retired()
        first = next(iter(world.all())).id
        world.kill_at = moment
        with pytest.raises(Killed):
            world.on()
        steps = [each["step"] for each in world.said("withdrawal")]
        assert steps == [step.value for step in ORDER[: len(steps)]], "no step was left out before it died"
        world.kill_at = None
        world.withdrawing = world.started()
        world.on(2 * MINUTE)
        found = ending(world)
        expected = ending(whole)
        asked = [each.target for each in found[3]]
        assert asked == [each.target for each in expected[3]]
        assert found[:3] + found[4:] == expected[:3] + expected[4:], moment
        recorded = [each["step"] for each in world.said("withdrawal")]
        assert recorded == [step.value for step in ORDER[:-1]], f"each step is recorded once: {moment}"
        assert world.one().id == first


def test_a_system_that_says_done_and_still_lists_it_is_an_incident_and_is_told_again() -> None:
    world = retired()
    world.lies = True
    world.on()
    assert world.one().step is Step.CONFIRM
    assert {each.present for each in world.one().asked} == {Present.PRESENT}
    while world.clock.at < NOON + 15 * MINUTE - 1:
        assert world.said("incident") == []
        world.on(max(SECOND, world.one().due - world.clock.at))
    (incident,) = world.said("incident")
    assert (incident["what"], incident["step"]) == ("withdrawal_unconfirmed", "confirm")
    assert incident["told"] == "still there: crm"
    told = world.read(lambda c: SqlNotices(c).newest(["bot"], most=9, unseen=True))
    assert [each.said["what"] for each in told] == ["withdrawal_unconfirmed"]
    for _ in range(20):
        world.on(max(0, world.one().due - world.clock.at))
    assert world.one().due - world.clock.at == HOUR
    assert len(world.said("incident")) == 1
    assert world.did.count("withdraw crm/read") > 20
    world.lies = False
    world.on(HOUR)
    assert world.one().confirmed == world.clock.at
    assert world.rights == set()


def test_what_was_gone_while_another_was_waited_for_is_read_once_more_at_the_end() -> None:
    """Somebody puts it back in the other system meanwhile: hours may lie between."""
    world = World()
    world.systems = [Covering(system=name, servers=frozenset({"crm"})) for name in ("crm", "erp")]
    world.begin(purpose="work", action="crm/read", scope="crm")
    back, stuck = Target("crm", "work", "crm/read"), Target("erp", "work", "crm/read")
    world.rights, world.keeps = {back, stuck}, {stuck}
    world.on()
    assert {each.target.system: each.present for each in world.one().asked} == {
        "crm": Present.ABSENT, "erp": Present.PRESENT,
    }  # fmt: skip
    world.rights.add(back)
    world.keeps = set()
    world.on(HOUR)
    assert world.one().confirmed is not None
    assert world.rights == set()


def test_a_system_that_is_down_is_told_when_it_is_back_and_holds_no_other_up() -> None:
    world = retired()
    world.down = True
    world.on()
    assert (world.one().step, world.one().tries) == (Step.SYSTEMS, 1)
    assert world.open_runs() == [], "what is Remit's own did not wait"
    world.begin("idle", purpose="other", action="pay/send", scope="pay")
    world.on()
    assert sorted(each.step.value for each in world.all()) == ["ended", "systems"]
    world.down = False
    world.on(HOUR)
    assert all(each.confirmed for each in world.all())
    assert world.rights == set()


def test_only_those_that_were_not_told_are_told_when_they_are_back() -> None:
    world = World()
    world.systems = [Covering(system=name, servers=frozenset({"crm"})) for name in ("crm", "erp")]
    world.silent = {"erp"}
    world.begin(purpose="work", action="crm/read", scope="crm")
    world.on()
    assert world.one().did[-1].told == "erp: it could not be reached"
    assert [each.target.system for each in world.one().asked] == ["crm"]
    world.silent = set()
    world.on(SECOND)
    assert world.did.count("withdraw crm/read") == 2, "each of them once"
    assert world.one().confirmed is not None


def test_it_is_not_confirmed_while_it_can_be_used_again_by_mistake() -> None:
    world = retired()
    world.mute = True
    world.on()
    world.usable, world.mute = {Entitlement("work", "crm/write", "crm"): Instant(NOON - 1)}, False
    world.on(MINUTE)
    assert (world.one().step, world.one().did[-1].told) == (Step.CONFIRM, "can still be used: 1")
    world.usable = {}
    world.on(HOUR)
    assert world.one().confirmed is not None


def test_a_step_that_another_process_took_is_left_to_it() -> None:
    world = retired()
    other = world.started()
    read = other._due()
    world.on()
    recorded, did = len(world.entries), list(world.did)
    assert other._further(read) == 0
    assert (len(world.entries), world.did) == (recorded, did)


def test_more_than_may_wait_for_other_systems_take_their_turns() -> None:
    world = World()
    for at in range(45):
        super(World, world).change(
            lambda tx, at=at: world.withdrawing.begin(  # type: ignore[misc] # the default
                tx, agent=f"bot-{at}", cause="critical_signal",
                what={"purpose": "work", "action": "crm/read", "scope": "crm"},
            )
        )  # fmt: skip
    for _ in range(9):
        world.on(SECOND)
    assert [each.agent for each in world.all() if not each.confirmed] == []


def test_what_gives_no_clear_answer_is_not_confirmed() -> None:
    world = retired()
    world.mute = True
    for _ in range(4):
        world.on(10 * SECOND)
    assert (world.one().step, world.rights) == (Step.CONFIRM, set())
    assert world.did.count("withdraw crm/read") == 1, "only what is there is told again"
    world.mute = False
    world.on(HOUR)
    assert world.one().confirmed is not None


def test_a_system_that_is_not_declared_any_more_is_not_waited_for() -> None:
    world = retired()
    world.lies = True
    world.on()
    world.systems = []
    world.on(MINUTE)
    assert world.one().confirmed is not None


def test_one_entitlement_that_lapsed_leaves_the_token_to_the_others() -> None:
    world = World()
    world.begin("idle", purpose="work", action="crm/read", scope="crm")
    world.on()
    assert world.one().confirmed is not None
    assert (len(world.open_runs()), world.revoked()) == (2, set())
    assert world.rights == HELD
    assert [each["outcome"] for each in world.said("withdrawal")][1] == "kept"


@pytest.mark.parametrize(("left", "open_"), [("work", ["run_other", "run_work"]), ("other", ["run_other"])])
def test_a_boundary_that_ended_ends_runs_only_where_nothing_is_left(left: str, open_: list[str]) -> None:
    world = World()
    world.left = frozenset({left})
    world.begin("boundary_ended", purpose="work", action="crm/read", scope="crm")
    world.on()
    assert sorted(world.open_runs()) == open_
    assert world.rights == {Target("crm", "work", "crm/write")}


def test_an_exposed_credential_ends_every_run_whatever_is_left() -> None:
    world = World()
    world.left = frozenset({"work", "other"})
    world.begin("credential_exposed")
    world.on()
    assert (world.open_runs(), world.revoked()) == ([], {"run_work", "run_other"})


def test_it_goes_nowhere_while_a_call_would_still_be_let_through() -> None:
    world = retired()
    world.usable = {READ: Instant(NOON - 1)}
    world.on()
    world.on(SECOND)
    assert (world.one().step, world.one().tries, world.did) == (Step.DECISION, 2, [])
    world.usable = {}
    world.on(HOUR)
    assert world.one().confirmed is not None


def test_what_comes_back_meanwhile_is_not_withdrawn_any_more() -> None:
    world = World()
    world.begin("idle", purpose="work", action="crm/read", scope="crm")
    world.usable = {READ: Instant(NOON + 1)}
    world.on(SECOND)
    found = world.one()
    assert (found.step, found.confirmed) == (Step.ENDED, None)
    assert [each["outcome"] for each in world.said("withdrawal")] == ["overtaken"]


def test_what_cannot_be_looked_at_is_not_withdrawn_and_holds_nobody_up() -> None:
    world = retired()
    world.damaged.add("bot")
    super(World, world).change(
        lambda tx: world.withdrawing.begin(tx, agent="else", cause="agent_retired", what={"purpose": "work"})
    )
    world.on()
    assert {each.agent: each.step for each in world.all()} == {"bot": Step.DECISION, "else": Step.ENDED}


def test_many_at_once_share_withdrawals_and_all_end() -> None:
    world = World()
    world.systems = []
    for at in range(250):
        world.begin("idle", purpose="work", action=f"crm/t{at}", scope="crm")
    assert sorted(len(each.what) for each in world.all()) == [50, 100, 100]
    world.on()
    assert all(each.confirmed for each in world.all())
    assert world.withdrawing.forget() == 0
    world.clock.at += 90 * 24 * HOUR
    assert world.withdrawing.forget() == 3
    assert world.all() == []


def test_asked_to_stop_it_begins_no_further_step() -> None:
    world = retired()
    assert world.withdrawing.tick(lambda: True) == 0
    assert world.one().step is Step.DECISION
