"""`/v1/keys/root`: the root key, and its re-key, which takes two people to begin and nobody to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.kernel.clock import Instant
from remit.server.door import Ask, Door, actor
from remit.server.rekeying import Rekeying, shown
from remit.server.seconding import Seconding
from remit.storage.ports import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class RekeyDoors:
    """The root key over HTTP."""

    rekeying: Rekeying

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET",
                path="/v1/keys/root",
                summary="Show the generations of the root key, and how far a re-key is",
                action="read",
                handle=self.show,
            ),
            Door(
                method="POST",
                path="/v1/keys/root/rekey",
                summary="Put another root key in place of the one there is, while all goes on; takes two people",
                action="manageKeys",
                handle=self.begin,
            ),
        ]

    def show(self, _ask: Ask) -> dict[str, Any]:
        """Generations, newest first, and how many keys an older one still seals."""
        found = self.rekeying.standing()
        return {
            "under_way": found.under_way,
            "left": found.left,
            "total": found.total,
            "roots": [shown(root) for root in reversed(found.roots)],
        }

    def begin(self, ask: Ask) -> dict[str, Any]:
        """Begin a re-key, or say the first of two words."""
        rekeying = self.rekeying
        rekeying.rekey.check_begin()  # also for the first person: nobody is to second what cannot be done
        root = rekeying.rekey.prepared()  # on this request's thread, for the first word too: nobody else waits for it

        def carry(tx: Transaction, now: Instant, more: Mapping[str, str]) -> list[dict[str, Any]]:
            return [rekeying.begin(tx, root, now=now, by=actor(ask), more=more)]

        seconding = Seconding(writer=rekeying.writer, records=rekeying.records, clock=rekeying.clock)
        # A word is about the generation that comes: after a re-key it means nothing any more.
        return seconding.by_two(ask, f"rekey root {root.generation}", carry)
