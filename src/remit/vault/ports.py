"""What the vault needs from above: it reads and seals, and changes nothing by itself."""

from __future__ import annotations

from typing import Protocol

from remit.keys.secret import Secret
from remit.vault.connection import Connection


class Lent(Protocol):
    """What people lent. All but `find` block until what they change is durable: for worker threads."""

    def find(self, secret: str, person: str) -> Connection | None:
        """What that person lent for that secret, ended or not; from memory."""
        ...

    def claim(self, secret: str, person: str) -> tuple[Connection, Secret] | None:
        """The newest refresh token, for one refresh; None while another node refreshes.

        Raises: NotFound, SecretUnavailable.
        """
        ...

    def refreshed(self, claimed: Connection, refresh: Secret | None) -> None:
        """Keep the new refresh token, if one came. Raises NotFound: what came of the old one must not be used."""
        ...

    def release(self, claimed: Connection) -> None:
        """Nothing came of it."""
        ...

    def ended(self, claimed: Connection) -> None:
        """The other system takes it no more."""
        ...
