"""What access requests need of the rooms around them."""

from __future__ import annotations

from typing import Protocol

from remit.kernel.clock import Instant
from remit.people.change import Actor
from remit.policy.model import Answer, Call
from remit.policy.view import View
from remit.requests.model import AccessRequest
from remit.storage.ports import Transaction


class Decider(Protocol):
    """Says what the answer to a call would be (bound to `policy/service`)."""

    def view(self) -> View:
        """The newest view."""
        ...

    def tried(self, call: Call, view: View, *, now: Instant) -> Answer:
        """What the answer would be on `view`; nothing is recorded."""
        ...


class Starter(Protocol):
    """Starts an entitlement by a person's hand (bound to `certification/hands`)."""

    def start(self, agent: str, purpose: str, action: str, *, by: Actor) -> None:
        """Start it. Raises NotFound, Conflict."""
        ...


class DataKeys(Protocol):
    """Where the agents' data keys are (bound to `keys`)."""

    def data_key(self, owner: str) -> bytes:
        """The key of `agent:NAME`. Raises NotFound: there is none any more."""
        ...


class Teller(Protocol):
    """Tells people and agents outside, within the change that they are told of."""

    def asked(self, tx: Transaction, request: AccessRequest, people: tuple[str, ...]) -> None:
        """These people are asked."""
        ...

    def ended(self, tx: Transaction, request: AccessRequest) -> None:
        """It is not pending any more."""
        ...


class Silence:
    """Implements Teller for nobody."""

    def asked(self, tx: Transaction, request: AccessRequest, people: tuple[str, ...]) -> None:
        """Nobody is told."""

    def ended(self, tx: Transaction, request: AccessRequest) -> None:
        """Nobody is told."""
