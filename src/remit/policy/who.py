"""Who can do an action, and what is between an agent and it: an answer in words of access, from one decision (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from remit.kernel.names import ActionName, PurposeName, split_action
from remit.policy.methods import target
from remit.policy.model import Call, Code, Proposal
from remit.policy.sample import sample
from remit.policy.schema import input_schema
from remit.policy.view import View


class Access(StrEnum):
    """What an agent has of an action. direct and latent need no human."""

    DIRECT = "direct"  # in force: its next call is let through
    LATENT = "latent"  # starts by itself with its next call
    NEEDS_OWNER = "needs_owner"  # once its owner starts it, or opens a boundary for emergencies
    NEEDS_APPROVAL = "needs_approval"  # a person approves each call, or this one
    OUTSIDE_LIMITS = "outside_limits"  # with other arguments, or later
    UNCLEAR = "unclear"  # arguments have to be named
    STOPPED = "stopped"  # something stops it, whatever the arguments


_STARTS: Final = {"owner": Access.NEEDS_OWNER, "never": Access.STOPPED}  # else by itself, once its key is proved again
_OF_CODE: Final = {
    Code.APPROVAL_REQUIRED: Access.NEEDS_APPROVAL,
    Code.CONSTRAINT_VIOLATED: Access.OUTSIDE_LIMITS,
    Code.RATE_LIMITED: Access.OUTSIDE_LIMITS,
    Code.BUDGET_EXHAUSTED: Access.OUTSIDE_LIMITS,
    Code.OUTSIDE_WINDOW: Access.OUTSIDE_LIMITS,
    Code.SEQUENCE_REQUIRED: Access.OUTSIDE_LIMITS,
    Code.FLOW_BLOCKED: Access.NEEDS_APPROVAL,
    Code.INVALID_ARGUMENTS: Access.UNCLEAR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What one agent has of one action for one purpose, and of which boundary."""

    call: Call
    access: Access
    tier: str
    boundary: str | None
    version: int | None
    code: str | None
    because: str


def standing(call: Call, view: View, proposal: Proposal) -> Standing:
    """The decision on `call`, told as access."""
    answer, denial = proposal.answer, proposal.answer.denial
    boundary: str | None = answer.boundary
    version = answer.boundary_version
    if denial is None:
        access = Access.LATENT if proposal.starts else Access.DIRECT
        because = "starts by itself with its next call" if proposal.starts else "in force"
    else:
        access, because = _OF_CODE.get(denial.code, Access.STOPPED), denial.title
        if denial.code is Code.ACTIVATION_LAPSED:
            access = _STARTS.get(denial.reactivation or "", Access.LATENT)
        if boundary is None:
            named = _named(view, call)
            boundary, version = named if named is not None else (None, None)
    return Standing(
        call=call, access=access, tier=_tier(view, call), boundary=boundary, version=version,
        code=None if denial is None else denial.code.value, because=because,
    )  # fmt: skip


def likely(view: View, agent: str, purpose: PurposeName, action: str) -> Mapping[str, Any]:
    """Arguments that an agent's first boundary for an action and the tool would take, as far as that is easy."""
    record, tool = view.agents.get(agent), target(view.servers.get(split_action(action)[0]), action)
    if record is None or tool is None:
        return {}
    key = (purpose, ActionName(action))
    grants = record.reach.grants.get(key, ()) + record.reach.emergency.get(key, ())
    return sample(input_schema(tool.tool), grants[0].rule if grants else None)


def _named(view: View, call: Call) -> tuple[str, int] | None:
    record = view.agents.get(call.caller.agent)
    key = (call.caller.purpose, call.action)
    grants = () if record is None else record.reach.grants.get(key, ()) + record.reach.emergency.get(key, ())
    return (grants[0].boundary.boundary, grants[0].boundary.version) if grants else None


def _tier(view: View, call: Call) -> str:
    server = view.servers.get(call.server)
    tool = target(server, call.action) if call.entitled else None
    return "high" if tool is None else tool.tier.value
