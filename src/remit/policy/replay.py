"""A recorded decision made again: the same call, on the state as it was, with what use had come to (pure).

What comes out must be what was recorded, byte for byte. What differs is a finding: about the log, or about this Remit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from remit.access.activation import Activation, ActivationKey
from remit.audit.entry import payload_bytes
from remit.kernel.clock import Instant, Micros
from remit.policy.activations import Activations
from remit.policy.approved import by_call
from remit.policy.circumstances import APPROVAL, Circumstances
from remit.policy.decide import decide
from remit.policy.limits import exhausted
from remit.policy.model import Answer, Denial, Proposal
from remit.policy.observe import relaxed
from remit.policy.record import answer_details, answer_fields
from remit.policy.unapproved import approval_lost
from remit.policy.view import Counters, View
from remit.storage.model import ConsumeApproval, Reserve

# What a header may say of an answer; a field that is missing was not said.
_SAID: Final = ("code", "step", "policy", "boundary", "boundary_version", "break_glass", "approval")
_DETAILS: Final = ("facts", "named", "denial")


class Remembered(Activations):
    """The one entitlement that a recorded decision read."""

    def __init__(self, recorded: Circumstances, activation: Activation | None) -> None:
        clock = Micros(recorded.around["clock"] if recorded.around is not None else 0)
        super().__init__(lambda: clock)
        self._known = recorded.around is not None
        self._only = activation

    def knows(self, agent: str) -> bool:  # noqa: ARG002 - it is about one call
        """Whether it was read."""
        return self._known

    def find(self, key: ActivationKey) -> Activation | None:
        """It, or None if it was never started."""
        return self._only if self._only is not None and self._only.key == key else None


class Held(Counters):
    """What counters held when a recorded decision read them."""

    def __init__(self, used: Mapping[str, int | None]) -> None:
        super().__init__()
        self._held = used
        self.unknown = False
        """Whether a counter was asked for that nobody counted then."""

    def used(self, key: str, window: Instant) -> int | None:  # noqa: ARG002 - each was read in the one that counted
        """What was read."""
        self.unknown = self.unknown or key not in self._held
        return self._held.get(key)


@dataclass(frozen=True, slots=True)
class Again:
    """What a decision comes to. `uncounted`: a limit was met that did not exist then; it is taken as unused."""

    proposal: Proposal
    uncounted: bool = False

    @property
    def answer(self) -> Answer:
        """The answer."""
        return self.proposal.answer


def again(recorded: Circumstances, view: View, *, other: bool = False, held: Activation | None = None) -> Again:
    """Make a recorded decision on `view`.

    Args:
        recorded: The call, and what was read beside the state.
        view: The state to decide on: as it was, or as it would have been.
        other: Whether that is another state than the one as it was: a limit may then be met that nobody counted.
        held: The entitlement, where it is to be another one than was recorded.
    """
    counters = Held(recorded.used)
    activation = recorded.activation if held is None else held
    on = replace(
        view, recorded=recorded, activations=Remembered(recorded, activation), counters=counters,
        approvals=by_call(recorded.approvals), consumed={},
    )  # fmt: skip
    proposal = decide(recorded.call, on, now=recorded.now)
    return Again(relaxed(_committed(proposal, recorded), recorded.call, view), counters.unknown and other)


def _committed(proposal: Proposal, recorded: Circumstances) -> Proposal:
    """The committed answer is the decision: what the writer found spent was a denial."""
    if recorded.spent is None or not proposal.answer.allowed:
        return proposal
    key, used, most = recorded.spent
    if key == APPROVAL:
        standing = any(isinstance(effect, ConsumeApproval) for effect in proposal.effects)
        return _denied(proposal, approval_lost(recorded.call)) if standing else proposal
    for effect in proposal.effects:
        if isinstance(effect, Reserve) and effect.key == key:
            full = most if used is None else used  # what nobody here had heard of was full
            if effect.limit > most and full + effect.needed <= effect.limit:
                return proposal  # not under this limit, which is another one
            denial = exhausted(effect, recorded.call, now=recorded.now, used=used)
            return _denied(proposal, denial)
    return proposal


def _denied(proposal: Proposal, denial: Denial) -> Proposal:
    return msgspec.structs.replace(proposal, answer=Answer(denial=denial), facts={}, effects=(), starts=(), after=())


def differs(
    header: Mapping[str, Any], payload: Mapping[str, Any], found: Again, recorded: Circumstances, view: View
) -> str:
    """In which way a decision made again is not the one that was recorded; "" if it is."""
    fields = answer_fields(recorded.call, found.answer, view)
    for name in (*fields, *(each for each in _SAID if each not in fields)):
        if fields.get(name) != header.get(name):
            return f"{name} was {header.get(name)!r}, and comes out as {fields.get(name)!r}"
    was = payload_bytes({name: payload[name] for name in _DETAILS if name in payload})
    now = payload_bytes(answer_details(found.answer, found.proposal.facts))
    return "" if was == now else "the details of the answer come out otherwise"
