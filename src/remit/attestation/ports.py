"""What authentication needs to know from the rooms that keep it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol


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
