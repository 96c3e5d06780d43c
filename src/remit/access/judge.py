"""The verdict on one activation at one moment (pure): same facts, same bytes; integers, no clock, no randomness.

It runs inside every decision and in every sweep, so an activation is never usable because a
sweep was late. Steps in order, first match wins (codes: verdicts and states of an activation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from remit.access.activation import ActivationState
from remit.access.parameters import SHIPPED, Parameters
from remit.access.ttl import Habit, ttl
from remit.catalog.model import Tier

ENGINE: Final = 3  # raised with every change of these rules: a verdict is replayed by the rules it was made by
AT_RISK, CALM = SHIPPED.at_risk, SHIPPED.calm
# Reasons that can end by themselves.
EXPOSED, TOXIC, SEVERED = "credential_exposed", "toxic_combination", "what_it_needs_is_suspended"
_STATE = ActivationState
_SERIOUS = frozenset({Tier.CRITICAL, Tier.HIGH})


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of an activation. Times are microseconds, risk is millionths, `idle` counts since its last use.

    What is used together lapses together: `idle` is that of the newest use in its group.
    """

    tier: Tier
    state: ActivationState  # as last recorded
    in_state: int  # for how long
    idle: int  # on the wall clock
    idle_covered: int  # of that, how long the record of use is complete
    habit: Habit
    risk: int
    granted: bool  # its boundary is in force and still names the action
    agent: str  # the agent's lifecycle state
    owner_active: bool
    same_version: bool  # the agent's version is the one it was started for
    why: str = ""  # the reason of the recorded state
    calm: int = 2**62  # for how long the risk has been low
    exposed: bool = False  # a credential of the agent is known to others, and was not rotated yet
    critical: bool = False  # a detector is sure that the agent is not itself
    toxic: bool = False  # held together with what nobody should hold with it
    doubt: bool = False  # the purpose drifts, or agents of its kind do not use this
    vouched: bool = False  # a person looked at the last two and said keep, and that still holds
    held: bool = False  # a run that was open when its time was over is open still
    needed: bool = False  # something in force needs it, by its owner's word
    severed: bool = False  # something that it needs, by its owner's word, is suspended

    def body(self) -> dict[str, Any]:
        """As it stands in a verdict's entry."""
        return {
            "tier": self.tier.value,
            "state": self.state.value,
            "in_state": self.in_state,
            "idle": self.idle,
            "idle_covered": self.idle_covered,
            "habit": self.habit.body(),
            "risk": self.risk,
            "granted": self.granted,
            "agent": self.agent,
            "owner_active": self.owner_active,
            "same_version": self.same_version,
            "why": self.why,
            "calm": min(self.calm, 2**53 - 1),  # what every reader of JSON reads exactly
            "exposed": self.exposed,
            "critical": self.critical,
            "toxic": self.toxic,
            "doubt": self.doubt,
            "vouched": self.vouched,
            "held": self.held,
            "needed": self.needed,
            "severed": self.severed,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state, the reason for it, and after how many microseconds without a change the next one may follow."""

    state: ActivationState
    reason: str
    left: int | None = None


def judge(facts: Facts, parameters: Parameters = SHIPPED) -> Verdict:  # noqa: PLR0911 - one for each step
    """What state the activation is in."""
    # (1) to (3) What people, or what happened around it, have ended.
    ended = _ended(facts)
    if ended is not None:
        return ended
    lasts = ttl(facts.tier, facts.habit, parameters)
    # (4) Idle for its whole time, and the record of that time is complete. A run is not robbed while it works: what it
    # began under goes when it ends, and a day later at the latest. What something in force needs goes after that.
    if facts.idle_covered >= lasts:
        waits = _waits(facts, lasts, parameters)
        if waits:
            return Verdict(_STATE.EXPIRING, waits, parameters.held_again)
        return Verdict(_STATE.LAPSED, "idle")
    # (5) Idle, but the record has a hole: non-use may not be asserted. The clock stands still.
    if facts.idle >= lasts:
        return _unknown_use(facts, lasts, parameters)
    # (6) What only a person can weigh.
    if facts.toxic and not facts.vouched:
        return Verdict(_STATE.NEEDS_HUMAN, TOXIC, lasts - facts.idle)
    if facts.state is _STATE.NEEDS_HUMAN and not _over(facts):
        return Verdict(_STATE.NEEDS_HUMAN, facts.why or "at_risk_too_long", lasts - facts.idle)
    # (7) Risk.
    risky = _risky(facts, lasts, parameters)
    if risky is not None:
        return risky
    # (8) Most of its time has gone.
    most = -(-lasts * parameters.expiring_percent // 100)
    if facts.idle_covered >= most:
        return Verdict(_STATE.EXPIRING, "most_of_its_time_has_gone", lasts - facts.idle)
    return Verdict(_STATE.ACTIVE, "used", min(most - facts.idle_covered, lasts - facts.idle))


def _ended(facts: Facts) -> Verdict | None:
    # (1) Nothing outlives its boundary or its agent (invariant 4).
    if facts.agent == "retired":
        return Verdict(_STATE.REVOKED, "agent_retired")
    if not facts.granted:
        return Verdict(_STATE.REVOKED, "boundary_ended")
    stopped = _stopped(facts)
    if stopped is not None:
        return stopped
    # (3) What has ended stays ended until it is reactivated.
    if facts.state in {_STATE.LAPSED, _STATE.REVOKED}:
        return Verdict(facts.state, "ended")
    return None


def _stopped(facts: Facts) -> Verdict | None:  # noqa: PLR0911 - one for each step
    # (2) What a person must look at first. A retrained or replaced agent is not the one that was trusted; an exposed
    # key may be used by anybody until it is rotated; what is of no use alone is a loose end that somebody may find.
    if facts.exposed:
        return Verdict(_STATE.SUSPENDED, EXPOSED)
    if facts.critical:
        return Verdict(_STATE.SUSPENDED, "critical_signal")
    if facts.toxic and not facts.vouched and facts.tier is Tier.CRITICAL:
        return Verdict(_STATE.SUSPENDED, TOXIC)
    if facts.state is _STATE.SUSPENDED and not _over(facts):
        return Verdict(_STATE.SUSPENDED, facts.why or "suspended")
    if facts.severed:
        return Verdict(_STATE.SUSPENDED, SEVERED)
    if not facts.owner_active:
        return Verdict(_STATE.SUSPENDED, "owner_gone")
    if not facts.same_version and facts.tier in _SERIOUS:
        return Verdict(_STATE.SUSPENDED, "version_changed")
    return None


def _waits(facts: Facts, lasts: int, parameters: Parameters) -> str:
    """Why it is kept although its time is over, or nothing: not what is critical, for thieves have runs too, nor past
    the owner's word.
    """
    shorter = facts.habit.shorter
    if facts.tier is Tier.CRITICAL or (shorter is not None and facts.idle_covered >= shorter):
        return ""
    if facts.needed:
        return "needed"
    return "held_by_a_run" if facts.held and facts.idle_covered - lasts < parameters.held_most else ""


def _over(facts: Facts) -> bool:
    """Whether the reason of the recorded state has gone by itself: rotated, no longer held together, whole again."""
    ongoing = {EXPOSED: facts.exposed, TOXIC: facts.toxic, SEVERED: facts.severed}
    return not ongoing.get(facts.why, True)


def _unknown_use(facts: Facts, lasts: int, parameters: Parameters) -> Verdict:
    if facts.tier is Tier.CRITICAL:
        waited = facts.in_state if facts.state is _STATE.NEEDS_USAGE else 0
        if waited >= parameters.usage_grace:
            return Verdict(_STATE.SUSPENDED, "record_incomplete_too_long")
        left = min(parameters.usage_grace - waited, lasts - facts.idle_covered)
        return Verdict(_STATE.NEEDS_USAGE, "record_incomplete", left)
    return Verdict(_STATE.NEEDS_USAGE, "record_incomplete", lasts - facts.idle_covered)


def _risky(facts: Facts, lasts: int, parameters: Parameters) -> Verdict | None:
    """At risk from the upper threshold on, until the risk has been low for long enough."""
    doubt = facts.doubt and not facts.vouched
    was, high = facts.state is _STATE.AT_RISK, facts.risk >= parameters.at_risk or doubt
    if not high and not was:
        return None
    low = facts.risk <= parameters.calm and not doubt
    if low and facts.calm >= parameters.calm_for:
        return None
    waited = facts.in_state if was else 0
    if low:
        return Verdict(_STATE.AT_RISK, "risk", min(parameters.calm_for - facts.calm, lasts - facts.idle))
    if waited >= parameters.at_risk_most:
        return Verdict(_STATE.NEEDS_HUMAN, "at_risk_too_long", lasts - facts.idle)
    return Verdict(
        _STATE.AT_RISK, "doubt" if doubt else "risk", min(parameters.at_risk_most - waited, lasts - facts.idle)
    )


def usable(state: ActivationState, tier: Tier) -> bool:
    """Whether a call may use an activation in this state."""
    if state is _STATE.NEEDS_HUMAN:
        return tier not in _SERIOUS
    return state in {_STATE.ACTIVE, _STATE.EXPIRING, _STATE.NEEDS_USAGE, _STATE.AT_RISK}


def statement(facts: Facts, parameters: Parameters = SHIPPED) -> dict[str, Any]:
    """A verdict with everything it was made from: what is recorded, and what a replay must come to again."""
    found = judge(facts, parameters)
    return {
        "engine": ENGINE,
        "parameters": parameters.sha256,
        "facts": facts.body(),
        "ttl": ttl(facts.tier, facts.habit, parameters),
        "state": found.state.value,
        "reason": found.reason,
    }
