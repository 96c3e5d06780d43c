"""What authentication needs to know from the rooms that keep it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class ClientKeys(Protocol):
    """The keys that agents registered for signing their client assertions."""

    def client_keys(self, client: str) -> Sequence[Mapping[str, Any]]:
        """The public JWKs of the agent named `client`; empty if there is no such agent. In memory, no I/O."""
        ...
