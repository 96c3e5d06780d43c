"""A world to try a policy in: an agent with a boundary for one action, without bounds, and all that goes with it.

What a policy of the organisation forbids is forbidden to whoever would otherwise be let through. So an agent that
nothing else stops is the one to try it on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from remit.access.model import Boundary, BoundaryState, Purpose, PurposeState, Rule
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.kernel.clock import HOUR, Instant, Micros
from remit.kernel.names import (
    ActionName,
    AgentName,
    BoundaryName,
    OwnerName,
    PurposeName,
    ServerName,
    ToolName,
    split_action,
)
from remit.people.model import Owner
from remit.policy.activations import Activations
from remit.policy.candidates import MEMBER
from remit.policy.normal import Term
from remit.policy.organisation import Organisation
from remit.policy.slices import Slices
from remit.policy.trial import Trial
from remit.policy.view import Counters, PurposeRecord, ServerRecord, View, agent_record, server_record

_FAR: Final = Instant(2**61)
BOUNDARY: Final = BoundaryName("any-boundary")
_KINDS: Final = {"long": "integer", "decimal": "number", "string": "string", "bool": "boolean"}


def stage(trial: Trial, server: ServerRecord, organisation: Organisation, slices: Slices) -> View:
    """The world in which nothing but `organisation` may stop `trial`."""
    agent = Agent(
        agent=AgentName(trial.agent), owner=OwnerName(trial.owner), version=trial.version,
        purposes=(PurposeName(trial.purpose),), max_instances=1, sender_constraint=SenderConstraint.DPOP,
        not_after=_FAR, max_run=Micros(HOUR), keys=(), state=AgentState.ACTIVE,
    )  # fmt: skip
    rule = Rule(action=ActionName(trial.action), first_use="auto")
    boundary = Boundary(
        boundary=BOUNDARY, version=1, agent=agent.agent, purpose=PurposeName(trial.purpose),
        rules={rule.action: rule}, not_after=_FAR, state=BoundaryState.ACTIVE, approved_by=agent.owner,
        approved_at=Instant(0),
    )  # fmt: skip
    purpose = Purpose(
        purpose=boundary.purpose, statement="any", actions=("*",), data_classes=trial.classes, not_after=_FAR,
        state=PurposeState.ACTIVE,
    )  # fmt: skip
    known = Activations()
    known.load(agent.agent, lambda: ())
    return View(
        epoch=0,
        contact=lambda: _FAR,
        agents={agent.agent: agent_record(agent, (boundary,))},
        owners={agent.owner: Owner(owner=agent.owner, name=agent.owner, email="")},
        purposes={boundary.purpose: PurposeRecord(purpose)},
        servers={server.server.server: server},
        freezes={},
        organisation=organisation,
        counters=Counters(),
        slices=slices,
        activations=known,
    )


def made_up(actions: Mapping[str, Tier], about: Mapping[tuple[str, ...], list[Term]]) -> dict[str, ServerRecord]:
    """Servers with the tools that policies name, where no catalog is at hand: by name.

    A tool takes the arguments that the policies read, of the types that they are compared as.
    """
    schema = _schema({at[2:]: literals for at, literals in about.items() if at[:2] == ("context", "input") and at[2:]})
    tools: dict[str, dict[ToolName, Tool]] = {}
    for action, tier in actions.items():
        server, name, _ = split_action(action)
        definition = {"name": name, "inputSchema": schema}
        tools.setdefault(server, {})[ToolName(name)] = Tool(
            name=ToolName(name), tier=tier, pin="-", definition=definition, seen=None, state=PinState.APPROVED
        )
    return {name: server_record(_server(name, found)) for name, found in tools.items()}


def _server(name: str, tools: Mapping[ToolName, Tool]) -> Server:
    return Server(
        server=ServerName(name), url="http://127.0.0.1/mcp", credential=None, tiers=(), review="quarantine",
        tools=tools, set_pin="",
    )  # fmt: skip


def _schema(about: Mapping[tuple[str, ...], list[Term]]) -> dict[str, Any]:
    root: dict[str, Any] = {"type": "object", "properties": {}}
    for path, literals in sorted(about.items()):
        node = root
        for name in path[:-1]:
            node = node["properties"].setdefault(name, {"type": "object", "properties": {}})
            node.setdefault("properties", {})
            node["type"] = "object"
        node["properties"].setdefault(path[-1], _type(literals))
    return root


def _type(literals: Sequence[Term]) -> dict[str, Any]:
    for each in literals:
        if each[1] == MEMBER:
            return {"type": "array", "items": {"type": "string" if isinstance(each[2], str) else "integer"}}
        if each[1] in _KINDS:
            return {"type": _KINDS[each[1]]}
    return {"type": "boolean"}
