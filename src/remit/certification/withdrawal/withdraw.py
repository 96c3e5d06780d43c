"""The one cascade that takes access away, as a step machine (pure).

    decision    the next call is denied already when a withdrawal begins; this looks that it is so
    tokens      open runs end, their live tokens are worth nothing any more, what they stream is cut
    brokered    credentials that were made for this agent are ended where they were made
    children    what the agent handed on to others is withdrawn from them
    systems     other systems are told
    confirm     everything is read again where it was ended; only what is not there any more is withdrawn

The order is always this one. A step that came to nothing is tried again with growing pauses and
is never skipped, and each step may be done twice: a crash between doing it and writing that down
does it again. What is not confirmed within 15 minutes is an incident, and is tried further on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant, Micros

PATIENCE: Final = 15 * MINUTE  # to the confirmation; after that somebody must look
LONGEST_PAUSE: Final = HOUR
KEPT: Final = 90 * DAY  # how long an ended withdrawal can be listed; the log keeps it for ever
MOST_TOGETHER: Final = 100  # entitlements in one withdrawal
_MOST_DONE: Final = 50  # lines of its own record that a withdrawal carries; the log has them all


class Step(StrEnum):
    """Where a withdrawal stands: what is to be done next."""

    DECISION = "decision"
    TOKENS = "tokens"
    BROKERED = "brokered"
    CHILDREN = "children"
    SYSTEMS = "systems"
    CONFIRM = "confirm"
    ENDED = "ended"


ORDER: Final = tuple(Step)


class Outcome(StrEnum):
    """What a step came to.

    done: it did what it is for. none: there was nothing to do. kept: it stays, because other
    access stands on it or it comes back by itself. again: it did not work, or is not over.
    overtaken: the access was given back meanwhile, so there is nothing to withdraw any more.
    """

    DONE = "done"
    NONE = "none"
    KEPT = "kept"
    AGAIN = "again"
    OVERTAKEN = "overtaken"


class Present(StrEnum):
    """What another system says of a right when it is read again."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Entitlement(NamedTuple):
    """What is withdrawn of an agent. Empty members mean all: of its purposes, of their actions."""

    purpose: str = ""
    action: str = ""
    scope: str = ""

    def covers(self, other: Entitlement) -> bool:
        """Whether `other`, which has all members, is among what this means."""
        return all(mine in ("", its) for mine, its in zip(self, other, strict=True))


class Target(NamedTuple):
    """One right in another system."""

    system: str
    purpose: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Covering:
    """Another system that holds rights for the actions of some servers. `lapses`: it is told of mere idleness too."""

    system: str
    servers: frozenset[str]
    lapses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What another system was told, and how it stands there. `token` is its own word for the request."""

    target: Target
    token: str
    present: Present = Present.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Did:
    """One line of a withdrawal's record: a step, what it came to, when (first and last), and how often in a row."""

    step: Step
    outcome: Outcome
    told: str
    at: Instant
    last: Instant
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """Access that is being taken away. A value: every step makes a new one."""

    id: str  # wdr_...
    agent: str
    cause: str
    what: tuple[Entitlement, ...]
    begun: Instant
    due: Instant  # when the step is to be tried (again); once it ended, when it is forgotten
    step: Step = Step.DECISION
    tries: int = 0  # of this step, that came to nothing
    ended: tuple[str, ...] = ()  # the purposes whose runs and tokens it ended
    asked: tuple[Asked, ...] = ()
    confirmed: Instant | None = None
    alarmed: bool = False  # the incident was recorded
    did: tuple[Did, ...] = ()

    @property
    def open(self) -> bool:
        """Whether something is still to be done."""
        return self.step is not Step.ENDED

    @property
    def pending(self) -> tuple[Asked, ...]:
        """What is not known to be gone."""
        return tuple(each for each in self.asked if each.present is not Present.ABSENT)


@dataclass(frozen=True, slots=True)
class Result:
    """What trying a step came to, in words for people too. None: as before."""

    outcome: Outcome
    told: str = ""
    what: tuple[Entitlement, ...] | None = None  # what is left of it, where some was given back
    ended: tuple[str, ...] | None = None
    asked: tuple[Asked, ...] | None = None  # what other systems were told by now


@dataclass(frozen=True, slots=True)
class Advanced:
    """A withdrawal after a step. `alarm`: it is not confirmed in time, and that is not recorded yet."""

    after: Withdrawal
    alarm: bool


_WHOLE: Final = frozenset({"agent_retired", "credential_exposed"})
_COMES_BACK: Final = frozenset({"idle"})


def whole(cause: str) -> bool:
    """Whether the cause is about the agent itself: then all of its runs and tokens end, whatever they are for."""
    return cause in _WHOLE


def ends_tokens(cause: str, *, left: bool) -> bool:
    """Whether the tokens of a purpose end. `left`: the agent can still use, or start by itself, something for it."""
    return whole(cause) or (cause not in _COMES_BACK and not left)


def comes_back(cause: str) -> bool:
    """Whether what ended for this cause may start again without a person, at the next call."""
    return cause in _COMES_BACK


def advanced(before: Withdrawal, result: Result, *, now: Instant) -> Advanced:
    """The withdrawal after its step was tried.

    Raises:
        ValueError: It has ended.
    """
    if not before.open:
        raise ValueError("an ended withdrawal has no next step")
    after = replace(
        before,
        what=before.what if result.what is None else result.what,
        ended=before.ended if result.ended is None else result.ended,
        asked=before.asked if result.asked is None else result.asked,
        did=_noted(before, result, now),
    )
    if result.outcome is Outcome.AGAIN:
        late = now - before.begun >= PATIENCE and not before.alarmed
        tries = before.tries + 1
        due = now + pause(tries)
        if not (before.alarmed or late):
            due = min(due, before.begun + PATIENCE)  # the incident comes in time
        return Advanced(replace(after, tries=tries, due=Instant(due), alarmed=before.alarmed or late), late)
    step = Step.ENDED if result.outcome is Outcome.OVERTAKEN else ORDER[ORDER.index(before.step) + 1]
    confirmed = now if before.step is Step.CONFIRM and step is Step.ENDED and result.outcome is Outcome.DONE else None
    due = now + KEPT if step is Step.ENDED else now
    return Advanced(replace(after, step=step, tries=0, due=Instant(due), confirmed=confirmed), alarm=False)


def pause(tries: int) -> Micros:
    """How long to wait after `tries` tries (1 or more) that came to nothing: 1 s, 2 s, 4 s, ... up to an hour."""
    return Micros(min(SECOND << min(tries - 1, 12), LONGEST_PAUSE))


def looked(before: Withdrawal, usable: Mapping[Entitlement, Instant]) -> Result:
    """What the first step comes to.

    Args:
        before: The withdrawal.
        usable: What of the agent's a call would be let through for, now, and when each of it was started.
    """
    meant = {each: [since for one, since in usable.items() if each.covers(one)] for each in before.what}
    early = sum(since <= before.begun for found in meant.values() for since in found)
    if early:
        return Result(Outcome.AGAIN, f"can still be used: {early}")
    # What is usable only since the withdrawal began was given back: by a person, or because its reason is over.
    what = tuple(each for each, found in meant.items() if not (each.action and found))
    back = len(before.what) - len(what)
    if not what:
        return Result(Outcome.OVERTAKEN, "it was given back meanwhile")
    return Result(Outcome.DONE, f"calls are denied; given back meanwhile: {back}" if back else "calls are denied", what)


def targets(
    before: Withdrawal, known: Iterable[Entitlement], usable: Collection[Entitlement], systems: Iterable[Covering]
) -> list[Target]:
    """What other systems are to be told, in order.

    Args:
        before: The withdrawal.
        known: Everything of the agent's that ever was in force, or that a boundary named.
        usable: What of that a call would be let through for at this moment: it was given back, or stands on another
            boundary.
        systems: The systems, with the servers whose actions they hold rights for.
    """
    meant = {
        (one.purpose, one.action, one.scope)
        for one in (*known, *(each for each in before.what if each.purpose and each.action))
        if one not in usable and any(each.covers(one) for each in before.what)
    }
    told = [each for each in systems if each.lapses or not comes_back(before.cause)]
    return sorted(
        {Target(each.system, purpose, action) for each in told for purpose, action, scope in meant
         if scope in each.servers}
    )  # fmt: skip


def merged(open_: Withdrawal, more: Iterable[Entitlement]) -> Withdrawal | None:
    """The withdrawal with more to withdraw, while nothing of it was done yet; None if it cannot take it."""
    what = tuple(dict.fromkeys((*open_.what, *more)))
    if open_.step is not Step.DECISION or open_.tries or len(what) > MOST_TOGETHER:
        return None
    return replace(open_, what=what)


def _noted(before: Withdrawal, result: Result, now: Instant) -> tuple[Did, ...]:
    """Its own record with one more line; the same again is counted on the line that stands there."""
    last = before.did[-1] if before.did else None
    if last is not None and (last.step, last.outcome, last.told) == (before.step, result.outcome, result.told):
        return (*before.did[:-1], replace(last, last=now, times=last.times + 1))
    line = Did(step=before.step, outcome=result.outcome, told=result.told, at=now, last=now)
    return (*before.did, line)[-_MOST_DONE:]
