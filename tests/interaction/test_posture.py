"""The posture: taken once a day, read at its doors, whole after an interruption, and of agents that do nothing too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update
from starlette.applications import Starlette
from tests.interaction.apply_world import DANA, LEE, OTHER, Rig, Tree
from tests.interaction.desk import Desk

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_seal import UNSEALED
from remit.access.activation_sql import SqlActivations
from remit.certification.noticing.combinations import Combination, Severity, held, toxic_keys
from remit.certification.posture import snapshot as module
from remit.certification.posture.hazard import SHIPPED
from remit.certification.posture.privilege import Reach, Standing, standings
from remit.certification.posture.report import PostureReport
from remit.certification.posture.snapshot import Posture
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant, Micros
from remit.kernel.errors import Malformed
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.policy.cedar import CedarEngine
from remit.policy.facts import Facts
from remit.server.door import Ask, Porch
from remit.server.http_posture import PostureDoors
from remit.server.http_roster import RosterDoors
from remit.server.operators import Authority, Operator, Role
from remit.server.stored import StoredFacts
from remit.storage.schema import activations, runs

VIEWER = Operator(person="v", roles=frozenset({Role.VIEWER}))


class Two(Tree):
    """Two agents: one of dana's, with lee behind her, and one of lee's."""

    def documents(self) -> list[dict[str, Any]]:
        agent = {**self.agent, "agent": "other-bot", "owner": "lee", "attest": [{"private_key_jwt": {"jwk": OTHER}}]}
        boundary = {
            **self.boundary,
            "boundary": "other",
            "agent": "other-bot",
            "allow": [{"action": "payments/list_*"}],
        }
        more = {"agent": agent, "boundary": boundary}
        return super().documents() + [
            {"kind": kind, "spec": spec, "file": f"{kind}2.yaml", "line": 1} for kind, spec in more.items()
        ]


class World:
    """A registry with its facts, and a posture over them."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.now = self.rig.clock.at
        writer, clock = self.rig.writer, self.rig.clock
        self.rig.apply(Two(), by=DANA, approve=True)
        self.rig.access.approve("other", by=LEE)
        self.facts = Facts(
            source=StoredFacts(UNSEALED), engine=CedarEngine(), contact=clock.now, reader=writer, covered=self.covered
        )
        writer.read(lambda connection: self.facts.load(connection, epoch=writer.epoch))
        writer.feed.subscribe(self.facts.apply)
        self.posture = Posture(writer=writer, reader=writer, clock=clock, coverage=self, view=self.facts.view)  # type: ignore[arg-type]
        self.doors = PostureDoors(report=PostureReport(reader=writer, clock=clock), clock=clock)

    def covered(self) -> Micros:
        return Micros(self.rig.clock.at - self.now)

    def later(self, micros: int) -> None:
        self.rig.clock.at += micros

    def use(self, action: str, *, agent: str = "invoice-bot", **changes: Any) -> None:
        """Start an entitlement now, with one day of use."""
        at = Instant(self.rig.clock.at)
        key = ActivationKey(AgentName(agent), PurposeName("pay-invoices"), ActionName(f"payments/{action}"), "payments")
        parts: dict[str, Any] = {
            "key": key, "boundary": BoundaryName("pay"), "boundary_version": 1, "agent_version": "1.4",
            "state": ActivationState.ACTIVE, "since": at, "started": at, "by": "", "serial": 1,
            "usage": Usage(at, self.covered(), 1),
        }  # fmt: skip
        it = Activation(**(parts | changes))
        self.rig.writer.change(lambda tx: SqlActivations(tx.connection).put(it, expected=0, due=0))

    def ask(self, door: Callable[[Ask], dict[str, Any]], **query: str) -> dict[str, Any]:
        return door(Ask(operator=VIEWER, path={}, query=query))

    def agent(self, name: str = "invoice-bot") -> dict[str, Any]:
        found = {each["agent"]: each for each in self.ask(self.doors.newest)["agents"]}
        return dict(found[name])


@pytest.fixture
def world() -> World:
    return World()


def test_one_snapshot_a_day(world: World) -> None:
    assert world.ask(world.doors.newest) == {"day": None, "all": None, "agents": [], "more": None}
    assert world.posture.missing()
    assert world.posture.snapshot() == 2
    assert not world.posture.missing()
    before = world.ask(world.doors.newest)
    assert [each["agent"] for each in before["agents"]] == ["invoice-bot", "other-bot"]
    world.use("list_payees")
    assert world.posture.snapshot() == 0
    assert world.ask(world.doors.newest) == before
    world.later(DAY)
    assert world.posture.missing()
    assert world.posture.snapshot() == 2
    assert len(world.ask(world.doors.series)["series"]) == 2


def test_a_first_day_is_counted_anew_and_a_later_one_is_not(world: World) -> None:
    world.posture.snapshot()
    assert world.agent()["used"] == 0
    roster = RosterDoors(
        view=world.facts.view, reader=world.rig.writer, report=world.doors.report, clock=world.rig.clock
    )
    assert used(world, roster) == 0
    world.use("list_payees")
    world.later(59 * SECOND)
    assert world.posture.snapshot() == 0, "not more often than once a minute"
    world.later(SECOND)
    assert world.posture.snapshot() == 2
    assert world.agent()["used"] == 1
    assert world.ask(world.doors.newest)["all"]["used"] == 1
    assert used(world, roster) == 1
    granted = world.ask(world.doors.newest)["all"]["granted"]
    world.rig.agents.retire("other-bot", by=DANA)
    world.later(MINUTE)
    assert world.posture.snapshot() == 1
    assert 0 < world.ask(world.doors.newest)["all"]["granted"] < granted
    world.later(DAY)
    world.posture.snapshot()
    world.use("transfer")
    world.later(HOUR)
    assert world.posture.snapshot() == 0
    assert world.agent()["used"] == 1


def used(world: World, roster: RosterDoors) -> int:
    found = {each["agent"]: each for each in world.ask(roster.roster)["agents"]}
    return int(found["invoice-bot"]["used"])


def test_what_is_direct_latent_or_takes_a_person(world: World) -> None:
    world.posture.snapshot()
    found = world.agent()
    assert (found["owner"], found["stand_ins"], found["granted_weight"]) == ("dana", ["lee"], 42)
    assert (found["direct"], found["latent"], found["person"]) == (
        {"count": 0, "weight": 0}, {"count": 3, "weight": 42}, {"count": 0, "weight": 0},
    )  # fmt: skip
    assert (found["unused"], found["over_privilege_millionths"]) == (3, 1_000_000)
    world.later(DAY)
    world.use("transfer")
    world.later(12 * HOUR)
    world.use("list_payees", usage=Usage(Instant(world.rig.clock.at), world.covered(), 12))
    world.later(6 * HOUR)
    world.posture.snapshot()
    found = world.agent()
    assert (found["direct"]["weight"], found["latent"]["weight"], found["used"]) == (41, 1, 2)
    assert found["over_privilege_millionths"] == 1_000_000 // 42
    assert found["standing_thousandths"] == 40 * 750 + 250
    p = SHIPPED.again(idle=0, uses=1), SHIPPED.again(idle=0, uses=12), SHIPPED.again(idle=1, uses=0)
    creep = 40 * (10**6 - p[0]) + (10**6 - p[1]) + (10**6 - p[2])
    assert found["creep_index_hundredths"] == creep // 4200


def test_all_is_the_sum_of_all(world: World) -> None:
    world.use("transfer")
    world.use("list_payees", agent="other-bot", state=ActivationState.LAPSED)
    world.posture.snapshot()
    answer = world.ask(world.doors.newest)
    for name in ("granted", "granted_weight", "used", "unused", "withdrawn", "standing_thousandths"):
        assert answer["all"][name] == sum(each[name] for each in answer["agents"])
    assert answer["all"]["withdrawn_after_hours"] == {"median": 0, "p95": 0}
    assert answer["day"] == "2026-11-25"


def test_what_was_stopped_goes_on_where_it_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STEP", 1)
    asked: list[bool] = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) > 1

    assert world.posture.snapshot(stop) == 1
    assert world.posture.missing()
    assert world.ask(world.doors.newest)["day"] is None
    world.use("transfer")
    assert world.posture.snapshot() == 1
    assert world.agent()["direct"]["weight"] == 0
    assert world.ask(world.doors.newest)["all"]["granted"] == 5


def test_an_agent_that_cannot_be_read_keeps_no_other_from_its_row(world: World) -> None:
    world.use("transfer")
    world.use("list_payees")
    edit = update(activations).where(activations.c.action == "payments/transfer").values(body="{")
    world.rig.writer.change(lambda tx: tx.connection.execute(edit) and None)
    assert world.posture.snapshot() == 2
    assert world.agent()["direct"]["weight"] == 1


def test_agents_that_do_nothing_are_not_kept_in_memory_for_it(world: World) -> None:
    world.use("transfer")
    world.posture.snapshot()
    assert not world.facts.view().activations.knows("invoice-bot")
    world.facts.prepare("invoice-bot")
    world.later(DAY)
    world.posture.snapshot()
    assert world.facts.view().activations.knows("invoice-bot")


def test_instances_are_those_that_count_against_the_limit(world: World) -> None:
    now = world.rig.clock.at
    for at, (instance, expires) in enumerate((("a", now + HOUR), ("a", now + HOUR), ("b", now), ("c", now - 2 * HOUR))):
        row = {"run": f"r{at}", "agent": "invoice-bot", "instance": instance, "purpose": "p", "opened": now - 3 * HOUR}
        insert = runs.insert().values(row | {"ends": now + DAY, "token_expires": expires})
        world.rig.writer.change(lambda tx, insert=insert: tx.connection.execute(insert) and None)  # type: ignore[misc]
    world.posture.snapshot()
    assert world.agent()["instances"] == {"live": 2, "most": 20}
    assert world.ask(world.doors.newest)["all"]["instances"] == {"live": 2, "most": 40}


def test_a_retired_agent_has_no_row(world: World) -> None:
    world.rig.agents.retire("other-bot", by=DANA)
    assert world.posture.snapshot() == 1


def test_pages(world: World) -> None:
    world.posture.snapshot()
    first = world.ask(world.doors.newest, limit="1")
    assert ([each["agent"] for each in first["agents"]], first["more"]) == (["invoice-bot"], "invoice-bot")
    second = world.ask(world.doors.newest, limit="1", after="invoice-bot")
    assert [each["agent"] for each in second["agents"]] == ["other-bot"]
    assert world.ask(world.doors.newest, after="other-bot")["agents"] == []
    with pytest.raises(Malformed):
        world.ask(world.doors.newest, limit="10001")


def test_series_of_one_agent(world: World) -> None:
    for _ in range(3):
        world.posture.snapshot()
        world.later(DAY)
    answer = world.ask(world.doors.series, agent="other-bot", days="3")
    assert (answer["agent"], [each["day"] for each in answer["series"]]) == ("other-bot", ["2026-11-26", "2026-11-27"])
    assert world.ask(world.doors.series, agent="ghost")["series"] == []


def test_people_and_who_gained(world: World) -> None:
    assert world.ask(world.doors.people) == {"day": None, "since": None, "people": []}
    world.posture.snapshot()
    world.later(100 * DAY)
    world.rig.people.deactivate("dana", by=DANA)
    world.posture.snapshot()
    answer = world.ask(world.doors.people)
    assert (answer["since"], answer["day"]) == ("2026-11-25", "2027-03-05")
    lee, dana = answer["people"]
    assert (lee["person"], lee["owns"]["agents"], lee["gained"]) == ("lee", 2, 0)
    assert (dana["person"], dana["owns"]["agents"], dana["gained"]) == ("dana", 0, -42)


def test_what_is_older_than_two_years_is_kept_of_all_together_only(world: World) -> None:
    world.posture.snapshot()
    world.later(801 * DAY)
    world.posture.snapshot()
    report = world.doors.report
    assert len(report.series("", days=900)) == 2
    assert len(report.series("invoice-bot", days=900)) == 1


def stand(world: World) -> dict[str, Standing]:
    world.facts.prepare("invoice-bot", again=True)
    view = world.facts.view()
    record = view.agents[AgentName("invoice-bot")]
    found = standings(view, record, covered=world.covered(), now=Instant(world.rig.clock.at))
    return {each.key.action.partition("/")[2]: each for each in found}


@pytest.mark.parametrize("recorded", [{}, {"state": ActivationState.SUSPENDED, "why": "toxic_combination"}])
def test_what_is_noticed_of_an_agent_takes_it_out_of_no_combination(world: World, recorded: dict[str, Any]) -> None:
    world.use("transfer", **recorded)
    pair = Combination(
        combination="pair", actions=("payments/transfer", "payments/list_payees"), why="x", severity=Severity.HIGH
    )
    (before,) = held([pair], list(stand(world).values()))
    assert before.reach is Reach.LATENT
    for about in ("pay-invoices payments/transfer", "pay-invoices payments/list_payees"):
        world.rig.agents.signal("invoice-bot", "toxic_combination", about=about, by=DANA)
    world.rig.agents.set_risk("invoice-bot", 900_000, by=DANA)
    found = stand(world)
    assert (found["transfer"].reach, found["list_payees"].reach) == (Reach.PERSON, Reach.PERSON)
    assert held([pair], list(found.values())) == [before]
    assert toxic_keys([before]) == {found[name].key for name in ("transfer", "list_payees")}


def test_what_was_never_used_is_idle_for_as_long_as_the_record_is_complete(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.later(10 * DAY)
    assert stand(world)["transfer"].idle == 10 * DAY
    monkeypatch.setattr(world, "covered", lambda: Micros(3 * DAY))
    assert stand(world)["transfer"].idle == 3 * DAY


def test_each_door_answers_whoever_may_read(world: World) -> None:
    desk = Desk(world.rig)
    porch = Porch(keeper=desk.keeper, authority=Authority.shipped(), body_limit=1 << 20, dev=False)
    desk.app = Starlette(routes=[porch.route(door) for door in world.doors.doors()])
    token = desk.token("vic", Role.VIEWER)
    world.posture.snapshot()
    doors = (("", "agents"), ("/series?days=2", "series"), ("/people", "people"), ("/widenings", "year"))
    for path, member in (*doors, ("/clockwork?agent=invoice-bot", "agents")):
        status, answer = desk.ask(token, "GET", f"/v1/posture{path}")
        assert (status, member in answer) == (200, True)
    assert desk.ask("nobody", "GET", "/v1/posture")[0] == 401
