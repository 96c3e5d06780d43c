"""What became of a call, on its way to the log, and what it gives back (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from remit.attestation.model import Caller
from remit.enforcement.model import Outcome
from remit.enforcement.ports import Decider
from remit.policy.model import Call, Proposal
from remit.storage.model import Committed, ConsumeApproval, Entry, Release, Reserve


@dataclass(frozen=True, slots=True)
class Waiting:
    """An outcome that is not durable yet.

    `used` is the call, if the outcome justifies its entitlement; `failed`, if it is an error.
    """

    decision: str
    entry: Entry
    used: Call | None = None
    failed: Call | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """An outcome that may be recorded already, or whose decision may not be."""

    waiting: Waiting
    given: str | None = None  # the decision that must be in the log for the outcome to be true


def asked_by(caller: Caller) -> dict[str, str]:
    """Which enforcement point asked, for an entry; nothing if the agent came itself."""
    return {"pep": caller.pep} if caller.pep else {}


def given_back(reserved: tuple[Reserve, ...], outcome: Outcome) -> tuple[Release, ...]:
    """What a call gives back: all of it (but a start that was counted) if it was certainly not sent, else nothing.

    What was sent may have had its effect whatever is said of it after: a server that answers
    with an error, or an agent that cancels just in time, must not turn a budget into none.
    """
    if outcome is not Outcome.NOT_SENT:
        return ()
    spared = (reserve for reserve in reserved if not reserve.key.startswith("quota "))
    return tuple(Release(reserve.key, reserve.window, reserve.amount) for reserve in spared)


def noted(decider: Decider, proposal: Proposal, committed: Committed) -> None:
    """What is committed with an allow is known to the view at once."""
    if committed.used:
        decider.used([each for each in proposal.effects if isinstance(each, Reserve)], committed.used)
    for activation in proposal.starts:
        decider.started(activation)
    if proposal.answer.approval is not None:
        for effect in proposal.effects:
            if isinstance(effect, ConsumeApproval):
                decider.consumed(effect)
