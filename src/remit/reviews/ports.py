"""What reviews need of other rooms."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from sqlalchemy import Connection

from remit.access.activation import ActivationKey, Kept, Under
from remit.access.draft import Draft
from remit.access.propose import Step
from remit.kernel.clock import Instant
from remit.kernel.names import BoundaryName
from remit.people.change import Actor
from remit.storage.ports import Transaction


class Hands(Protocol):
    """What is done to one entitlement (bound to `certification/hands`). Again is harmless.

    Raises:
        NotFound, Conflict: No boundary in force names it; its agent is not active.
    """

    @property
    def prepare(self) -> Callable[[str], None]:
        """Loads what an agent has, before a change that keeps or unkeeps some of it."""
        ...

    def keep(
        self, tx: Transaction, key: ActivationKey, *, until: Instant, by: Actor, seen: Instant | None = None,
        shown: Collection[str] | None = None,
    ) -> object:  # fmt: skip
        """A person vouches for it until then, against what of `shown` spoke against it at `seen` (None: all; now).

        And what it needs a person for, if that is in `shown`.
        """
        ...

    def unkeep(
        self, tx: Transaction, key: ActivationKey, *, by: Actor, was: Under | None = None, left: Kept | None = None,
        asks: bool = False,
    ) -> object:  # fmt: skip
        """That word is taken back: what speaks against it counts again, at once; and what it released (`was`) is so.

        Another keep that nobody took back (`left`) goes on. A person who is needed then is asked, unless they are
        anyway (`asks`).
        """
        ...

    def suspend(self, key: ActivationKey, *, by: Actor) -> object:
        """In a change of its own: suspend it until its owner starts it; one that was never started too."""
        ...

    def lapse(self, key: ActivationKey, *, by: Actor) -> object:
        """In a change of its own: let it lapse: it comes back as its tier says. One that was never started stays so."""
        ...


class Boundaries(Protocol):
    """Changes of boundaries (bound to `access/service`), within a change."""

    def propose_within(self, tx: Transaction, draft: Draft, *, by: Actor) -> Step:
        """Bring a boundary in line with its document: a narrowing at once, a widening waits for its owner."""
        ...

    def revoke_within(self, tx: Transaction, name: BoundaryName, *, by: Actor) -> None:
        """End a boundary at once. Raises NotFound: nothing of that name is in force or waits."""
        ...


class Doubts(Protocol):
    """Whether a server's record of use is believed (bound to certification)."""

    def doubted(self, connection: Connection, server: str, agent: str) -> bool:
        """Whether it is not believed now of this agent."""
        ...

    def would_lapse(self, connection: Connection, name: str) -> tuple[int, int]:
        """Of what is doubted under this name: how many entitlements would lapse if it were believed, and of how many.

        Nothing would of what is believed.
        """
        ...

    def believe(self, tx: Transaction, name: str, *, trusted: bool, by: Actor) -> None:
        """A person says whether what is doubted under this name is to be believed; again is harmless."""
        ...


class Openings(Protocol):
    """Emergencies: boundaries that were opened for a short time (bound to whoever opens them)."""

    def reviewed(self, tx: Transaction, opening: str, *, accepted: bool, by: Actor) -> None:
        """Somebody looked at it, or its term is over and nobody did. Again is harmless."""
        ...


class NoOpenings:
    """Where nothing is opened in emergencies, there is nothing to tell."""

    def reviewed(self, tx: Transaction, opening: str, *, accepted: bool, by: Actor) -> None:
        """Nothing."""
