"""How much of a call's result has passed, against a boundary's volume (pure)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from remit.kernel.clock import Instant
from remit.policy.limits import AT_ONCE, VOLUME, in_unit
from remit.storage.model import Release, Reserve


@dataclass(slots=True, eq=False)
class Meter:
    """What one call has reserved of a volume, and what of it came. What it reserves is not exceeded by anybody."""

    reserve: Reserve  # as it was proposed: the counter, its limit
    granted: int  # bytes
    passed: int = 0  # bytes

    def wants(self, size: int, *, now: Instant) -> Reserve | None:
        """What must be reserved before `size` bytes more may pass; None if they are covered.

        What comes in another calendar unit counts in that: the counter of one that is over may be gone, and would
        begin anew.
        """
        if now >= self.reserve.expires:
            self.reserve, self.granted, self.passed = in_unit(self.reserve, now), 0, 0
        short = self.passed + size - self.granted
        return replace(self.reserve, amount=max(short, AT_ONCE), least=short) if short > 0 else None

    def left(self) -> tuple[Release, ...]:
        """What was reserved and did not come."""
        rest = self.granted - self.passed
        return (Release(self.reserve.key, self.reserve.window, rest),) if rest > 0 else ()


def split(reserved: tuple[Reserve, ...], granted: tuple[int, ...]) -> tuple[tuple[Reserve, ...], Meter | None]:
    """What a call has reserved as it stands, and what counts its results; they are of one rule, with one volume."""
    kept = tuple(each for each in reserved if not _volume(each))
    found = (Meter(each, got) for each, got in zip(reserved, granted, strict=True) if _volume(each))
    return kept, next(found, None)


def _volume(reserve: Reserve) -> bool:
    return reserve.key.startswith(f"{VOLUME} ")
