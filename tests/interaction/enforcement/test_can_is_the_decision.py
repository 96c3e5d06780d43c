"""What an agent is told its call would get is what the call gets: 5,000 random pairs, with nothing committed between.

Counters, activations and what the writer holds of them are put back before each pair, so
that the question and the call are asked of the same state.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gateway_world import ENGINE, FAR, Keys, Source  # type: ignore[import-not-found] # beside

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.model import Bound, Boundary, BoundaryState, Budget, Purpose, PurposeState, Rate, Rule
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.attestation.model import Caller
from remit.audit.recovery import OpenCalls
from remit.audit.service import Recorder
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.enforcement.pipeline import Pipeline
from remit.freezes.model import Freeze, FreezeKind
from remit.kernel.clock import DAY, HOUR, MINUTE, FixedClock, Instant, Micros
from remit.kernel.errors import NotFound
from remit.kernel.names import (
    ActionName,
    AgentName,
    BoundaryName,
    DecisionId,
    InstanceId,
    OwnerName,
    PurposeName,
    RunId,
    ServerName,
    ToolName,
)
from remit.keys import jose
from remit.people.model import Owner
from remit.policy.facts import Facts
from remit.policy.limits import reservation
from remit.policy.model import Call
from remit.policy.service import PolicyService
from remit.policy.view import Counters
from remit.storage.memory import MemoryWriter

PAIRS = 5000
ACTIONS = ("payments/*", *(f"crm/tool_{number}" for number in (0, 1, 2, 3, 4, 5, 7)))
SEED = 20261126
NOON = Instant(1_795_608_000_000_000)
KEY = jose.private_key(jose.generate()).public
SERVERS, TOOLS, PURPOSES = ("payments", "crm"), tuple(f"tool_{number}" for number in range(8)), ("work", "audit")
SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "number"}, "currency": {"type": "string"}, "note": {"type": "string"}},
    "required": ["amount"],
}
POLICY = """
@id("no-deletions") @title("Nothing is deleted")
forbid (principal, action == Remit::Action::"crm/tool_7", resource);
@id("small-notes") @title("No notes on large amounts")
forbid (principal, action == Remit::Action::"payments/tool_1", resource)
when { context.input has note && context.input has amount && context.input.amount.greaterThan(decimal("300.00")) };
"""


class Policed(Source):  # type: ignore[misc] # found beside, so untyped
    """The facts, with the organisation's policies."""

    def policies(self, _connection: Any) -> Mapping[str, str]:
        return {"organisation.cedar": POLICY}


class Estate:
    """A random organisation: 24 agents, two servers, and an agent's every state now and then."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.source = Policed()
        for name, active in (("dana", True), ("gone", False)):
            self.source.all_owners[name] = Owner(
                owner=OwnerName(name), name=name, email=f"{name}@example.test", active=active
            )
        for name in PURPOSES:
            self.source.all_purposes[name] = Purpose(
                purpose=PurposeName(name), statement="", actions=ACTIONS,
                data_classes=(), not_after=FAR, state=PurposeState.ACTIVE,
            )  # fmt: skip
        for name in SERVERS:
            self.source.all_servers[name] = self.server(name)
        for number in range(24):
            self.agent(f"agent-{number}")
        self.source.all_freezes = [
            Freeze(id="frz_1", kind=FreezeKind.AGENT, name="agent-3", reason="", by="dana", since=NOON)
        ]

    def server(self, name: str) -> Server:
        tools = {
            ToolName(tool): Tool(
                name=ToolName(tool), tier=self.chance.choice(list(Tier)), pin="00" * 32,
                definition={"name": tool, "inputSchema": SCHEMA}, seen=None,
                state=PinState.CHANGED if tool == "tool_6" else PinState.APPROVED,
            )
            for tool in TOOLS
        }  # fmt: skip
        return Server(
            server=ServerName(name), url="http://127.0.0.1:9/mcp", credential=None, tiers=(),
            review="pin-on-first-use", tools=tools, set_pin="",
        )  # fmt: skip

    def often(self, usual: Any, other: Any) -> Any:
        return other if self.chance.random() < 0.03 else usual

    def agent(self, name: str) -> None:
        purposes = tuple(PurposeName(each) for each in (PURPOSES if self.chance.random() < 0.5 else PURPOSES[:1]))
        self.source.all_agents[name] = Agent(
            agent=AgentName(name), owner=OwnerName("gone" if name == "agent-4" else "dana"), version="1",
            purposes=purposes,
            max_instances=9, sender_constraint=SenderConstraint.DPOP, not_after=NOON if name == "agent-2" else FAR,
            max_run=Micros(HOUR), keys=(dict(KEY.jwk),),
            state=AgentState.SUSPENDED if name == "agent-1" else AgentState.ACTIVE,
        )  # fmt: skip
        self.source.all_risks[name] = self.often(0, 800_000)
        for number in range(self.chance.randint(1, 3)):
            self.boundary(name, number, self.chance.choice(purposes))

    def boundary(self, agent: str, number: int, purpose: PurposeName) -> None:
        actions = {f"{self.chance.choice(SERVERS)}/{self.chance.choice(TOOLS)}" for _ in range(8)}
        rules = {ActionName(action): self.rule(action) for action in sorted(actions)}
        boundary = Boundary(
            boundary=BoundaryName(f"{agent}-{number}"), version=1, agent=AgentName(agent), purpose=purpose,
            rules=rules, not_after=self.often(FAR, NOON), state=BoundaryState.ACTIVE, approved_by=OwnerName("dana"),
            approved_at=Instant(0),
        )  # fmt: skip
        self.source.all_boundaries.append(boundary)
        for action in rules:
            if self.chance.random() < 0.6:
                self.activation(boundary, action)

    def rule(self, action: str) -> Rule:
        chance = self.chance
        bounds = (
            Bound(argument="amount", max=Decimal(chance.choice(("250.00", "500.00", "5000.00")))),
            Bound(argument="currency", in_=("EUR", "USD")),
        )
        return Rule(
            action=ActionName(action),
            when=bounds[: chance.randint(0, 2)],
            rate=Rate(count=chance.randint(1, 5), per="min") if chance.random() < 0.3 else None,
            budget=Budget(argument="amount", max=Decimal("900.00"), per="day") if chance.random() < 0.3 else None,
            approval_above=(("amount", Decimal("200.00")),) if chance.random() < 0.2 else (),
            first_use="auto" if chance.random() < 0.7 else None,
        )

    def activation(self, boundary: Boundary, action: ActionName) -> None:
        key = ActivationKey(boundary.agent, boundary.purpose, action, ServerName(action.partition("/")[0]))
        if any(each.key == key for each in self.source.all_activations):
            return
        last = Instant(NOON - self.chance.choice((HOUR, 5 * DAY, 40 * DAY, 400 * DAY)))
        state = self.often(ActivationState.ACTIVE, self.chance.choice(list(ActivationState)))
        self.source.all_activations.append(
            Activation(
                key=key,
                boundary=boundary.boundary,
                boundary_version=1,
                agent_version=self.often("1", "0"),
                state=state,
                since=last,
                started=last,
                by="",
                serial=3,
                usage=Usage(last, Micros(0)),
            )
        )

    def call(self, number: int) -> Call:
        """A call by any agent, of what one of its boundaries names, mostly; with arguments that fit, mostly."""
        chance = self.chance
        name = f"agent-{chance.randrange(25)}"
        named = [a for b in self.source.all_boundaries if b.agent == name for a in b.rules]
        action = chance.choice(named) if named and chance.random() < 0.9 else f"crm/{chance.choice(TOOLS)}"
        server, _, tool = action.partition("/")
        boundaries = [b for b in self.source.all_boundaries if b.agent == name and action in b.rules]
        purpose = chance.choice(boundaries).purpose if boundaries and chance.random() < 0.95 else PURPOSES[1]
        caller = Caller(
            agent=AgentName(name), instance=InstanceId("i"), credential=self.often(KEY.thumbprint, "withdrawn"),
            purpose=PurposeName(purpose),
            run=RunId("run_1"),
            run_ends=self.often(FAR, NOON), token="tok_1", expires=FAR, bound=True,
            attested=Instant(NOON - chance.choice((0, 30_000_000, 2 * MINUTE))),
        )  # fmt: skip
        return Call(
            id=DecisionId(f"dec_{number}"), caller=caller, server=ServerName(server), action=ActionName(action),
            tool=ToolName(tool), arguments=self.arguments(),
        )  # fmt: skip

    def arguments(self) -> dict[str, Any]:
        chance = self.chance
        found: dict[str, Any] = {"amount": Decimal(chance.randint(1, 40_000)).scaleb(-2)}
        if chance.random() < 0.9:
            found["currency"] = self.often(chance.choice(("EUR", "USD")), "XXX")
        if chance.random() < 0.2:
            found["note"] = self.often("some", 7)
        if chance.random() < 0.05:
            found["amount"] = chance.choice((10**6, Decimal("1.00001"), "12", None))
        if chance.random() < 0.03:
            del found["amount"]
        return found


class Both:
    """The two doors to the one decision: `can`, and a call that is committed."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        clock = FixedClock(NOON)
        self.facts = Facts(source=estate.source, engine=ENGINE, contact=clock.now, reader=estate.source)
        self.facts.load(None, epoch=1)  # type: ignore[arg-type] # Source reads none
        recorder = Recorder(Keys(), clock, lambda: 1)
        self.policy = PolicyService(facts=self.facts, engine=ENGINE, clock=clock, mac=recorder.mac, docs="/errors")
        self.writer = MemoryWriter()
        self.pipeline = Pipeline(
            decider=self.policy, records=recorder, writer=self.writer, recovery=OpenCalls(), clock=clock
        )

    def put_back(self, call: Call) -> None:
        """The state before this pair: stored activations, and limits that are spent to any degree."""
        view, chance = self.facts.view(), self.estate.chance
        view.activations.forget()
        self.writer.serials = {tuple(each.key): each.serial for each in self.estate.source.all_activations}
        self.writer.counters = {}
        counters = Counters()
        record = view.agents.get(call.caller.agent)
        grants = record.reach.grants.get((call.caller.purpose, call.action), ()) if record is not None else ()
        for grant in grants:
            for limit in grant.limits:
                reserve = reservation(limit, {"amount": 0}, now=NOON)
                spent = chance.choice((0, 0, limit.most // 2, limit.most))
                self.writer.counters[reserve.key, reserve.window] = spent
                counters.note(reserve, spent)
        self.facts._swap(counters=counters)

    def can(self, call: Call) -> tuple[bool, str]:
        """Whether the agent is told that it may, and else why not."""
        caller = call.caller
        try:
            told = self.policy.can(caller.agent, caller.purpose, call.action, call.arguments, caller=caller)
        except NotFound:
            return False, "not_visible"
        return bool(told["decision"]), _reason(told["denial"])

    async def decided(self, call: Call) -> tuple[bool, str]:
        """What the call got, and why."""
        admitted = await self.pipeline.admit(call)
        denial = admitted.answer.denial
        if denial is not None and denial.code.value == "not_visible":
            return False, "not_visible"
        return admitted.answer.allowed, _reason(None if denial is None else self.pipeline.told(admitted, denial))


def _reason(denial: Mapping[str, Any] | None) -> str:
    return "" if denial is None else repr({**denial, "decision_id": None})


async def compared() -> tuple[Counter[str], list[Any]]:
    """How often each code came up, and every pair that differs."""
    estate = Estate(random.Random(SEED))
    both = Both(estate)
    codes: Counter[str] = Counter()
    differing = []
    for number in range(PAIRS):
        call = estate.call(number)
        both.put_back(call)
        before = len(both.writer.entries)
        said = both.can(call)
        assert len(both.writer.entries) == before
        got = await both.decided(call)
        if said != got:
            differing.append((call, said, got))
        codes[_code(got[1])] += 1
    return codes, differing


def _code(reason: str) -> str:
    return reason.partition("'code': '")[2].partition("'")[0] or reason or "allow"


def test_can_equals_the_decision_in_5000_random_pairs() -> None:
    codes, differing = asyncio.run(compared())
    assert differing == []
    assert sum(codes.values()) == PAIRS
    # The pairs are worth comparing: neither answer is rare, and no kind of denial of this version is missing.
    assert 0.3 * PAIRS <= PAIRS - codes["allow"] <= 0.8 * PAIRS, codes
    assert codes.keys() == {
        "allow", "not_visible", "revoked", "agent_suspended", "purpose_mismatch", "tool_definition_changed",
        "invalid_arguments", "forbidden_by_policy", "not_granted", "constraint_violated", "activation_lapsed",
        "rate_limited", "budget_exhausted", "approval_required",
    }, codes  # fmt: skip
