"""Who was refused a door of the `/v1` API: in the log, at a bounded rate."""

from __future__ import annotations

from dataclasses import dataclass

from remit.kernel.clock import Clock
from remit.kernel.errors import RemitError
from remit.tokens.refusals import Refusals

_LONGEST = 200  # characters of a reason


@dataclass(frozen=True, slots=True)
class RefusedDoors:
    """Records refusals, in the budget of whom they were refused to (`tokens/refusals`)."""

    refusals: Refusals
    clock: Clock

    def note(self, door: str, error: RemitError, person: str) -> None:
        """Record one, durably. `person`: whose token it was; empty if it was no operator's.

        Raises:
            StorageUnavailable: It could not be recorded.
        """
        said = {"door": door, "error": error.code, "reason": error.public[:_LONGEST]}
        self.refusals.note(said | ({"by": person} if person else {}), who=person, now=self.clock.now())
