"""Loading, reloading by topics, and what is kept or dropped meanwhile."""

# ruff: noqa: ARG002, E501 - a port that needs no connection; a table with a row for each topic

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import Connection

from remit.access.activation import Activation
from remit.access.model import Boundary, BoundaryState, Purpose, PurposeState
from remit.agents.model import Agent, AgentState
from remit.agents.risk import Risk
from remit.catalog.model import PinState, Server
from remit.freezes.model import Freeze
from remit.kernel.clock import Instant
from remit.kernel.errors import IntegrityFailed
from remit.kernel.names import OwnerName
from remit.people.model import Owner
from remit.policy.declared.model import Declaration
from remit.policy.facts import Facts
from remit.policy.model import Code
from remit.storage.model import Release, Reserve

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

NOWHERE = cast("Connection", None)


class Stored:
    """Implements remit.policy.ports.FactSource in lists, and remembers what was read."""

    def __init__(self, build: Build) -> None:
        self.held_owners = [Owner(owner=OwnerName("dana"), name="Dana", email="d@example.test")]
        self.held_agents = [build.agent()]
        self.held_purposes = [build.purpose()]
        self.held_boundaries = [build.boundary()]
        self.held_servers = [build.server()]
        self.held_freezes: list[Freeze] = []
        self.files: dict[str, str] = {}
        self.declared: dict[str, Declaration] = {}
        self.reads: list[str] = []
        self.held_activations: list[Activation] = [
            build.activation(),
            build.activation(build.key("payments/list_invoices")),
        ]
        self.risk = 0

    def activations(self, connection: Connection, agent: str) -> Iterable[Activation]:
        self.reads.append(f"activations {agent}")
        return self.held_activations

    def together(self, _connection: Any, _agent: str) -> dict[Any, Any]:
        return {}

    def coverage(self, _connection: Any) -> dict[str, Any]:
        return {}

    def doubts(self, _connection: Any) -> dict[str, Any]:
        return {}

    def approvals(self, _connection: Any) -> list[Any]:
        return []

    def openings(self, _connection: Any) -> dict[Any, Any]:
        return {}

    def risks(self, connection: Connection, agent: str | None = None) -> Iterable[tuple[str, Risk]]:
        return [("invoice-bot", Risk(self.risk, self.risk))]

    def owners(self, connection: Connection) -> Iterable[Owner]:
        self.reads.append("owners")
        return self.held_owners

    def owner(self, connection: Connection, name: str) -> Owner | None:
        return next((each for each in self.held_owners if each.owner == name), None)

    def agents(self, connection: Connection) -> Iterable[Agent]:
        self.reads.append("agents")
        return self.held_agents

    def agent(self, connection: Connection, name: str) -> Agent | None:
        return next((each for each in self.held_agents if each.agent == name), None)

    def purposes(self, connection: Connection) -> Iterable[Purpose]:
        return self.held_purposes

    def purpose(self, connection: Connection, name: str) -> Purpose | None:
        return next((each for each in self.held_purposes if each.purpose == name), None)

    def boundaries(self, connection: Connection) -> Iterable[Boundary]:
        yield from self.held_boundaries

    def boundaries_of(self, connection: Connection, agent: str) -> Iterable[Boundary]:
        return [each for each in self.held_boundaries if each.agent == agent]

    def servers(self, connection: Connection) -> Iterable[Server]:
        return self.held_servers

    def server(self, connection: Connection, name: str) -> Server | None:
        return next((each for each in self.held_servers if each.server == name), None)

    def freezes(self, connection: Connection) -> Iterable[Freeze]:
        return self.held_freezes

    def policies(self, connection: Connection) -> Mapping[str, str]:
        return self.files

    def declarations(self, connection: Connection) -> Mapping[str, Declaration]:
        return self.declared


class Nothing:
    """Implements remit.storage.ports.Reader over a source that needs no connection."""

    def read(self, query: Callable[[Connection], Any]) -> Any:
        return query(NOWHERE)


class World:
    """Facts over a memory source, and the call that is tried."""

    def __init__(self, build: Build) -> None:
        self.build = build
        self.stored = Stored(build)
        self.facts = Facts(
            source=self.stored, engine=build.engine, contact=lambda: Instant(build.NOON), reader=Nothing()
        )  # fmt: skip
        self.facts.load(NOWHERE, epoch=7)
        self.facts.prepare("invoice-bot")

    def tell(self, *topics: str) -> None:
        self.facts.apply(self.facts.view().epoch + 1, topics, NOWHERE)

    def code(self) -> Code | None:
        denial = self.build.transfer(self.facts.view()).answer.denial
        return None if denial is None else denial.code


@pytest.fixture
def world(build: Build) -> World:
    return World(build)


def test_what_is_stored_decides(world: World) -> None:
    assert world.code() is None
    assert world.facts.view().epoch == 7


def test_nothing_is_allowed_before_the_first_load(build: Build) -> None:
    facts = Facts(source=Stored(build), engine=build.engine, contact=lambda: Instant(build.NOON))
    denial = build.transfer(facts.view()).answer.denial
    assert denial is not None
    assert denial.code is Code.NOT_VISIBLE


def test_each_topic_reloads_its_record(world: World) -> None:
    stored, build = world.stored, world.build
    steps: list[tuple[Any, str, Code | None]] = [
        (lambda: stored.held_freezes.append(build.freeze()), "freezes", Code.REVOKED),
        (stored.held_freezes.clear, "freezes", None),
        (lambda: _set(stored.held_agents, build.agent(state=AgentState.SUSPENDED)), "agent:invoice-bot", Code.AGENT_SUSPENDED),
        (lambda: _set(stored.held_agents, build.agent()), "agent:invoice-bot", None),
        (lambda: _set(stored.held_owners, dataclasses.replace(stored.held_owners[0], active=False)), "owner:dana", Code.AGENT_SUSPENDED),
        (lambda: _set(stored.held_owners, dataclasses.replace(stored.held_owners[0], active=True)), "owner:dana", None),
        (lambda: _set(stored.held_purposes, build.purpose(state=PurposeState.CLOSED)), "purpose:pay-invoices", Code.PURPOSE_CLOSED),
        (lambda: _set(stored.held_purposes, build.purpose()), "purpose:pay-invoices", None),
        (lambda: _set(stored.held_servers, build.server(build.tool(state=PinState.CHANGED))), "server:payments", Code.TOOL_DEFINITION_CHANGED),
        (lambda: _set(stored.held_servers, build.server()), "server:payments", None),
        (lambda: stored.files.update({"a.cedar": "forbid (principal, action, resource);"}), "policies", Code.FORBIDDEN_BY_POLICY),
        (lambda: stored.files.update({"a.cedar": "forbid ("}), "policies", Code.ENFORCEMENT_UNAVAILABLE),
        (stored.files.clear, "policies", None),
        (stored.held_boundaries.clear, "agent:invoice-bot", Code.NOT_VISIBLE),
        (lambda: stored.held_boundaries.append(build.boundary()), "agent:invoice-bot", None),
        (stored.held_agents.clear, "agent:invoice-bot", Code.NOT_VISIBLE),
    ]  # fmt: skip
    for change, topic, expected in steps:
        before = world.code()
        change()
        assert world.code() is before, f"{topic} was seen before it was told"
        world.tell(topic)
        assert world.code() is expected, topic
    assert world.stored.reads.count("agents") == 1


def _set(held: list[Any], value: Any) -> None:
    held[:] = [value]


def test_a_boundary_that_changed_is_compiled_anew(world: World) -> None:
    assert world.code() is None
    narrow = world.build.rule("payments/transfer", world.build.bound(max="1"))
    world.stored.held_boundaries[:] = [world.build.boundary(narrow, version=4)]
    world.tell("agent:invoice-bot")
    assert world.code() is Code.CONSTRAINT_VIOLATED


def test_a_tool_with_a_new_schema_is_compiled_anew_and_others_are_kept(world: World) -> None:
    before = world.facts.view().servers
    changed = world.build.tool(schema={"type": "object", "properties": {}})
    world.stored.held_servers[:] = [world.build.server(changed, world.build.tool("list_invoices"))]
    world.tell("server:payments")
    after = world.facts.view().servers
    kept = [server["payments"].tools["list_invoices"] for server in (before, after)]  # type: ignore[index]  # str names
    assert kept[0] is kept[1]
    assert world.code() is Code.INVALID_ARGUMENTS


def test_a_reader_keeps_the_picture_it_began_with(world: World) -> None:
    old = world.facts.view()
    world.stored.held_freezes.append(world.build.freeze())
    world.tell("freezes")
    assert world.build.transfer(old).answer.allowed
    assert not world.build.transfer(world.facts.view()).answer.allowed


def test_an_unknown_topic_reloads_everything(world: World) -> None:
    world.stored.held_freezes.append(world.build.freeze())
    world.tell("something-new:x")
    assert world.code() is Code.REVOKED
    assert world.facts.view().epoch == 8


def test_an_opening_reloads_the_openings_and_nothing_else(world: World) -> None:
    world.stored.reads.clear()
    before = world.facts.view()
    world.tell("openings")
    assert world.stored.reads == []
    assert world.facts.view() == dataclasses.replace(before, epoch=8)


def test_topics_of_other_rooms_only_move_the_epoch(world: World) -> None:
    before = world.facts.view()
    world.tell("secret:payments-key", "secret:payments-key@3", "lease:lse_1", "operators", "keys")
    assert world.facts.view() == dataclasses.replace(before, epoch=8)


def test_only_active_boundaries_are_held(build: Build) -> None:
    world = World(build)
    world.stored.held_boundaries = [build.boundary(state=BoundaryState.PROPOSED)]
    world.facts.load(NOWHERE, epoch=9)
    assert world.code() is Code.NOT_VISIBLE


def test_equal_rules_are_one_object_over_all_agents(build: Build) -> None:
    world = World(build)
    world.stored.held_agents = [build.agent(agent=f"bot-{n}") for n in range(3)]
    world.stored.held_boundaries = [build.boundary(agent=f"bot-{n}", name=f"b-{n}", version=n) for n in range(3)]
    world.facts.load(NOWHERE, epoch=9)
    held = [record.boundaries[0].rules for record in world.facts.view().agents.values()]
    for action in held[0]:
        assert held[0][action] is held[1][action] is held[2][action]


def test_counters_survive_a_change_of_facts(build: Build) -> None:
    world = World(build)
    world.stored.held_boundaries[:] = [build.boundary(build.transfer_rule(rate=build.rate(1)))]
    world.tell("agent:invoice-bot")
    (reserve,) = (e for e in build.transfer(world.facts.view()).effects if isinstance(e, Reserve))
    world.facts.note([reserve], [1])
    world.tell("agent:invoice-bot")
    assert world.code() is Code.RATE_LIMITED
    world.facts.released([Release(reserve.key, reserve.window, 1)])
    assert world.code() is None


def test_an_entitlement_that_cannot_be_read_refuses_its_agent_and_keeps_no_change_from_the_view(world: World) -> None:
    # A view that does not follow decides nothing at all: one damaged row would stop every agent.
    def damaged(connection: Connection, agent: str) -> Iterable[Activation]:
        raise IntegrityFailed(f"the entitlement of {agent} cannot be read")

    world.stored.activations = damaged  # type: ignore[method-assign]
    world.tell("activations:invoice-bot", "freezes")
    assert world.facts.view().epoch == 8
    assert not world.facts.view().activations.knows("invoice-bot")
    assert world.code() is Code.ENFORCEMENT_UNAVAILABLE
    with pytest.raises(IntegrityFailed):
        world.facts.prepare("invoice-bot")
