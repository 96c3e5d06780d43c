"""The table `secrets`."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from remit.kernel.clock import Instant
from remit.kernel.names import SecretName
from remit.storage.schema import secrets
from remit.vault.model import SealedSecret


class SqlSecrets:
    """The sealed secrets on one open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[SealedSecret]:
        """Every secret, by name."""
        query = select(secrets.c.secret, secrets.c.version, secrets.c.sealed, secrets.c.changed).order_by(
            secrets.c.secret
        )
        return [
            SealedSecret(
                name=SecretName(row.secret), version=row.version, sealed=bytes(row.sealed), changed=Instant(row.changed)
            )
            for row in self._connection.execute(query)
        ]

    def version(self, name: str) -> int:
        """The version that stands there; 0 if there is none."""
        query = select(secrets.c.version).where(secrets.c.secret == name)
        return self._connection.execute(query).scalar_one_or_none() or 0

    def put(self, secret: SealedSecret) -> None:
        """Insert version 1, or replace the version before."""
        values = {"version": secret.version, "sealed": secret.sealed, "changed": secret.changed}
        if secret.version == 1:
            self._connection.execute(insert(secrets).values(secret=secret.name, **values))
        else:
            self._connection.execute(update(secrets).where(secrets.c.secret == secret.name).values(**values))
