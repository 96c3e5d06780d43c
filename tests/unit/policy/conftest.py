"""A small organisation to decide in: one agent, one server with three tools, one boundary."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.model import Bound, Boundary, BoundaryState, Budget, Purpose, PurposeState, Rate, Rule
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.agents.risk import Risk
from remit.attestation.model import Caller
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.freezes.model import Freeze, FreezeKind
from remit.kernel.clock import DAY, HOUR, Instant, Micros, parse_date_end
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
    split_action,
)
from remit.keys.jwk import thumbprint
from remit.people.model import Owner
from remit.policy import organisation
from remit.policy.activations import Activations
from remit.policy.cedar import CedarEngine
from remit.policy.decide import decide
from remit.policy.model import Call, Proposal
from remit.policy.slices import Slices
from remit.policy.view import AgentRecord, Counters, PurposeRecord, ServerRecord, View, agent_record, server_record
from remit.storage.model import ConsumeProof

NOON = Instant(parse_date_end("2026-11-23") + 12 * HOUR)
END = parse_date_end("2027-03-31")
ENGINE = CedarEngine()
CALLER = ("agent", "purpose", "instance", "credential", "bound", "run_ends", "pep", "token", "cooperative")
KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}  # RFC 8037 appendix A
TRANSFER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "amount": {"type": "number"},
        "currency": {"type": "string"},
        "to": {"type": "string"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "count": {"type": "integer"},
        "urgent": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "payee": {"type": "object", "properties": {"name": {"type": "string"}, "iban": {"type": "string"}}},
        "anything": {},
    },
    "required": ["amount", "currency"],
}


class Build:
    """Makes facts and calls; every part can be replaced."""

    NOON = NOON
    END = END
    engine = ENGINE
    schema = TRANSFER_SCHEMA

    def tool(self, name: str = "transfer", **changes: Any) -> Tool:
        schema = changes.pop("schema", TRANSFER_SCHEMA if name == "transfer" else {"type": "object", "properties": {}})
        parts: dict[str, Any] = {
            "name": ToolName(name),
            "tier": Tier.CRITICAL if name == "transfer" else Tier.LOW,
            "pin": "00" * 32,
            "definition": {"name": name, "inputSchema": schema},
            "seen": None,
            "state": PinState.APPROVED,
        }
        return Tool(**(parts | changes))

    def server(self, *tools: Tool, name: str = "payments") -> Server:
        chosen = tools or (self.tool(), self.tool("list_invoices"), self.tool("delete_all", tier=Tier.CRITICAL))
        return Server(
            server=ServerName(name),
            url="http://127.0.0.1:9101/mcp",
            credential=None,
            tiers=(),
            review="pin-on-first-use",
            tools={tool.name: tool for tool in chosen},
            set_pin="",
        )

    def agent(self, **changes: Any) -> Agent:
        parts: dict[str, Any] = {
            "agent": AgentName("invoice-bot"),
            "owner": OwnerName("dana"),
            "version": "1.4",
            "purposes": (PurposeName("pay-invoices"), PurposeName("report")),
            "max_instances": 20,
            "sender_constraint": SenderConstraint.DPOP,
            "not_after": END,
            "max_run": Micros(8 * HOUR),
            "keys": (KEY,),
            "state": AgentState.ACTIVE,
        }
        return Agent(**(parts | changes))

    def purpose(self, name: str = "pay-invoices", *actions: str, **changes: Any) -> Purpose:
        parts: dict[str, Any] = {
            "purpose": PurposeName(name),
            "statement": "Pay supplier invoices that were approved",
            "actions": actions or ("payments/list_*", "payments/transfer"),
            "data_classes": ("financial",),
            "not_after": END,
            "state": PurposeState.ACTIVE,
        }
        return Purpose(**(parts | changes))

    def rule(self, action: str = "payments/transfer", *when: Bound, **parts: Any) -> Rule:
        """A rule whose owner chose that it needs no approval for each call."""
        parts.setdefault("first_use", "auto")
        return Rule(action=ActionName(action), when=when, **parts)

    def bound(self, argument: str = "amount", **parts: Any) -> Bound:
        for name in ("max", "min"):
            if name in parts:
                parts[name] = Decimal(parts[name])
        return Bound(argument=argument, **parts)

    def transfer_rule(self, **parts: Any) -> Rule:
        bounds = (self.bound("amount", max="500.00"), self.bound("currency", in_=("EUR",)))
        return self.rule("payments/transfer", *bounds, **parts)

    def rate(self, count: int, per: str = "min") -> Rate:
        return Rate(count=count, per=per)

    def budget(self, most: str, per: str = "day", argument: str = "amount") -> Budget:
        return Budget(argument=argument, max=Decimal(most), per=per)

    def boundary(self, *rules: Rule, name: str = "invoice-bot-payments", **changes: Any) -> Boundary:
        chosen = rules or (self.transfer_rule(), self.rule("payments/list_invoices"))
        parts: dict[str, Any] = {
            "boundary": BoundaryName(name),
            "version": 3,
            "agent": AgentName("invoice-bot"),
            "purpose": PurposeName("pay-invoices"),
            "rules": {rule.action: rule for rule in chosen},
            "not_after": END,
            "state": BoundaryState.ACTIVE,
            "approved_by": OwnerName("dana"),
            "approved_at": Instant(NOON - DAY),
        }
        return Boundary(**(parts | changes))

    def freeze(self, kind: FreezeKind = FreezeKind.AGENT, name: str = "invoice-bot") -> Freeze:
        return Freeze(id="frz_1", kind=kind, name=name, reason="drill", by="sam", since=NOON)

    def record(self, *boundaries: Boundary, agent: Agent | None = None, risk: int = 0) -> AgentRecord:
        return agent_record(agent or self.agent(), boundaries or (self.boundary(),), Risk(risk, risk))

    def view(
        self,
        *boundaries: Boundary,
        agent: Agent | None = None,
        owners: Iterable[Owner] | None = None,
        purposes: Iterable[Purpose] | None = None,
        servers: Iterable[Server] | None = None,
        freezes: Iterable[Freeze] = (),
        policies: str | Mapping[str, str] = "",
        contact: int = NOON,
        engine: Any = None,
        counters: Counters | None = None,
        activations: Iterable[Activation] | None = None,
        covered: int = 0,
        risk: int = 0,
    ) -> View:
        """By default everything that a boundary names was started at noon, so that step 9 passes."""
        record = self.record(*boundaries, agent=agent, risk=risk)
        known = Activations(lambda: Micros(covered))
        started = [self.activation(key) for key in self.keys(record)] if activations is None else activations
        known.load(record.agent.agent, lambda: started)
        files = {"organisation.cedar": policies} if isinstance(policies, str) else policies
        default_owners = [Owner(owner=OwnerName("dana"), name="Dana Reyes", email="dana@example.test")]
        default_purposes = [self.purpose(), self.purpose("report", "payments/list_*")]
        return View(
            epoch=812,
            contact=lambda: Instant(contact),
            agents={"invoice-bot": record},
            owners={owner.owner: owner for owner in (default_owners if owners is None else owners)},
            purposes={p.purpose: PurposeRecord(p) for p in (default_purposes if purposes is None else purposes)},
            servers=self._default_servers() if servers is None else {s.server: server_record(s) for s in servers},
            freezes={(freeze.kind.value, freeze.name): freeze for freeze in freezes},
            organisation=organisation.read({f: t for f, t in files.items() if t}, ENGINE, serial=1),
            counters=counters or Counters(),
            slices=Slices(engine or ENGINE),
            activations=known,
        )

    def keys(self, record: AgentRecord) -> list[ActivationKey]:
        """Every entitlement that the record's boundaries name."""
        name = record.agent.agent
        return [
            ActivationKey(name, purpose, action, split_action(action)[0]) for purpose, action in record.reach.grants
        ]

    def key(self, action: str = "payments/transfer", purpose: str = "pay-invoices") -> ActivationKey:
        return ActivationKey(
            AgentName("invoice-bot"), PurposeName(purpose), ActionName(action), split_action(action)[0]
        )

    def activation(self, key: ActivationKey | None = None, **changes: Any) -> Activation:
        parts: dict[str, Any] = {
            "key": key or self.key(),
            "boundary": BoundaryName("invoice-bot-payments"),
            "boundary_version": 3,
            "agent_version": "1.4",
            "state": ActivationState.ACTIVE,
            "since": NOON,
            "started": NOON,
            "by": "",
            "serial": 1,
            "usage": Usage(NOON, Micros(0)),
        }
        return Activation(**(parts | changes))

    @cache  # noqa: B019 - one builder for the session; compiling a schema is what takes the time
    def _default_servers(self) -> dict[ServerName, ServerRecord]:
        server = self.server()
        return {server.server: server_record(server)}

    def caller(self, **changes: Any) -> Caller:
        parts: dict[str, Any] = {
            "agent": AgentName("invoice-bot"),
            "instance": InstanceId("thumbprint-1"),
            "credential": thumbprint(KEY),
            "purpose": PurposeName("pay-invoices"),
            "run": RunId("run_1"),
            "token": "jti-1",
            "expires": Instant(NOON + HOUR),
            "bound": True,
            "attested": NOON,
            "run_ends": Instant(END + 400 * DAY),
        }
        return Caller(**(parts | changes))

    def call(self, arguments: Mapping[str, Any] | None = None, tool: str = "transfer", **changes: Any) -> Call:
        server = changes.pop("server", "payments")
        caller = {key: changes.pop(key) for key in CALLER if key in changes}
        parts: dict[str, Any] = {
            "id": DecisionId("dec_1"),
            "caller": self.caller(**caller),
            "server": ServerName(server),
            "action": ActionName(f"{server}/{tool}"),
            "tool": ToolName(tool),
            "arguments": {"amount": Decimal("125.50"), "currency": "EUR"} if arguments is None else arguments,
            "proof": ConsumeProof("dpop:1", Instant(NOON + HOUR)),
        }
        return Call(**(parts | changes))

    def method(self, name: str, server: str = "payments", **caller: Any) -> Call:
        action = ActionName(f"{server}:{name}")
        return dataclasses.replace(self.call({}, server=server, **caller), action=action, tool=None, arguments=None)

    def ask(self, call: Call, view: View, now: int = NOON) -> Proposal:
        return decide(call, view, now=Instant(now))

    def transfer(self, view: View, amount: str = "125.50", now: int = NOON, **more: Any) -> Proposal:
        arguments = {"amount": int(amount) if amount.isdigit() else Decimal(amount), "currency": "EUR"} | more
        return self.ask(self.call(arguments), view, now)


@pytest.fixture(scope="session")
def build() -> Build:
    return Build()
