"""The key tables: `data_keys`, `signing_keys`, and the rows `deployment` and `root_key` of `meta`."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from remit.kernel.clock import Instant
from remit.storage.schema import data_keys, meta, signing_keys


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A row of `signing_keys`."""

    kid: str
    use: str
    algorithm: str
    public: str
    wrapped: bytes
    state: str


class SqlKeys:
    """The key tables on one open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def meta(self, key: str) -> str | None:
        """The value of `key` in `meta`, or None."""
        return self._connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()

    def put_meta(self, key: str, value: str) -> None:
        """Insert `key`; an existing one is an error of the database."""
        self._connection.execute(insert(meta).values(key=key, value=value))

    def data_keys(self, owner: str | None = None) -> list[tuple[str, int, bytes]]:
        """(owner, version, wrapped) of each owner's newest version, erased ones left out; of one owner, or all."""
        newest = select(data_keys.c.owner, func.max(data_keys.c.version).label("version")).group_by(data_keys.c.owner)
        if owner is not None:
            newest = newest.where(data_keys.c.owner == owner)
        top = newest.subquery()
        query = (
            select(data_keys.c.owner, data_keys.c.version, data_keys.c.wrapped)
            .join(top, (data_keys.c.owner == top.c.owner) & (data_keys.c.version == top.c.version))
            .where(data_keys.c.wrapped.is_not(None))
        )
        return [(row.owner, row.version, bytes(row.wrapped)) for row in self._connection.execute(query)]

    def newest_version(self, owner: str) -> int:
        """The newest version of an owner's data key, erased or not; 0 if there was none."""
        query = select(func.max(data_keys.c.version)).where(data_keys.c.owner == owner)
        return self._connection.execute(query).scalar_one() or 0

    def put_data_key(self, owner: str, version: int, wrapped: bytes, *, now: Instant) -> None:
        """Insert a data key."""
        self._connection.execute(insert(data_keys).values(owner=owner, version=version, wrapped=wrapped, created=now))

    def erase_data_keys(self, owner: str) -> None:
        """Erase all versions of an owner's data key; the rows stay, to say that there was one."""
        self._connection.execute(update(data_keys).where(data_keys.c.owner == owner).values(wrapped=None))

    def any_erased(self, owner: str) -> bool:
        """Whether a version of the owner's data key was erased."""
        query = select(data_keys.c.version).where(data_keys.c.owner == owner, data_keys.c.wrapped.is_(None)).limit(1)
        return self._connection.execute(query).first() is not None

    def signing_keys(self) -> list[WrappedKey]:
        """Every signing key, oldest first."""
        query = select(
            signing_keys.c.kid,
            signing_keys.c.use,
            signing_keys.c.algorithm,
            signing_keys.c.public,
            signing_keys.c.wrapped,
            signing_keys.c.state,
        ).order_by(signing_keys.c.created, signing_keys.c.kid)
        return [
            WrappedKey(row.kid, row.use, row.algorithm, row.public, bytes(row.wrapped), row.state)
            for row in self._connection.execute(query)
        ]

    def put_signing_key(self, key: WrappedKey, *, now: Instant) -> None:
        """Insert a signing key."""
        self._connection.execute(
            insert(signing_keys).values(
                kid=key.kid,
                use=key.use,
                algorithm=key.algorithm,
                public=key.public,
                wrapped=key.wrapped,
                state=key.state,
                created=now,
            )
        )
