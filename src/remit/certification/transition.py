"""What follows from a verdict that differs from the recorded state (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.access.activation import Activation, ActivationState
from remit.access.become import become
from remit.access.judge import judge, statement
from remit.certification.replaying.reading import said_of
from remit.kernel.canonical import canonical
from remit.kernel.clock import rfc3339
from remit.policy.entitlement import Beside, Setting, company, due_at, facts_of, verdict_of

# An owner is told of what takes something away, or asks for a person.
_TOLD = frozenset(
    {
        ActivationState.LAPSED,
        ActivationState.SUSPENDED,
        ActivationState.NEEDS_HUMAN,
        ActivationState.AT_RISK,
        ActivationState.REVOKED,
    }
)
_WORDS = {ActivationState.ACTIVE: "keep", ActivationState.LAPSED: "lapse", ActivationState.REVOKED: "revoke"}


@dataclass(frozen=True, slots=True)
class Transition:
    """A new state, when it may change next, what the log says of it, and what its owner is told."""

    before: Activation
    after: Activation
    due: int
    verdict: Mapping[str, Any]
    notice: str | None
    reason: str


def transition(activation: Activation, setting: Setting) -> Transition | int:
    """The transition that is due; or, if nothing is to be recorded, when the verdict may change by itself."""
    facts = facts_of(activation, setting)
    found = judge(facts)
    after = become(activation, found, setting.now)
    if after is None:
        return due_at(facts, setting, vouched=activation.vouched)
    word = _WORDS.get(found.state, found.state.value)
    if activation.state is ActivationState.EXPIRING and found.state is ActivationState.ACTIVE:
        word = "extend"
    said = verdict_of(after, word, statement(facts), activation)
    said |= {"reason": found.reason, "read": read_of(activation, setting)}
    due = due_at(facts_of(after, setting), setting, vouched=after.vouched)
    told = _notice(after, word, found.reason, setting) if moved(activation, after) else None
    return Transition(activation, after, due, said, told, found.reason)


def moved(before: Activation, after: Activation) -> bool:
    """Whether it is in another state, or for another reason; else only what it goes back to is another."""
    return (before.state, before.why) != (after.state, after.why)


def read_of(activation: Activation, setting: Setting) -> dict[str, Any]:
    """What the facts were made from, so that they can be made again from what is stored (`rederive`)."""
    boundary = setting.boundary
    said: dict[str, Any] = {
        "at": setting.now,
        "started": activation.started,
        "since": activation.since,
        "usage": said_of(activation.usage),
        "covered": setting.covered,
        "stood": None if boundary is None else [boundary.boundary, boundary.version],
    }
    if others := company(activation, setting):
        said["together"] = [_beside(each) for each in others]
    if setting.needed_by:
        said["needed_by"] = setting.needed_by
    if setting.severed_by:
        said["severed_by"] = setting.severed_by
    return said | _windows(setting)


def _beside(each: Beside) -> dict[str, Any]:
    said = {"action": each.action, "last": each.usage.last, "used": each.usage.covered, "covered": each.covered}
    return said | _windows(each)


def _windows(record: Setting | Beside) -> dict[str, Any]:
    """Whose record counts: nothing where it is Remit's own, which `covered` says."""
    if record.windows is None:
        return {}
    return {"windows": True} if record.believed is None else {"windows": True, "believed": record.believed}


def _notice(after: Activation, word: str, reason: str, setting: Setting) -> str | None:
    if after.state not in _TOLD:
        return None
    said = {
        "what": word,
        "reason": reason,
        "activation": after.id,
        "action": after.key.action,
        "purpose": after.key.purpose,
        "boundary": after.boundary,
        "at": rfc3339(setting.now),
    }
    return canonical(said).decode("utf-8")
