"""The person who answers for a secret goes, or another one answers for it: they knew it, perhaps, so it is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from remit.kernel.names import OwnerName, SecretName
from remit.people.change import Actor
from remit.storage.ports import Transaction
from remit.vault.document import Cause, SecretDocument
from remit.vault.document_sql import SqlDocuments

Asked = Callable[[Transaction, SecretName, Cause, Actor], object]
"""Begins a rotation within a change, if none is under way."""


def nobody(_tx: Transaction, _secret: SecretName, _cause: Cause, _by: Actor) -> None:
    """Begin nothing."""


@dataclass(frozen=True, slots=True)
class SecretOwners:
    """Implements remit.people.ports.Suspender for secrets: they stay in use, and are changed where they can be."""

    asked: Asked = nobody

    def owner_gone(self, tx: Transaction, owner: OwnerName, _successor: OwnerName | None, *, by: Actor) -> None:
        """Ask for a rotation of every secret that `owner` answers for."""
        for each in SqlDocuments(tx.connection).all():
            if each.owner == owner:
                self._ask(tx, each, by)

    def passed_on(self, tx: Transaction, before: SecretDocument | None, after: SecretDocument, *, by: Actor) -> None:
        """Ask for one where a document names another owner than before."""
        if before is not None and before.owner != after.owner:
            self._ask(tx, after, by)

    def _ask(self, tx: Transaction, it: SecretDocument, by: Actor) -> None:
        if it.rotate is not None and Cause.OWNER_CHANGE in it.rotate.on:
            self.asked(tx, it.secret, Cause.OWNER_CHANGE, by)
