"""What authentication needs to know from the rooms that keep it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from remit.attestation.trust import Trust
from remit.keys.foreign import KeySet


class Bound(NamedTuple):
    """One way in which an agent's document lets a running copy in."""

    method: str
    said: Mapping[str, Any]  # `trust`, and `claims` as conditions
    credential: str


class ClientKeys(Protocol):
    """The keys that agents registered for signing their client assertions."""

    def client_keys(self, client: str) -> Sequence[Mapping[str, Any]]:
        """The public JWKs of the agent named `client`; empty if there is no such agent. In memory, no I/O."""
        ...


class LocalUids(Protocol):
    """The users of this machine whose processes agents registered as their own."""

    def local_uids(self, client: str) -> Collection[int]:
        """The uids of the agent named `client`; empty if there is no such agent. In memory, no I/O."""
        ...


class Trusted(Protocol):
    """The trusts that operators declared. In memory, no I/O."""

    def of_issuer(self, issuer: str) -> Trust | None:
        """The one of this `iss`, which is no SPIFFE trust domain."""
        ...

    def of_domain(self, domain: str) -> Trust | None:
        """The SPIFFE trust domain of that name."""
        ...


class Load(Protocol):
    """Where an issuer's keys are read from."""

    def __call__(self, trust: Trust, /) -> Loaded:
        """Read them now. Blocks; never on the event loop, nor within a change.

        Raises:
            RemitError: They could not be had, or are none.
        """
        ...


class Loaded(NamedTuple):
    """What an issuer published."""

    keys: KeySet
    sequence: int | None = None  # of a SPIFFE bundle; one that is lower is an older one
    refresh: int | None = None  # microseconds until it should be read again, as it says itself
