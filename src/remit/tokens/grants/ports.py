"""What every way to a token has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from remit.attestation.model import Attested
from remit.kernel.clock import Instant
from remit.storage.ports import Transaction
from remit.tokens.model import Asked, Granted, Wish


class Grant(Protocol):
    """One value of `grant_type`."""

    @property
    def type(self) -> str:
        """The value."""
        ...

    @property
    def methods(self) -> frozenset[str]:
        """The client authentication methods (`Attested.method`) that may use it; another is unauthorized_client."""
        ...

    def wish(self, asked: Asked, attested: Attested, *, jkt: str | None, now: Instant) -> Wish:
        """Everything that can be said without the database. Asked twice: before, and within the change.

        Raises:
            TokenRefused: The first check that fails.
        """
        ...

    def settle(self, tx: Transaction, asked: Asked, granted: Granted, *, now: Instant) -> Mapping[str, Any]:
        """Write what belongs to the token, within its change; more members of the answer, such as `refresh_token`.

        Raises:
            TokenRefused: It was used before, or is over by now. Nothing of the change stays.
        """
        ...
