"""What the cascade needs: a look at what can still be used, and each of the places where access ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from remit.certification.withdrawal.withdraw import Covering, Entitlement, Present, Target, Withdrawal
from remit.kernel.clock import Instant
from remit.kernel.errors import RemitError


class SystemSilent(RemitError):
    """Another system could not be told: it is down, slow, or said something that is no answer."""

    code = "unexpected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What an agent can do at this moment."""

    usable: Mapping[Entitlement, Instant]  # what a call would be let through for, and since when
    left: frozenset[str]  # the purposes for which it can use something, or start something without a person


class Stands(Protocol):
    """Looks where an agent stands, as decisions see it."""

    def standing(self, agent: str) -> Standing:
        """Where `agent` stands on this node now. Reads the database; worker threads only."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """How many of something were ended, and in words what was found."""

    ended: int
    told: str


class Brokered(Protocol):
    """Credentials that were made for one agent elsewhere."""

    def end(self, withdrawal: Withdrawal) -> Found:
        """End them; again is harmless. Raises SystemSilent: try later."""
        ...


class Children(Protocol):
    """What an agent handed on to others."""

    def end(self, withdrawal: Withdrawal) -> Found:
        """Begin to withdraw it from them; again is harmless. Raises SystemSilent: try later."""
        ...


class Systems(Protocol):
    """The other systems that operators declared. Worker threads only; each call blocks for at most some seconds."""

    def covering(self) -> Collection[Covering]:
        """Every one of them. In memory and quick."""
        ...

    def withdraw(self, target: Target, withdrawal: Withdrawal) -> str:
        """Tell a system to take a right away; its own word for the request, perhaps empty. Again is harmless.

        Raises:
            SystemSilent: It did not take the request.
        """
        ...

    def reread(self, target: Target, withdrawal: Withdrawal, token: str) -> Present:
        """Ask a system whether it still has the right. What is no clear answer is `unknown`."""
        ...
