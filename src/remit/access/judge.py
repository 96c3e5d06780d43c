"""The verdict on one activation at one moment (pure): same facts, same bytes; integers, no clock, no randomness.

It runs inside every decision and in every sweep, so an activation is never usable because a
sweep was late. Steps in order, first match wins (codes: verdicts and states of an activation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remit.access.activation import ActivationState
from remit.catalog.model import Tier
from remit.kernel.clock import HOUR

ENGINE = 1  # raised with every change of these rules: a verdict is replayed by the rules it was made by
AT_RISK, CALM = 700_000, 500_000  # millionths; entering and leaving differ, so that a signal does not flutter
_GRACE_CRITICAL = 24 * HOUR  # a critical entitlement is not kept on an incomplete record for longer
_GRACE_AT_RISK = 72 * HOUR
_EXPIRING_PERCENT = 70
_STATE = ActivationState
_SERIOUS = frozenset({Tier.CRITICAL, Tier.HIGH})


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of an activation. Times are microseconds, risk is millionths, `idle` counts since its last use."""

    tier: Tier
    state: ActivationState  # as last recorded
    in_state: int  # for how long
    idle: int  # on the wall clock
    idle_covered: int  # of that, how long the record of use is complete
    ttl: int
    risk: int
    granted: bool  # its boundary is in force and still names the action
    agent: str  # the agent's lifecycle state
    owner_active: bool
    same_version: bool  # the agent's version is the one it was started for

    def body(self) -> dict[str, Any]:
        """As it stands in a verdict's entry."""
        return {
            "tier": self.tier.value,
            "state": self.state.value,
            "in_state": self.in_state,
            "idle": self.idle,
            "idle_covered": self.idle_covered,
            "ttl": self.ttl,
            "risk": self.risk,
            "granted": self.granted,
            "agent": self.agent,
            "owner_active": self.owner_active,
            "same_version": self.same_version,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state, the reason for it, and after how many microseconds without a change the next one may follow."""

    state: ActivationState
    reason: str
    left: int | None = None


def judge(facts: Facts) -> Verdict:  # noqa: C901, PLR0911 - one for each step
    """What state the activation is in."""
    # (1) Nothing outlives its boundary or its agent (invariant 4).
    if facts.agent == "retired":
        return Verdict(_STATE.REVOKED, "agent_retired")
    if not facts.granted:
        return Verdict(_STATE.REVOKED, "boundary_ended")
    # (2) What a person must look at first. A retrained or replaced agent is not the one that was trusted.
    if facts.state is _STATE.SUSPENDED:
        return Verdict(_STATE.SUSPENDED, "suspended")
    if not facts.owner_active:
        return Verdict(_STATE.SUSPENDED, "owner_gone")
    if not facts.same_version and facts.tier in _SERIOUS:
        return Verdict(_STATE.SUSPENDED, "version_changed")
    # (3) What has ended stays ended until it is reactivated.
    if facts.state in {_STATE.LAPSED, _STATE.REVOKED}:
        return Verdict(facts.state, "ended")
    # (4) Idle for its whole time, and the record of that time is complete.
    if facts.idle_covered >= facts.ttl:
        return Verdict(_STATE.LAPSED, "idle")
    # (5) Idle, but the record has a hole: non-use may not be asserted. The clock stands still.
    if facts.idle >= facts.ttl:
        return _unknown_use(facts)
    # (6) Risk.
    if facts.risk >= AT_RISK or (facts.state in {_STATE.AT_RISK, _STATE.NEEDS_HUMAN} and facts.risk > CALM):
        return _risky(facts)
    # (7) Most of its time has gone.
    most = -(-facts.ttl * _EXPIRING_PERCENT // 100)
    if facts.idle_covered >= most:
        return Verdict(_STATE.EXPIRING, "most_of_its_time_has_gone", facts.ttl - facts.idle)
    return Verdict(_STATE.ACTIVE, "used", min(most - facts.idle_covered, facts.ttl - facts.idle))


def _unknown_use(facts: Facts) -> Verdict:
    if facts.tier is Tier.CRITICAL:
        waited = facts.in_state if facts.state is _STATE.NEEDS_USAGE else 0
        if waited >= _GRACE_CRITICAL:
            return Verdict(_STATE.SUSPENDED, "record_incomplete_too_long")
        left = min(_GRACE_CRITICAL - waited, facts.ttl - facts.idle_covered)
        return Verdict(_STATE.NEEDS_USAGE, "record_incomplete", left)
    return Verdict(_STATE.NEEDS_USAGE, "record_incomplete", facts.ttl - facts.idle_covered)


def _risky(facts: Facts) -> Verdict:
    if facts.state is _STATE.NEEDS_HUMAN:
        return Verdict(_STATE.NEEDS_HUMAN, "at_risk_too_long")
    waited = facts.in_state if facts.state is _STATE.AT_RISK else 0
    if waited >= _GRACE_AT_RISK:
        return Verdict(_STATE.NEEDS_HUMAN, "at_risk_too_long")
    return Verdict(_STATE.AT_RISK, "risk", min(_GRACE_AT_RISK - waited, facts.ttl - facts.idle))


def usable(state: ActivationState, tier: Tier) -> bool:
    """Whether a call may use an activation in this state."""
    if state is _STATE.NEEDS_HUMAN:
        return tier not in _SERIOUS
    return state in {_STATE.ACTIVE, _STATE.EXPIRING, _STATE.NEEDS_USAGE, _STATE.AT_RISK}


def statement(facts: Facts) -> dict[str, Any]:
    """A verdict with everything it was made from: what is recorded, and what a replay must come to again."""
    found = judge(facts)
    return {"engine": ENGINE, "facts": facts.body(), "state": found.state.value, "reason": found.reason}
