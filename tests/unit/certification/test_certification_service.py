"""The sweep: transitions recorded and replayable, owners told, use written down, nothing kept alive."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_sql import SqlActivations
from remit.access.doubt import Doubt, DoubtState
from remit.access.model import Boundary, BoundaryState, Purpose, PurposeState, Rule
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.agents.risk import Risk
from remit.agents.signals import Noticed, Signal
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.certification import service
from remit.certification.batch import Consequences
from remit.certification.doubting import Doubting
from remit.certification.doubts_sql import SqlDoubts
from remit.certification.hands import Hands
from remit.certification.posture.privilege import Reach, standings, summary
from remit.certification.replaying.replay import replay
from remit.certification.service import CertificationService
from remit.kernel.clock import DAY, EPOCH, HOUR, FixedClock, Instant, Micros
from remit.kernel.errors import Conflict, Malformed, NotFound, StorageUnavailable
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName, ServerName, ToolName
from remit.people.change import Actor
from remit.people.model import Owner
from remit.people.notices import SqlNotices
from remit.policy.activations import Activations
from remit.policy.cedar import CedarEngine
from remit.policy.organisation import Organisation
from remit.policy.slices import Slices
from remit.policy.view import Counters, PurposeRecord, View, agent_record, server_record
from remit.storage.memory import MemoryWriter
from remit.storage.model import Entry
from remit.storage.schema import activations

NOON = Instant(1_795_521_600_000_000)
FAR = Instant(NOON + 900 * DAY)
BOT, WORK, S = AgentName("bot"), PurposeName("work"), ServerName("s")
TIERS = {"read": Tier.LOW, "write": Tier.MEDIUM, "change": Tier.HIGH, "pay": Tier.CRITICAL}


def key(tool: str) -> ActivationKey:
    return ActivationKey(BOT, WORK, ActionName(f"s/{tool}"), S)


class Records:
    def entry(self, kind: str, fields: Any, *, id: str | None = None, about: Any = None, payload: Any = None) -> Entry:  # noqa: A002 - the port's
        assert about is payload is None
        return Entry(id or kind, json.dumps({"kind": kind, **fields}).encode())


class People:
    """Who is asked, and what is begun."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.begun: list[dict[str, Any]] = []

    def ask(self, tx: Any, **question: Any) -> None:
        assert tx is not None
        self.asked.append(question)

    def begin(self, tx: Any, **withdrawal: Any) -> None:
        assert tx is not None
        self.begun.append(withdrawal)


class Desk:
    """A certification service over one agent with four entitlements."""

    def __init__(self) -> None:
        self.clock = FixedClock(NOON)
        self.covered = 0
        self.memory = MemoryWriter()
        self.known = Activations(lambda: Micros(self.covered))
        self.version, self.state, self.owner_active, self.risk = "1", AgentState.ACTIVE, True, 0
        self.noticed: tuple[Noticed, ...] = ()
        self.rules = {
            name: Rule(action=ActionName(f"s/{name}"), first_use="auto" if name == "pay" else None) for name in TIERS
        }
        coverage: Any = self
        self.people = People()
        self.doubts: dict[str, tuple[Doubt, ...]] = {}
        after = Consequences(
            records=Records(), asker=self.people, withdrawer=self.people, doubting=self.doubting(),
        )  # fmt: skip
        self.service = CertificationService(
            writer=self.memory, reader=self.memory, clock=self.clock, coverage=Coverage(self),  # type: ignore[arg-type]
            view=self.view, after=after,
        )  # fmt: skip
        self.hands = Hands(
            writer=self.memory, records=Records(), clock=self.clock, coverage=Coverage(self),  # type: ignore[arg-type]
            view=self.view, asker=lambda: self.people,
        )  # fmt: skip
        assert coverage is self
        self.memory.feed.subscribe(self.follow)
        self.known.load(BOT, lambda: ())

    def follow(self, _epoch: int, topics: tuple[str, ...], connection: Any) -> None:
        assert set(topics) <= {"activations:bot", "doubts"}
        self.doubts = SqlDoubts(connection).by_server()
        self.known.load(BOT, lambda: SqlActivations(connection).of_agent(BOT), again=True)

    def doubting(self) -> Doubting:
        return Doubting(
            writer=self.memory, reader=self.memory, records=Records(), clock=self.clock, asker=self.people,
        )  # fmt: skip

    def believe(self, name: str, *, agents: list[str], by: Actor) -> Doubt:
        """A person says that a record is right."""
        doubting = self.doubting()
        return self.memory.change(lambda tx: doubting.trust(tx, name, agents=agents, by=by))

    def keep(self, key: ActivationKey, **said: Any) -> Activation:
        """A person keeps it."""
        return self.memory.change(lambda tx: self.hands.keep(tx, key, **said))

    def unkeep(self, key: ActivationKey, **said: Any) -> Activation | None:
        """That word is taken back."""
        return self.memory.change(lambda tx: self.hands.unkeep(tx, key, **said))

    def view(self) -> View:
        agent = Agent(
            agent=BOT, owner=OwnerName("dana"), version=self.version, purposes=(WORK,), max_instances=1,
            sender_constraint=SenderConstraint.DPOP, not_after=FAR, max_run=Micros(HOUR), keys=(), state=self.state,
        )  # fmt: skip
        boundary = Boundary(
            boundary=BoundaryName("b"), version=1, agent=BOT, purpose=WORK,
            rules={rule.action: rule for rule in self.rules.values()}, not_after=FAR, state=BoundaryState.ACTIVE,
            approved_by=OwnerName("dana"), approved_at=NOON,
        )  # fmt: skip
        tools = {
            ToolName(name): Tool(
                name=ToolName(name), tier=tier, pin="", definition={}, seen=None, state=PinState.APPROVED
            )
            for name, tier in (TIERS | dict.fromkeys(self.rules.keys() - TIERS.keys(), Tier.MEDIUM)).items()
        }
        server = Server(server=S, url="", credential=None, tiers=(), review="quarantine", tools=tools, set_pin="")
        purpose = Purpose(
            purpose=WORK, statement="", actions=("*",), data_classes=(), not_after=FAR, state=PurposeState.ACTIVE
        )
        return View(
            epoch=1, contact=self.clock.now,
            agents={BOT: agent_record(agent, (boundary,), Risk(self.risk, self.risk, EPOCH, self.noticed))},
            owners={OwnerName("dana"): Owner(owner=OwnerName("dana"), name="", email="", active=self.owner_active)},
            purposes={WORK: PurposeRecord(purpose)}, servers={S: server_record(server)}, freezes={},
            organisation=Organisation(), counters=Counters(), slices=Slices(CedarEngine()), activations=self.known,
            doubts=self.doubts,
        )  # fmt: skip

    def put(self, tool: str, **changes: Any) -> None:
        it = Activation(
            key=key(tool), boundary=BoundaryName("b"), boundary_version=1, agent_version="1",
            state=ActivationState.ACTIVE, since=NOON, started=NOON, by="", serial=1, usage=Usage(NOON, Micros(0), 1),
        )  # fmt: skip
        it = dataclasses.replace(it, **changes)
        self.memory.change(lambda tx: SqlActivations(tx.connection).put(it, expected=0, due=NOON + DAY))
        self.known.load(BOT, lambda: self.memory.read(lambda c: SqlActivations(c).of_agent(BOT)), again=True)

    def at(self, later: int, *, covered: int | None = None) -> None:
        self.clock.at = NOON + later
        self.covered = later if covered is None else covered

    def stored(self, tool: str) -> Activation:
        found = self.memory.read(lambda c: SqlActivations(c).find(key(tool)))
        assert found is not None
        return found

    def verdicts(self) -> list[dict[str, Any]]:
        return [said for e in self.memory.entries if (said := json.loads(e.header))["kind"] == "verdict"]

    def told(self) -> list[str]:
        return [
            each.said["what"] for each in self.memory.read(lambda c: SqlNotices(c).newest(None, most=99, unseen=True))
        ]


class Coverage:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def covered(self) -> Micros:
        return Micros(self._desk.covered)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_what_is_idle_lapses_and_its_owner_is_told(desk: Desk) -> None:
    desk.put("write")
    desk.at(30 * DAY)
    assert desk.service.tick() == 1
    assert desk.stored("write").state is ActivationState.LAPSED
    assert desk.known.find(key("write")) == desk.stored("write")
    (verdict,) = desk.verdicts()
    assert (verdict["verdict"], verdict["from"], verdict["to"], verdict["reason"]) == (
        "lapse",
        "active",
        "lapsed",
        "idle",
    )
    assert replay(verdict).outcome == "same"
    assert desk.told() == ["lapse"]
    assert desk.service.tick() == 0


def test_use_that_only_this_node_knows_keeps_it_and_is_written_down(desk: Desk) -> None:
    desk.put("write")
    desk.at(29 * DAY)
    desk.known.used(key("write"), desk.clock.now())
    desk.at(30 * DAY)
    assert desk.service.tick() == 0
    assert desk.stored("write").usage.last == NOON + 29 * DAY
    assert desk.stored("write").state is ActivationState.ACTIVE
    desk.at(59 * DAY)
    assert desk.service.tick() == 1


def test_use_survives_a_crash_through_the_log(desk: Desk) -> None:
    desk.put("write")
    use = {"agent": "bot", "purpose": "work", "action": "s/write", "time": "2026-11-25T12:00:00.000000Z"}
    desk.at(3 * DAY)
    for _ in range(2):
        desk.memory.change(lambda tx: desk.service.replay_uses(tx, [use, {**use, "action": "s/never"}]))
    assert desk.stored("write").usage.days == 2
    assert desk.stored("write").usage.covered == 3 * DAY


def test_a_full_sweep_equals_the_ticks(desk: Desk) -> None:
    for tool in ("read", "write"):
        desk.put(tool)
    desk.at(31 * DAY)
    assert desk.service.sweep() == (2, 2)
    assert desk.service.sweep() == (2, 0)
    assert desk.service.tick() == 0


@pytest.mark.parametrize("tool", TIERS)
def test_a_clock_that_is_set_lets_no_sweep_take_anything(desk: Desk, tool: str) -> None:
    """The coverage clock is a monotonic one and sees an hour: a year of idleness is nothing that was on record."""
    desk.put(tool)
    desk.at(400 * DAY, covered=HOUR)
    desk.service.sweep()
    assert desk.stored(tool).state is ActivationState.NEEDS_USAGE
    desk.at(2 * HOUR, covered=2 * HOUR)
    desk.service.sweep()
    assert desk.stored(tool).state is ActivationState.ACTIVE
    desk.at(-400 * DAY, covered=3 * HOUR)
    desk.service.sweep()
    assert desk.stored(tool).state is ActivationState.ACTIVE
    assert desk.told() == []
    assert [replay(verdict).outcome for verdict in desk.verdicts()] == ["same", "same"]


def test_a_gap_in_the_record_holds_the_sweep_back_as_long_as_it_lasted(desk: Desk) -> None:
    desk.put("write")
    desk.at(30 * DAY, covered=29 * DAY)
    desk.service.sweep()
    assert desk.stored("write").state is ActivationState.NEEDS_USAGE
    desk.at(31 * DAY - 1, covered=30 * DAY - 1)
    assert desk.service.sweep() == (1, 0)
    desk.at(31 * DAY, covered=30 * DAY)
    assert desk.service.tick() == 1
    assert desk.stored("write").state is ActivationState.LAPSED


def test_what_is_critical_is_not_kept_on_a_gap_for_longer_than_a_day(desk: Desk) -> None:
    desk.put("pay")
    desk.at(DAY, covered=HOUR)
    desk.service.sweep()
    assert desk.stored("pay").state is ActivationState.NEEDS_USAGE
    desk.at(2 * DAY - 1, covered=HOUR)
    assert desk.service.sweep() == (1, 0)
    desk.at(2 * DAY, covered=HOUR)
    desk.service.sweep()
    assert desk.stored("pay").state is ActivationState.SUSPENDED
    assert desk.told() == ["suspended"]


def test_most_of_its_time_gone_and_used_again(desk: Desk) -> None:
    desk.put("write")
    desk.at(21 * DAY)
    desk.service.tick()
    assert desk.stored("write").state is ActivationState.EXPIRING
    assert desk.told() == []
    desk.known.used(key("write"), desk.clock.now())
    desk.service.sweep()
    assert desk.verdicts()[-1]["verdict"] == "extend"
    assert desk.stored("write").state is ActivationState.ACTIVE


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda d: setattr(d, "version", "2"), ActivationState.SUSPENDED),
        (lambda d: setattr(d, "owner_active", False), ActivationState.SUSPENDED),
        (lambda d: setattr(d, "state", AgentState.RETIRED), ActivationState.REVOKED),
        (lambda d: d.rules.pop("change"), ActivationState.REVOKED),
        (lambda d: setattr(d, "risk", 700_000), ActivationState.AT_RISK),
    ],
)
def test_an_event_is_judged_at_once(desk: Desk, change: Any, state: ActivationState) -> None:
    desk.put("change")
    change(desk)
    assert desk.service.judge_agent(BOT) == 1
    assert desk.stored("change").state is state
    assert len(desk.told()) == 1
    assert replay(desk.verdicts()[0]).outcome == "same"


def test_a_changed_verdict_does_not_replay(desk: Desk) -> None:
    desk.put("write")
    desk.at(30 * DAY)
    desk.service.tick()
    verdict = desk.verdicts()[0]
    verdict["statement"]["facts"]["idle_covered"] -= 1
    assert replay(verdict).outcome == "differs"
    verdict["statement"]["engine"] = 0
    assert replay(verdict).outcome == "other_engine"


def test_direct_and_latent_privilege_are_counted_apart(desk: Desk) -> None:
    desk.put("read")
    desk.put("write", state=ActivationState.LAPSED)
    desk.put("change", state=ActivationState.SUSPENDED)
    found = {
        each.key.action: each.reach for each in standings(desk.view(), desk.view().agents[BOT], covered=0, now=NOON)
    }
    assert found == {
        "s/read": Reach.DIRECT,
        "s/write": Reach.LATENT,
        "s/change": Reach.PERSON,
        "s/pay": Reach.LATENT,
    }
    totals = summary(standings(desk.view(), desk.view().agents[BOT], covered=0, now=NOON))
    assert totals["direct"] == {"count": 1, "weight": 1}
    assert totals["latent"] == {"count": 2, "weight": 43}


def test_who_is_retired_can_make_itself_able_to_do_nothing(desk: Desk) -> None:
    """Its boundaries may name things for long after that; nothing noticed of it makes a difference."""
    desk.put("write", state=ActivationState.REVOKED, why="agent_retired")
    desk.put("read")
    desk.noticed = (Noticed(Signal.ANOMALY, "", NOON),)
    view = desk.view()
    agent = view.agents[BOT]
    agent.agent = dataclasses.replace(agent.agent, state=AgentState.RETIRED)
    found = standings(view, agent, covered=0, now=NOON)
    assert {(each.reach, each.quiet) for each in found} == {(Reach.NONE, Reach.NONE)}
    assert summary(found)["none"]["count"] == len(found) == 4


def test_an_owner_starts_and_suspends(desk: Desk) -> None:
    dana = Actor(by="dana")
    named = desk.hands.key("bot", "s/change", None)
    assert desk.hands.start(named, by=dana).state is ActivationState.ACTIVE
    assert desk.known.find(named) == desk.stored("change")
    assert desk.hands.suspend(named, by=dana).serial == 2
    desk.version = "2"
    assert desk.hands.start(named, by=dana).agent_version == "2"
    assert [(v["verdict"], v["by"]) for v in desk.verdicts()] == [
        ("start", "dana"), ("suspend", "dana"), ("start", "dana"),
    ]  # fmt: skip
    assert replay(desk.verdicts()[0]).outcome == "by_hand"


def test_nobody_starts_what_no_boundary_names(desk: Desk) -> None:
    dana = Actor(by="dana")
    with pytest.raises(NotFound):
        desk.hands.key("bot", "s/other", None)
    with pytest.raises(NotFound):
        desk.hands.key("bot", "s/read", "elsewhere")
    named = desk.hands.key("bot", "s/read", None)
    desk.rules.pop("read")
    with pytest.raises(NotFound):
        desk.hands.start(named, by=dana)
    desk.state = AgentState.SUSPENDED
    with pytest.raises(Conflict):
        desk.hands.start(desk.hands.key("bot", "s/write", None), by=dana)


def test_of_several_purposes_one_must_be_named(desk: Desk) -> None:
    view = desk.view()
    reach = view.agents[BOT].reach
    object.__setattr__(reach, "grants", {**reach.grants, (PurposeName("more"), ActionName("s/read")): ()})
    hands = dataclasses.replace(desk.hands, view=lambda: view)
    with pytest.raises(Malformed, match="more, work"):
        hands.key("bot", "s/read", None)


Break = Callable[[pytest.MonkeyPatch, Desk], None]


def full(*_: Any, **__: Any) -> Any:
    raise StorageUnavailable("the disk is full")


def no_commit(patch: pytest.MonkeyPatch, desk: Desk) -> None:
    change = desk.memory.change

    def undone(apply: Callable[[Any], Any]) -> Any:
        def then_full(tx: Any) -> None:
            apply(tx)
            full()

        return change(then_full)

    patch.setattr(desk.memory, "change", undone)


BREAKS: dict[str, Break] = {
    "a use": lambda patch, _: patch.setattr(SqlActivations, "use", full),
    "a notice": lambda patch, _: patch.setattr(SqlNotices, "put", full),
    "a record": lambda patch, _: patch.setattr(Records, "entry", full),
    "the commit": no_commit,
}


@pytest.mark.parametrize("broken", BREAKS)
def test_use_is_kept_when_anything_of_its_change_fails(
    desk: Desk, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be gone, and an entitlement in daily use would lapse as idle, on the record."""
    desk.put("write")
    desk.put("read")
    desk.at(29 * DAY)
    desk.known.used(key("write"), desk.clock.now())
    desk.at(30 * DAY)
    with monkeypatch.context() as patch:
        BREAKS[broken](patch, desk)
        desk.state = AgentState.RETIRED
        with pytest.raises(StorageUnavailable):
            desk.service.tick()
        desk.state = AgentState.ACTIVE
    assert desk.stored("write").usage.last == NOON
    desk.service.tick()
    assert desk.stored("write").usage.last == NOON + 29 * DAY
    assert desk.stored("write").state is ActivationState.ACTIVE
    assert "idle" not in [each["reason"] for each in desk.verdicts() if each["action"] == "s/write"]


def damage(desk: Desk, tool: str) -> None:
    of = activations.c.action == f"s/{tool}"
    desk.memory.change(lambda tx: tx.connection.execute(update(activations).where(of).values(gaps="x")) and None)


def asked_often(most: int) -> Callable[[], bool]:
    """Says stop after `most` questions, so that a loop for ever fails instead."""
    asked = iter([False] * most)
    return lambda: next(asked, True)


def test_damaged_rows_keep_nothing_else_from_being_judged(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_STEP", 2)
    for tool in ("change", "pay", "read", "write"):
        desk.put(tool)
    desk.at(31 * DAY)
    damage(desk, "change")
    damage(desk, "pay")
    desk.known.forget()  # no view reads them again
    steps: list[int] = []

    def stop() -> bool:
        steps.append(1)
        return len(steps) > 9

    assert desk.service.tick(stop) == 2
    assert len(steps) <= 4
    assert {desk.stored(tool).state for tool in ("read", "write")} == {ActivationState.LAPSED}
    assert desk.memory.read(lambda c: SqlActivations(c).due(desk.clock.now(), 9)) == []
    desk.at(31 * DAY + HOUR)
    assert len(desk.memory.read(lambda c: SqlActivations(c).due(desk.clock.now(), 9))) == 2


def test_a_tick_ends_though_judging_moves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_STEP", 1)
    monkeypatch.setattr(SqlActivations, "postpone", lambda *_: None)
    desk.put("write")
    damage(desk, "write")
    desk.at(31 * DAY)
    steps: list[int] = []

    def stop() -> bool:
        steps.append(1)
        return len(steps) > 9

    assert desk.service.tick(stop) == 0
    assert len(steps) == 2


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_it_asks_whether_to_stop_between_steps(desk: Desk, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_STEP", 1)
    for tool in TIERS:
        desk.put(tool)
    desk.at(31 * DAY)
    assert desk.service.tick(asked_often(steps)) == steps
    assert desk.service.sweep(asked_often(steps))[0] == steps
    desk.state = AgentState.RETIRED
    assert desk.service.judge_agent(BOT, asked_often(steps)) == steps


def test_an_agent_with_many_entitlements_is_judged_in_steps(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_STEP", 3)
    for tool in TIERS:
        desk.put(tool)
    changes: list[int] = []
    change = desk.memory.change
    monkeypatch.setattr(desk.memory, "change", lambda apply: changes.append(1) or change(apply))  # type: ignore[func-returns-value]
    desk.state = AgentState.RETIRED
    assert desk.service.judge_agent(BOT) == 4
    assert len(changes) == 2


# taken away, given back, and stopped ------------------------------------------------------------


def test_what_is_taken_away_is_withdrawn_everywhere(desk: Desk) -> None:
    desk.put("write")
    desk.at(30 * DAY)
    desk.service.tick()
    (begun,) = desk.people.begun
    assert (begun["agent"], begun["cause"]) == (BOT, "idle")
    assert begun["what"] == {"purpose": WORK, "action": "s/write", "scope": S, "state": "lapsed"}


def many(desk: Desk, count: int, *, days: int) -> list[str]:
    """Entitlements that were all used on their last day, and since then not."""
    names = [f"t{at:03}" for at in range(count)]
    desk.rules |= {name: Rule(action=ActionName(f"s/{name}")) for name in names}
    for name in names:
        desk.put(name, usage=Usage(NOON, Micros(0), days, (1,) * (days - 1)))
    return names


@pytest.mark.parametrize("days", [1, 3])
def test_where_too_much_would_end_at_once_the_record_is_doubted_instead(desk: Desk, days: int) -> None:
    names = many(desk, 40, days=days)
    desk.at(30 * DAY)
    assert desk.service.tick() == 0
    assert {desk.stored(name).state for name in names} == {ActivationState.ACTIVE}
    (doubt,) = desk.doubts["s"]
    assert (doubt.agent, doubt.state) == ("", DoubtState.DOUBTED)
    assert [each["kind"] for each in desk.people.asked] == ["usage_doubted"]
    assert (desk.people.asked[0]["facts"]["would_lapse"], desk.people.asked[0]["facts"]["of"]) == (40, 40)
    # Neither a decision nor the next sweep goes by that record: the idle clocks stand still.
    found = standings(desk.view(), desk.view().agents[BOT], covered=desk.covered, now=desk.clock.now())
    assert {each.state for each in found if each.activation} == {"needs_usage"}
    desk.at(60 * DAY)
    desk.service.sweep()
    assert {desk.stored(name).state for name in names} == {ActivationState.NEEDS_USAGE}
    assert len(desk.people.asked) == 1


def test_what_lapsed_earlier_in_the_day_counts(desk: Desk) -> None:
    early = many(desk, 5, days=1)
    late = Usage(Instant(NOON + HOUR), Micros(HOUR), 1)
    desk.put("read", usage=late)
    desk.put("write", usage=late)
    desk.at(30 * DAY)
    assert desk.service.tick() == 7  # these five, and most of the others' time has gone
    desk.at(30 * DAY + HOUR)
    assert desk.service.tick() == 0, "the sixth and the seventh of one agent on one server within a day"
    assert [(each.server, each.agent) for each in desk.doubts["s"]] == [("s", BOT)]
    assert {desk.stored(name).state for name in early} == {ActivationState.LAPSED}
    assert desk.stored("write").state is ActivationState.EXPIRING


def test_what_is_trusted_is_tried_on_a_few_and_then_holds_for_all(desk: Desk) -> None:
    names = many(desk, 40, days=3)
    desk.at(30 * DAY)
    desk.service.tick()
    doubting = desk.doubting()
    desk.believe("s", agents=["a", BOT, "c"], by=Actor(by="sam"))
    (few,) = desk.doubts["s"][0].canary
    assert few in {"a", BOT, "c"}
    with pytest.raises(Conflict):
        desk.believe("s", agents=[BOT], by=Actor(by="sam"))
    assert doubting.tick() == 0, "an hour has to pass"
    desk.at(30 * DAY + HOUR)
    assert doubting.tick() == 1
    assert desk.doubts["s"][0].state is DoubtState.OVER
    desk.service.sweep()
    assert {desk.stored(name).state for name in names} == {ActivationState.LAPSED}
    desk.at(31 * DAY + 2 * HOUR)
    assert doubting.tick() == 1
    assert desk.doubts == {}


def test_work_that_was_refused_meanwhile_brings_the_doubt_back(desk: Desk) -> None:
    many(desk, 40, days=3)
    desk.at(30 * DAY)
    desk.service.tick()
    doubting = dataclasses.replace(desk.doubting(), refused=lambda _agents, _since: 2)
    desk.believe("s", agents=[BOT], by=Actor(by="sam"))
    desk.at(30 * DAY + HOUR)
    assert doubting.tick() == 1
    assert desk.doubts["s"][0].state is DoubtState.DOUBTED
    assert desk.people.asked[-1]["why"] == "work_was_refused"


def test_a_word_that_is_taken_back_counts_no_longer(desk: Desk) -> None:
    about = Noticed(Signal.TOXIC_COMBINATION, f"{WORK} s/pay", NOON)
    desk.put("pay", state=ActivationState.SUSPENDED, why="toxic_combination")
    desk.noticed = (about,)
    kept = desk.keep(key("pay"), until=Instant(NOON + 30 * DAY), by=Actor(by="dana"))
    assert (kept.state, kept.vouched) == (ActivationState.ACTIVE, NOON + 30 * DAY)
    taken = desk.unkeep(key("pay"), by=Actor(by="dana"))
    assert taken is not None
    assert (taken.state, taken.vouched) == (ActivationState.SUSPENDED, 0)
    assert desk.stored("pay").state is ActivationState.SUSPENDED


@pytest.mark.parametrize("state", [ActivationState.SUSPENDED, ActivationState.REVOKED])
def test_a_keep_starts_nothing_that_was_stopped(desk: Desk, state: ActivationState) -> None:
    desk.put("write", state=state, why="suspended")
    if state is ActivationState.REVOKED:
        desk.rules.pop("write")
    with pytest.raises((Conflict, NotFound)):
        desk.keep(key("write"), until=Instant(NOON + DAY), by=Actor(by="dana"))
    assert desk.stored("write").state is state


def test_nothing_starts_that_would_be_suspended_at_once(desk: Desk) -> None:
    desk.put("write", state=ActivationState.SUSPENDED, why="critical_signal")
    desk.noticed = (Noticed(Signal.CRITICAL, "", NOON),)
    with pytest.raises(Conflict, match="would be suspended again"):
        desk.hands.start(key("write"), by=Actor(by="dana"))
