"""The log's tables (`bundles`, `entries`, `payloads`, `tiles`, `checkpoints`) on one open connection.

Statements that move many rows move them as one: Python's sqlite3 lets go of the interpreter
lock at each row, and under load every return may cost a switch interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, RowMapping, delete, func, insert, select, text

from remit.audit.checkpoint import parse
from remit.audit.tiles import Tile
from remit.kernel.clock import MINUTE, Instant
from remit.kernel.errors import Conflict
from remit.storage.schema import bundles, checkpoints, entries, meta, payloads, tiles

_LOCK = 0x52656D6A  # one sequencer at a time on PostgreSQL
# On SQLite places are given in the order of the bundles: what has none stands behind the last that has one.
_BEHIND = "bundle > coalesce((SELECT bundle FROM bundles WHERE first IS NOT NULL ORDER BY first DESC LIMIT 1), 0)"
_WAITING = text(f"""
SELECT group_concat(bundle || ' ' || count || ' ' || hex(headers), char(10)) FROM (
  SELECT bundle, count, headers FROM bundles WHERE first IS NULL AND {_BEHIND} ORDER BY bundle LIMIT :most)
""")  # noqa: S608 - constants only
# There, what a small commit wrote stands in its bundle's row until the writer files it: see storage/unfiled.py.
_UNFILED = text(f"""
SELECT i.value AS entry, b.bundle AS bundle, i.key AS slot FROM bundles AS b, json_each(b.unfiled, '$.ids') AS i
WHERE b.unfiled IS NOT NULL AND b.{_BEHIND} AND i.value IN (SELECT value FROM json_each(:entries))
""")  # noqa: S608 - constants only
_PLACE = {
    "sqlite": text("""
UPDATE bundles SET first = p.value ->> 1 FROM json_each(:rows) AS p
WHERE bundles.bundle = p.value ->> 0 AND bundles.first IS NULL
"""),
    "postgresql": text("""
UPDATE bundles SET first = CAST(p.value ->> 1 AS bigint) FROM jsonb_array_elements(CAST(:rows AS jsonb)) AS p(value)
WHERE bundles.bundle = CAST(p.value ->> 0 AS bigint) AND bundles.first IS NULL
"""),
}
_KEEP = {
    "sqlite": text("""
INSERT INTO tiles (level, "index", hashes)
SELECT p.value ->> 0, p.value ->> 1, substr(:hashes, p.value ->> 2, p.value ->> 3) FROM json_each(:rows) AS p
WHERE true ON CONFLICT (level, "index") DO UPDATE SET hashes = excluded.hashes
"""),
    "postgresql": text("""
INSERT INTO tiles (level, "index", hashes)
SELECT CAST(p.value ->> 0 AS int), CAST(p.value ->> 1 AS bigint),
  substring(CAST(:hashes AS bytea) FROM CAST(p.value ->> 2 AS int) FOR CAST(p.value ->> 3 AS int))
FROM jsonb_array_elements(CAST(:rows AS jsonb)) AS p(value)
ON CONFLICT (level, "index") DO UPDATE SET hashes = excluded.hashes
"""),
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A row of `bundles`."""

    bundle: int
    count: int
    headers: bytes
    first: int | None


@dataclass(frozen=True, slots=True)
class Signed:
    """A row of `checkpoints`."""

    size: int
    note: str
    signed: Instant


class SqlLog:
    """The log's tables on one open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    # what waits for a position -------------------------------------------------------------

    def waiting(self, most: int) -> list[Bundle]:
        """Up to `most` bundles without a position, in order."""
        if self._dialect == "sqlite":
            joined = self._connection.execute(_WAITING, {"most": most}).scalar_one()
            rows = [line.split(" ") for line in (joined or "").splitlines()]
            return sorted(
                (Bundle(int(row[0]), int(row[1]), bytes.fromhex(row[2]), None) for row in rows),
                key=lambda bundle: bundle.bundle,
            )
        query = select(bundles).where(bundles.c.first.is_(None)).order_by(bundles.c.bundle).limit(most)
        return [_bundle(row) for row in self._connection.execute(query).mappings()]

    def waiting_entries(self) -> int:
        """How many entries have no position yet."""
        query = select(func.coalesce(func.sum(bundles.c.count), 0)).where(bundles.c.first.is_(None))
        if self._dialect == "sqlite":
            query = query.where(text(_BEHIND))
        return int(self._connection.execute(query).scalar_one())

    def lock(self) -> None:
        """Wait for the turn to extend the log (PostgreSQL; SQLite's writer has the only write lock)."""
        if self._dialect == "postgresql":
            self._connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})

    def place(self, firsts: Sequence[tuple[int, int]]) -> None:
        """Give bundles their first positions: (bundle, first).

        Raises:
            Conflict: One of them is gone or has a position already.
        """
        rows = msgspec.json.encode(firsts).decode()
        if self._connection.execute(_PLACE[self._dialect], {"rows": rows}).rowcount != len(firsts):
            raise Conflict("the log was extended by someone else")

    # the tree ------------------------------------------------------------------------------

    def keep(self, changed: Sequence[Tile]) -> None:
        """Insert or replace tiles."""
        rows, at = [], 1
        for tile in changed:
            rows.append((tile.level, tile.index, at, len(tile.hashes)))
            at += len(tile.hashes)
        values = {"rows": msgspec.json.encode(rows).decode(), "hashes": b"".join(tile.hashes for tile in changed)}
        self._connection.execute(_KEEP[self._dialect], values)

    def tile(self, level: int, index: int) -> bytes | None:
        """A tile's hashes, or None."""
        query = select(tiles.c.hashes).where(tiles.c.level == level, tiles.c.index == index)
        found = self._connection.execute(query).scalar_one_or_none()
        return None if found is None else bytes(found)

    def checkpoint(self) -> str | None:
        """The newest checkpoint."""
        query = select(checkpoints.c.note).order_by(checkpoints.c.size.desc()).limit(1)
        return self._connection.execute(query).scalar_one_or_none()

    def checkpoints(self, most: int) -> list[Signed]:
        """Those that are kept, the newest first."""
        query = select(checkpoints).order_by(checkpoints.c.size.desc()).limit(most)
        return [Signed(row.size, row.note, Instant(row.signed)) for row in self._connection.execute(query)]

    def checkpoint_of(self, size: int) -> str | None:
        """The checkpoint of that size, if it is kept."""
        query = select(checkpoints.c.note).where(checkpoints.c.size == size)
        return self._connection.execute(query).scalar_one_or_none()

    def publish(self, note: str, *, after: int, now: Instant) -> None:
        """Add a checkpoint, if the newest one still is that of size `after` (0: none): compare and swap.

        Of those signed in one minute only the newest is kept.

        Raises:
            Conflict: Another one was added meanwhile; this one must never be seen.
        """
        newest = self._connection.execute(select(func.max(checkpoints.c.size))).scalar_one() or 0
        if newest != after:
            raise Conflict("the log was extended by someone else", detail=f"to {newest}, expected {after}")
        self._connection.execute(delete(checkpoints).where(checkpoints.c.signed >= now - now % MINUTE))
        self._connection.execute(insert(checkpoints).values(size=parse(note).size, note=note, signed=now))

    # entries -------------------------------------------------------------------------------

    def bundle(self, number: int) -> Bundle | None:
        """A bundle by its number."""
        row = self._connection.execute(select(bundles).where(bundles.c.bundle == number)).mappings().one_or_none()
        return None if row is None else _bundle(row)

    def newest_bundle(self) -> int:
        """The highest number of a bundle; 0 if there is none."""
        return self._connection.execute(select(func.max(bundles.c.bundle))).scalar_one() or 0

    def after(self, number: int, most: int) -> list[Bundle]:
        """Up to `most` bundles with higher numbers than `number`, upwards."""
        query = select(bundles).where(bundles.c.bundle > number).order_by(bundles.c.bundle).limit(most)
        return [_bundle(row) for row in self._connection.execute(query).mappings()]

    def before(self, number: int, most: int) -> list[Bundle]:
        """Up to `most` bundles with lower numbers than `number`, downwards."""
        query = select(bundles).where(bundles.c.bundle < number).order_by(bundles.c.bundle.desc()).limit(most)
        return [_bundle(row) for row in self._connection.execute(query).mappings()]

    def holding(self, position: int, most: int) -> list[Bundle]:
        """The last bundle that begins at or before `position`, and those that follow, up to `most`."""
        start = (
            select(func.max(bundles.c.first)).where(bundles.c.first <= position).scalar_subquery()  # by the index
        )
        query = select(bundles).where(bundles.c.first >= func.coalesce(start, 0)).order_by(bundles.c.first).limit(most)
        return [_bundle(row) for row in self._connection.execute(query).mappings()]

    def place_of(self, entry: str) -> tuple[int, int] | None:
        """(bundle, slot) where the index says that an entry stands."""
        query = select(entries.c.bundle, entries.c.slot).where(entries.c.entry == entry)
        row = self._connection.execute(query).one_or_none() or next(iter(self._unfiled([entry])), None)
        return None if row is None else (row.bundle, row.slot)

    def places_of(self, ids: Sequence[str]) -> dict[str, int]:
        """The bundle of each of these entries that is in the log."""
        found: dict[str, int] = {}
        for at in range(0, len(ids), 500):
            query = select(entries.c.entry, entries.c.bundle).where(entries.c.entry.in_(ids[at : at + 500]))
            found.update({row.entry: row.bundle for row in self._connection.execute(query)})
        missing = [entry for entry in ids if entry not in found]
        found.update({row.entry: row.bundle for row in self._unfiled(missing)})
        return found

    def _unfiled(self, ids: Sequence[str]) -> Sequence[Row[Any]]:
        """Where those of these entries stand that are not in the index yet."""
        if self._dialect != "sqlite" or not ids:
            return ()
        return self._connection.execute(_UNFILED, {"entries": msgspec.json.encode(ids).decode()}).all()

    def payloads(self, number: int) -> bytes | None:
        """The sealed payloads of a bundle, framed; None if it has none."""
        here = select(bundles.c.sealed).where(bundles.c.bundle == number).scalar_subquery()
        query = select(
            func.coalesce(select(payloads.c.sealed).where(payloads.c.bundle == number).scalar_subquery(), here)
        )
        found = self._connection.execute(query).scalar_one_or_none()
        return None if found is None else bytes(found)

    # marks ---------------------------------------------------------------------------------

    def mark(self, key: str) -> int:
        """A number kept in `meta`; 0 if it was never kept."""
        return int(self._connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none() or 0)

    def set_mark(self, key: str, value: int) -> None:
        """Keep a number in `meta`."""
        self._connection.execute(delete(meta).where(meta.c.key == key))
        self._connection.execute(insert(meta).values(key=key, value=str(value)))


def _bundle(row: RowMapping) -> Bundle:
    return Bundle(row["bundle"], row["count"], bytes(row["headers"]), row["first"])
