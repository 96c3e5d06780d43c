"""An agent with entitlements in every state, behind the real decision, log and database: what a thief of it can try.

Tokens are those of the token endpoint and are checked as a gateway checks them. Time is a
test's, and with it the coverage clock, so that what is idle here is idle on a whole record.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection
from tests.interaction.enforcement.gateway_world import ENGINE, FAR, Source

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_sql import SqlActivations
from remit.access.model import Boundary, BoundaryState, Purpose, PurposeState, Rate, Rule
from remit.agents.model import AgentState
from remit.audit.recovery import OpenCalls
from remit.audit.service import Recorder
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.certification.posture.privilege import Reach, standings
from remit.enforcement.model import Outcome
from remit.enforcement.pipeline import Pipeline
from remit.kernel.clock import DAY, Instant, Micros
from remit.kernel.names import (
    ActionName,
    AgentName,
    BoundaryName,
    DecisionId,
    OwnerName,
    PurposeName,
    ServerName,
    ToolName,
)
from remit.people.model import Owner
from remit.people.notices import SqlNotices
from remit.policy.facts import Facts
from remit.policy.model import Call
from remit.policy.service import PolicyService

BOT, PURPOSE, SERVER, BOUNDARY = (
    AgentName("invoice-bot"), PurposeName("pay-invoices"), ServerName("payments"), BoundaryName("all-of-it"),
)  # fmt: skip
IDLE: Final = 400 * DAY  # longer than any entitlement lives without use


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One entitlement: its tier, the state its row says (None: never started), and for how long it was not used."""

    tier: Tier
    state: ActivationState | None = ActivationState.ACTIVE
    idle: int = 0
    chosen: bool = False  # `first_use: auto`
    rate: bool = False  # the owner set a limit instead
    version: str = "1.4"


class Stored(Source):
    """The facts; activations are those of the database."""

    def activations(self, connection: Connection, agent: str) -> Iterable[Activation]:
        return SqlActivations(connection).of_agent(agent)


class Estate:
    """`invoice-bot` of a token world, with one boundary that names every entitlement it holds."""

    def __init__(self, world: Any, held: dict[str, Held]) -> None:
        self.world, self.held = world, held
        self.begun = world.clock.at - 2 * IDLE
        database, clock = world.database, world.clock
        self.writer, self.reader = database.writer, database.reader
        self.source = Stored()
        self._register()
        database.feed.subscribe(world.ring.follow)
        self.writer.change(lambda tx: world.ring.ensure_data_key(tx, f"agent:{BOT}"))
        self.writer.change(self._store)
        self.facts = Facts(
            source=self.source, engine=ENGINE, contact=clock.now, reader=self.reader, covered=self.covered
        )
        self.reader.read(lambda connection: self.facts.load(connection, epoch=1))
        recorder = Recorder(world.ring, clock, lambda: 1)
        policy = PolicyService(facts=self.facts, engine=ENGINE, clock=clock, mac=recorder.mac, docs="/errors")
        self.pipeline = Pipeline(
            decider=policy, records=recorder, writer=self.writer, recovery=OpenCalls(), clock=clock
        )
        self.missed = 0  # microseconds of which the record says nothing
        self._calls = 0

    def covered(self) -> Micros:
        """The coverage clock: the record is whole, but for what was missed."""
        return Micros(self.world.clock.at - self.begun - self.missed)

    def jump(self, micros: int) -> None:
        """The wall clock is set. The coverage clock, which is a monotonic one, does not see it."""
        self.world.clock.at += micros
        self.missed += micros

    def _register(self) -> None:
        source, purposes = self.source, self.world.standing.agents[BOT].purposes
        self.world.change(BOT, agent_not_after=FAR, purposes=tuple(replace(each, not_after=FAR) for each in purposes))
        agent = self.world.standing.agents[BOT].agent
        source.all_owners["dana"] = Owner(owner=OwnerName("dana"), name="Dana", email="dana@example.test")
        source.all_agents[BOT] = agent
        assert agent.state is AgentState.ACTIVE
        source.all_purposes[PURPOSE] = Purpose(
            purpose=PURPOSE, statement="", actions=("payments/*",), data_classes=(), not_after=FAR,
            state=PurposeState.ACTIVE,
        )  # fmt: skip
        tools = {
            ToolName(name): Tool(
                name=ToolName(name), tier=each.tier, pin="00" * 32,
                definition={"name": name, "inputSchema": {"type": "object"}}, seen=None, state=PinState.APPROVED,
            )
            for name, each in self.held.items()
        }  # fmt: skip
        source.all_servers[SERVER] = Server(
            server=SERVER, url="http://127.0.0.1:9/mcp", credential=None, tiers=(), review="quarantine", tools=tools,
            set_pin="",
        )  # fmt: skip
        rules = [
            Rule(
                action=ActionName(f"{SERVER}/{name}"),
                first_use="auto" if each.chosen else None,
                rate=Rate(count=10_000, per="hour") if each.rate else None,
            )
            for name, each in self.held.items()
        ]
        source.all_boundaries = [
            Boundary(
                boundary=BOUNDARY, version=1, agent=BOT, purpose=PURPOSE, rules={rule.action: rule for rule in rules},
                not_after=FAR, state=BoundaryState.ACTIVE, approved_by=OwnerName("dana"), approved_at=Instant(0),
            )
        ]  # fmt: skip

    def _store(self, tx: Any) -> None:
        for name, each in self.held.items():
            if each.state is None:
                continue
            last = Instant(self.world.clock.at - each.idle)
            activation = Activation(
                key=self.key(name), boundary=BOUNDARY, boundary_version=1, agent_version=each.version,
                state=each.state, since=last, started=last, by="", serial=1,
                usage=Usage(last, Micros(last - self.begun), 1),
            )  # fmt: skip
            assert SqlActivations(tx.connection).put(activation, expected=0, due=FAR)

    def key(self, name: str) -> ActivationKey:
        """The entitlement to one tool."""
        return ActivationKey(BOT, PURPOSE, ActionName(f"{SERVER}/{name}"), SERVER)

    def risk(self, millionths: int) -> None:
        """A risk signal about the agent, applied as the feed does."""
        self.source.all_risks[BOT] = millionths
        self.reader.read(lambda connection: self.facts.apply(2, (f"agent:{BOT}",), connection))

    def version(self, name: str) -> None:
        """The agent is registered in another version."""
        self.source.all_agents[BOT] = replace(self.source.all_agents[BOT], version=name)
        self.reader.read(lambda connection: self.facts.apply(2, (f"agent:{BOT}",), connection))

    # what the thief does ------------------------------------------------------------------

    async def token(self) -> str:
        """A new token: whoever does this has the client key and the instance's key."""
        found: str = await asyncio.to_thread(self.world.token)
        return found

    async def call(self, token: str, name: str, outcome: Outcome = Outcome.OK) -> str:
        """One call with its proof, told what became of it if it was let through; `allow`, or the denial's code."""
        caller, proof = self.world.check(token)
        self._calls += 1
        asked = Call(
            id=DecisionId(f"dec_{self._calls}"), caller=caller, server=SERVER, action=ActionName(f"{SERVER}/{name}"),
            tool=ToolName(name), arguments={}, proof=proof,
        )  # fmt: skip
        admitted = await self.pipeline.admit(asked)
        if admitted.answer.denial is not None:
            return admitted.answer.denial.code.value
        self.pipeline.outcome(admitted, outcome)
        return "allow"

    async def calls(self, token: str) -> dict[str, str]:
        """One call of each, the dearest first: what a thief would do."""
        worth = sorted(self.held, key=lambda name: (list(Tier).index(self.held[name].tier), name))
        return {name: await self.call(token, name) for name in worth}

    # what is left behind ------------------------------------------------------------------

    def reach(self) -> dict[str, set[str]]:
        """What the count of privilege says: the tools by how they can be reached."""
        self.facts.prepare(BOT)
        view = self.facts.view()
        found: dict[str, set[str]] = {each.value: set() for each in Reach}
        for each in standings(view, view.agents[BOT], covered=self.covered(), now=self.world.now):
            found[each.reach.value].add(each.key.action.partition("/")[2])
        return found

    def verdicts(self) -> list[dict[str, Any]]:
        """What the log says of every entitlement that was started."""
        found: list[dict[str, Any]] = self.world.entries("verdict")
        return found

    def started(self) -> Counter[tuple[str, Tier]]:
        """How many started, by verdict and tier."""
        return Counter((each["verdict"], self.held[each["action"].partition("/")[2]].tier) for each in self.verdicts())

    def notices(self) -> list[dict[str, Any]]:
        """What the owner was told."""
        return [each.said for each in self.reader.read(lambda c: SqlNotices(c).newest([BOT], most=999, unseen=True))]


def played(estate: Estate, scenario: Callable[[Estate], Coroutine[Any, Any, None]]) -> Estate:
    """The estate after a scenario, with all of it recorded."""

    async def main() -> None:
        await scenario(estate)
        await estate.pipeline.drain()

    asyncio.run(main())
    return estate
