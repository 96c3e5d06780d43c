"""How a secret is changed without a dropped call: the steps, and what follows what. Pure.

    create     the new credential exists at the provider; where Remit chooses its value, that was sealed here before
    verify     it is tried as a call would use it
    promote    calls use it from here on; the old one drains
    drain      calls that have the old one in hand end
    revoke     the old one is taken away at the provider
    confirm    and is seen to be gone, by reading again
    done

    undo       a new credential that does not work is taken away again; the old one has served all the time
    undone

The old credential is never taken away before the new one was seen to work. Every step may be done twice: who was
killed between the provider's yes and Remit's record does it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from remit.kernel.clock import MINUTE, SECOND, Instant, Micros
from remit.kernel.names import SecretName
from remit.vault.document import Cause, Rotate

INCIDENT: Final = Micros(15 * MINUTE)
"""A credential that should be gone and is not, for that long, is an incident."""
GIVE_UP: Final = Micros(60 * MINUTE)
"""For how long a provider may leave it open whether there is a new one; then it is taken back. The old one serves."""
_FIRST, _LONGEST = SECOND, 60 * SECOND


class Step(StrEnum):
    """What is to be done next, or how it ended."""

    CREATE = "create"
    VERIFY = "verify"
    PROMOTE = "promote"
    DRAIN = "drain"
    REVOKE = "revoke"
    CONFIRM = "confirm"
    DONE = "done"
    UNDO = "undo"
    UNDONE = "undone"  # also where what should be gone is left where it is


class Outcome(StrEnum):
    """What came of a step."""

    OK = "ok"
    REFUSED = "refused"  # the provider, or what the credential is for, says no
    UNCLEAR = "unclear"  # no answer, or none that can be understood: it is done again
    STILL_THERE = "still_there"  # what should be gone is not
    KEPT = "kept"  # calls use what should be gone: somebody went back to it by hand
    DOUBTFUL = "doubtful"  # what stands there may be of this rotation or a person's: it is left to people
    UNASKED = "unasked"  # nothing is here any more to ask its provider with: it may work there


ENDED: Final = (Step.DONE, Step.UNDONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """One change of one secret. `old` is 0 where there was no version before.

    `rotator`, `settings`: how it was begun at its provider, and is ended there, whatever its document says by then: at
    another provider the old one is "gone" as well. Empty before it was begun.
    `asked`: when each attempt that may have asked its provider for the new one began, oldest first.
    """

    rotation: str
    secret: SecretName
    cause: Cause
    by: str
    new: int
    old: int
    step: Step
    started: Instant
    since: Instant  # when it came to this step
    drained: Micros  # for how long the old one drains
    proposed: bool = False  # whether Remit chose the new one's value, rather than its provider
    attempts: int = 0  # of this step
    said: str = ""  # what the last attempt came to, for people; never a value
    incident: Instant | None = None
    rotator: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    asked: tuple[Instant, ...] = ()


_AFTER: Final = {
    (Step.CREATE, Outcome.OK): Step.VERIFY,
    (Step.CREATE, Outcome.REFUSED): Step.UNDO,
    (Step.VERIFY, Outcome.OK): Step.PROMOTE,
    (Step.VERIFY, Outcome.REFUSED): Step.UNDO,
    (Step.PROMOTE, Outcome.OK): Step.DRAIN,
    (Step.PROMOTE, Outcome.REFUSED): Step.UNDO,  # somebody set another value by hand meanwhile
    (Step.DRAIN, Outcome.OK): Step.REVOKE,
    (Step.REVOKE, Outcome.OK): Step.CONFIRM,
    (Step.CONFIRM, Outcome.OK): Step.DONE,
    (Step.CONFIRM, Outcome.STILL_THERE): Step.REVOKE,
    (Step.UNDO, Outcome.OK): Step.UNDONE,
    (Step.CREATE, Outcome.UNASKED): Step.UNDO,
    (Step.VERIFY, Outcome.UNASKED): Step.UNDO,
    **{
        (step, outcome): Step.UNDONE  # "done" would say that it is gone
        for step in (Step.REVOKE, Step.CONFIRM, Step.UNDO)
        for outcome in (Outcome.KEPT, Outcome.UNASKED)
    },
    (Step.UNDO, Outcome.DOUBTFUL): Step.UNDONE,
}


def after(it: Rotation, outcome: Outcome, *, now: Instant, said: str = "") -> Rotation:
    """`it` after a step came to `outcome`. What is not in the table leaves it where it is, to be done again.

    Raises:
        ValueError: It is over.
    """
    if it.step in ENDED:
        raise ValueError(f"this rotation is {it.step}")
    step = _AFTER.get((it.step, outcome), it.step)
    if step in {Step.CREATE, Step.VERIFY} and step is it.step and now - it.since >= GIVE_UP:
        step = Step.UNDO
    if step is Step.REVOKE and it.step is Step.DRAIN and it.old == 0:
        step = Step.DONE  # there is nothing to take away
    if (it.step, step) == (Step.REVOKE, Step.CONFIRM):
        return replace(it, step=step, said=said)  # one undertaking: a provider that only says yes is found out as well
    if step is not it.step and not (it.step is Step.CONFIRM and step is Step.REVOKE):
        return replace(it, step=step, since=Instant(max(now, it.since)), attempts=0, said=said)
    return replace(it, step=step, attempts=it.attempts + 1, said=said)


def due(it: Rotation, *, now: Instant) -> Instant:
    """When its step is to be done next: when the drain is over; else after a pause that doubles, up to a minute."""
    if it.step is Step.DRAIN:
        return Instant(max(now, it.since + it.drained))
    if it.attempts == 0:
        return now
    return Instant(now + min(_FIRST << min(it.attempts - 1, 6), _LONGEST))


def hurried(it: Rotation) -> Rotation:
    """`it` without its drain: what calls have in hand is known elsewhere."""
    return replace(it, cause=Cause.EXPOSURE, drained=Micros(0))


def abandoned(it: Rotation, *, now: Instant) -> Rotation:
    """`it` when what should be gone is left where it is, because the secret is to be changed again."""
    version = it.new if it.step is Step.UNDO else it.old
    said = f"left while its provider refused: version {version} may work there, take it away by hand"
    return replace(it, step=Step.UNDONE, since=Instant(max(now, it.since)), attempts=0, said=said)


def reserved(it: Rotation, version: int, *, proposed: bool, rotate: Rotate, now: Instant) -> Rotation:
    """`it` once its new version has its place here, before any provider is asked."""
    placed = replace(it, new=version, proposed=proposed, rotator=rotate.rotator, settings=rotate.settings)
    return asking(placed, now=now)


def asking(it: Rotation, *, now: Instant) -> Rotation:
    """`it` before its provider is asked for the new one: what is made there later was not made by this attempt."""
    return replace(it, asked=(*it.asked, now))


def overdue(it: Rotation, *, now: Instant) -> bool:
    """Whether people must hear of it: what should be gone has not been for 15 minutes, and they were not told yet."""
    late = it.step in {Step.REVOKE, Step.CONFIRM, Step.UNDO} and now - it.since >= INCIDENT
    return late and it.incident is None


def left(before: Rotation, it: Rotation, outcome: Outcome) -> bool:
    """Whether people must hear at once that something may work at its provider which nobody takes away any more.

    Args:
        before: At the step that was done.
        it: After it.
        outcome: What came of it.
    """
    removed = before.new and before.step in {Step.CREATE, Step.VERIFY, Step.PROMOTE} and it.step is Step.UNDONE
    return outcome in {Outcome.UNASKED, Outcome.DOUBTFUL} or bool(removed)
