"""What a verdict makes of an activation, if anything is to be recorded (pure)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from remit.access.activation import Activation, ActivationState, Under
from remit.access.judge import PASSING, Verdict
from remit.kernel.clock import Instant

_ASKED: Final = frozenset({ActivationState.SUSPENDED, ActivationState.NEEDS_HUMAN})


def passing(activation: Activation) -> bool:
    """Whether the reason of its recorded state ends by itself, so that no person is needed for it."""
    return activation.why in PASSING and activation.state in _ASKED


def become(activation: Activation, found: Verdict, now: Instant) -> Activation | None:
    """The activation with the next serial; None if nothing changed that must outlast this moment.

    Recorded is another state; another reason, where the recorded one ends by itself (else nobody would be asked about
    the one that does not); and another state to go back to. What it goes back to is as it was: reason, and since when.
    """
    before = activation.under
    if before is not None and found.under is None and found.state is before.state:
        return replace(activation, **before._asdict(), under=None, serial=activation.serial + 1)
    under, stays = _under(activation, found, now), found.state is activation.state
    if stays and under == before and not (passing(activation) and found.reason != activation.why):
        return None
    # Of a state that stays, only a reason that ends by itself gives way to another.
    why = activation.why if stays and not passing(activation) else found.reason
    since = activation.since if stays else now
    return replace(activation, state=found.state, why=why, since=since, under=under, serial=activation.serial + 1)


def _under(activation: Activation, found: Verdict, now: Instant) -> Under | None:
    if found.under is None:
        return None
    known = activation.under
    if known is None and not passing(activation):
        known = Under(activation.state, activation.why, activation.since)
    return known if known is not None and known.state is found.under.state else Under(*found.under, now)
