"""What a verdict makes of an activation, if anything is to be recorded (pure)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from remit.access.activation import Activation, ActivationState, Under
from remit.access.judge import CRITICAL, PASSING, Verdict
from remit.kernel.clock import EPOCH, Instant

_ASKED: Final = frozenset({ActivationState.SUSPENDED, ActivationState.NEEDS_HUMAN})


def passing(activation: Activation) -> bool:
    """Whether the reason of its recorded state ends by itself, so that no person is needed for it."""
    return activation.why in PASSING and activation.state in _ASKED


def become(activation: Activation, found: Verdict, now: Instant) -> Activation | None:
    """The activation with the next serial; None if nothing changed that must outlast this moment.

    Recorded is another state; another reason, where the recorded one ends by itself (else nobody would be asked about
    the one that does not) or a detector is sure now (else whoever is asked would not know); another state to go back
    to; and that its record has been incomplete since now. What it goes back to is as it was: reason, and since when.
    """
    before, unsure = activation.under, EPOCH if found.unsure is None else Instant(now - found.unsure)
    if before is not None and found.under is None and found.state is before.state:
        return replace(activation, **before._asdict(), under=None, unsure=unsure, serial=activation.serial + 1)
    under, stays = _under(activation, found, now), found.state is activation.state
    other = found.reason != activation.why and (passing(activation) or found.reason == CRITICAL)
    begins = unsure not in {EPOCH, activation.unsure}
    if stays and under == before and not other and not begins:
        return None
    # Of a state that stays, only a reason that ends by itself gives way to another; and any to a detector that is sure.
    why = found.reason if other or not stays else activation.why
    since = activation.since if stays else now
    return replace(
        activation, state=found.state, why=why, since=since, under=under, unsure=unsure, serial=activation.serial + 1
    )


def _under(activation: Activation, found: Verdict, now: Instant) -> Under | None:
    if found.under is None:
        return None
    known = activation.under
    if known is None and not passing(activation):
        known = Under(activation.state, activation.why, activation.since)
    return known if known is not None and known.state is found.under.state else Under(*found.under, now)
