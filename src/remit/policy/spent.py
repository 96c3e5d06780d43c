"""A call that was let through, and whose reservation or approval was spent when it was to be committed (pure)."""

from __future__ import annotations

from remit.kernel.clock import Instant
from remit.policy.circumstances import APPROVAL
from remit.policy.limits import exhausted
from remit.policy.model import Answer, Call, Proposal
from remit.policy.unapproved import approval_lost
from remit.policy.view import Counters
from remit.storage.model import ConsumeApproval, Reserve


def denied(
    effect: Reserve | ConsumeApproval, call: Call, proposal: Proposal, counters: Counters, *, now: Instant
) -> Proposal:
    """The proposal that takes the place of `proposal`: a denial, which keeps what was read and what was spent."""
    if isinstance(effect, ConsumeApproval):
        return Proposal(answer=Answer(denial=approval_lost(call)), read=proposal.read, spent=(APPROVAL, None, 0))
    used = counters.used(effect.key, effect.window)
    denial = exhausted(effect, call, now=now, used=used)
    return Proposal(answer=Answer(denial=denial), read=proposal.read, spent=(effect.key, used, effect.limit))
