"""The table `roots`, and what an older root than the newest still seals."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, func, insert, select, text, update

from remit.kernel.clock import Instant
from remit.keys import generations
from remit.keys.sql import WrappedDataKey, WrappedKey, signing_key
from remit.storage.schema import data_keys, roots, signing_keys

# The driver of SQLite lets go of the interpreter at each row and each statement, and in a busy server each return may
# cost a turn of 0.5 ms. So a batch is read as one row and written by one statement: a thousand turns less, in the
# second of which the writer would be held.
_READ: Final = """
SELECT json_group_array(json_array(owner, version, generation, hex(wrapped))) FROM (
    SELECT owner, version, generation, wrapped FROM data_keys WHERE wrapped IS NOT NULL AND {older} LIMIT :most
)
"""
_FIRST_ONES: Final = "generation IS NULL"
_LATER_ONES: Final = "generation < :newest"
_WRITE: Final = text("""
UPDATE data_keys SET wrapped = substr(:sealed, w.value ->> 4, w.value ->> 5), generation = :generation
FROM json_each(:places) AS w
WHERE owner = w.value ->> 0 AND version = w.value ->> 1 AND wrapped = substr(:sealed, w.value ->> 2, w.value ->> 3)
""")


@dataclass(frozen=True, slots=True)
class StoredRoot:
    """A row of `roots`."""

    generation: int
    wrapped: bytes | None  # None once it is retired
    created: Instant
    retired: Instant | None


@dataclass(frozen=True, slots=True)
class Resealed:
    """A key as it stood, and the same key sealed anew."""

    before: WrappedDataKey | WrappedKey
    wrapped: bytes


class SqlRoots:
    """The root keys, on one open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lite = connection.dialect.name == "sqlite"

    def all(self) -> list[StoredRoot]:
        """Every generation there is or was, oldest first."""
        found = self._connection.execute(select(roots).order_by(roots.c.generation)).mappings()
        return [_root(row) for row in found]

    def add(self, root: StoredRoot) -> None:
        """Insert a generation; one that is there is an error of the database."""
        self._connection.execute(
            insert(roots).values(generation=root.generation, wrapped=root.wrapped, created=root.created, retired=None)
        )

    def rewrap(self, generation: int, wrapped: bytes) -> None:
        """Put a root key's new wrapping in the place of the old one."""
        row = roots.c.generation == generation
        self._blank(row)
        self._connection.execute(update(roots).where(row).values(wrapped=wrapped))

    def retire(self, before: int, *, now: Instant) -> int:
        """Wipe the wrapping of every generation before that one; how many that were."""
        older = (roots.c.generation < before) & roots.c.retired.is_(None)
        self._blank(older)
        return self._connection.execute(update(roots).where(older).values(wrapped=None, retired=now)).rowcount

    def older_data_keys(self, newest: int, most: int) -> list[WrappedDataKey]:
        """At most so many data keys, erased ones left out, that an older root than `newest` seals."""
        return self._some(_FIRST_ONES, newest, most) or self._some(_LATER_ONES, newest, most)

    def older_signing_keys(self, newest: int) -> list[WrappedKey]:
        """The signing keys, retired ones left out, that an older root seals. Also of uses that are not known here."""
        rest = (signing_keys.c.wrapped != b"") & (func.coalesce(signing_keys.c.generation, generations.FIRST) < newest)
        found = self._connection.execute(select(signing_keys).where(rest)).mappings()
        return [signing_key(row) for row in found]

    def left(self, newest: int) -> int:
        """How many keys an older root than `newest` seals."""
        count = select(func.count()).select_from(data_keys).where(data_keys.c.wrapped.is_not(None))
        rest = (data_keys.c.generation.is_(None), data_keys.c.generation < newest)
        found = sum(self._connection.execute(count.where(each)).scalar_one() for each in rest)
        return found + len(self.older_signing_keys(newest))

    def total(self) -> int:
        """How many keys there are that a root seals."""
        count = select(func.count()).select_from(data_keys).where(data_keys.c.wrapped.is_not(None))
        signing = select(func.count()).select_from(signing_keys).where(signing_keys.c.wrapped != b"")
        return sum(self._connection.execute(each).scalar_one() for each in (count, signing))

    def reseal_data_keys(self, keys: Sequence[Resealed], generation: int) -> int:
        """Put the new seals in the place of the old ones, where these still stand; how many did.

        One that was erased meanwhile stays so, and one that another node was quicker with is not touched.
        """
        named = [(key, key.before) for key in keys if isinstance(key.before, WrappedDataKey)]
        if not named:
            return 0
        if self._lite:
            return self._at_once([(before, key.wrapped) for key, before in named], generation)
        changed = (
            update(data_keys)
            .where(
                data_keys.c.owner == bindparam("its_owner"),
                data_keys.c.version == bindparam("its_version"),
                data_keys.c.wrapped == bindparam("its_old"),
            )
            .values(wrapped=bindparam("its_new"), generation=generation)
        )
        rows = [
            {
                "its_owner": before.owner,
                "its_version": before.version,
                "its_old": before.wrapped,
                "its_new": key.wrapped,
            }
            for key, before in named
        ]
        return self._connection.execute(changed, rows).rowcount

    def reseal_signing_keys(self, keys: Sequence[Resealed], generation: int) -> int:
        """The same of signing keys."""
        changed = 0
        for key in keys:
            if isinstance(key.before, WrappedKey):
                row = signing_keys.c.kid == key.before.record.kid, signing_keys.c.wrapped == key.before.wrapped
                put = update(signing_keys).where(*row).values(wrapped=key.wrapped, generation=generation)
                changed += self._connection.execute(put).rowcount
        return changed

    def _blank(self, rows: ColumnElement[bool]) -> None:
        """Write zeros over wrappings. SQLite puts what is as long in the same place; what is not stays beside it."""
        if self._lite:
            zeros = func.zeroblob(func.length(roots.c.wrapped))
            self._connection.execute(update(roots).where(rows, roots.c.wrapped.is_not(None)).values(wrapped=zeros))

    def _some(self, older: str, newest: int, most: int) -> list[WrappedDataKey]:
        if self._lite:
            read = text(_READ.format(older=older))
            values = {"most": most} | ({"newest": newest} if older == _LATER_ONES else {})
            rows = msgspec.json.decode(self._connection.execute(read, values).scalar_one())
            return [WrappedDataKey(owner, version, generations.read(at), bytes.fromhex(wrapped))
                    for owner, version, at, wrapped in rows]  # fmt: skip
        first = older == _FIRST_ONES
        query = (
            select(data_keys.c.owner, data_keys.c.version, data_keys.c.generation, data_keys.c.wrapped)
            .where(data_keys.c.wrapped.is_not(None))
            .where(data_keys.c.generation.is_(None) if first else data_keys.c.generation < newest)
            .limit(most)
        )
        found = self._connection.execute(query)
        return [WrappedDataKey(owner, version, generations.read(at), bytes(key)) for owner, version, at, key in found]

    def _at_once(self, keys: Sequence[tuple[WrappedDataKey, bytes]], generation: int) -> int:
        """One statement: the bytes travel as one value, and the rows as JSON that says where in it theirs are."""
        parts = [part for before, wrapped in keys for part in (before.wrapped, wrapped)]
        lengths = [len(part) for part in parts]
        starts = [1, *(1 + end for end in itertools.accumulate(lengths))]  # SQL counts from 1
        spans = list(zip(starts, lengths, strict=False))
        places = [
            [before.owner, before.version, *spans[2 * at], *spans[2 * at + 1]] for at, (before, _) in enumerate(keys)
        ]
        values = {"sealed": b"".join(parts), "places": msgspec.json.encode(places).decode(), "generation": generation}
        return self._connection.execute(_WRITE, values).rowcount


def _root(row: RowMapping) -> StoredRoot:
    wrapped, retired = row["wrapped"], row["retired"]
    return StoredRoot(
        generation=row["generation"],
        wrapped=None if wrapped is None else bytes(wrapped),
        created=Instant(row["created"]),
        retired=None if retired is None else Instant(retired),
    )
