"""The tables `secrets` and `secret_versions`.

A value that was set before there were versions stands in `secrets.sealed`, and reads as the version that is active: the
log says what stands in that row. It gets a row of its own when it is first changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, RowMapping, Select, insert, select, update

from remit.kernel.clock import Instant
from remit.kernel.errors import IntegrityFailed
from remit.kernel.names import SecretName
from remit.storage.credential_schema import secret_versions, secrets
from remit.vault.model import HELD, Version, VersionState, attributes_text, topic


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

    def document(self, name: str) -> Mapping[str, Any] | None:
        """One secret's document as it is stored; None if there is none."""
        body = self._connection.execute(select(secrets.c.body).where(secrets.c.secret == name)).scalar_one_or_none()
        return None if not body else _decoded(body)

    def held(self) -> list[Version]:
        """Every version whose value is still there, by secret and version."""
        return [each for each in self.every() if each.state in HELD]

    def versions(self, name: str) -> list[Version]:
        """Every version there is or was of a secret, oldest first."""
        query = select(secret_versions).where(secret_versions.c.secret == name)
        return self._with_older(query, select(secrets).where(secrets.c.secret == name))

    def every(self) -> list[Version]:
        """Every version there is or was, by secret and version."""
        return self._with_older(select(secret_versions), select(secrets))

    def version(self, name: str, version: int) -> Version | None:
        """One version."""
        return next((each for each in self.versions(name) if each.version == version), None)

    def active(self, name: str) -> int | None:
        """The version that calls use, 0 if none; None if there is no such secret."""
        query = select(secrets.c.version).where(secrets.c.secret == name)
        return self._connection.execute(query).scalar_one_or_none()

    def newest(self, name: str) -> int:
        """The highest version there ever was; 0 if none."""
        return max((each.version for each in self.versions(name)), default=0)

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

    def first_set(self, name: str, by: str) -> None:
        """Say who gave it a value; who did so first stays."""
        here = (secrets.c.secret == name) & secrets.c.setter.is_(None)
        self._connection.execute(update(secrets).where(here).values(setter=by))

    def add(self, it: Version) -> None:
        """Insert a version."""
        self._connection.execute(insert(secret_versions).values(secret=it.secret, version=it.version, **_values(it)))

    def move(self, before: Version, after: Version) -> bool:
        """Replace a version if it is still in the state it was in; whether it was."""
        if before.key == topic(before.secret) and self._older(before):
            self.add(before)
        row = (secret_versions.c.secret == before.secret) & (secret_versions.c.version == before.version)
        moved = (
            update(secret_versions).where(row, secret_versions.c.state == before.state.value).values(**_values(after))
        )
        return self._connection.execute(moved).rowcount == 1

    def _older(self, it: Version) -> bool:
        """Whether it stands where values stood before there were versions; from here on it does not."""
        row = (secrets.c.secret == it.secret) & (secrets.c.version == it.version) & secrets.c.sealed.is_not(None)
        return self._connection.execute(update(secrets).where(row).values(sealed=None)).rowcount == 1

    def _with_older(self, versions: Select[Any], names: Select[Any]) -> list[Version]:
        found = [_version(row) for row in self._connection.execute(versions).mappings()]
        older = self._connection.execute(names.where(secrets.c.sealed.is_not(None)))
        return sorted([*found, *map(_of_before, older)], key=lambda each: (each.secret, each.version))


def _of_before(row: Row[Any]) -> Version:
    return Version(
        secret=SecretName(row.secret), version=row.version, state=VersionState.ACTIVE, sealed=bytes(row.sealed),
        key=topic(row.secret), attributes={}, made=Instant(row.changed), since=Instant(row.changed),
    )  # fmt: skip


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
