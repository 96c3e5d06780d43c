"""What is proposed in place of a boundary, and what it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.access.draft import Draft
from remit.access.model import Bound
from remit.catalog.model import Tier
from remit.kernel.clock import Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.policy.model import Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One call that was made. `arguments` is None where they are not known: no import tells them, and
    those whose data key was erased are gone.
    """

    agent: AgentName
    purpose: PurposeName
    action: ActionName
    at: Instant
    arguments: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is proposed: the boundary of this name, for this agent and purpose, until `ends` at the latest."""

    boundary: BoundaryName
    agent: AgentName
    purpose: PurposeName
    ends: Instant
    review_every: Micros | None = None  # as the one in force says


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A held-out call that the proposal would refuse: `not_granted`, or `constraint_violated` with where."""

    action: ActionName
    at: Instant
    code: str
    violations: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One action: how often it was used in either part, and what the proposal says of it."""

    action: ActionName
    tier: Tier
    learned: int
    held: int
    kept: bool
    when: tuple[Bound, ...]
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposal. `draft` is None where nothing was used: then there is nothing to propose but an end."""

    target: Target
    draft: Draft | None
    document: Mapping[str, Any] | None  # as YAML writes it: text, exact numbers, lists, objects
    rows: tuple[Row, ...]
    refusals: tuple[Refusal, ...]  # oldest first
    learned: int  # calls before the cut
    held: int  # calls from the cut on
    outside: int  # calls that the boundary in force would not allow: they teach nothing and are not judged
    unread: int  # of both parts, calls whose arguments are not known
    weight_before: int  # tiers weigh 40, 10, 3, 1; bounds on arguments weigh nothing
    weight_after: int
