"""The Cedar schema, generated from the catalog (pure). Remit's own types live in the namespace `Remit`.

principal: `Remit::Agent` (in its `Remit::Owner`), action: the action's name as it is, for instance
`Remit::Action::"payments/transfer"`, resource: `Remit::Server`. Cedar has no wildcard on actions,
so every action stands in the groups `"server:NAME"` and `"tier:TIER"`. The context carries `input`
(the arguments), `purpose`, `run`, `instance` and `now`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from remit.catalog.methods import METHODS as GRANTABLE
from remit.catalog.model import Server, Tier, Tool
from remit.kernel.names import method_action, tool_action
from remit.policy.shape import EMPTY, Shape, cedar_type, shape_of

NAMESPACE = "Remit"
AGENT, OWNER, PURPOSE, SERVER, ACTION = (f"{NAMESPACE}::{n}" for n in ("Agent", "Owner", "Purpose", "Server", "Action"))

# Remit's own resource on every server: where an agent reads what it may do. It never comes from the server.
MANDATE_URI = "remit://mandate"
# What passes on a server for an agent with any boundary there; `resources/list` is answered here, with that one.
PASSING = frozenset(
    {
        "initialize",
        "server/discover",
        "ping",
        "tools/list",
        "resources/list",
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/progress",
        "notifications/roots/list_changed",
        "GET",
        "DELETE",
        "answer",  # of an agent, to what its server was let ask it
    }
)
# With those that a boundary grants by name: all that policies know.
METHODS = PASSING | GRANTABLE.keys()

_STRING = {"type": "String"}
_STRINGS = {"type": "Set", "element": _STRING}
_ENTITIES: dict[str, Any] = {
    "Agent": {
        "memberOfTypes": ["Owner"],
        "shape": {
            "type": "Record",
            "attributes": {"name": _STRING, "version": _STRING, "owner": {"type": "Entity", "name": "Owner"}},
        },
    },
    "Owner": {"shape": {"type": "Record", "attributes": {"name": _STRING}}},
    "Purpose": {"shape": {"type": "Record", "attributes": {"name": _STRING, "data_classes": _STRINGS}}},
    "Server": {"shape": {"type": "Record", "attributes": {"name": _STRING}}},
}


def groups_of(server: str, tier: Tier | None) -> tuple[str, ...]:
    """The action groups of an action on `server`: its server's, and its tier's if it is a tool."""
    return (f"server:{server}",) if tier is None else (f"server:{server}", f"tier:{tier.value}")


def for_action(action: str, groups: Iterable[str], shape: Shape = EMPTY) -> dict[str, Any]:
    """The schema of one action: what requests are checked against. It costs the same however large the catalog is."""
    groups = tuple(groups)
    return _schema({**{group: {} for group in groups}, action: _action(groups, shape)})


def for_catalog(servers: Iterable[Server]) -> dict[str, Any]:
    """The schema of everything in the catalog: what the organisation's policies are validated against."""
    actions: dict[str, Any] = {f"tier:{tier.value}": {} for tier in Tier}
    for server in servers:
        actions.setdefault(f"server:{server.server}", {})
        for tool in server.tools.values():
            groups = groups_of(server.server, tool.tier)
            actions[tool_action(server.server, tool.name)] = _action(groups, tool_shape(tool))
        for method in METHODS:
            known = GRANTABLE.get(method)
            groups = groups_of(server.server, known.tier if known else None)
            actions[method_action(server.server, method)] = _action(groups, tool_shape(known) if known else EMPTY)
    return _schema(actions)


def tool_shape(tool: Tool) -> Shape:
    """What policies can read of a call of `tool`."""
    return shape_of(input_schema(tool))


def input_schema(tool: Tool) -> Mapping[str, Any]:
    """The approved input schema of `tool`; one that is no object accepts nothing."""
    schema = tool.definition.get("inputSchema")
    return schema if isinstance(schema, dict) else {"not": {}}


def _action(groups: Iterable[str], shape: Shape) -> dict[str, Any]:
    context = {
        "input": cedar_type(shape),
        "purpose": {"type": "Entity", "name": "Purpose"},
        "run": _STRING,
        "instance": _STRING,
        "now": {"type": "Extension", "name": "datetime"},
    }
    return {
        "memberOf": [{"id": group} for group in groups],
        "appliesTo": {
            "principalTypes": ["Agent"],
            "resourceTypes": ["Server"],
            "context": {"type": "Record", "attributes": context},
        },
    }


def _schema(actions: Mapping[str, Any]) -> dict[str, Any]:
    return {NAMESPACE: {"entityTypes": _ENTITIES, "actions": actions}}
