"""Purposes and access boundaries: the upper bounds that humans approved.

All quantities are exact: an argument's number is compared as `Decimal`; what is counted
(`Reserve`) is counted in ten-thousandths, as `int`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from remit.access.conditions import Conditions
from remit.kernel.clock import Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName


class PurposeState(StrEnum):
    """proposed, active, closed (for ever)."""

    PROPOSED = "proposed"
    ACTIVE = "active"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """A registered statement of what work this is. Its globs match at decision time and grant nothing."""

    purpose: PurposeName
    statement: str
    actions: tuple[str, ...]  # globs over action names; only `*` is special
    data_classes: tuple[str, ...]
    not_after: Instant
    state: PurposeState


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What one argument may be. A bounded argument is required."""

    argument: str  # a top-level property of the tool's input schema
    max: Decimal | None = None
    min: Decimal | None = None
    in_: tuple[str | Decimal | bool, ...] | None = None
    prefix: str | None = None
    max_length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most `count` calls per UTC calendar unit (`second`, `min`, `hour`, `day`)."""

    count: int
    per: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """At most `max` of the sum of `argument` per UTC calendar unit (`hour`, `day`, `month`)."""

    argument: str
    max: Decimal
    per: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One action of a boundary, with everything that bounds it."""

    action: ActionName  # one pinned action; globs are gone by the time a Rule exists
    when: tuple[Bound, ...] = ()
    rate: Rate | None = None
    budget: Budget | None = None
    approval_above: tuple[tuple[str, Decimal], ...] = ()  # (argument, threshold)
    approval_by: tuple[str, ...] = ()  # who may approve; else who answers for the agent
    approval_quorum: int = 1  # so many of them
    first_use: str | None = None  # "auto" or None
    ttl: Micros | None = None
    cadence: Micros | None = None  # its owner says that it is used this often; it lasts half as long again
    needs: tuple[ActionName, ...] = ()  # its owner says that it is of no use without these (`access/needs.py`)
    conditions: Conditions | None = None  # when, how much, for whom, after what; no person's place is taken by these

    @property
    def limited(self) -> bool:
        """Whether the owner said within which limits a critical action needs no person: else each call needs one."""
        return self.first_use == "auto" or self.rate is not None or self.budget is not None or bool(self.approval_above)


class BoundaryState(StrEnum):
    """waiting_for_catalog and proposed wait; active is in force; superseded, revoked and ended are over."""

    WAITING_FOR_CATALOG = "waiting_for_catalog"
    PROPOSED = "proposed"
    ACTIVE = "active"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """One approved version of a boundary: agent x purpose x fixed actions, until an end."""

    boundary: BoundaryName
    version: int
    agent: AgentName
    purpose: PurposeName
    rules: Mapping[ActionName, Rule]
    not_after: Instant
    state: BoundaryState
    approved_by: OwnerName | None
    approved_at: Instant | None
    break_glass: bool = False  # for emergencies: usable only while a person holds it open (`access/opening.py`)
