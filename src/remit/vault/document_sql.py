"""Secrets' documents in the database, and their changes."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Connection

from remit.kernel.clock import Clock
from remit.kernel.errors import NotFound
from remit.kernel.names import SecretName
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.storage.ports import Transaction
from remit.vault.document import SecretDocument
from remit.vault.document_json import document, text
from remit.vault.model import topic
from remit.vault.sql import SqlSecrets


class PassedOn(Protocol):
    """Hears, within the change, of a document that is stored."""

    def __call__(self, tx: Transaction, before: SecretDocument | None, after: SecretDocument, *, by: Actor) -> None:
        """It took the place of `before`."""
        ...


def unheard(tx: Transaction, before: SecretDocument | None, after: SecretDocument, *, by: Actor) -> None:
    """Nobody hears of it."""


class SqlDocuments:
    """Secrets' documents, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._rows = SqlSecrets(connection)

    def find(self, name: str) -> SecretDocument | None:
        """The document; None if nobody wrote one for a secret of that name."""
        body = self._rows.document(name)
        return None if body is None else document(body)

    def all(self) -> list[SecretDocument]:
        """Every document, by the secret's name."""
        return [document(body) for _, _, body in self._rows.documents().values() if body is not None]


class SecretDocuments:
    """State changes of secrets' documents, within a change. A document says nothing of a value, and changes none."""

    def __init__(self, records: Records, clock: Clock, passed_on: PassedOn = unheard) -> None:
        self._records = records
        self._clock = clock
        self._passed_on = passed_on

    def put(self, tx: Transaction, value: SecretDocument, *, by: Actor) -> None:
        """Register or replace; a secret that has no value yet is there from now on, without one."""
        rows, before = SqlSecrets(tx.connection), SqlDocuments(tx.connection).find(value.secret)
        if before == value:
            return
        if rows.active(value.secret) is None:
            rows.put(value.secret, version=0, now=self._clock.now())
        self._store(tx, value.secret, before, value, by=by)
        self._passed_on(tx, before, value, by=by)

    def remove(self, tx: Transaction, name: SecretName, *, by: Actor) -> None:
        """Take the document away; the value stays.

        Raises:
            NotFound: There is none.
        """
        before = SqlDocuments(tx.connection).find(name)
        if before is None:
            raise NotFound(f"there is no document of a secret {name}"[:200])
        self._store(tx, name, before, None, by=by)

    def _store(
        self, tx: Transaction, name: str, before: SecretDocument | None, after: SecretDocument | None, *, by: Actor
    ) -> None:
        was, said = (None if each is None else text(each) for each in (before, after))
        SqlSecrets(tx.connection).put_document(name, said)
        tx.touch(topic(name))
        changed = Changed(what="secret", name=name, change="document", before=was, after=said)
        record(tx, self._records, changed, by=by)
