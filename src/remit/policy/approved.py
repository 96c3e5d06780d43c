"""Whether a person approved this very call (pure): what lets step 11 pass, or anything else that a person may let pass.

An approval is bound to the agent, whose access it uses, the purpose, the action and every argument, is over within
minutes and is used once. It never stands in for a boundary: all else of a decision is asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from remit.kernel.clock import EPOCH, Instant
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.policy.model import Approvers, Call
from remit.storage.model import ConsumeApproval

if TYPE_CHECKING:
    from remit.policy.view import View

PENDING: Final = "pending"
APPROVED: Final = "approved"
DENIED: Final = "denied"
NONE: Final = "none"
STALE: Final = "stale"
EXPIRED: Final = "expired"
USED: Final = "used"
# Sorted, because the order of an object's members means nothing; numbers as they were written, because 1.0 is not 1.
_bytes = msgspec.json.Encoder(decimal_format="number", order="sorted").encode

ANYBODY: Final = Approvers()
Asked = tuple[AgentName, PurposeName, ActionName]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One access request as a decision sees it."""

    request: str
    asked: Asked
    binding: str
    state: str  # as the request's own
    until: Instant  # may be decided until then; once it is approved, may be used until then
    approval: str = ""
    by: tuple[str, ...] = ()  # who said yes
    used: str = ""  # the decision that used it


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is known of approvals of a call: one that lets it pass, or why none does."""

    state: str  # approved, none, pending, stale, expired, used, denied
    effect: ConsumeApproval | None = None  # must commit with the decision that stands on it; None: it has
    approval: str = ""
    until: Instant = EPOCH

    @property
    def passes(self) -> bool:
        """Whether a person let this call pass."""
        return self.state == APPROVED


_NOTHING: Final = Found(state=NONE)


def bound_to(call: Call) -> bytes:
    """What an approval of `call` is bound to; hashed with a key, because amounts and addresses can be guessed."""
    caller = call.caller
    said: list[Any] = [
        "approval", caller.agent, caller.principal, caller.purpose, call.action, call.arguments or {},
    ]  # fmt: skip
    return _bytes(said)


def asked_of(call: Call) -> Asked:
    """Under which approvals of `call` are kept."""
    return call.caller.agent, call.caller.purpose, call.action


def approved(call: Call, view: View, *, now: Instant, approvers: Approvers = ANYBODY) -> Found:
    """Whether a person approved this very call, and what must commit for it to pass once.

    Args:
        call: The call, whose arguments are in bounds.
        view: The facts; costs one look-up where nothing was asked for.
        now: The time.
        approvers: Who may approve, as the boundary says now: an approval by others, or by too few, is stale.
    """
    known = view.approvals.get(asked_of(call))
    if known is None:
        return _NOTHING
    if call.approval is not None:
        known = tuple(each for each in known if each.approval == call.approval)
    binding = view.mac(bound_to(call))
    states = [
        (each, _state(each, call, approvers, _use(each, view), now=now)) for each in known if each.binding == binding
    ]
    for each, state in states:
        if state == APPROVED:
            return _passing(each, call, _use(each, view), now)
    if any(state == PENDING for _, state in states):
        return Found(state=PENDING)
    if states:
        return Found(state=states[-1][1])  # the newest
    # Something else was approved: the agent should know that its arguments are not what a person saw.
    others = (_state(each, call, approvers, _use(each, view), now=now) for each in known)
    return Found(state=STALE) if APPROVED in others else _NOTHING


def _use(each: Standing, view: View) -> str:
    return each.used or view.consumed.get(each.request, "")


def _state(each: Standing, call: Call, approvers: Approvers, used: str, *, now: Instant) -> str:
    if each.state not in (PENDING, APPROVED):
        return DENIED if each.state == DENIED else EXPIRED
    if used and used != call.id:
        return USED
    if now >= each.until and not used:
        return EXPIRED
    if each.state == APPROVED and not approvers.satisfied(each.by):
        return STALE
    return each.state


def _passing(each: Standing, call: Call, used: str, now: Instant) -> Found:
    # A call that runs is asked about again, and by then its own approval is used: by itself.
    effect = None if used else ConsumeApproval(each.request, each.approval, call.id, now)
    return Found(state=APPROVED, effect=effect, approval=each.approval, until=each.until)


def by_call(standing: Iterable[Standing]) -> Mapping[Asked, tuple[Standing, ...]]:
    """Requests by what they ask for, oldest first."""
    found: dict[Asked, list[Standing]] = {}
    for each in sorted(standing, key=lambda each: each.request):
        found.setdefault(each.asked, []).append(each)
    return {key: tuple(several) for key, several in found.items()}
