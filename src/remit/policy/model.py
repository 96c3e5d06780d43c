"""A call, the answer to it, and what must commit with the answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from remit.access.activation import Activation
from remit.attestation.model import Caller
from remit.kernel.clock import Instant
from remit.kernel.names import ActionName, BoundaryName, DecisionId, ServerName, ToolName
from remit.storage.model import ConsumeProof, Effect, Mark


class Code(StrEnum):
    """The closed list of denial codes; each has a page under docs/errors/."""

    NOT_GRANTED = "not_granted"
    INVALID_ARGUMENTS = "invalid_arguments"
    CONSTRAINT_VIOLATED = "constraint_violated"
    FORBIDDEN_BY_POLICY = "forbidden_by_policy"
    OUTSIDE_WINDOW = "outside_window"
    SEQUENCE_REQUIRED = "sequence_required"
    FLOW_BLOCKED = "flow_blocked"
    DELEGATION_TOO_DEEP = "delegation_too_deep"
    RATE_LIMITED = "rate_limited"
    BUDGET_EXHAUSTED = "budget_exhausted"
    ACTIVATION_LAPSED = "activation_lapsed"
    PURPOSE_MISMATCH = "purpose_mismatch"
    PURPOSE_CLOSED = "purpose_closed"
    APPROVAL_REQUIRED = "approval_required"
    APPROVAL_DENIED = "approval_denied"
    STEP_UP_REQUIRED = "step_up_required"
    TOOL_DEFINITION_CHANGED = "tool_definition_changed"
    AGENT_SUSPENDED = "agent_suspended"
    REVOKED = "revoked"
    ENFORCEMENT_UNAVAILABLE = "enforcement_unavailable"
    # Not told to the agent as such: what it may not see looks like what does not exist.
    NOT_VISIBLE = "not_visible"
    # A replayed proof: 401 invalid_dpop_proof at the door, `refused` in the log.
    REPLAYED_PROOF = "replayed_proof"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing wrong with the arguments, as RFC 6901 path, with what would have been right."""

    path: str
    constraint: str  # "max", "min", "in", "prefix", "no_step_up", "max_length", "required", "exact", or a schema's word
    limit: str | int | tuple[str, ...] | None = None
    actual: str | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What the agent can do next."""

    kind: str  # change_arguments, wait, request_access, step_up, alternative_action, stop
    fields: Mapping[str, Any] = field(default_factory=dict)  # e.g. {"path": "/amount", "max": "500.00"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvers:
    """Who may approve: these people, or whoever answers for the agent where none is named; so many of them."""

    by: tuple[str, ...] = ()
    quorum: int = 1

    def satisfied(self, said_yes: Collection[str]) -> bool:
        """Whether enough of them said yes."""
        counted = {person for person in said_yes if not self.by or person in self.by}
        return len(counted) >= self.quorum


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A refusal the agent can act on. A value, never an exception."""

    code: Code
    step: int  # how far the call got: the number of the step that refused it (design: how a call is decided)
    title: str
    violations: tuple[Violation, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    retryable: bool = False
    retry_after: int | None = None  # seconds
    policy: str | None = None  # id of the organisation policy that forbids, never its text
    state: str | None = None  # for approval_required and activation_lapsed
    reactivation: str | None = None  # for activation_lapsed: who starts it again
    approvers: Approvers | None = None  # operator's side only: who may approve; None: who answers for the agent
    cause: str | None = None  # operator's side only: which freeze, which server, what went wrong


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Allow under a boundary, or a denial. An allow always names a boundary or a passing method.

    A third thing is a call that would be denied and goes on, because its server is only observed: no allow.
    """

    denial: Denial | None = None
    would_deny: Denial | None = None  # of a server in observe: what it would be refused with, were it in enforce
    boundary: BoundaryName | None = None
    boundary_version: int | None = None
    policies: tuple[str, ...] = ()  # ids of the policies Cedar named
    opening: str | None = None  # by which the boundary, one for emergencies, is open
    approval: str | None = None  # the approval of a person that it used
    approved_until: Instant | None = None

    @property
    def allowed(self) -> bool:
        """Whether the call may go on."""
        return self.denial is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to decide. `arguments` is None for what passes, or does not, as a whole (`schema.PASSING`)."""

    id: DecisionId
    caller: Caller
    server: ServerName
    action: ActionName  # tool_action() or method_action()
    tool: ToolName | None = None
    arguments: Mapping[str, Any] | None = None  # numbers as int or Decimal, never float
    hypothetical: bool = False  # an operator's question: no credential, token or run stands behind it
    proof: ConsumeProof | None = None
    subject: str = ""  # whom an enforcement point says the agent acts for; recorded, and decides nothing
    resource: str | None = None  # the URI that resources/read is about
    # Asked once more: the marks that the writer found to be otherwise than the last proposal took them to be.
    otherwise: frozenset[str] = frozenset()
    approval: str | None = None  # the approval that it was asked with, where one was named
    under: str | None = None  # once it was let through: the opening of a boundary for emergencies that it stands on

    @property
    def entitled(self) -> bool:
        """Whether an entitlement must stand behind it: a tool's call, or a method that a boundary has to grant."""
        return self.tool is not None or self.arguments is not None


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, and the effects that must commit with it."""

    answer: Answer
    effects: tuple[Effect, ...] = ()
    facts: Mapping[str, Any] = {}  # canonical-JSON values that were read, for the payload; a new one for each
    starts: tuple[Activation, ...] = ()  # what the call starts, once the effects have committed
    verdicts: tuple[Mapping[str, Any], ...] = ()  # recorded beside the decision
    after: tuple[Mark, ...] = ()  # what is noted once the call has come to ok
    read: Any = None  # what was read beside the state (`circumstances.Read`); None where nobody decided
    spent: tuple[str, int | None, int] | None = None  # the counter in which the writer found nothing left
