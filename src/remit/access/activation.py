"""Activations: entitlements in force, each for one agent, purpose, action and resource scope.

There are very many, so a value is small. What a person or the machine decided of it (`state`,
`serial`) and what was seen of its use (`Usage`) change apart from each other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from remit.kernel.clock import DAY, EPOCH, Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName

MOST_CYCLES = 3  # as many as say that it comes and goes
MOST_GAPS = 20  # the newest gaps between days of use; enough for a 95th percentile of what is usual now


class ActivationState(StrEnum):
    """Where an activation stands (codes: states of an activation)."""

    ACTIVE = "active"
    EXPIRING = "expiring"
    NEEDS_USAGE = "needs_usage"
    AT_RISK = "at_risk"
    NEEDS_HUMAN = "needs_human"
    SUSPENDED = "suspended"
    LAPSED = "lapsed"
    REVOKED = "revoked"


class ActivationKey(NamedTuple):
    """What an activation is for. The scope is the server, until a boundary declares another."""

    agent: AgentName
    purpose: PurposeName
    action: ActionName
    scope: str


class Under(NamedTuple):
    """The state of an activation as it was when a reason that ends by itself came before it."""

    state: ActivationState
    why: str
    since: Instant


class Kept(NamedTuple):
    """A person's keep of it, as it was given."""

    until: Instant
    looked: Instant  # when they did
    shown: tuple[str, ...] | None  # what was shown to speak against it; None: nobody knows any more


@dataclass(frozen=True, slots=True)
class Usage:
    """What was seen of an activation's use. `covered` is on the coverage clock: time for which the record is complete.

    Only days are counted, because ten calls in a minute say no more about next month than one.
    """

    last: Instant  # the last justified use; the start, if there was none
    covered: Micros  # the coverage clock at that moment
    days: int = 0  # distinct UTC days with a justified use
    gaps: tuple[int, ...] = ()  # days between neighbouring days of use, the newest last

    def after(self, at: Instant, covered: Micros) -> Usage:
        """The usage with one more justified use. A use that is not newer changes nothing, so replaying is harmless.

        What is newer on the coverage clock is newer: the wall clock may have been set back since a use was seen on it,
        and an entitlement in daily use must not lapse until it has caught up.
        """
        if self.days and at <= self.last:
            return self if covered <= self.covered else Usage(self.last, covered, self.days, self.gaps)
        gap = at // DAY - self.last // DAY
        if self.days and gap <= 0:
            return Usage(at, max(covered, self.covered), self.days, self.gaps)
        gaps = (*self.gaps, gap)[-MOST_GAPS:] if self.days else self.gaps
        return Usage(at, max(covered, self.covered), self.days + 1, gaps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """An entitlement that was started. A value: every transition makes a new one with the next serial."""

    key: ActivationKey
    boundary: BoundaryName
    boundary_version: int
    agent_version: str  # of the agent when it was last (re)activated
    state: ActivationState  # as last recorded; what holds now is what `judge` says
    since: Instant  # when that state was recorded
    started: Instant  # when it was last (re)activated
    by: str  # who started it: a person's name, or "" for the machine
    serial: int
    usage: Usage
    why: str = ""  # the reason of that state
    cycles: tuple[int, ...] = ()  # UTC days since 1970 on which it came back after a lapse, the newest last
    vouched: Instant = EPOCH  # a person looked at what spoke against it and said keep, until then
    covers: tuple[str, ...] = ()  # what that was, as `judge` names it (`Facts.against`)
    looked: Instant = EPOCH  # when they did: a doubt that is raised after that is not covered
    under: Under | None = None  # what it is again when the reason of its state is over by itself
    unsure: Instant = EPOCH  # when it was noticed that its time is over on an incomplete record; before a use: nothing

    @property
    def id(self) -> str:
        """`act_` and 26 characters that follow from the key."""
        return activation_id(self.key)


def activation_id(key: ActivationKey) -> str:
    """The same id for the same key, everywhere."""
    return "act_" + hashlib.sha256("\n".join(key).encode("utf-8")).hexdigest()[:26]
