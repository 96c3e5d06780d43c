"""What the policy decision needs from outside: a Cedar engine, and the stored facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection

from remit.access.activation import Activation, ActivationKey
from remit.access.doubt import Doubt
from remit.access.model import Boundary, Purpose
from remit.access.opening import Opening
from remit.agents.model import Agent
from remit.agents.risk import Risk
from remit.catalog.model import Server
from remit.freezes.model import Freeze
from remit.kernel.names import AgentName, BoundaryName
from remit.people.model import Owner
from remit.policy.approved import Standing
from remit.policy.declared.model import Declaration
from remit.policy.entitlement import Covered

Handle = Any  # what an engine has parsed; only that engine knows what it is


class Ruling(StrEnum):
    """What an engine may answer. `none` is a third answer, and a deny."""

    ALLOW = "allow"
    DENY = "deny"
    NONE = "none"


class Verdict(msgspec.Struct, frozen=True):
    """An engine's answer: the ids of the policies that determined it, and whatever went wrong."""

    ruling: Ruling
    reasons: tuple[str, ...]  # sorted: the engine's own order is not stable
    errors: tuple[str, ...]


class Slice(msgspec.Struct, frozen=True):
    """The policies that can apply to one agent, purpose and action, parsed once, with what they speak about."""

    policies: Handle
    entities: Handle
    schema: Handle
    request: Mapping[str, Any]  # principal, action and resource, each a {"type", "id"}
    permit: str | None = None  # id of the boundary's own permit in this slice
    exact: bool = False  # whether that permit says all that the boundary says


class Engine(Protocol):
    """A Cedar evaluator. Policies come as Cedar's JSON, keyed by the ids that verdicts name."""

    def schema(self, schema: Mapping[str, Any]) -> Handle:
        """Parse a schema (Cedar's JSON schema format). Raises ValueError."""
        ...

    def spelling(self, schema: str | Mapping[str, Any]) -> str:
        """A schema, in Cedar's schema language or its JSON, as the engine itself writes it. Raises ValueError."""
        ...

    def entities(self, entities: list[dict[str, Any]], schema: Handle) -> Handle:
        """Parse entities, checked against `schema`. Raises ValueError."""
        ...

    def policies(self, policies: Mapping[str, Any]) -> Handle:
        """Parse policies. Raises ValueError."""
        ...

    def ask(self, question: Slice, context: str) -> Verdict:
        """Decide, with the request checked against the slice's schema. `context` is JSON text."""
        ...

    def read(self, text: str) -> Mapping[str, Any]:
        """Cedar text as Cedar's JSON policy set. Raises ValueError."""
        ...

    def count(self, text: str) -> int:
        """How many policies Cedar text holds. Raises ValueError: it cannot be read, or holds templates."""
        ...

    def faults(self, text: str, schema: Handle) -> list[str]:
        """What strict validation of `text` against a parsed schema finds; empty if nothing."""
        ...


class FactSource(Protocol):
    """The stored facts, as the rooms below read them. The views are built from these."""

    def owners(self, connection: Connection) -> Iterable[Owner]:
        """Every owner."""
        ...

    def owner(self, connection: Connection, name: str) -> Owner | None:
        """One owner, or None."""
        ...

    def agents(self, connection: Connection) -> Iterable[Agent]:
        """Every agent."""
        ...

    def agent(self, connection: Connection, name: str) -> Agent | None:
        """One agent, or None."""
        ...

    def purposes(self, connection: Connection) -> Iterable[Purpose]:
        """Every purpose."""
        ...

    def purpose(self, connection: Connection, name: str) -> Purpose | None:
        """One purpose, or None."""
        ...

    def boundaries(self, connection: Connection) -> Iterable[Boundary]:
        """Every boundary version in force (state active); an iterator keeps the start's memory low."""
        ...

    def boundaries_of(self, connection: Connection, agent: str) -> Iterable[Boundary]:
        """One agent's boundary versions in force."""
        ...

    def servers(self, connection: Connection) -> Iterable[Server]:
        """Every server with its tools."""
        ...

    def server(self, connection: Connection, name: str) -> Server | None:
        """One server with its tools, or None."""
        ...

    def activations(self, connection: Connection, agent: str) -> Iterable[Activation]:
        """Every activation of one agent that was ever started."""
        ...

    def together(self, connection: Connection, agent: str) -> Mapping[ActivationKey, tuple[ActivationKey, ...]]:
        """For each entitlement of an agent that is used together with others, these."""
        ...

    def coverage(self, connection: Connection) -> Mapping[str, Covered]:
        """Of each server whose use other sources tell of, when all of them told everything."""
        ...

    def doubts(self, connection: Connection) -> Mapping[str, tuple[Doubt, ...]]:
        """By server, whose record of use is not believed."""
        ...

    def openings(self, connection: Connection) -> Mapping[tuple[AgentName, BoundaryName], Opening]:
        """By agent and boundary, the opening that ends last; every one that is open is there, others may be."""
        ...

    def approvals(self, connection: Connection) -> Iterable[Standing]:
        """The access requests that still say something about a call."""
        ...

    def risks(self, connection: Connection, agent: str | None = None) -> Iterable[tuple[str, Risk]]:
        """Agents about whom something is known: all of them, or one."""
        ...

    def freezes(self, connection: Connection) -> Iterable[Freeze]:
        """The freezes in force."""
        ...

    def policies(self, connection: Connection) -> Mapping[str, str]:
        """The organisation's policies: file name to Cedar text."""
        ...

    def declarations(self, connection: Connection) -> Mapping[str, Declaration]:
        """What the organisation declared of its own types, by file."""
        ...
