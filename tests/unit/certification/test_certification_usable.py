"""Where an agent stands as decisions see it, and since when."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.model import Boundary, BoundaryState, Purpose, PurposeState, Rule
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.certification.withdrawal.usable import Usable
from remit.certification.withdrawal.withdraw import Entitlement
from remit.kernel.clock import DAY, HOUR, FixedClock, Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName, ServerName, ToolName
from remit.people.model import Owner
from remit.policy.activations import Activations
from remit.policy.cedar import CedarEngine
from remit.policy.organisation import Organisation
from remit.policy.slices import Slices
from remit.policy.view import Counters, PurposeRecord, View, agent_record, server_record

NOON = Instant(1_795_521_600_000_000)
FAR = Instant(NOON + 900 * DAY)
BOT, WORK, S, DANA = AgentName("bot"), PurposeName("work"), ServerName("s"), OwnerName("dana")
READ = Entitlement("work", "s/read", "s")


@dataclass
class World:
    """An agent with a boundary that names s/read, which it started an hour ago."""

    agent: Agent = field(
        default_factory=lambda: Agent(
            agent=BOT, owner=DANA, version="1", purposes=(WORK,), max_instances=1,
            sender_constraint=SenderConstraint.DPOP, not_after=FAR, max_run=Micros(HOUR), keys=(),
            state=AgentState.ACTIVE,
        )
    )  # fmt: skip
    purpose: Purpose = field(
        default_factory=lambda: Purpose(
            purpose=WORK, statement="", actions=("s/*",), data_classes=(), not_after=FAR, state=PurposeState.ACTIVE
        )
    )
    owner_active: bool = True
    granted: bool = True
    started: bool = True
    state: ActivationState = ActivationState.ACTIVE
    since: Instant = NOON
    why: str = ""
    prepared: list[str] = field(default_factory=list)

    def now(self) -> Instant:
        return Instant(NOON + HOUR)

    def covered(self) -> Micros:
        return Micros(HOUR)

    def view(self) -> View:
        action = ActionName("s/read")
        boundary = Boundary(
            boundary=BoundaryName("b"), version=1, agent=BOT, purpose=WORK, rules={action: Rule(action=action)},
            not_after=FAR, state=BoundaryState.ACTIVE, approved_by=DANA, approved_at=NOON,
        )  # fmt: skip
        tool = Tool(name=ToolName("read"), tier=Tier.LOW, pin="", definition={}, seen=None, state=PinState.APPROVED)
        server = Server(
            server=S, url="", credential=None, tiers=(), review="quarantine", tools={tool.name: tool}, set_pin=""
        )
        started = Activation(
            key=ActivationKey(BOT, WORK, action, "s"), boundary=BoundaryName("b"), boundary_version=1,
            agent_version="1", state=self.state, since=self.since, started=NOON, by="", serial=1,
            usage=Usage(NOON, Micros(0), 1), why=self.why,
        )  # fmt: skip
        known = Activations(self.covered)
        known.load(BOT, lambda: [started] if self.started else [])
        return View(
            epoch=1, contact=self.now, agents={BOT: agent_record(self.agent, (boundary,) if self.granted else ())},
            owners={DANA: Owner(owner=DANA, name="", email="", active=self.owner_active)},
            purposes={WORK: PurposeRecord(self.purpose)}, servers={S: server_record(server)}, freezes={},
            organisation=Organisation(), counters=Counters(), slices=Slices(CedarEngine()), activations=known,
        )  # fmt: skip

    def standing(self) -> Any:
        coverage: Any = self
        clock = FixedClock(self.now())
        return Usable(view=self.view, prepare=self.prepared.append, coverage=coverage, clock=clock).standing("bot")


def test_what_is_in_force_is_usable_since_it_was_started() -> None:
    world = World()
    found = world.standing()
    assert (dict(found.usable), found.left) == ({READ: NOON}, {"work"})
    assert world.prepared == ["bot"], "its activations are loaded before they are looked at"
    assert World(since=Instant(NOON + 5)).standing().usable == {READ: NOON + 5}


@pytest.mark.parametrize(
    "world",
    [
        World(agent=replace(World().agent, state=AgentState.RETIRED)),
        World(agent=replace(World().agent, state=AgentState.SUSPENDED)),
        World(agent=replace(World().agent, not_after=NOON)),
        World(owner_active=False),
        World(granted=False),
        World(purpose=replace(World().purpose, state=PurposeState.CLOSED)),
        World(purpose=replace(World().purpose, not_after=NOON)),
        World(purpose=replace(World().purpose, actions=("t/*",))),
    ],
    ids=["retired", "suspended", "past its end", "owner gone", "no boundary", "closed", "ended", "narrowed"],
)
def test_what_a_decision_refuses_is_not_usable_and_leaves_nothing(world: World) -> None:
    found = world.standing()
    assert (dict(found.usable), found.left) == ({}, frozenset())


def test_what_can_start_by_itself_is_left_and_not_usable() -> None:
    for world in (World(started=False), World(state=ActivationState.LAPSED)):
        found = world.standing()
        assert (dict(found.usable), found.left) == ({}, {"work"})


def test_what_only_a_person_starts_is_not_left() -> None:
    found = World(state=ActivationState.SUSPENDED).standing()
    assert (dict(found.usable), found.left) == ({}, frozenset())


def test_what_is_recorded_as_ended_and_judged_usable_came_back_just_now() -> None:
    world = World(state=ActivationState.SUSPENDED, why="credential_exposed")
    assert world.standing().usable == {READ: world.now()}, "it was rotated, and no transition is recorded yet"


def test_who_is_not_known_can_do_nothing() -> None:
    world = World()
    coverage: Any = world
    stands = Usable(view=world.view, prepare=world.prepared.append, coverage=coverage, clock=FixedClock(NOON))
    assert stands.standing("else").left == frozenset()
