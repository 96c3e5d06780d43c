"""What became of a call, on its way to the log, and what it gives back (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from remit.attestation.model import Caller
from remit.enforcement.model import Admitted, Outcome
from remit.enforcement.ports import Decider, Records
from remit.kernel.clock import Instant
from remit.kernel.names import DecisionId
from remit.policy.denial import unavailable
from remit.policy.model import Call, Proposal
from remit.storage.model import (
    Activate,
    Committed,
    ConsumeApproval,
    Effect,
    Entry,
    Mark,
    Marked,
    Release,
    Reserve,
    Unmarked,
)  # fmt: skip

ANEW: Final = (Activate, Marked, Unmarked)
"""Effects whose failure says that the call was decided on what is not so: it is decided once more."""

Anew = Activate | Marked | Unmarked


class Waiting(msgspec.Struct, frozen=True):
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


def asked_by(caller: Caller) -> dict[str, Any]:
    """Which enforcement point asked, for an entry; nothing if the agent came itself."""
    return {**({"pep": caller.pep} if caller.pep else {}), **({"cooperative": True} if caller.cooperative else {})}


def told_of(records: Records, call: Call, outcome: Outcome, cause: str = "", *, observed: bool = False) -> Waiting:
    """What is recorded of a call's end. `cause`: what cut it. `observed`: it would have been denied, and went on."""
    fields: dict[str, Any] = {
        "decision": call.id,
        "agent": call.caller.agent,
        "purpose": call.caller.purpose,
        "action": call.action,
        "outcome": outcome.value,
        **asked_by(call.caller),
        **({"cause": cause} if cause else {}),
        **({"observed": True} if observed else {}),
    }
    # Only a use that came to something justifies the entitlement: keep-alive calls that fail do not; nor does a call
    # behind which no allow stood, which speaks against nobody either. Of what an agent only says of itself, nobody saw
    # anything: else it would keep all that it has in force by claiming to use it.
    counts = call.entitled and not observed and not call.caller.cooperative
    used = call if counts and outcome is Outcome.OK else None
    failed = call if counts and outcome is Outcome.ERROR else None
    return Waiting(call.id, records.entry("outcome", fields), used, failed)


def ended(records: Records, admitted: Admitted, outcome: Outcome, cause: str = "") -> Waiting:
    """What is recorded of the end of a call that went on, whatever let it."""
    return told_of(records, admitted.call, outcome, cause, observed=admitted.answer.would_deny is not None)


def effects_of(admitted: Admitted, outcome: Outcome) -> tuple[Release | Mark, ...]:
    """What commits with an outcome: what is given back and, of a call that came to ok, what later ones stand on."""
    rest = admitted.meter.left() if admitted.meter is not None else ()
    # A step is done for what requires it before if somebody else than the agent saw it done.
    after = admitted.after if outcome is Outcome.OK and not admitted.call.caller.cooperative else ()
    return (*given_back(admitted.reserved, outcome), *rest, *after)


def given_back(reserved: tuple[Reserve, ...], outcome: Outcome) -> tuple[Release, ...]:
    """What a call gives back: all of it (but a start that was counted) if it was certainly not sent, else nothing.

    What was sent may have had its effect whatever is said of it after: a server that answers
    with an error, or an agent that cancels just in time, must not turn a budget into none.
    """
    if outcome is not Outcome.NOT_SENT:
        return ()
    spared = (reserve for reserve in reserved if not reserve.key.startswith("quota "))
    return tuple(Release(reserve.key, reserve.window, reserve.amount) for reserve in spared)


def reserves(effects: Iterable[Effect]) -> tuple[Reserve, ...]:
    """What was reserved, in its order."""
    return tuple(effect for effect in effects if isinstance(effect, Reserve))


def releases(effects: Iterable[Effect]) -> tuple[Release, ...]:
    """What was given back."""
    return tuple(effect for effect in effects if isinstance(effect, Release))


def marks(effects: Iterable[Effect]) -> tuple[Mark, ...]:
    """What is noted of a call that goes on."""
    return tuple(effect for effect in effects if isinstance(effect, Mark))


def noted(decider: Decider, proposal: Proposal, committed: Committed) -> None:
    """What is committed with an allow is known to the view at once."""
    if committed.used:
        decider.used(reserves(proposal.effects), committed.used)
    for activation in proposal.starts:
        decider.started(activation)
    if proposal.answer.approval is not None:
        for effect in proposal.effects:
            if isinstance(effect, ConsumeApproval):
                decider.consumed(effect)


def undecided(decider: Decider, call: Call | None, *, epoch: int, now: Instant) -> dict[str, Any] | None:
    """The denial of a call that could not be decided or recorded. Under no decision's id: there is none."""
    if call is None:
        return None
    nameless = replace(call, id=DecisionId(""))
    return dict(decider.told(unavailable(step=1, cause=""), nameless, epoch=epoch, evaluated_at=now))
