"""What a plan says beside its rows, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.agents.model import Agent
from remit.server.world import World


def sent(incident: Mapping[str, Any] | None) -> str:
    """That a secret goes to another place."""
    if incident is None:
        return ""
    before = ", ".join(incident["hosts_before"])
    return f"the secret {incident['secret']} goes to {incident['host']}, before to {before}"


def untrusted(agent: Agent, world: World) -> str:
    """Which issuers an agent's document asks for and nobody declared: until then they let no copy in."""
    named = sorted({str(each.said["trust"]) for each in agent.bindings if "trust" in each.said})
    missing = [name for name in named if not world.has_trust(name)]
    return f"not trusted yet: {', '.join(missing)} (remit trust add)" if missing else ""


def lower(found: Mapping[str, str]) -> str:
    """Which tools' tiers go down."""
    return "; ".join(f"the tier of {tool} goes down, {change}" for tool, change in found.items())
