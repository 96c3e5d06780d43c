"""What lends credentials that are made for one instance each, as whoever puts them into calls needs to know it."""

from __future__ import annotations

from typing import Protocol

from remit.catalog.injection import Credential
from remit.policy.model import Call
from remit.vault.service import Lent


class Lends(Protocol):
    """Belongs to one event loop."""

    def makes(self, secret: str) -> bool:
        """Whether a secret has no value of its own: one is made for each instance."""
        ...

    def at_hand(self, secret: str, call: Call) -> Lent | None:
        """What the instance that makes `call` has already, and may use further."""
        ...

    async def lend(self, credential: Credential, call: Call | None, *, host: str = ..., path: str = ...) -> Lent:
        """What the instance that makes `call` has; made if it has none. Raises SecretUnavailable."""
        ...
