"""What became of a call, on its way to the log, and what it gives back (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remit.attestation.model import Caller
from remit.enforcement.model import Outcome
from remit.policy.model import Call
from remit.storage.model import Entry, Release, Reserve


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


def said_of(call: Call, outcome: Outcome, cause: str, *, observed: bool) -> dict[str, Any]:
    """The fields of an outcome's entry; `observed` is that of a call that would have been denied."""
    return {
        "decision": call.id,
        "agent": call.caller.agent,
        "purpose": call.caller.purpose,
        "action": call.action,
        "outcome": outcome.value,
        **asked_by(call.caller),
        **({"cause": cause} if cause else {}),
        **({"observed": True} if observed else {}),
    }


def waiting_for(call: Call, entry: Entry, outcome: Outcome, *, observed: bool) -> Waiting:
    """An outcome, and what it says of the entitlement: only a use that came to something justifies it.

    Keep-alive calls that fail do not; nor does a call behind which no allow stood, which speaks against nobody either.
    """
    counts = call.tool is not None and not observed
    used = call if counts and outcome is Outcome.OK else None
    failed = call if counts and outcome is Outcome.ERROR else None
    return Waiting(call.id, entry, used, failed)


def given_back(reserved: tuple[Reserve, ...], outcome: Outcome) -> tuple[Release, ...]:
    """What a call gives back: all of it (but a start that was counted) if it was certainly not sent, else nothing.

    What was sent may have had its effect whatever is said of it after: a server that answers
    with an error, or an agent that cancels just in time, must not turn a budget into none.
    """
    if outcome is not Outcome.NOT_SENT:
        return ()
    spared = (reserve for reserve in reserved if not reserve.key.startswith("quota "))
    return tuple(Release(reserve.key, reserve.window, reserve.amount) for reserve in spared)
