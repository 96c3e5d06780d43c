"""What every way of client authentication has in common (RFC 6749 section 2.3)."""

from __future__ import annotations

from typing import Protocol

from remit.attestation.model import Attested
from remit.kernel.clock import Instant
from remit.storage.model import ConsumeProof
from remit.tokens.model import Asked

Client = tuple[Attested, ConsumeProof | None]
"""Who asks, and the single use of what it showed."""


class ClientMethod(Protocol):
    """One way in which a client says who it is."""

    @property
    def name(self) -> str:
        """As the metadata names it (`token_endpoint_auth_methods_supported`)."""
        ...

    def used(self, asked: Asked) -> bool:
        """Whether the request tries this way. A request that tries several, or none, is invalid_client."""
        ...

    def authenticate(self, asked: Asked, *, now: Instant) -> Client:
        """Find out who asks. What it showed is used with the change that follows.

        Raises:
            TokenRefused: invalid_client; one public text for all reasons, so that no agent is told to exist.
        """
        ...
