"""Changes of what people lent, each durable before it is answered."""

from __future__ import annotations

from dataclasses import dataclass

from remit.kernel.names import OwnerName, SecretName
from remit.keys.secret import Secret
from remit.people.change import Actor
from remit.storage.ports import Transaction, Writer
from remit.vault.connection import Connection
from remit.vault.connections import Connections
from remit.vault.model import SecretUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Lending:
    """Implements remit.vault.ports.Lent, and what people do themselves. Errors are those of `Connections`."""

    connections: Connections
    writer: Writer

    def find(self, secret: str, person: str) -> Connection | None:
        """From memory."""
        return self.connections.find(secret, person)

    def claim(self, secret: str, person: str) -> tuple[Connection, Secret] | None:
        """One at a time; what does not open is nobody's claim."""
        found = self.writer.change(lambda tx: self.connections.claim(tx, secret, person))
        if found is None:
            return None
        try:
            return found, self.connections.open(found)
        except SecretUnavailable:
            self.release(found)
            raise

    def refreshed(self, claimed: Connection, refresh: Secret | None) -> None:
        """Keep the new refresh token."""
        self.writer.change(lambda tx: self.connections.refreshed(tx, claimed, refresh))

    def release(self, claimed: Connection) -> None:
        """Give the claim back."""
        self.writer.change(lambda tx: self.connections.release(tx, claimed))

    def ended(self, claimed: Connection) -> None:
        """It ended."""
        self.writer.change(lambda tx: self.connections.ended(tx, claimed))

    def connect(
        self, secret: SecretName, person: OwnerName, refresh: Secret, *, client: str, scope: str, by: Actor
    ) -> Connection:
        """Keep what a person lent."""

        def apply(tx: Transaction) -> Connection:
            return self.connections.connect(tx, secret, person, refresh, client=client, scope=scope, by=by)

        return self.writer.change(apply)

    def disconnect(self, secret: str, person: str, *, by: Actor) -> tuple[Connection, Secret | None]:
        """Delete it; it, and its refresh token, or None if that does not open: it goes all the same."""
        opened: list[Secret] = []

        def apply(tx: Transaction) -> Connection:
            found = self.connections.disconnect(tx, secret, person, by=by)
            try:
                opened.append(self.connections.open(found))
            except SecretUnavailable:
                opened.clear()
            return found

        found = self.writer.change(apply)
        return found, opened[-1] if opened else None
