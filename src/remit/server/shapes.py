"""How domain values look as JSON in the `/v1` API."""

from __future__ import annotations

from typing import Any

from remit.access import conditions_document
from remit.access.model import Bound, Boundary, Purpose, Rule
from remit.agents.model import Agent
from remit.catalog.injection import Credential, Injection, Variable, kind_of
from remit.catalog.labels import labels_of
from remit.catalog.model import PinState, Server, Tool
from remit.freezes.model import Freeze
from remit.kernel.clock import rfc3339
from remit.keys.jose import public_key
from remit.people.model import Owner


def owner(value: Owner) -> dict[str, Any]:
    """A person who answers for agents."""
    return {
        "owner": value.owner,
        "name": value.name,
        "email": value.email,
        "backup": list(value.backup),
        "active": value.active,
    }


def purpose(value: Purpose) -> dict[str, Any]:
    """A purpose."""
    return {
        "purpose": value.purpose,
        "statement": value.statement,
        "actions": list(value.actions),
        "data_classes": list(value.data_classes),
        "not_after": rfc3339(value.not_after),
        "state": value.state.value,
    }


def agent(value: Agent) -> dict[str, Any]:
    """An agent; of its keys only the thumbprints."""
    return {
        "agent": value.agent,
        "state": value.state.value,
        "owner": value.owner,
        "version": value.version,
        "purposes": list(value.purposes),
        "sender_constraint": value.sender_constraint.value,
        "max_instances": value.max_instances,
        "max_children": value.max_children,
        "max_widening": value.max_widening,
        "max_run_seconds": value.max_run // 1_000_000,
        "not_after": rfc3339(value.not_after),
        "keys": [public_key(jwk).thumbprint for jwk in value.keys],
        "local_uids": list(value.uids),
    }


def boundary(value: Boundary) -> dict[str, Any]:
    """One version of a boundary, without its rules."""
    return {
        "boundary": value.boundary,
        "version": value.version,
        "agent": value.agent,
        "purpose": value.purpose,
        "state": value.state.value,
        "not_after": rfc3339(value.not_after),
        "approved_by": value.approved_by,
        "approved_at": None if value.approved_at is None else rfc3339(value.approved_at),
        **({"break_glass": True} if value.break_glass else {}),
    }


def boundary_with_rules(value: Boundary) -> dict[str, Any]:
    """One version of a boundary, with every action that it allows."""
    rules = [rule(each) for _, each in sorted(value.rules.items())]
    return {**boundary(value), "rules": rules}


def rule(value: Rule) -> dict[str, Any]:
    """One action with what bounds it; numbers are text, so that no reader rounds them."""
    found: dict[str, Any] = {"action": value.action}
    if value.when:
        found["when"] = {each.argument: _bound(each) for each in value.when}
    if value.rate:
        found["rate"] = f"{value.rate.count}/{value.rate.per}"
    if value.budget:
        budget = value.budget
        found["budget"] = {"argument": budget.argument, "max": str(budget.max), "per": budget.per}
    found |= _approval(value)
    if value.first_use:
        found["first_use"] = value.first_use
    if value.cadence:
        found["cadence_seconds"] = value.cadence // 1_000_000
    if value.needs:
        found["needs"] = list(value.needs)
    if value.ttl:
        found["ttl_seconds"] = value.ttl // 1_000_000
    if value.conditions:
        found |= conditions_document.said(value.conditions)
    return found


def _approval(value: Rule) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if value.approval_above:
        found["approval_above"] = {argument: str(threshold) for argument, threshold in value.approval_above}
    if value.approval_by:
        found["approval_by"] = list(value.approval_by)
    if value.approval_quorum != 1:
        found["approval_quorum"] = value.approval_quorum
    return found


def _bound(value: Bound) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if value.max is not None:
        found["max"] = str(value.max)
    if value.min is not None:
        found["min"] = str(value.min)
    if value.in_ is not None:
        found["in"] = [each if isinstance(each, (str, bool)) else str(each) for each in value.in_]
    if value.prefix is not None:
        found["prefix"] = value.prefix
    if value.max_length is not None:
        found["max_length"] = value.max_length
    return found


def server(value: Server) -> dict[str, Any]:
    """A server, with counts of its tools."""
    tools = value.tools.values()
    return {
        "server": value.server,
        "kind": value.kind.value,
        "url": value.url,
        **({"command": list(value.command), "env": dict(value.env)} if value.command else {}),
        "credential": _injection(value.credential),
        "review": value.review,
        "mode": value.mode.value,
        "tools": len(tools),
        "waiting": sum(tool.state in {PinState.PENDING, PinState.CHANGED} for tool in tools),
        "set_pin": value.set_pin,
    }


def server_with_tools(value: Server) -> dict[str, Any]:
    """A server, with its tools."""
    return {**server(value), "tools": [_labelled(value, each) for _, each in sorted(value.tools.items())]}


def _labelled(of: Server, value: Tool) -> dict[str, Any]:
    """A tool, with what its operator said of its data, if anything."""
    labels = labels_of(value.name, of.labels)
    more = {} if labels is None else {"returns": list(labels.returns), "carries_out": labels.carries_out}
    return {**tool(value), **more}


def _injection(value: Credential | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, Variable):
        return f"{value.secret} as {value.env}"
    return f"{value.secret} as {value.header if isinstance(value, Injection) else kind_of(value)}"


def tool(value: Tool) -> dict[str, Any]:
    """A tool, with the schema that its arguments are checked against."""
    return {
        "tool": value.name,
        "tier": value.tier.value,
        "state": value.state.value,
        "pin": value.pin,
        "input_schema": value.definition.get("inputSchema"),
    }


def freeze(value: Freeze) -> dict[str, Any]:
    """A freeze in force."""
    return {
        "id": value.id,
        "kind": value.kind.value,
        "name": value.name,
        "reason": value.reason,
        "by": value.by,
        "since": rfc3339(value.since),
    }
