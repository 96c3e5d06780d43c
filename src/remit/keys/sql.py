"""The key tables: `data_keys`, `signing_keys`, and the row `deployment` of `meta`. `roots` has `roots_sql`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from remit.kernel.clock import Instant
from remit.kernel.errors import IntegrityFailed
from remit.keys import generations
from remit.keys.rotation import USES, KeyRecord, KeyState
from remit.storage.schema import data_keys, meta, signing_keys


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A row of `signing_keys`."""

    record: KeyRecord
    public: str  # public JWK
    wrapped: bytes  # the private JWK, sealed; empty once it is retired
    generation: int  # of the root key that seals it


class WrappedDataKey(NamedTuple):
    """A row of `data_keys` that was not erased."""

    owner: str
    version: int
    generation: int  # of the root key that seals it
    wrapped: bytes


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

    def data_keys(self, owner: str | None = None) -> list[WrappedDataKey]:
        """Each owner's newest version, erased ones left out; of one owner, or all."""
        newest = select(data_keys.c.owner, func.max(data_keys.c.version).label("version")).group_by(data_keys.c.owner)
        if owner is not None:
            newest = newest.where(data_keys.c.owner == owner)
        top = newest.subquery()
        query = (
            select(data_keys.c.owner, data_keys.c.version, data_keys.c.generation, data_keys.c.wrapped)
            .join(top, (data_keys.c.owner == top.c.owner) & (data_keys.c.version == top.c.version))
            .where(data_keys.c.wrapped.is_not(None))
        )
        found = self._connection.execute(query)
        return [WrappedDataKey(owner, version, generations.read(at), bytes(key)) for owner, version, at, key in found]

    def newest_version(self, owner: str) -> int:
        """The newest version of an owner's data key, erased or not; 0 if there was none."""
        query = select(func.max(data_keys.c.version)).where(data_keys.c.owner == owner)
        return self._connection.execute(query).scalar_one() or 0

    def put_data_key(self, key: WrappedDataKey, *, now: Instant) -> None:
        """Insert a data key."""
        row = {"owner": key.owner, "version": key.version, "wrapped": key.wrapped}
        at = generations.stored(key.generation)
        self._connection.execute(insert(data_keys).values(**row, generation=at, created=now))

    def erase_data_keys(self, owner: str) -> None:
        """Erase all versions of an owner's data key; the rows stay, to say that there was one."""
        self._connection.execute(update(data_keys).where(data_keys.c.owner == owner).values(wrapped=None))

    def any_erased(self, owner: str) -> bool:
        """Whether a version of the owner's data key was erased."""
        query = select(data_keys.c.version).where(data_keys.c.owner == owner, data_keys.c.wrapped.is_(None)).limit(1)
        return self._connection.execute(query).first() is not None

    def signing_keys(self) -> list[WrappedKey]:
        """Every signing key of a use that this version knows, oldest first.

        A newer node may share the database, and keep keys that are none of this one's business.

        Raises:
            IntegrityFailed: One is in a state that there is not.
        """
        known = signing_keys.c.use.in_(USES)
        query = select(signing_keys).where(known).order_by(signing_keys.c.created, signing_keys.c.kid)
        found = self._connection.execute(query).mappings()
        return [signing_key(row) for row in found]

    def put_signing_key(self, key: WrappedKey) -> None:
        """Insert a signing key."""
        record = key.record
        self._connection.execute(
            insert(signing_keys).values(
                kid=record.kid,
                use=record.use,
                algorithm=record.algorithm,
                public=key.public,
                wrapped=key.wrapped,
                state=record.state.value,
                created=record.created,
                since=record.since,
                distrusted=record.distrusted,
                generation=generations.stored(key.generation),
            )
        )

    def move_signing_key(self, before: KeyRecord, after: KeyRecord) -> bool:
        """Bring a key into another state if it is still in the one it was in; whether it was.

        A retired key's private part goes with it: nothing signs with it, and its signatures count no more.
        """
        wiped = {"wrapped": b""} if after.state is KeyState.RETIRED else {}
        moved = (
            update(signing_keys)
            .where(signing_keys.c.kid == before.kid, signing_keys.c.state == before.state.value)
            .values(state=after.state.value, since=after.since, distrusted=after.distrusted, **wiped)
        )
        return self._connection.execute(moved).rowcount == 1


def signing_key(row: RowMapping) -> WrappedKey:
    """A row of `signing_keys`.

    Raises:
        IntegrityFailed: It is in a state that there is not.
    """
    return WrappedKey(_record(row), row["public"], bytes(row["wrapped"]), generations.read(row["generation"]))


def _record(row: RowMapping) -> KeyRecord:
    try:
        state = KeyState(row["state"])
    except ValueError as error:
        raise IntegrityFailed("a signing key is in no state that there is", detail=f"{row['kid']}"[:80]) from error
    created = Instant(row["created"])
    since = created if row["since"] is None else Instant(row["since"])  # rows that are older than the column
    return KeyRecord(
        kid=row["kid"],
        use=row["use"],
        algorithm=row["algorithm"],
        state=state,
        created=created,
        since=since,
        distrusted=bool(row["distrusted"]),
    )
