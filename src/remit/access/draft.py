"""A boundary as it was written, globs and all, before a person approved it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from remit.access.conditions import Conditions
from remit.access.model import Bound, Boundary, BoundaryState, Budget, Rate, Rule
from remit.kernel.clock import Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName, split_action


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One item of `allow`: a pattern, and what bounds every action that it comes to stand for."""

    pattern: str
    when: tuple[Bound, ...] = ()
    rate: Rate | None = None
    budget: Budget | None = None
    approval_above: tuple[tuple[str, Decimal], ...] = ()
    approval_by: tuple[str, ...] = ()
    approval_quorum: int = 1
    first_use: str | None = None
    ttl: Micros | None = None
    cadence: Micros | None = None
    needs: tuple[ActionName, ...] = ()
    conditions: Conditions | None = None

    @property
    def exact(self) -> bool:
        """Whether it names one action."""
        return "*" not in self.pattern

    @property
    def of_methods(self) -> bool:
        """Whether it is about methods of a server (`server:method`), and not about its tools."""
        return not split_action(self.pattern)[2]

    def rule(self, action: ActionName) -> Rule:
        """The rule for one pinned action."""
        return Rule(
            action=action,
            when=self.when,
            rate=self.rate,
            budget=self.budget,
            approval_above=self.approval_above,
            approval_by=self.approval_by,
            approval_quorum=self.approval_quorum,
            first_use=self.first_use,
            ttl=self.ttl,
            cadence=self.cadence,
            needs=tuple(each for each in self.needs if each != action),  # a pattern may cover what it needs
            conditions=self.conditions,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the document says."""

    boundary: BoundaryName
    agent: AgentName
    purpose: PurposeName
    allow: tuple[Clause, ...]
    not_after: Instant
    break_glass: bool = False
    review_every: Micros | None = None  # a person looks at it at least this often; else as its tiers say


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a boundary: what was written and, once a person approved it, the rules it came to."""

    draft: Draft
    version: int
    state: BoundaryState
    rules: Mapping[ActionName, Rule] | None = None
    approved_by: OwnerName | None = None
    approved_at: Instant | None = None

    def boundary(self, preview: Mapping[ActionName, Rule] | None = None) -> Boundary:
        """The domain value; `preview` is what a version that waits would come to."""
        return Boundary(
            boundary=self.draft.boundary,
            version=self.version,
            agent=self.draft.agent,
            purpose=self.draft.purpose,
            rules=self.rules if self.rules is not None else preview or {},
            not_after=self.draft.not_after,
            state=self.state,
            approved_by=self.approved_by,
            approved_at=self.approved_at,
            break_glass=self.draft.break_glass,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Where a boundary stands: at most one version in force, at most one that waits."""

    active: Version | None = None
    waiting: Version | None = None
    last: int = 0  # the highest version number there ever was
