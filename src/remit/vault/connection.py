"""A connection: a person's own account at another system, lent to the agents that act for that person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from remit.kernel.clock import Instant
from remit.kernel.names import OwnerName, SecretName
from remit.vault.model import SecretUnavailable


class ConnectionState(StrEnum):
    """In use; or ended by the other system, until the person connects again."""

    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One person's refresh token for one secret (which is the client's), sealed."""

    secret: SecretName
    person: OwnerName
    state: ConnectionState
    client: str  # whose client it was lent to (`authorization.lent_to`): nobody else is shown it
    scope: str  # as the other system granted it; "" if it did not say
    version: int  # of the refresh token: it changes whenever the other system gives a new one
    sealed: bytes
    connected: Instant
    changed: Instant

    @property
    def name(self) -> str:
        """Its name in the log and in the database: neither a secret nor a person has a slash in theirs."""
        return f"{self.secret}/{self.person}"


class NotConnected(SecretUnavailable):
    """No account to use: nobody stands behind the call, or that person has not connected one (or not any more).

    `person` is "" where nobody who could connect one stands behind the call.
    """

    def __init__(self, person: str, secret: str, *, ended: bool = False) -> None:
        again = " again" if ended else ""
        said = f"{person} must connect their own account{again}" if person else "no person stands behind this call"
        super().__init__(said, detail=secret, try_=f"remit secret connect {secret}")
        self.person = person
        self.secret = secret


def key_owner(secret: str, person: str) -> str:
    """The owner of a connection's data key, which is also its topic on the feed: one for each secret and person."""
    return f"secret:{secret}/{person}"


def place(secret: str, person: str, version: int) -> tuple[str | int, ...]:
    """Where a sealed refresh token belongs: neither another person's row nor an older one in this row opens."""
    return ("connections", secret, person, version)
