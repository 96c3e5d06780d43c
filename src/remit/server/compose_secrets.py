"""Puts together what people do with secrets: their doors, and what becomes of one whose person leaves."""

from __future__ import annotations

from dataclasses import dataclass

from remit.audit.log import Log
from remit.kernel.names import OwnerName
from remit.people.change import Actor
from remit.people.ports import Suspender
from remit.server.gate import Gate
from remit.server.ground import Ground
from remit.server.http_secrets import Secrets
from remit.storage.ports import Transaction
from remit.vault.owners import SecretOwners


@dataclass(frozen=True, slots=True)
class Both:
    """Implements remit.people.ports.Suspender over two, in this order."""

    first: Suspender
    second: Suspender

    def owner_gone(self, tx: Transaction, owner: OwnerName, successor: OwnerName | None, *, by: Actor) -> None:
        """Tell both."""
        self.first.owner_gone(tx, owner, successor, by=by)
        self.second.owner_gone(tx, owner, successor, by=by)


def secret_owners(_ground: Ground) -> SecretOwners:
    """Who is told that another person answers for a secret, or nobody does."""
    return SecretOwners()


def secrets(ground: Ground, gate: Gate, log: Log) -> Secrets:
    """The doors of secrets."""
    database = ground.database
    return Secrets(
        vault=ground.vault, connections=gate.connecting.lending.connections, servers=ground.servers,
        systems=ground.systems.listing, log=log, writer=database.writer, reader=database.reader,
        records=ground.records, clock=ground.clock,
    )  # fmt: skip
