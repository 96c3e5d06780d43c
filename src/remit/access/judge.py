"""The verdict on one activation at one moment (pure): same facts, same bytes; integers, no clock, no randomness.

It runs inside every decision and in every sweep, so an activation is never usable because a
sweep was late. Steps in order, first match wins (codes: verdicts and states of an activation).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from remit.access.activation import ActivationState
from remit.access.parameters import SHIPPED, Parameters
from remit.access.ttl import Habit, ttl
from remit.catalog.model import Tier

ENGINE: Final = 5  # raised with every change of these rules: a verdict is replayed by the rules it was made by
AT_RISK, CALM = SHIPPED.at_risk, SHIPPED.calm
# Reasons that end by themselves: what is so for one of them is judged again as what it was before (`under`).
EXPOSED, TOXIC, SEVERED = "credential_exposed", "toxic_combination", "what_it_needs_is_suspended"
SECRET_EXPOSED: Final = "secret_exposed"  # noqa: S105 - a reason
CRITICAL: Final = "critical_signal"
DOUBT, TOO_LONG = "doubt", "at_risk_too_long"
NEEDED: Final = "needed"
PASSING: Final = frozenset({EXPOSED, SECRET_EXPOSED, TOXIC, SEVERED})
_STATE = ActivationState
_SERIOUS = frozenset({Tier.CRITICAL, Tier.HIGH})
_ASKED: Final = frozenset({_STATE.SUSPENDED, _STATE.NEEDS_HUMAN})
_ENDED: Final = frozenset({_STATE.LAPSED, _STATE.REVOKED})


class Facts(msgspec.Struct, frozen=True, kw_only=True):
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
    under: str = ""  # the state that is remembered under one that ends by itself, if there is one to remember
    under_why: str = ""  # its reason
    under_for: int = 0  # for how long it has been
    unsure_for: int = 0  # of what is critical: how long ago it was noticed that nobody can say whether it is used
    calm: int = 2**62  # for how long the risk has been low
    other_risk: int | None = None  # where a credential is exposed: the risk without that
    exposed: bool = False  # a credential of the agent is known to others, and was not rotated yet
    secret_exposed: bool = False  # its server's credential is known to others, and was not rotated yet
    critical: bool = False  # a detector is sure that the agent is not itself
    against: tuple[str, ...] = ()  # what a person can weigh: `toxic_combination NAME`, or a kind of doubt
    vouched: tuple[str, ...] = ()  # of these, what a person looked at and said keep, while that holds
    held: bool = False  # a run that was open when its time was over is open still
    needed: bool = False  # something in force needs it, by its owner's word
    severed: bool = False  # something that it needs, by its owner's word, is suspended

    def body(self) -> dict[str, Any]:
        """As it stands in a verdict's entry. What is under nothing, or is not exposed, says nothing of it."""
        said = {
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
            "against": list(self.against),
            "vouched": list(self.vouched),
            "held": self.held,
            "needed": self.needed,
            "severed": self.severed,
        }
        if self.under:
            said |= {"under": self.under, "under_why": self.under_why, "under_for": self.under_for}
        if self.unsure_for:
            said["unsure_for"] = self.unsure_for
        if self.other_risk is not None:
            said["other_risk"] = self.other_risk
        if self.secret_exposed:
            said["secret_exposed"] = True
        return said


class Beneath(NamedTuple):
    """What is remembered while something that ends by itself goes before it."""

    state: ActivationState
    why: str


class Verdict(msgspec.Struct, frozen=True):
    """A state, the reason for it, and after how many microseconds without a change the next one may follow."""

    state: ActivationState
    reason: str
    left: int | None = None
    under: Beneath | None = None  # where the state ends by itself: what it is then judged as
    unsure: int | None = (
        None  # for how long its time has been over on an incomplete record, if that is to be remembered
    )


def judge(facts: Facts, parameters: Parameters = SHIPPED) -> Verdict:
    """What state the activation is in."""
    found, base = _judged(facts, parameters)
    # Whatever else holds meanwhile, the day for which what is critical is kept on an incomplete record runs on.
    return replace(found, unsure=facts.unsure_for) if _unsure(facts, base, parameters) else found


def _unsure(facts: Facts, base: Facts, parameters: Parameters) -> bool:
    """Whether it is critical, and its time would be over if the record of it were complete."""
    if facts.tier is not Tier.CRITICAL or base.state in {*_ENDED, _STATE.SUSPENDED}:
        return False
    return facts.idle >= ttl(facts.tier, facts.habit, parameters) > facts.idle_covered


def _judged(facts: Facts, parameters: Parameters) -> tuple[Verdict, Facts]:
    """The verdict, and the facts as of what is under a state that ends by itself."""
    base = _base(facts)
    # (1) Nothing outlives its boundary or its agent (invariant 4).
    if facts.agent == "retired":
        return Verdict(_STATE.REVOKED, "agent_retired"), base
    if not facts.granted:
        return Verdict(_STATE.REVOKED, "boundary_ended"), base
    # (2) What a person must look at. It goes before what ends by itself: else that would hide it, and end it.
    stopped = _stopped(base)
    if stopped:
        return Verdict(_STATE.SUSPENDED, stopped), base
    # (3) What ends by itself. What it was before is remembered, and goes on with what speaks against it.
    passing = _passing(base)
    if passing:
        risky = _risky(base, parameters)
        left = _soonest(None if risky is None else risky.left, _until_unsure(facts, base, parameters))
        return Verdict(_STATE.SUSPENDED, passing, left, _beneath(base, risky)), base
    # (4) What has ended stays ended until it is reactivated.
    if base.state in _ENDED:
        return Verdict(base.state, "ended"), base
    return _going_on(facts, base, parameters), base


def _until_unsure(facts: Facts, base: Facts, parameters: Parameters) -> int | None:
    """How long until it is to be remembered that its record is incomplete; None if it is, or is not to be."""
    if facts.tier is not Tier.CRITICAL or base.state in _ENDED:
        return None
    left = ttl(facts.tier, facts.habit, parameters) - facts.idle
    return left if left > 0 else None


def _soonest(*each: int | None) -> int | None:
    return min((one for one in each if one is not None), default=None)


def _base(facts: Facts) -> Facts:
    """The facts as of what is under a state that ends by itself."""
    if facts.under:
        state = ActivationState(facts.under)
        return replace(facts, state=state, why=facts.under_why, in_state=facts.under_for)
    if facts.why in PASSING and facts.state in _ASKED:  # there was nothing to remember
        return replace(facts, state=_STATE.ACTIVE, why="", in_state=0)
    return facts


def _stopped(base: Facts) -> str:
    """Why only a person starts it again, or nothing. A retrained or replaced agent is not the one that was trusted."""
    if base.critical:
        return CRITICAL
    if base.state is _STATE.SUSPENDED:
        return base.why or "suspended"
    if not base.owner_active:
        return "owner_gone"
    return "version_changed" if not base.same_version and base.tier in _SERIOUS else ""


def _passing(base: Facts) -> str:
    """Why it is suspended until that is over, or nothing.

    An exposed key may be used by anybody until it is rotated; what is of no use alone is a loose end that somebody
    may find.
    """
    if base.exposed:
        return EXPOSED
    if base.secret_exposed:
        return SECRET_EXPOSED
    if base.tier is Tier.CRITICAL and _toxic(base):
        return TOXIC
    return SEVERED if base.severed else ""


def _going_on(facts: Facts, base: Facts, parameters: Parameters) -> Verdict:  # noqa: PLR0911 - one for each step
    lasts = ttl(facts.tier, facts.habit, parameters)
    over = facts.idle_covered >= lasts
    waits = _waits(facts, lasts, parameters) if over else ""
    # (5) Idle for its whole time, and the record of that time is complete. A run is not robbed while it works: what it
    # began under goes when it ends, and a day later at the latest. What something in force needs goes after that.
    if over and not waits:
        return Verdict(_STATE.LAPSED, "idle")
    left = parameters.held_again if waits else lasts - (facts.idle if facts.idle < lasts else facts.idle_covered)
    # (6) What only a person can weigh.
    if base.state is _STATE.NEEDS_HUMAN:
        return Verdict(_STATE.NEEDS_HUMAN, base.why or TOO_LONG, left)
    risky = _risky(base, parameters)
    if risky is not None and risky.state is _STATE.NEEDS_HUMAN:
        return Verdict(_STATE.NEEDS_HUMAN, risky.reason, left)
    under = None if risky is None else _beneath(base, risky)
    left = left if risky is None or risky.left is None else min(left, risky.left)
    if _toxic(facts):
        return Verdict(_STATE.NEEDS_HUMAN, TOXIC, left, under)
    if waits:
        return Verdict(_STATE.EXPIRING, waits, left, under)
    # (7) Idle, but the record has a hole: non-use may not be asserted. The clock stands still.
    if facts.idle >= lasts:
        return _unknown_use(facts, left, under, parameters)
    # (8) Risk.
    if risky is not None:
        return replace(risky, left=left)
    # (9) Most of its time has gone.
    most = -(-lasts * parameters.expiring_percent // 100)
    if facts.idle_covered >= most:
        return Verdict(_STATE.EXPIRING, "most_of_its_time_has_gone", left)
    return Verdict(_STATE.ACTIVE, "used", min(most - facts.idle_covered, left))


def _waits(facts: Facts, lasts: int, parameters: Parameters) -> str:
    """Why it is kept although its time is over, or nothing: not what is critical, for thieves have runs too, nor past
    the owner's word.
    """
    shorter = facts.habit.shorter
    if facts.tier is Tier.CRITICAL or (shorter is not None and facts.idle_covered >= shorter):
        return ""
    if facts.needed:
        return NEEDED
    return "held_by_a_run" if facts.held and facts.idle_covered - lasts < parameters.held_most else ""


def _toxic(facts: Facts) -> bool:
    """Whether it is held with what nobody should hold with it, and no person vouched for that."""
    return any(each.startswith(TOXIC) and each not in facts.vouched for each in facts.against)


def _doubtful(facts: Facts) -> bool:
    """Whether it is doubted otherwise, and no person vouched for that."""
    return any(not each.startswith(TOXIC) and each not in facts.vouched for each in facts.against)


def _beneath(base: Facts, risky: Verdict | None) -> Beneath | None:
    """What must not be forgotten: what ended, what needs a person, the risk. The rest is found again from its use."""
    stays = base.state in {*_ENDED, _STATE.NEEDS_HUMAN}
    if stays or (risky is not None and base.state is risky.state):
        return Beneath(base.state, base.why)
    return None if risky is None else Beneath(risky.state, risky.reason)


def _unknown_use(facts: Facts, left: int, under: Beneath | None, parameters: Parameters) -> Verdict:
    """Kept, as nobody can say that it was not used; what is critical for a day at most, whatever came in between."""
    if facts.tier is not Tier.CRITICAL:
        return Verdict(_STATE.NEEDS_USAGE, "record_incomplete", left, under)
    if facts.unsure_for >= parameters.usage_grace:
        return Verdict(_STATE.SUSPENDED, "record_incomplete_too_long")
    return Verdict(_STATE.NEEDS_USAGE, "record_incomplete", min(parameters.usage_grace - facts.unsure_for, left), under)


def quiet(facts: Facts, parameters: Parameters = SHIPPED) -> bool:
    """Whether the risk is low: then it alone keeps nothing at risk for long, whatever is doubted beside."""
    return facts.other_risk is None and facts.risk <= parameters.calm


def _risky(base: Facts, parameters: Parameters) -> Verdict | None:
    """At risk from the upper threshold on, until the risk has been low for long enough.

    An exposed credential makes nothing risky that comes back when it is rotated. What is so already stays so: the risk
    is not low then, and how long it would be without that is not known.
    """
    doubt, exposed = _doubtful(base), base.other_risk is not None
    risk = base.risk if base.other_risk is None else base.other_risk
    was, high = base.state is _STATE.AT_RISK, risk >= parameters.at_risk or doubt
    if not high and not was:
        return None
    low = risk <= parameters.calm and not doubt
    if low and exposed:
        return Verdict(_STATE.AT_RISK, "risk")
    if low and base.calm >= parameters.calm_for:
        return None
    waited = base.in_state if was else 0
    if low:
        return Verdict(_STATE.AT_RISK, "risk", parameters.calm_for - base.calm)
    if waited >= parameters.at_risk_most:
        return Verdict(_STATE.NEEDS_HUMAN, TOO_LONG)
    return Verdict(_STATE.AT_RISK, DOUBT if doubt else "risk", parameters.at_risk_most - waited)


def usable(state: ActivationState, tier: Tier) -> bool:
    """Whether a call may use an activation in this state."""
    if state is _STATE.NEEDS_HUMAN:
        return tier not in _SERIOUS
    return state in {_STATE.ACTIVE, _STATE.EXPIRING, _STATE.NEEDS_USAGE, _STATE.AT_RISK}


def statement(facts: Facts, parameters: Parameters = SHIPPED) -> dict[str, Any]:
    """A verdict with everything it was made from: what is recorded, and what a replay must come to again."""
    found = judge(facts, parameters)
    said = {
        "engine": ENGINE,
        "parameters": parameters.sha256,
        "facts": facts.body(),
        "ttl": ttl(facts.tier, facts.habit, parameters),
        "state": found.state.value,
        "reason": found.reason,
    }
    return said if found.under is None else said | {"under": [found.under.state.value, found.under.why]}
