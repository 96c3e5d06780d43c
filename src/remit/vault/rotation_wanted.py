"""Whether a secret is to be changed by itself now, and why. Pure.

Events are read off what stands there, not kept as messages: whoever was down when one happened sees it all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from remit.kernel.clock import MINUTE, Instant, Micros
from remit.vault.document import Cause, Rotate
from remit.vault.model import Version
from remit.vault.rotation import Rotation, Step

PAUSE: Final = Micros(5 * MINUTE)
"""After a rotation that came to nothing, none begins by itself for so long: the provider would say the same."""

_REPLACES: Final = (Step.CREATE, Step.VERIFY, Step.PROMOTE, Step.UNDO)  # calls use the old one yet


def wanted(rotate: Rotate, active: Version, *, frozen: Instant | None, now: Instant) -> Cause | None:
    """Why the version that calls use is to be replaced; None if nothing says so.

    Args:
        rotate: What its document says.
        active: The version that calls use.
        frozen: Since when a freeze stands on the secret; None if none does.
        now: When it is.
    """
    if active.exposed is not None and Cause.EXPOSURE in rotate.on:
        return Cause.EXPOSURE
    if frozen is not None and active.since <= frozen and Cause.FREEZE in rotate.on:
        return Cause.FREEZE
    aged = ages(rotate, active)
    return Cause.AGE if aged is not None and now >= aged else None


def ages(rotate: Rotate, active: Version) -> Instant | None:
    """When the version that calls use is to be replaced for its age; None if its document says no age."""
    return None if rotate.every is None else Instant(active.made + rotate.every)


def rests(last: Rotation | None, ended: Instant | None, *, now: Instant) -> bool:
    """Whether the last rotation came to nothing so lately that none begins by itself yet."""
    return last is not None and last.step is Step.UNDONE and ended is not None and now - ended < PAUSE


def owner_changed(rotate: Rotate, active: Version, past: Iterable[Rotation]) -> bool:
    """Whether the version that calls use was to be replaced because of its owner, and that came to nothing.

    Args:
        rotate: What its document says.
        active: The version that calls use.
        past: Rotations of its secret.
    """
    for each in past:
        if each.cause is Cause.OWNER_CHANGE and each.old == active.version and each.step is Step.UNDONE:
            return Cause.OWNER_CHANGE in rotate.on
    return False


def also_of(it: Rotation, cause: Cause) -> Rotation:
    """`it`, which is under way, when `cause` would have begun one: what an owner knew is what it replaces."""
    if cause is not Cause.OWNER_CHANGE or it.cause is Cause.EXPOSURE or it.step not in _REPLACES:
        return it
    return replace(it, cause=cause)


def leaves(it: Rotation, cause: Cause, *, exposed: bool) -> bool:
    """Whether `it`, which is under way, is left where it stands, so that the secret can be changed again.

    People were told that its provider refuses. Then a person may go on; and so does an exposure of what calls use now,
    once that is what `it` brought.

    Args:
        it: What is under way.
        cause: Of the next one.
        exposed: Whether the version that calls use is known elsewhere.
    """
    if it.incident is None:
        return False
    if cause is Cause.ASKED:
        return it.step in {Step.REVOKE, Step.CONFIRM, Step.UNDO}
    return cause is Cause.EXPOSURE and exposed and it.step in {Step.REVOKE, Step.CONFIRM}
