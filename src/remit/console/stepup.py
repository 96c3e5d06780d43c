"""What is grave needs that its person has just proved who they are (pure).

A session is worth what its cookie is worth: a browser left open, a copied profile. What stops or starts everything,
or changes what everyone may do, is therefore not done by a session alone.
"""

from __future__ import annotations

from typing import Final

from remit.kernel.clock import MINUTE, Instant
from remit.kernel.errors import RemitError

RECENT: Final = 5 * MINUTE


class StepUpRequired(RemitError):
    """The person has to prove who they are again. Nothing was done."""

    code = "step_up_required"


def held(*, grave: bool, authenticated: Instant, now: Instant) -> bool:
    """Whether an act waits until its person proves who they are again.

    Args:
        grave: Whether the act is one of those.
        authenticated: When they last proved it; a time that is not past proves nothing.
        now: The present.
    """
    return grave and not authenticated <= now < authenticated + RECENT
