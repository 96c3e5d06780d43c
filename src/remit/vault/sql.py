"""The tables `secrets` and `secret_versions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, func, insert, select, update

from remit.kernel.clock import Instant
from remit.kernel.errors import IntegrityFailed
from remit.kernel.names import SecretName
from remit.storage.credential_schema import secret_versions, secrets
from remit.vault.model import HELD, Version, VersionState, attributes_text

_KEYED = (secret_versions.c.secret, secret_versions.c.version)


class SqlSecrets:
    """The secrets on one open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def documents(self) -> dict[SecretName, tuple[int, Instant, Mapping[str, Any] | None]]:
        """Every secret: the version that calls use (0: none), when it changed, its document as it is stored."""
        query = select(secrets).order_by(secrets.c.secret)
        return {
            SecretName(row.secret): (row.version, Instant(row.changed), None if not row.body else _decoded(row.body))
            for row in self._connection.execute(query)
        }

    def held(self) -> list[Version]:
        """Every version whose value is still there, by secret and version."""
        query = select(secret_versions).where(secret_versions.c.state.in_(HELD)).order_by(*_KEYED)
        return [_version(row) for row in self._connection.execute(query).mappings()]

    def versions(self, name: str) -> list[Version]:
        """Every version there is or was of a secret, oldest first."""
        query = select(secret_versions).where(secret_versions.c.secret == name).order_by(secret_versions.c.version)
        return [_version(row) for row in self._connection.execute(query).mappings()]

    def every(self) -> list[Version]:
        """Every version there is or was, by secret and version."""
        return [_version(row) for row in self._connection.execute(select(secret_versions).order_by(*_KEYED)).mappings()]

    def version(self, name: str, version: int) -> Version | None:
        """One version."""
        query = select(secret_versions).where(secret_versions.c.secret == name, secret_versions.c.version == version)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _version(row)

    def active(self, name: str) -> int | None:
        """The version that calls use, 0 if none; None if there is no such secret."""
        query = select(secrets.c.version).where(secrets.c.secret == name)
        return self._connection.execute(query).scalar_one_or_none()

    def newest(self, name: str) -> int:
        """The highest version there ever was; 0 if none."""
        query = select(func.max(secret_versions.c.version)).where(secret_versions.c.secret == name)
        return self._connection.execute(query).scalar_one() or 0

    def put(self, name: str, *, version: int, now: Instant) -> None:
        """Say which version calls use; with 0, that there is such a secret."""
        values = {"version": version, "changed": now}
        if self.active(name) is None:
            self._connection.execute(insert(secrets).values(secret=name, **values))
        else:
            self._connection.execute(update(secrets).where(secrets.c.secret == name).values(**values))

    def put_document(self, name: str, body: str | None) -> None:
        """The secret's document."""
        self._connection.execute(update(secrets).where(secrets.c.secret == name).values(body=body))

    def add(self, it: Version) -> None:
        """Insert a version."""
        self._connection.execute(insert(secret_versions).values(secret=it.secret, version=it.version, **_values(it)))

    def move(self, before: Version, after: Version) -> bool:
        """Replace a version if it is still in the state it was in; whether it was."""
        row = (secret_versions.c.secret == before.secret) & (secret_versions.c.version == before.version)
        moved = (
            update(secret_versions).where(row, secret_versions.c.state == before.state.value).values(**_values(after))
        )
        return self._connection.execute(moved).rowcount == 1


def _values(it: Version) -> dict[str, Any]:
    return {
        "state": it.state.value,
        "sealed": it.sealed,
        "key": it.key,
        "attributes": attributes_text(it.attributes),
        "made": it.made,
        "since": it.since,
        "exposed": it.exposed,
        "exposure": it.exposure or None,
    }


def _version(row: RowMapping) -> Version:
    try:
        state = VersionState(row["state"])
    except ValueError as error:
        raise IntegrityFailed("a secret's version is in no state that there is", detail=row["secret"]) from error
    return Version(
        secret=SecretName(row["secret"]),
        version=row["version"],
        state=state,
        sealed=None if row["sealed"] is None else bytes(row["sealed"]),
        key=row["key"],
        attributes=_decoded(row["attributes"]) if row["attributes"] else {},
        made=Instant(row["made"]),
        since=Instant(row["since"]),
        exposed=None if row["exposed"] is None else Instant(row["exposed"]),
        exposure=row["exposure"] or "",
    )


def _decoded(text: str) -> Any:  # noqa: ANN401 - whatever stands there
    return msgspec.json.decode(text)
