"""Agents: registered software principals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from remit.agents.binding import Binding
from remit.kernel.clock import Instant, Micros
from remit.kernel.names import AgentName, OwnerName, PurposeName


class AgentState(StrEnum):
    """The lifecycle: proposed, active, suspended, retired (for ever)."""

    PROPOSED = "proposed"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class SenderConstraint(StrEnum):
    """How a token is tied to its holder's key. `none` is a posture finding."""

    DPOP = "dpop"
    MTLS = "mtls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent as registered. There is no agent without an owner, a purpose and an end."""

    agent: AgentName
    owner: OwnerName
    version: str
    purposes: tuple[PurposeName, ...]
    max_instances: int
    sender_constraint: SenderConstraint
    not_after: Instant
    max_run: Micros
    keys: tuple[Mapping[str, Any], ...]  # public JWKs that may sign its client assertions
    state: AgentState
    uids: tuple[int, ...] = ()  # users of the server's own machine whose processes may be this agent
    bindings: tuple[Binding, ...] = ()  # what else may prove that a copy is this agent
    delegates: tuple[AgentName, ...] = ()  # agents that may act for it
    max_children: int = 0  # that may act for it at once
    max_widening: int | None = None  # points that approvals may add to its boundaries in a UTC year; None: no limit
